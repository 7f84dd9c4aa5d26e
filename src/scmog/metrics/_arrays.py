"""Checks and block-wise access shared by the scores and the baseline predictors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

BLOCK_ENTRIES = 2**23
"""Entries of a matrix that are worked on at a time: 32 MiB of float32, whatever the shape of the matrix."""


def blocks(length: int, width: int, *, entries: int = BLOCK_ENTRIES) -> Iterator[slice]:
    """Cut an axis of `length` lines, each of `width` entries, into slices of about `entries` entries."""
    step = max(1, entries // max(width, 1))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def stored_values(matrix: Any) -> np.ndarray:
    """All entries of a dense matrix, the stored ones of a sparse matrix."""
    return matrix.data if sparse.issparse(matrix) else matrix


def check_matrix(matrix: Any, *, name: str) -> Any:
    """Return `matrix` as a non-empty numeric array or canonical CSR matrix without NaN.

    The caller's data stay as they are. Dense data are never copied, sparse data only when they are not CSR or hold
    unsorted or repeated entries.
    """
    if hasattr(matrix, "X") and hasattr(matrix, "obs"):
        message = f"{name} must be a matrix, got {type(matrix).__name__}; pass its .X."
        raise TypeError(message)
    checked: Any = sparse.csr_array(matrix) if sparse.issparse(matrix) else np.asarray(matrix)
    if checked.dtype.kind not in "biuf":
        message = f"{name} must hold numbers, got dtype {checked.dtype}. Pass a float, integer or boolean matrix."
        raise TypeError(message)
    if checked.ndim != 2 or 0 in checked.shape:
        message = f"{name} must be a non-empty matrix of shape (n_cells, n_features), got shape {checked.shape}."
        raise ValueError(message)
    if sparse.issparse(checked) and not checked.has_canonical_format:
        checked = checked.copy()
        checked.sum_duplicates()
    values = stored_values(checked)
    # The minimum hands NaN on, so no boolean array of the size of the matrix is needed.
    if values.size and np.isnan(values.min()):
        message = f"{name} contains NaN. Leave out the cells or features without a value before scoring or fitting."
        raise ValueError(message)
    return checked


def check_finite(matrix: Any, *, name: str) -> Any:
    """Return what `check_matrix` returns and refuse infinite entries too."""
    checked = check_matrix(matrix, name=name)
    values = stored_values(checked)
    if values.size and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        message = f"{name} contains infinite values; finite numbers are expected. Clip or leave out those entries."
        raise ValueError(message)
    return checked


def check_dense(matrix: Any, *, name: str, finite: bool) -> np.ndarray:
    """Return a checked dense matrix; a sparse one is refused."""
    if sparse.issparse(matrix):
        message = (
            f"{name} must be a dense array, got a sparse {type(matrix).__name__}: entries that are not stored would be "
            f"scored as zeros. Pass the full array of scores (`.toarray()` if zeros are what is meant)."
        )
        raise TypeError(message)
    return check_finite(matrix, name=name) if finite else check_matrix(matrix, name=name)


def check_same_shape(first: Any, second: Any, *, names: tuple[str, str]) -> None:
    """Refuse two matrices that differ in shape."""
    if first.shape != second.shape:
        message = (
            f"{names[0]} and {names[1]} must have one shape (n_cells, n_features), got {first.shape} and "
            f"{second.shape}. Bring cells and features into the same order first."
        )
        raise ValueError(message)


def check_binary(truth: Any, score: Any, *, name: str = "score", finite: bool = False) -> tuple[Any, np.ndarray]:
    """Return truth and dense scores of one shape; a sparse truth as boolean CSR that stores the positives only."""
    truth = check_matrix(truth, name="truth")
    score = check_dense(score, name=name, finite=finite)
    check_same_shape(truth, score, names=("truth", name))
    if sparse.issparse(truth):
        truth = without_stored_zeros(sparse.csr_array((truth.data > 0, truth.indices, truth.indptr), shape=truth.shape))
    return truth, score


def check_values(truth: Any, prediction: Any) -> tuple[Any, np.ndarray]:
    """Return finite truth, dense or CSR, and finite dense predictions of one shape."""
    truth = check_finite(truth, name="truth")
    prediction = check_dense(prediction, name="prediction", finite=True)
    check_same_shape(truth, prediction, names=("truth", "prediction"))
    return truth, prediction


def check_choice(value: str, *, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a string that is not among `choices`."""
    if value not in choices:
        message = f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}."
        raise ValueError(message)


def check_min_positives(min_positives: int) -> None:
    """Refuse a smallest number of positives below 1."""
    if min_positives < 1:
        message = f"min_positives must be at least 1, got {min_positives}."
        raise ValueError(message)


def without_stored_zeros(matrix: Any) -> Any:
    """Return a sparse matrix that stores no zeros: the same one, or a copy."""
    if matrix.data.all():
        return matrix
    # `eliminate_zeros` works in place on arrays that may still be the caller's.
    matrix = matrix.copy()
    matrix.eliminate_zeros()
    return matrix


def pair_blocks(truth: Any, prediction: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of cells of both matrices as dense arrays, each in its own type."""
    for rows in blocks(*prediction.shape):
        yield dense_rows(truth, rows), prediction[rows]


def dense_rows(matrix: Any, rows: slice) -> np.ndarray:
    """Rows of a dense or CSR matrix as a dense array."""
    return matrix[rows].toarray() if sparse.issparse(matrix) else matrix[rows]


def column_means(matrix: Any) -> np.ndarray:
    """Mean of every column, shape (n_features,), summed in float64 whatever the type of the matrix."""
    if sparse.issparse(matrix):
        # A float64 vector makes SciPy sum in float64; `.sum(axis=0)` of a float32 matrix sums in float32.
        return np.asarray(matrix.T @ np.ones(matrix.shape[0])) / matrix.shape[0]
    return matrix.mean(axis=0, dtype=np.float64)


def as_floating(matrix: Any) -> Any:
    """Return `matrix` with a floating-point type that holds its values (float32 for 0/1 and small integers)."""
    return matrix.astype(np.result_type(matrix.dtype, np.float32), copy=False)


def clipped(probability: np.ndarray) -> np.ndarray:
    """Probabilities as new float64 values from 0 to 1."""
    return np.clip(probability.astype(np.float64), 0.0, 1.0)
