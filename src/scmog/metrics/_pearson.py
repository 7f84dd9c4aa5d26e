"""Pearson correlation of measured and predicted values, summed in float64 over blocks of cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np

from scmog.metrics._arrays import check_choice, check_values, pair_blocks


@overload
def pearson(truth: Any, prediction: Any, *, axis: Literal["flat"] = "flat") -> float: ...
@overload
def pearson(truth: Any, prediction: Any, *, axis: Literal["feature", "cell"]) -> np.ndarray: ...
def pearson(
    truth: Any,
    prediction: Any,
    *,
    axis: Literal["flat", "feature", "cell"] = "flat",
) -> float | np.ndarray:
    """Pearson correlation of `truth` and `prediction`.

    Both must be on the scale on which they are to be compared: log1p of size-normalised counts for RNA, CLR for
    proteins (paper, Benchmark Evaluation Metrics). A constant prediction carries no information and scores 0, it is
    never dropped; where the truth is constant the correlation is undefined and NaN.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Predicted values, dense, shape (n_cells, n_features).
    axis
        `"flat"`: one number over all entries, as in the paper; dominated by the means of the features. `"feature"`:
        one number for each feature over the cells. `"cell"`: one number for each cell over the features.

    Returns
    -------
    A float for `"flat"`; otherwise a float64 array of shape (n_features,) or (n_cells,).

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, or a value is NaN or infinite.
    TypeError
        If `prediction` is sparse or a matrix is not numeric.
    """
    check_choice(axis, name="axis", choices=("flat", "feature", "cell"))
    truth, prediction = check_values(truth, prediction)
    if axis == "cell":
        parts = [_reduce(*pair, axis=1) for pair in _double_blocks(truth, prediction)]
        return np.concatenate(parts)
    return _over_cells(truth, prediction, flat=axis == "flat")


def _double_blocks(truth: Any, prediction: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of cells of both matrices as new float64 arrays."""
    for measured, predicted in pair_blocks(truth, prediction):
        yield measured.astype(np.float64), predicted.astype(np.float64)


def _reduce(x: np.ndarray, y: np.ndarray, *, axis: int) -> np.ndarray:
    """Correlation along one axis of two blocks that hold that axis in full."""
    x_constant, y_constant = (np.ptp(values, axis=axis) == 0 for values in (x, y))
    x, y = (values - values.mean(axis=axis, keepdims=True) for values in (x, y))
    sums = ((x * x).sum(axis=axis), (y * y).sum(axis=axis), (x * y).sum(axis=axis))
    return _correlation(*sums, x_constant=x_constant, y_constant=y_constant)


def _over_cells(truth: Any, prediction: np.ndarray, *, flat: bool) -> float | np.ndarray:
    """Correlation of each feature, or of all entries, in two passes over blocks of cells: means, then products."""
    axis = None if flat else 0
    shape = () if flat else prediction.shape[1:]
    n = prediction.size if flat else prediction.shape[0]
    means = np.zeros((2, *shape))
    low, high = np.full((2, *shape), np.inf), np.full((2, *shape), -np.inf)
    for pair in _double_blocks(truth, prediction):
        for i, values in enumerate(pair):
            means[i] += values.sum(axis=axis) / n
            low[i] = np.minimum(low[i], values.min(axis=axis))
            high[i] = np.maximum(high[i], values.max(axis=axis))
    xx, yy, xy = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for x, y in _double_blocks(truth, prediction):
        x -= means[0]
        y -= means[1]
        xx, yy, xy = xx + (x * x).sum(axis=axis), yy + (y * y).sum(axis=axis), xy + (x * y).sum(axis=axis)
    # Constancy is read off the extremes: the variance of a constant is a rounding error, not always zero.
    result = _correlation(xx, yy, xy, x_constant=low[0] == high[0], y_constant=low[1] == high[1])
    return float(result) if flat else result


def _correlation(
    xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, *, x_constant: np.ndarray, y_constant: np.ndarray
) -> np.ndarray:
    """Correlation from centred sums of products; 0 for a constant prediction (y), NaN for a constant truth (x)."""
    norm = np.sqrt(xx) * np.sqrt(yy)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.clip(xy / norm, -1.0, 1.0)
    # A norm that underflows to 0 although the prediction varies is numerically constant as well.
    value = np.where(y_constant | (norm == 0), 0.0, value)
    return np.where(x_constant, np.nan, value)
