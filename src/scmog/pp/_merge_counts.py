"""Counts of several data sets in one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from scmog.pp._matrices import is_csc, row_blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Counts of one data set, and where they go.

    Attributes
    ----------
    name
        What the counts are called in messages.
    counts
        CSR, CSC or dense, ``(n_cells, n_own_features)``.
    rows
        Cells in their new order, positions.
    target
        New position of each own feature, ``(n_own_features,)``; -1 leaves it out. Features with one target are summed.
    """

    name: str
    counts: Any
    rows: np.ndarray
    target: np.ndarray


def stack_counts(parts: Sequence[Part], n_features: int) -> sp.csr_matrix | np.ndarray:
    """All cells below each other in the new features, ``(n_cells, n_features)``; dense if all parts are.

    Needs the result on top of the parts, and for a CSC part a copy of it.

    Raises
    ------
    TypeError
        If a matrix is of another kind.
    ValueError
        If values are not counts: negative, fractional, NaN or infinite.
    """
    for part in parts:
        next(row_blocks(part.counts.T if is_csc(part.counts) else part.counts, part.name), None)  # refuses other kinds
    dtype = _count_type(parts)
    n_cells = sum(len(part.rows) for part in parts)
    if all(isinstance(part.counts, np.ndarray) for part in parts):
        dense = np.zeros((n_cells, n_features), dtype=dtype)
        for start, block in _new_blocks(parts, n_features, dtype):
            dense[start : start + block.shape[0]] = block.toarray()
        return dense
    # Summing and leaving out only lower the number of entries; what is not filled is never touched and given back.
    most = sum(_n_stored(part.counts) for part in parts)
    index_type = np.int32 if max(most, n_features) <= np.iinfo(np.int32).max else np.int64
    data, indices = np.empty(most, dtype=dtype), np.empty(most, dtype=index_type)
    indptr = np.zeros(n_cells + 1, dtype=index_type)
    end = 0
    for start, block in _new_blocks(parts, n_features, dtype):
        place = slice(end, end + block.nnz)
        data[place], indices[place] = block.data, block.indices
        indptr[start + 1 : start + 1 + block.shape[0]] = end + block.indptr[1:].astype(np.int64)
        end += block.nnz
    data.resize(end, refcheck=False)
    indices.resize(end, refcheck=False)
    return sp.csr_matrix((data, indices, indptr), shape=(n_cells, n_features))


def _new_blocks(parts: Sequence[Part], n_features: int, dtype: np.dtype) -> Any:
    """First cell and counts of each block of cells, in the new features."""
    start = 0
    for part in parts:
        counts = part.counts.tocsr() if is_csc(part.counts) else part.counts
        kept = np.flatnonzero(part.target >= 0)
        ones = np.ones(len(kept), dtype=dtype)
        selector = sp.csr_matrix((ones, (kept, part.target[kept])), shape=(len(part.target), n_features))
        for cells in row_blocks(counts, part.name, part.rows):
            block = sp.csr_matrix(counts[part.rows[cells]])
            _check_counts(block.data, part.name)
            block = sp.csr_matrix(block.astype(dtype) @ selector)
            block.eliminate_zeros()
            block.sort_indices()
            yield start, block
            start += block.shape[0]


def _check_counts(values: np.ndarray, name: str) -> None:
    if not (np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all()):
        message = (
            f"{name} must hold raw counts, found negative, fractional, NaN or infinite values; name the layer with the "
            "raw counts (rna_layer=, atac_layer=, protein_layer=)."
        )
        raise ValueError(message)


def _count_type(parts: Sequence[Part]) -> np.dtype:
    """Type that holds the counts of all parts and sums of them: at least 32 bits."""
    own = np.result_type(*(part.counts.dtype for part in parts))
    return np.result_type(own, np.float32 if own.kind == "f" else np.int32)


def _n_stored(counts: Any) -> int:
    return int(counts.nnz) if sp.issparse(counts) else int(np.count_nonzero(counts))
