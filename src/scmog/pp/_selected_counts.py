"""Counts of one feature space in another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata.abc import CSCDataset, CSRDataset

_BLOCK_VALUES = 2**24  # of a dense block or one read from disk: 64 MB in single precision


def select(counts: Any, selector: sp.csr_matrix) -> sp.csr_matrix:
    """Product of counts and a selector, sparse throughout.

    Takes little more memory than input and result together; matrices on disk and dense ones are read in blocks of rows.

    Parameters
    ----------
    counts
        ``(n_cells, n_query)``: CSR, CSC or dense, in memory or on disk.
    selector
        Ones where a query feature counts in a model feature, ``(n_query, n_model)``.

    Returns
    -------
    CSR ``(n_cells, n_model)`` with sorted indices, of the input's type where that is floating point, else float32.
    """
    dtype = counts.dtype if np.dtype(counts.dtype).kind == "f" else np.dtype(np.float32)
    weights = selector.astype(dtype)
    if isinstance(counts, CSCDataset):  # its rows cannot be read without all of it
        counts = counts[:]
    if sp.issparse(counts) and counts.format == "csr" and counts.dtype == dtype:
        product = sp.csr_matrix(counts) @ weights
    elif sp.issparse(counts) and counts.format == "csc":
        product = sp.csr_matrix(sp.csc_matrix(counts).astype(dtype, copy=False) @ weights.tocsc())
    else:
        blocks = [sp.csr_matrix(block).astype(dtype, copy=False) @ weights for block in _row_blocks(counts)]
        product = sp.vstack(blocks, format="csr", dtype=dtype) if blocks else sp.csr_matrix((0, weights.shape[1]))
    product = sp.csr_matrix(product, dtype=dtype)
    product.sort_indices()
    return product


def _row_blocks(counts: Any) -> Iterator[Any]:
    n_cells = counts.shape[0]
    if sp.issparse(counts):
        counts = counts.tocsr()
        lengths = np.diff(counts.indptr)
    elif isinstance(counts, CSRDataset):
        lengths = np.diff(counts.group["indptr"][:])
    else:
        lengths = np.full(n_cells, counts.shape[1])
    block = np.cumsum(lengths, dtype=np.int64) // _BLOCK_VALUES
    for rows in np.split(np.arange(n_cells), np.flatnonzero(np.diff(block)) + 1) if n_cells else []:
        yield counts[rows[0] : rows[-1] + 1]
