from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scmog.pp._selected_counts as module
from scmog.pp._selected_counts import select

COUNTS = np.random.default_rng(0).poisson(0.4, size=(23, 9))
SELECTOR = (np.random.default_rng(1).random((9, 6)) < 0.3).astype(np.float32)


def on_disk(kind: Callable[[Any], Any]) -> Callable[[Any, Path], Any]:
    def write(counts: Any, folder: Path) -> Any:
        AnnData(kind(counts)).write_h5ad(folder / "counts.h5ad")
        return anndata.read_h5ad(folder / "counts.h5ad", backed="r").X

    return write


KINDS = {
    "csr_matrix": lambda x, _: sp.csr_matrix(x),
    "csr_array": lambda x, _: sp.csr_array(x),
    "csc_matrix": lambda x, _: sp.csc_matrix(x),
    "csc_array": lambda x, _: sp.csc_array(x),
    "coo": lambda x, _: sp.coo_matrix(x),
    "dense": lambda x, _: x,
    "dense by column": lambda x, _: np.asfortranarray(x),
    "CSR on disk": on_disk(sp.csr_matrix),
    "CSC on disk": on_disk(sp.csc_matrix),
    "dense on disk": on_disk(np.asarray),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_equal_to_the_dense_product(make: Any, dtype: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_VALUES", 20)  # many blocks
    counts = make(COUNTS.astype(dtype), tmp_path)
    result = select(counts, sp.csr_matrix(SELECTOR))
    assert type(result) is sp.csr_matrix and result.has_sorted_indices
    assert result.dtype == (dtype if np.dtype(dtype).kind == "f" else np.float32)
    np.testing.assert_array_equal(result.toarray(), COUNTS @ SELECTOR)
    if not isinstance(counts, np.ndarray | h5py.Dataset) and sp.issparse(counts):
        np.testing.assert_array_equal(counts.toarray(), COUNTS)


def test_plain_reordering_is_identical() -> None:
    counts = sp.random(50, 30, 0.2, format="csr", random_state=0, dtype=np.float32)
    order = np.random.default_rng(0).permutation(30)
    result = select(counts[:, order], sp.identity(30, format="csr", dtype=np.float32)[order])
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(result, part), getattr(counts, part))


def test_no_cells() -> None:
    assert select(np.zeros((0, 9)), sp.csr_matrix(SELECTOR)).shape == (0, 6)
