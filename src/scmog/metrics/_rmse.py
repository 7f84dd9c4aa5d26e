"""Root mean squared error of predicted values."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from scmog.metrics._arrays import check_choice, check_values, pair_blocks


@overload
def rmse(truth: Any, prediction: Any, *, axis: Literal["flat"] = "flat") -> float: ...
@overload
def rmse(truth: Any, prediction: Any, *, axis: Literal["feature", "cell"]) -> np.ndarray: ...
def rmse(
    truth: Any,
    prediction: Any,
    *,
    axis: Literal["flat", "feature", "cell"] = "flat",
) -> float | np.ndarray:
    """Root mean squared error of `prediction`, in the unit of `truth`; lower is better.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Predicted values on the same scale, dense, shape (n_cells, n_features). May be a `numpy.memmap`.
    axis
        `"flat"`: one number over all entries. `"feature"`: one number for each feature over the cells. `"cell"`: one
        number for each cell over the features.

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
    n_cells, n_features = prediction.shape
    squares = (np.square(values.astype(np.float64) - measured) for measured, values in pair_blocks(truth, prediction))
    if axis == "cell":
        return np.sqrt(np.concatenate([block.mean(axis=1) for block in squares]))
    sums = np.zeros(n_features)
    for block in squares:
        sums += block.sum(axis=0)
    return float(np.sqrt(sums.sum() / prediction.size)) if axis == "flat" else np.sqrt(sums / n_cells)
