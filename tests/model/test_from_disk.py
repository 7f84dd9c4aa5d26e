"""Training on matrices that stay on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import pytest
import torch
import zarr
from anndata import AnnData
from anndata.io import sparse_dataset
from mudata import MuData

from scmog.data import _count_field
from scmog.model import SCMOG, _baselines, _fitting, _query

pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2 data")  # anndata 0.12, on how it writes

TRAIN = {"n_epochs_pretrain": 1, "max_epochs": 2, "batch_size": 16, "seed": 4, "split_key": "split"}


@pytest.fixture
def in_memory(paired: MuData) -> MuData:
    """RNA and ATAC, sparse, as a copy that knows no model."""
    mdata = MuData(
        {name: AnnData(paired[name].X, obs=paired[name].obs, var=paired[name].var) for name in ("rna", "atac")}
    )
    mdata.obs["split"] = np.random.default_rng(0).permutation(["train"] * 90 + ["validation"] * 20 + ["test"] * 10)
    return mdata


@pytest.fixture(params=["h5mu", "zarr"])
def on_disk(request: pytest.FixtureRequest, in_memory: MuData, tmp_path: Path) -> Iterator[MuData]:
    """The same cells on disk."""
    if request.param == "h5mu":
        in_memory.write(tmp_path / "cells.h5mu")
        mdata = mudata.read_h5mu(tmp_path / "cells.h5mu", backed=True)
        yield mdata
        mdata.file.close()
        return
    parts = {}
    for name, adata in in_memory.mod.items():
        adata.write_zarr(tmp_path / f"{name}.zarr")
        matrix = sparse_dataset(zarr.open(tmp_path / f"{name}.zarr", mode="r")["X"])
        parts[name] = AnnData(matrix, obs=adata.obs, var=adata.var)
    mdata = MuData(parts)
    mdata.obs["split"] = in_memory.obs["split"]
    yield mdata


def test_same_model_as_in_memory(in_memory: MuData, on_disk: MuData, make_model: Callable[..., SCMOG]) -> None:
    """Bit for bit, both stages, calibration and baselines included."""
    expected, model = (make_model(mdata, train=TRAIN) for mdata in (in_memory, on_disk))
    for name, value in expected.module.state_dict().items():
        torch.testing.assert_close(model.module.state_dict()[name], value, rtol=0, atol=0, equal_nan=True)
    scores = [m.evaluate(split="test", metrics=["auroc", "pearson"])["value"] for m in (expected, model)]
    np.testing.assert_array_equal(*scores)


def test_no_step_reads_a_whole_matrix(
    on_disk: MuData, make_model: Callable[..., SCMOG], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every bound at a few cells, no read is larger than a few times that."""
    n_read: list[int] = []
    kind: Any = type(on_disk["atac"].X)
    read = kind.__getitem__

    def noted(matrix: Any, index: Any) -> Any:
        block = read(matrix, index)
        n_read.append(block.shape[0])
        return block

    def refused(matrix: Any) -> Any:
        message = "the whole matrix was loaded"
        raise AssertionError(message)

    monkeypatch.setattr(kind, "__getitem__", noted)
    monkeypatch.setattr(kind, "to_memory", refused)
    monkeypatch.setattr(_count_field, "_BLOCK_VALUES", 10 * 60)
    monkeypatch.setattr(_query, "_BLOCK_ROWS", 10)
    monkeypatch.setattr(_baselines, "MAX_CELLS", 30)
    make_model(on_disk, train=TRAIN)
    assert len(n_read) > 50
    assert max(n_read) <= 32  # a batch of 16 may be read with as many cells in between


def test_the_cut_may_come_from_a_part_of_the_cells(
    in_memory: MuData, make_model: Callable[..., SCMOG], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the training cells: as many open peaks in them as measured."""
    monkeypatch.setattr(_fitting, "MAX_GENERATED_ENTRIES", 30 * 60)
    model = make_model(in_memory, train=TRAIN, directions=[("rna", "atac")])
    cells = np.sort(model.train_indices_)[::3]
    opened = model.get_generated(in_memory, indices=cells).X.sum()
    assert opened == pytest.approx((in_memory["atac"].X[cells] > 0).sum(), abs=2)
