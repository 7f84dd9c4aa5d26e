"""Distance between the correlations of measured and of predicted values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import blocks, check_choice, check_values


def correlation_matrix_distance(truth: Any, prediction: Any, *, axis: Literal["feature", "cell"] = "feature") -> float:
    r"""Correlation matrix distance :math:`1 - \mathrm{tr}(R_1 R_2) / (\|R_1\|_F \|R_2\|_F)` (Herdin et al. 2005).

    0 when the predictions correlate with each other as the measured values do, 1 when the two patterns have nothing in
    common. Predictions do not have the noise of a measurement, so they correlate more: compare methods, not with 0.

    Correlation matrices are formed over the smaller side only: with standardised columns :math:`Z`,
    :math:`\mathrm{tr}(R_1 R_2) = \|Z_1 Z_2^\top\|_F^2`. Memory is at most two square float64 matrices of
    min(n_cells, n_features), time grows with n_cells x n_features x the smaller of the two: take a sample of the cells
    when there are more than some thousands.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Predicted values, dense, shape (n_cells, n_features). May be a `numpy.memmap`.
    axis
        `"feature"`: correlations between features over the cells. `"cell"`: correlations between cells over the
        features.

    Returns
    -------
    Distance from 0 to 2. What is constant correlates with nothing, not even with itself (0 on the diagonal), so a
    constant prediction has distance 1; NaN when all of the truth is constant.

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, or a value is NaN or infinite.
    TypeError
        If `prediction` is sparse or a matrix is not numeric.
    """
    check_choice(axis, name="axis", choices=("feature", "cell"))
    truth, prediction = check_values(truth, prediction)
    if axis == "cell":
        truth, prediction = truth.T, prediction.T
    if sparse.issparse(truth):
        truth = sparse.csc_array(truth)
    n, m = prediction.shape
    if m <= n:
        first, second = (_correlations(matrix) for matrix in (truth, prediction))
        products = [np.vdot(first, second), np.vdot(first, first), np.vdot(second, second)]
    else:
        pairs = ((truth, prediction), (truth, truth), (prediction, prediction))
        products = [_squared_norm(*pair) for pair in pairs]
    both, of_truth, of_prediction = (float(product) for product in products)
    if of_truth == 0:
        return float("nan")
    return 1 - both / np.sqrt(of_truth * of_prediction) if of_prediction > 0 else 1.0


def _standardized(matrix: Any, columns: slice) -> np.ndarray:
    """Columns with mean 0 and norm 1 as a dense float64 array; constant ones become 0."""
    part = matrix[:, columns]
    values = (part.toarray() if sparse.issparse(part) else part).astype(np.float64)
    constant = np.ptp(values, axis=0) == 0
    values -= values.mean(axis=0)
    norm = np.sqrt(np.square(values).sum(axis=0))
    return values * np.divide(1, norm, out=np.zeros_like(norm), where=~constant & (norm > 0))


def _correlations(matrix: Any) -> np.ndarray:
    """Correlation matrix of the columns, some rows of it at a time."""
    n, m = matrix.shape
    result = np.empty((m, m))
    for some in blocks(m, n):
        first = _standardized(matrix, some)
        for others in blocks(m, n):
            if others.start <= some.start:
                result[some, others] = first.T @ _standardized(matrix, others)
                result[others, some] = result[some, others].T
    return result


def _squared_norm(first: Any, second: Any) -> float:
    """Squared Frobenius norm of Z1 Z2^T, which is the trace of the product of the two correlation matrices."""
    n, m = first.shape
    product = np.zeros((n, n))
    for columns in blocks(m, n):
        z = _standardized(first, columns)
        product += z @ (z if second is first else _standardized(second, columns)).T
    return float(np.vdot(product, product))
