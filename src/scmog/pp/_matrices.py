"""Counting in, and cutting out of, large sparse matrices, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

_BLOCK_ENTRIES = 2**21  # about 50 MB of working memory


def count_nonzero(
    matrix: Any, name: str, *, rows: np.ndarray | None = None, columns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Non-zero entries of each row, over ``columns`` only, and of each column, over ``rows`` only.

    Needs a block of the matrix on top of the matrix itself. Stored zeros don't count and duplicate entries count once.

    Parameters
    ----------
    matrix
        CSR, CSC or dense, ``(n_rows, n_columns)``.
    name
        What the matrix is called in messages.
    rows, columns
        Masks; None means all.

    Raises
    ------
    TypeError
        If the matrix is of another kind.
    ValueError
        If a value is negative, NaN or infinite.
    """
    if is_csc(matrix):
        return count_nonzero(matrix.T, name, rows=columns, columns=rows)[::-1]
    per_row = np.zeros(matrix.shape[0], dtype=np.int64)
    per_column = np.zeros(matrix.shape[1], dtype=np.int64)
    for part in row_blocks(matrix, name):
        block = sp.csr_matrix(matrix[part], copy=True)
        if not (np.isfinite(block.data).all() and (block.data >= 0).all()):
            message = (
                f"{name} must hold counts, found negative, NaN or infinite values; pass layer= for the raw counts."
            )
            raise ValueError(message)
        block.sum_duplicates()
        block.eliminate_zeros()
        per_row[part] = np.diff((block if columns is None else block[:, columns]).indptr)
        if rows is not None:
            block = block[rows[part]]
        per_column += np.bincount(block.indices, minlength=block.shape[1])
    return per_row, per_column


def take(matrix: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """Copy of the rows and columns at these positions.

    For a compressed matrix and increasing positions only the result is allocated; cutting rows and columns one after
    the other would hold three matrices.
    """
    if is_csc(matrix):
        return take(matrix.T, columns, rows).T
    if not (sp.issparse(matrix) and matrix.format == "csr" and (np.diff(columns) > 0).all()):
        return matrix[rows][:, columns]
    keeps = np.zeros(matrix.shape[1], dtype=bool)
    keeps[columns] = True
    all_columns = len(columns) == matrix.shape[1]
    renumber = np.cumsum(keeps, dtype=matrix.indices.dtype) - matrix.indices.dtype.type(1)
    lengths = np.zeros(len(rows), dtype=np.int64)
    parts = list(row_blocks(matrix, "matrix", rows))
    for part in parts:
        block = matrix[rows[part]]
        kept = np.concatenate([[0], np.cumsum(keeps[block.indices], dtype=np.int64)])
        lengths[part] = np.diff(kept[block.indptr])
    start = np.concatenate([[0], np.cumsum(lengths)])
    data = np.empty(start[-1], dtype=matrix.data.dtype)
    indices = np.empty(start[-1], dtype=matrix.indices.dtype)
    for part in parts:
        block, target = matrix[rows[part]], slice(start[part.start], start[part.stop])
        stays = slice(None) if all_columns else keeps[block.indices]
        data[target], indices[target] = block.data[stays], renumber[block.indices[stays]]
    shape = (len(rows), len(columns))
    return type(matrix)((data, indices, start.astype(matrix.indptr.dtype)), shape=shape)


def is_csc(matrix: Any) -> bool:
    return sp.issparse(matrix) and matrix.format == "csc"


def row_blocks(matrix: Any, name: str, rows: np.ndarray | None = None) -> Iterator[slice]:
    """Slices of ``rows`` (all by default) with at most ``_BLOCK_ENTRIES`` stored entries, or one row."""
    if sp.issparse(matrix) and matrix.format == "csr":
        lengths = np.diff(matrix.indptr).astype(np.int64)
    elif isinstance(matrix, np.ndarray) and matrix.ndim == 2:
        lengths = np.full(matrix.shape[0], matrix.shape[1], dtype=np.int64)
    else:
        message = f"{name} must be a CSR, CSC or dense matrix in memory, got {type(matrix).__name__}."
        raise TypeError(message)
    ends = np.cumsum(lengths if rows is None else lengths[rows])
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK_ENTRIES, side="right")))
        yield slice(start, stop)
        start = stop
