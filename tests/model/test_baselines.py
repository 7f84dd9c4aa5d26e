from __future__ import annotations

import logging

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from scmog.model import _baselines
from scmog.model._baselines import Baselines, TrainingCells, some_cells
from scmog.model._source_space import SourceSpace
from scmog.model._target_scale import target_values

DIRECTIONS = [("rna", "atac"), ("atac", "rna"), ("rna", "protein"), ("protein", "rna")]
KEPT = ["training mean", "mean x source depth", "ridge"]


@pytest.fixture
def counts(paired):
    return {name: sp.csr_matrix(paired[name].X) for name in ("rna", "atac", "protein")}


def parts(counts, direction, n_validation=20, labels=None):
    source, target = (counts[name] for name in direction)
    rows = (slice(0, 80), slice(80, 80 + n_validation))[: 1 + bool(n_validation)]
    cells = [
        TrainingCells(source=source[r], target=target[r], labels=None if labels is None else labels[r]) for r in rows
    ]
    return SourceSpace(direction[0], 20.0).fit(source[:80]), cells


def predictions(baselines, source, **options):
    cells = baselines.look(source, **options)
    return {name: np.concatenate(list(baselines.predict(name, cells))) for name in baselines.names}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("n_validation", [0, 1, 20])
def test_baselines_survive_their_state(counts, direction, n_validation):
    source, target = (counts[name] for name in direction)
    space, cells = parts(counts, direction, n_validation)
    fitted = Baselines(space, direction[1]).fit(*cells)
    assert fitted.names == KEPT
    expected = predictions(fitted, source[100:])
    for name, values in predictions(Baselines.from_state(fitted.state()), source[100:]).items():
        np.testing.assert_array_equal(values, expected[name])
        assert values.shape == (20, target.shape[1])
        assert np.isfinite(values).all()
    truth = target_values(direction[1], target[:80], 20.0)
    mean = np.asarray((truth.toarray() if sp.issparse(truth) else truth).mean(axis=0)).ravel()
    np.testing.assert_allclose(expected["training mean"][0], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(fitted.training_mean, expected["training mean"][0])


def test_ridge_beats_the_mean_where_there_is_structure(counts):
    space, cells = parts(counts, ("rna", "rna"))
    truth = target_values("rna", counts["rna"][100:], 20.0).toarray()
    found = predictions(Baselines(space, "rna").fit(*cells), counts["rna"][100:])
    error = {name: np.mean((values - truth) ** 2) for name, values in found.items()}
    assert error["ridge"] < 0.8 * error["training mean"]


def test_ridge_is_scikit_learn_s_on_the_space(counts):
    space, cells = parts(counts, ("rna", "protein"))
    baselines = Baselines(space, "protein").fit(*cells)
    chosen = baselines.fitted["ridge"].parameters
    z = [space.transform(counts["rna"][rows])[:, : chosen["n_components"]] for rows in (slice(0, 80), slice(100, 120))]
    y = target_values("protein", counts["protein"][:80], 20.0)
    expected = Ridge(alpha=chosen["penalty"]).fit(z[0], y).predict(z[1])
    found = predictions(baselines, counts["rna"][100:])["ridge"]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("n_validation", [0, 20])
def test_more_baselines(counts, direction, n_validation, monkeypatch):
    labels = np.array(["a", "b", None, "c"] * 30, dtype=object)
    source, target = (counts[name] for name in direction)
    space, cells = parts(counts, direction, n_validation, labels)
    baselines = Baselines(space, direction[1]).fit(*cells)
    baselines.fit_more(cells[0], cells[1] if n_validation else None, None)
    assert baselines.names == [
        *KEPT,
        "kNN",
        "kernel ridge",
        "cell-type mean",
        "mean x true depth (confounder)",
    ]
    rows = slice(100, 120)
    options = {"target": target[rows], "labels": labels[rows]}
    found = predictions(baselines, source[rows], **options)
    assert all(values.shape == (20, target.shape[1]) and np.isfinite(values).all() for values in found.values())
    monkeypatch.setattr("scmog.model._predictions._BLOCK_ENTRIES", 3 * target.shape[1])
    for name, values in predictions(baselines, source[rows], **options).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-4, atol=1e-5)
    unlabelled = found["cell-type mean"][2::4]  # get the mean of all labelled training cells
    labelled = np.flatnonzero(labels[:80] != None)  # noqa: E711
    truth = target_values(direction[1], target[:80][labelled], 20.0)
    mean = np.asarray((truth.toarray() if sp.issparse(truth) else truth).mean(axis=0)).ravel()
    np.testing.assert_allclose(unlabelled, np.tile(mean, (5, 1)), rtol=1e-4, atol=1e-6)


def test_the_confounder_is_told_the_depth_of_the_measured_peaks_only(counts):
    space, cells = parts(counts, ("rna", "atac"))
    absent = np.arange(60) < 30
    baselines = Baselines(space, "atac").fit(*cells)
    baselines.fit_more(*cells, absent)
    atac = counts["atac"][100:]
    look = baselines.look(counts["rna"][100:], target=atac, absent=absent)
    np.testing.assert_array_equal(look.target_depth, (atac.toarray()[:, 30:] > 0).sum(axis=1))


def test_cells_of_unknown_types_are_reported_once(counts, caplog):
    labels = np.array(["a", "b"] * 60, dtype=object)
    space, cells = parts(counts, ("rna", "protein"), labels=labels)
    baselines = Baselines(space, "protein").fit(*cells)
    baselines.fit_more(*cells, None)
    look = baselines.look(counts["rna"][:4], labels=np.array(["a", None, "new", "new"], dtype=object))
    with caplog.at_level(logging.WARNING):
        list(baselines.predict("cell-type mean", look))
    (record,) = caplog.records
    assert record.getMessage().startswith("3 of the scored cells have no label, or one that no training cell has (new)")


def test_of_many_cells_some_are_taken(monkeypatch):
    np.testing.assert_array_equal(some_cells(np.array([5, 1, 3])), [1, 3, 5])
    monkeypatch.setattr(_baselines, "MAX_CELLS", 10)
    chosen = some_cells(np.arange(100)[::-1])
    assert len(np.unique(chosen)) == 10
    np.testing.assert_array_equal(chosen, np.sort(chosen))
    np.testing.assert_array_equal(chosen, some_cells(np.arange(100)[::-1]))


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csc_matrix, np.asarray], ids=["csr", "csc", "dense"])
def test_fewer_cells_of_wide_matrices(make, monkeypatch):
    """Those that hold the largest number of entries: 60 cells with 4 entries each, or 10 values where dense."""
    x = np.tile([1, 0, 1, 0, 1, 0, 1, 0, 0, 0], (60, 1))
    matrix, per_cell = make(x), 10 if make is np.asarray else 4
    monkeypatch.setattr(_baselines, "MAX_ENTRIES", 100)
    chosen = some_cells(np.arange(60), matrix, matrix[:, :4])
    assert len(set(chosen)) == len(chosen) == 100 // per_cell
    assert len(some_cells(np.arange(60), matrix, max_entries=40)) == 40 // per_cell
    assert len(some_cells(np.arange(60), matrix, max_entries=1)) == 1


def test_entries_on_disk_are_counted_without_reading_them(tmp_path):
    x = sp.random(30, 20, density=0.2, format="csr", random_state=0)
    anndata.AnnData(x).write_h5ad(tmp_path / "x.h5ad")
    on_disk = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    assert _baselines.entries_per_cell(on_disk.X) == pytest.approx(x.nnz / 30)
    on_disk.file.close()
