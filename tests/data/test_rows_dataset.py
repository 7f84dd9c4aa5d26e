"""Mini-batches: sparse where the data are, the same numbers whatever the format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pytest
import scipy.sparse as sp
import torch
import zarr
from anndata import AnnData
from anndata.io import sparse_dataset
from mudata import MuData
from scvi.dataloaders import AnnDataLoader

from scmog.data import BatchField, MuDataCheckedLayerField, PartialMuDataManager
from scmog.data._rows_dataset import as_rows

N_CELLS, N_GENES, N_PROTEINS = 12, 9, 4
CELLS = [5, 0, 7]


def counts(n_features: int = N_GENES) -> np.ndarray:
    return np.random.default_rng(n_features).poisson(0.7, (N_CELLS, n_features)).astype(np.float32)


def not_canonical(x: np.ndarray) -> sp.csr_matrix:
    """Columns in falling order, and zeros stored."""
    indices = np.tile(np.arange(x.shape[1])[::-1], x.shape[0])
    return sp.csr_matrix((x[:, ::-1].ravel(), indices, np.arange(0, x.size + 1, x.shape[1])), shape=x.shape)


def manager_of(rna: Any, protein: Any) -> PartialMuDataManager:
    parts = {"rna": AnnData(rna), "protein": AnnData(protein)}
    for name, adata in parts.items():
        adata.var_names = [f"{name}{i}" for i in range(adata.n_vars)]
    mdata = MuData(parts)
    mdata.obs["donor"] = ["a", "b"] * (N_CELLS // 2)
    layers = [MuDataCheckedLayerField(name, None, mod_key=name, mod_required=True) for name in ("rna", "protein")]
    manager = PartialMuDataManager(fields=[*layers, BatchField("donor")])
    manager.register_fields(mdata)
    return manager


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(sp.csr_matrix, id="csr_matrix"),
        pytest.param(sp.csr_array, id="csr_array"),
        pytest.param(sp.csc_matrix, id="csc_matrix"),
        pytest.param(not_canonical, id="not-canonical"),
        pytest.param(lambda x: sp.csr_matrix(x.astype(np.int64)), id="integers"),
    ],
)
def test_sparse_data_come_as_rows(make: Callable[[np.ndarray], Any]) -> None:
    manager = manager_of(make(counts()), counts(N_PROTEINS))
    stored = manager.adata["rna"].X.copy()
    batch = manager.create_torch_dataset()[CELLS]
    assert batch["X"].layout == torch.sparse_csr
    assert batch["X"].dtype == torch.float32
    np.testing.assert_array_equal(batch["X"].to_dense().numpy(), counts()[CELLS])
    columns = [batch["X"].col_indices()[a:b] for a, b in batch["X"].crow_indices().unfold(0, 2, 1)]
    assert all((c.diff() > 0).all() for c in columns)
    assert (batch["X"].values() != 0).all()
    np.testing.assert_array_equal(np.asarray(batch["proteins"]), counts(N_PROTEINS)[CELLS])
    np.testing.assert_array_equal(np.asarray(batch["batch"]).ravel(), [1, 0, 1])
    assert np.array_equal(manager.adata["rna"].X.indices, stored.indices)  # the user's matrix is as it was
    assert np.array_equal(manager.adata["rna"].X.data, stored.data)


def test_dense_data_stay_dense() -> None:
    batch = manager_of(counts(), counts(N_PROTEINS)).create_torch_dataset()[CELLS]
    np.testing.assert_array_equal(np.asarray(batch["X"]), counts()[CELLS])


def test_sparse_data_alone() -> None:
    manager = manager_of(sp.csr_matrix(counts()), counts(N_PROTEINS))
    assert list(manager.create_torch_dataset(data_and_attributes=["X"])[CELLS]) == ["X"]
    np.testing.assert_array_equal(manager.create_torch_dataset()[3]["X"].to_dense().numpy(), counts()[[3]])


def test_scvis_loader_hands_them_out() -> None:
    manager = manager_of(sp.csr_matrix(counts()), counts(N_PROTEINS))
    loader = AnnDataLoader(manager, indices=np.arange(2, N_CELLS), batch_size=4)
    batches = list(loader)
    assert [len(batch["X"]) for batch in batches] == [4, 4, 2]
    seen = torch.cat([batch["X"].to_dense() for batch in batches]).numpy()
    np.testing.assert_array_equal(seen, counts()[2:])


def test_rows_on_disk(tmp_path: Path) -> None:
    AnnData(sp.csr_matrix(counts())).write_h5ad(tmp_path / "rna.h5ad")
    on_disk = anndata.read_h5ad(tmp_path / "rna.h5ad", backed="r").X
    np.testing.assert_array_equal(as_rows(on_disk[np.sort(CELLS)]).to_dense().numpy(), counts()[np.sort(CELLS)])


@pytest.mark.parametrize("cells", [[5, 0, 7], [3, 2, 4], [11], [0, 11], slice(2, 6)], ids=str)
@pytest.mark.parametrize("kind", ["h5mu", "zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_cells_on_disk_come_in_the_order_asked_for(kind: str, cells: Any, tmp_path: Path) -> None:
    """As in memory, whether they lie close together or not, and together with what is in memory."""
    manager = manager_of(sp.csr_matrix(counts()), counts(N_PROTEINS))
    if kind == "h5mu":
        manager.adata.write(tmp_path / "cells.h5mu")
        mdata = mudata.read_h5mu(tmp_path / "cells.h5mu", backed=True)
    else:
        manager.adata["rna"].write_zarr(tmp_path / "rna.zarr")
        matrix = sparse_dataset(zarr.open(tmp_path / "rna.zarr", mode="r")["X"])
        rna = AnnData(matrix, obs=manager.adata["rna"].obs, var=manager.adata["rna"].var)
        mdata = MuData({"rna": rna, "protein": manager.adata["protein"]})
        mdata.obs["donor"] = manager.adata.obs["donor"]
    on_disk = PartialMuDataManager(fields=manager.fields)
    on_disk.register_fields(mdata)
    batch, expected = (m.create_torch_dataset()[cells] for m in (on_disk, manager))
    assert list(batch) == list(expected)
    for key, values in expected.items():
        dense = [v.to_dense() if isinstance(v, torch.Tensor) else v for v in (batch[key], values)]
        np.testing.assert_array_equal(*map(np.asarray, dense), err_msg=key)
    if kind == "h5mu":
        mdata.file.close()
