"""Generation to disk that was killed is taken up again, and makes the same file."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import torch
import zarr
from mudata import MuData

import scmog.model._growing as growing_module
import scmog.model._store as store_module
from scmog.model import SCMOG

# anndata 0.12 announces another default format
pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2 data")

_SCRIPT = Path(__file__).with_name("_generate_and_be_killed.py")
_spec = importlib.util.spec_from_file_location("generate_and_be_killed", _SCRIPT)
_killer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_killer)
CASES, OPTIONS = _killer.CASES, _killer.OPTIONS
# cells that are complete when the process dies; 120 in all, 25 in a block
_N_KEPT = {"between": 50, "within": 50, "first": 0, "dense": 75, "hdf5": 50, "assembly": 120}


@pytest.fixture(scope="module")
def saved(trained, _simulated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    trained.save(str(folder / "model"))
    MuData({"rna": _simulated["rna"].copy()}).write_h5mu(folder / "query.h5mu")
    return folder


@pytest.fixture(scope="module")
def killed(saved, tmp_path_factory):
    """A folder for each case, as a process left it that got SIGKILL."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-W", "ignore", str(_SCRIPT), *map(str, (saved / "model", saved / "query.h5mu", folder))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.split(" ")[0] in CASES]  # scvi-tools prints, too
    assert lines == [f"{case} {signal.SIGKILL:d}" for case in CASES], ended.stderr[-3000:]
    return folder


@pytest.fixture
def model(saved):
    return SCMOG.load(saved / "model", adata=False)


@pytest.fixture
def left(killed, tmp_path):
    """A copy of what a case left behind, which the test may change; and the path of the store."""

    def copy(case):
        shutil.copytree(killed / case, tmp_path / case)
        return tmp_path / case / CASES[case][0]

    return copy


def contents(path: Path) -> dict:
    """Every array and attribute of a store."""
    found = {}

    def visit(name, element):
        found[name, "attributes"] = {key: np.asarray(value).tolist() for key, value in dict(element.attrs).items()}
        if getattr(element, "shape", None) is not None:  # groups have none, and empty datasets of HDF5
            found[name] = element[()] if element.shape == () else element[:]

    if path.suffix == ".h5ad":
        with h5py.File(path) as file:
            visit("", file)
            file.visititems(visit)
    else:
        group = zarr.open_group(str(path), mode="r")
        visit("", group)
        for name, element in group.members(max_depth=None):
            visit(name, element)
    return found


def assert_same_contents(path: Path, expected: Path) -> None:
    a, b = contents(path), contents(expected)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=str(name))
        assert getattr(a[name], "dtype", None) == getattr(b[name], "dtype", None), name


def n_generated(model, monkeypatch) -> list:
    """Will hold the number of cells of each block that the model makes."""
    seen = []
    for name in ("sample", "sample_above"):
        function = getattr(model.module, name)

        def spy(tensors, *args, function=function, **kwargs):
            seen.append(len(next(iter(tensors.values()))))
            return function(tensors, *args, **kwargs)

        monkeypatch.setattr(model.module, name, spy)
    return seen


@pytest.mark.parametrize("case", CASES)
def test_a_killed_generation_goes_on(model, query, left, tmp_path, monkeypatch, case):
    path, threshold = left(case), CASES[case][1]
    expected = tmp_path / f"whole{path.suffix}"
    model.generate(query, **OPTIONS, threshold=threshold, store=expected)
    seen = n_generated(model, monkeypatch)
    model.generate(query, **OPTIONS, threshold=threshold, store=path)
    assert sum(seen) == 120 - _N_KEPT[case]
    assert_same_contents(path, expected)
    assert os.listdir(path.parent) == [path.name]
    in_memory = model.get_generated(query, **OPTIONS, threshold=threshold)
    read = anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)
    for found in (query["atac_generated"].to_memory(), read):
        assert abs(found.X - in_memory.X).max() == 0


def test_a_killed_generation_can_be_killed_again(model, query, left, tmp_path, monkeypatch):
    path, expected = left("within"), tmp_path / "whole.zarr"
    model.generate(query, **OPTIONS, store=expected)
    monkeypatch.setattr(store_module, "_ENTRIES_PER_COMMIT", 1)
    for _ in range(2):  # 50 cells are there, 25 more each time
        with monkeypatch.context() as patch:
            append, calls = store_module._append, []

            def interrupted(*args, append=append, calls=calls):
                calls.append(append(*args))
                if len(calls) == 2:
                    raise KeyboardInterrupt

            patch.setattr(store_module, "_append", interrupted)
            with pytest.raises(KeyboardInterrupt):
                model.generate(query, **OPTIONS, store=path)
    seen = n_generated(model, monkeypatch)
    model.generate(query, **OPTIONS, store=path)
    assert sum(seen) == 20
    assert_same_contents(path, expected)


@pytest.mark.parametrize("suffix", [".zarr", ".h5ad"])
@pytest.mark.parametrize("part", ["X/indices", "X/indptr", "layers/probability/data", "layers/probability/indptr"])
def test_a_disk_that_is_full_between_the_parts_of_a_matrix(model, query, tmp_path, monkeypatch, suffix, part):
    """What was put into the first ones is not to stay in front of what comes then."""
    path, expected = tmp_path / f"x{suffix}", tmp_path / f"whole{suffix}"
    model.generate(query, **OPTIONS, store=expected)
    monkeypatch.setattr(store_module, "_ENTRIES_PER_COMMIT", 1)
    with monkeypatch.context() as patch:
        append, calls = growing_module._append, []

        def full(array, values):
            if array.path == part and len(values) > 1:  # not the first row pointer
                calls.append(part)
                if len(calls) == 3:
                    raise OSError(errno.ENOSPC, "No space left on device")
            append(array, values)

        patch.setattr(growing_module, "_append", full)
        with pytest.raises(OSError, match="No space left") as caught:
            model.generate(query, **OPTIONS, store=path)
    assert "50 of 120 cells are kept" in caught.value.__notes__[0]
    seen = n_generated(model, monkeypatch)
    model.generate(query, **OPTIONS, store=path)
    assert sum(seen) == 70
    assert_same_contents(path, expected)


@pytest.mark.parametrize("case", CASES)
def test_an_unfinished_store_is_not_taken_for_a_complete_one(left, case):
    path = left(case)
    assert not path.exists()
    assert os.listdir(path.parent) == [f"{path.name}.unfinished"]
    marker = json.loads((path.parent / f"{path.name}.unfinished" / "progress.json").read_text())
    assert marker["n_rows"] == _N_KEPT[case]
    assert marker["request"]["n_cells"] == 120
    if 0 < _N_KEPT[case] < 120:  # even who looks inside
        with pytest.raises(Exception, match="as many rows as"):
            anndata.read_zarr(path.parent / f"{path.name}.unfinished" / "store.zarr")


# ------------------------------------------------------------------ something else
def _other_cells(query):
    query["rna"].obs_names = [f"other_{i}" for i in range(120)]
    query.update()


def _other_counts(query):
    query["rna"].X.data[5] += 1


def _other_genes(query):
    query["rna"].X = query["rna"].X[:, ::-1].copy()


@pytest.mark.parametrize(
    ("change", "options", "named"),
    [
        pytest.param(None, {"threshold": 0.5}, r"threshold: found 'density', expected 'number'", id="threshold"),
        pytest.param(None, {"threshold": None}, r"threshold: found 'density', expected 'none'", id="no threshold"),
        pytest.param(None, {"batch_size": 30}, r"batch_size: found 25, expected 30", id="batch size"),
        pytest.param(None, {"target": "protein"}, r"target: found 'atac', expected 'protein'", id="target"),
        pytest.param(_other_cells, {}, r"cells: found '[0-9a-f]+", id="names"),
        pytest.param(_other_counts, {}, r"cells: found '[0-9a-f]+", id="counts"),
        pytest.param(_other_genes, {}, r"cells: found '[0-9a-f]+", id="counts of other genes"),
    ],
)
def test_an_unfinished_store_of_something_else_is_refused(model, query, left, snapshot, change, options, named):
    path = left("within")
    files = sorted(path.parent.rglob("*"))
    if change:
        change(query)
    before = snapshot(query)
    with pytest.raises(
        FileExistsError, match=rf"x.zarr.unfinished' holds.*something else \(.*{named}.*otherwise remove"
    ):
        model.generate(query, **{**OPTIONS, **options}, store=path)
    assert sorted(path.parent.rglob("*")) == files
    assert snapshot(query) == before


def test_another_model_is_refused(model, query, left, make_model, paired):
    path, other = left("within"), make_model(paired)
    with pytest.raises(FileExistsError, match=f"model_id: found '{model.model_id_}', expected '{other.model_id_}'"):
        other.generate(query, **OPTIONS, store=path)


def test_a_model_that_was_trained_further_is_refused(query, model, left):
    path = left("within")
    with torch.no_grad():  # it keeps its id
        next(model.module.parameters()).add_(0.1)
    with pytest.raises(FileExistsError, match=r"weights: found '\w+\.*, expected '\w+"):
        model.generate(query, **OPTIONS, store=path)


@pytest.mark.parametrize("name", [None, "progress.json"], ids=["foreign", "damaged"])
def test_a_directory_that_is_no_unfinished_store_is_refused(model, query, tmp_path, name):
    directory = tmp_path / "x.zarr.unfinished"
    directory.mkdir()
    (directory / (name or "mine.txt")).write_text("important")
    with pytest.raises(FileExistsError, match="in the way of an unfinished store.*remove it or choose another store"):
        model.generate(query, **OPTIONS, store=tmp_path / "x.zarr")
    assert (directory / (name or "mine.txt")).read_text() == "important"


def test_damaged_matrices_are_noticed(model, query, left):
    path = left("within")
    group = zarr.open_group(str(path.parent / "x.zarr.unfinished" / "store.zarr"))
    group["X/data"].resize((3,))
    with pytest.raises(RuntimeError, match="should hold 50 complete cells and is damaged.*remove it to start again"):
        model.generate(query, **OPTIONS, store=path)
    assert (path.parent / "x.zarr.unfinished" / "progress.json").exists()


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize("kind", [OSError, MemoryError, RuntimeError])
def test_cells_that_are_there_outlive_an_error(model, query, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(store_module, "_ENTRIES_PER_COMMIT", 1)
    append, calls = store_module._append, []

    def fail(*args):
        calls.append(1)
        if len(calls) == 3:
            message = "disk full"
            raise kind(message)
        append(*args)

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_append", fail)
        with pytest.raises(kind, match="disk full") as caught:
            model.generate(query, **OPTIONS, store=tmp_path / "x.h5ad")
    assert "50 of 120 cells are kept" in caught.value.__notes__[0]
    seen = n_generated(model, monkeypatch)
    model.generate(query, **OPTIONS, store=tmp_path / "x.h5ad")
    assert sum(seen) == 70


def test_another_process_that_goes_on_is_noticed(model, query, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_ENTRIES_PER_COMMIT", 1)
    append, calls = store_module._append, []

    def both(*args):
        append(*args)
        calls.append(1)
        if len(calls) == 2:  # another one starts: it finds one complete block, and says that it is the writer now
            marker = tmp_path / "x.zarr.unfinished" / "progress.json"
            marker.write_text(json.dumps(json.loads(marker.read_text()) | {"writer": "another"}))

    monkeypatch.setattr(store_module, "_append", both)
    with pytest.raises(RuntimeError, match="another process writes .*x.zarr' too"):
        model.generate(query, **OPTIONS, store=tmp_path / "x.zarr")
    assert json.loads((tmp_path / "x.zarr.unfinished" / "progress.json").read_text())["n_rows"] == 25


def test_an_error_leaves_what_another_process_has_taken_over(model, query, tmp_path, monkeypatch):
    marker = tmp_path / "x.zarr.unfinished" / "progress.json"

    def taken_over(*args):
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"writer": "another"}))
        message = "out of memory"
        raise MemoryError(message)

    monkeypatch.setattr(store_module, "_append", taken_over)
    with pytest.raises(MemoryError, match="out of memory"):
        model.generate(query, **OPTIONS, store=tmp_path / "x.zarr")
    assert json.loads(marker.read_text())["writer"] == "another"


# ------------------------------------------------------------------ progress
@pytest.mark.parametrize("style", ["tqdm", "rich"])
@pytest.mark.parametrize(
    ("options", "shown"), [({}, True), ({"batch_size": 60}, False), ({"show_progress": False}, False)]
)
@pytest.mark.parametrize("store", ["x.zarr", None])
def test_progress_bar(model, query, tmp_path, capsys, monkeypatch, style, options, shown, store):
    monkeypatch.setattr("scvi.settings.progress_bar_style", style)
    options = {**OPTIONS, "show_progress": True, **options}
    if store:
        model.generate(query, **options, store=tmp_path / store)
    else:
        model.get_generated(query, **options)
    written = capsys.readouterr().out
    assert ("Generating atac" in written and "100%" in written) == shown
    assert bool(written) == shown
