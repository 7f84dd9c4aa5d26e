"""Counting in, and cutting out of, large sparse matrices, block by block."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np
import scipy.sparse as sp

_BLOCK_ENTRIES = 2**18  # about 10 MB of working memory


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


def take_out(store: MutableMapping[Any, Any], name: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """Take a matrix out of a store and return a copy of the rows and columns at these positions.

    Of a compressed matrix (with increasing positions, along its rows if it is CSC) that nobody else holds, the values
    are given back before the indices are copied: at the worst, when nearly all is kept, that is half a matrix more than
    at the start. Cutting rows and columns one after the other would hold three matrices. If somebody else holds the
    matrix it stays as it is.

    Parameters
    ----------
    store
        What holds the matrix.
    name
        Its key.
    rows, columns
        Positions.
    """
    matrix = store.pop(name)
    kind, shape = type(matrix), (len(rows), len(columns))
    if not sp.issparse(matrix):
        return matrix[np.ix_(rows, columns)]
    along, across, n_across = (columns, rows, 0) if is_csc(matrix) else (rows, columns, 1)
    if matrix.format not in ("csr", "csc") or (np.diff(across) <= 0).any():
        return matrix[rows][:, columns]
    keeps = np.zeros(matrix.shape[n_across], dtype=bool)
    keeps[across] = True
    data, indices, indptr = matrix.data, matrix.indices, matrix.indptr
    del matrix
    start = np.zeros(len(along) + 1, dtype=np.int64)
    for part, _, lengths in _kept_entries(indices, indptr, along, keeps):
        start[part.start + 1 : part.stop + 1] = lengths
    start = np.cumsum(start)
    data = _gather(data, _kept_entries(indices, indptr, along, keeps), start[-1])
    renumber = np.cumsum(keeps, dtype=indices.dtype) - indices.dtype.type(1)
    indices = _gather(indices, _kept_entries(indices, indptr, along, keeps), start[-1], renumber)
    return kind((data, indices, start.astype(indptr.dtype)), shape=shape)


def _kept_entries(
    indices: np.ndarray, indptr: np.ndarray, rows: np.ndarray, keeps: np.ndarray
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """For blocks of ``rows``: which, where their entries in columns to keep are stored, and how many each row has."""
    stored = np.diff(indptr).astype(np.int64)[rows]
    for part in _blocks(stored):
        own = stored[part]
        end = np.cumsum(own)
        place = np.arange(end[-1]) + np.repeat(indptr[rows[part]] - (end - own), own)
        stays = keeps[indices[place]]
        before = np.concatenate([[0], np.cumsum(stays)])
        yield part, place[stays], before[end] - before[end - own]


def _gather(
    values: np.ndarray,
    entries: Iterator[tuple[slice, np.ndarray, np.ndarray]],
    size: int,
    change: np.ndarray | None = None,
) -> np.ndarray:
    """Values at the places of the entries, one after the other, looked up in ``change``."""
    result = np.empty(size, dtype=values.dtype)
    end = 0
    for _, place, _ in entries:
        block = values[place]
        result[end : end + len(place)] = block if change is None else change[block]
        end += len(place)
    return result


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
    return _blocks(lengths if rows is None else lengths[rows])


def _blocks(lengths: np.ndarray) -> Iterator[slice]:
    """Consecutive slices with at most ``_BLOCK_ENTRIES`` in sum, or one row."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _BLOCK_ENTRIES, side="right")))
        yield slice(start, stop)
        start = stop
