"""Two processes on the CPU, started by Lightning from a script as a user would write it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import scmog

SCRIPT = Path(__file__).with_name("two_processes.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(scmog.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    child = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert child.returncode == 0, child.stderr
    return child


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes: sums in another order differ in the last digit, of which Adam makes more."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process has in the end."""
    folder = tmp_path_factory.mktemp("ranks")
    run([str(SCRIPT), str(folder)], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["rank0.pt", "rank1.pt"]  # and no other file
    return [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.equal(a, b) or bool(a.isnan().all() and b.isnan().all())


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Of all weights; buffers are fitted before or after."""
    weights = [name for name in a if name.startswith("translators.") and a[name].numel() and not a[name].isnan().any()]
    return max(float((a[name] - b[name]).abs().max()) for name in weights)


@pytest.mark.parametrize("kind", ["usual", "whole"])
def test_both_end_with_the_same_weights(ranks: list[dict[str, Any]], kind: str) -> None:
    first, second = (rank[kind]["state"] if kind == "usual" else rank[kind] for rank in ranks)
    different = [name for name, value in first.items() if not same(value, second[name])]
    assert different == []


def test_both_went_through_both_stages_and_stopped_together(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["usual"] for rank in ranks)
    assert first["n_epochs"] == second["n_epochs"] < 31  # one of pre-training and at most thirty
    # the losses by which they stop are those of all validation cells, not of a process's own
    assert first["metrics"] == second["metrics"]
    assert first["id"] == second["id"]
    assert first["scores"] == second["scores"]


def test_the_first_process_has_the_history(ranks: list[dict[str, Any]]) -> None:
    first, second = (rank["usual"] for rank in ranks)
    history = first["history"]
    n_supervised = first["n_epochs"] - 1
    assert [len(history[key]) for key in ("critic_loss_train", "generator_loss_train")] == [1, 1]
    assert [len(history[key]) for key in ("train_loss", "validation_loss")] == [n_supervised, n_supervised]
    assert history["validation_loss"][-1] == pytest.approx(first["metrics"]["validation_loss"])
    assert second["history"] == {}


@pytest.mark.usefixtures("one_thread")
def test_gradients_are_averaged(ranks: list[dict[str, Any]], script: ModuleType) -> None:
    """Two processes with half of the cells each take the steps of one process with all of them, in both stages.

    Without batch norm over a mini-batch and without dropout, which see the cells of one process only, the mean over
    all cells is the mean of the two means, and so are the gradients.
    """
    mdata = script.data()
    scmog.model.SCMOG.setup_mudata(mdata)
    whole = script.train_on_whole_batches(mdata, 1).module.state_dict()
    half = script.train_on_whole_batches(mdata, 2, limit_train_batches=1).module.state_dict()
    assert largest_difference(ranks[0]["whole"], whole) < 1e-5  # single precision, four steps
    assert largest_difference(ranks[0]["whole"], half) > 1e-3  # what a process would do by itself


def test_of_the_command_line_one_process_writes(tmp_path: Path) -> None:
    scmog.datasets.simulate(n_cells=200, n_genes=30, n_peaks=60, seed=0).write_h5mu(tmp_path / "paired.h5mu")
    arguments = "-m scmog train paired.h5mu --output model --max-epochs 1 --accelerator cpu --devices 2".split()
    arguments += "--directions rna:atac --train-size 0.6 --validation-size 0.2".split()
    shown = run(arguments, tmp_path).stdout
    assert shown.count("Model: model") == shown.count("Scores of 40 test cells") == 1
    assert scmog.model.SCMOG.load(tmp_path / "model", adata=False).is_trained
