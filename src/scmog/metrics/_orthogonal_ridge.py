"""Ridge regression on orthogonal columns: every penalty and every number of columns in closed form.

With orthogonal scores Z of the training cells, squared column norms v and centred targets Y, the weights are
W = C / (v + penalty) with C = Z^T Y. All errors below follow from products with the few columns of Z, so a sparse
target is never made dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import blocks, column_means

DEFAULT_PENALTIES = tuple(float(value) for value in np.logspace(-3, 9, 49))
"""Four penalties a decade: in closed form a penalty costs next to nothing, so the grid is wide."""

_LEAST_FREEDOM = 1e-6
"""Below this 1 - leverage a leave-one-out residual has no digits left: the cell determines its own prediction."""


@dataclass(frozen=True)
class OrthogonalRidge:
    """Weights of the first `len(weights)` columns and the penalty behind them; float64."""

    target_mean: np.ndarray
    weights: np.ndarray
    penalty: float


def fit_orthogonal(
    z: np.ndarray,
    y: Any,
    validation: tuple[np.ndarray, Any] | None,
    *,
    penalties: np.ndarray,
    sizes: Sequence[int] | np.ndarray,
    centred: bool = True,
) -> OrthogonalRidge:
    """Fit ridge on the first columns of `z` and choose their number among `sizes` and the penalty.

    The choice is that of the least squared error over all features: of the validation cells if there are any, else of
    exact leave-one-out predictions of the training cells, given the columns.

    Parameters
    ----------
    z
        Orthogonal columns, shape (n_cells, k).
    y
        Targets, shape (n_cells, n_target), dense or CSR.
    validation
        The same two of the validation cells.
    penalties, sizes
        The grids. More columns than there are count as all.
    centred
        Whether the columns of `z` have mean 0, so that the mean of the targets is fitted by ridge too.
    """
    mean = column_means(y)
    cross = cross_product(z, y, mean)  # Z^T (Y - mean), (k, n_target)
    sizes = sorted({min(int(size), z.shape[1]) for size in sizes})
    penalties = np.sort(penalties)[::-1]  # ties (nothing to learn) go to the largest, nearest to the training mean
    if validation is None:
        errors = _left_out_errors(z, y, mean, cross, penalties, sizes, own_share=1 / len(z) if centred else 0.0)
    else:
        linear, outer = error_terms(*validation, mean, cross)
        quadratic = (validation[0].T @ validation[0]) * outer
        errors = validation_errors(linear, quadratic, squared_norms(z), penalties, sizes)
    row, column = np.unravel_index(np.argmin(errors), errors.shape)
    size, penalty = sizes[row], float(penalties[column])
    return OrthogonalRidge(mean, cross[:size] / (squared_norms(z)[:size] + penalty)[:, None], penalty)


def squared_norms(z: np.ndarray) -> np.ndarray:
    """Squared norms of the columns, shape (k,)."""
    return np.einsum("ij,ij->j", z, z, dtype=np.float64)


def cross_product(z: np.ndarray, y: Any, mean: np.ndarray) -> np.ndarray:
    """Z^T (Y - mean), shape (k, n_target); the centred Y is never formed."""
    if sparse.issparse(y):
        product = np.asarray(y.T @ z)
    else:
        product = np.zeros((y.shape[1], z.shape[1]))
        for rows in blocks(*y.shape):  # a mixed-type product converts its operand: one block at a time
            product += y[rows].T @ z[rows]
    return product.T - np.outer(z.sum(axis=0), mean)


def error_terms(z: np.ndarray, y: Any, mean: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `validation_errors` needs of the targets: diag(C Y^T Z) (k,) and C C^T (k, k), sums over the features."""
    return (cross_product(z, y, mean) * cross).sum(axis=1), cross @ cross.T


def validation_errors(
    linear: np.ndarray, quadratic: np.ndarray, variance: np.ndarray, penalties: np.ndarray, sizes: Sequence[int]
) -> np.ndarray:
    """Squared errors of the validation cells less those of the training mean, shape (n_sizes, n_penalties).

    With D = diag(1 / (variance + penalty)) and centred Y,
    |Y - Z D C|^2 - |Y|^2 = -2 tr(D C Y^T Z) + tr(D C C^T D Z^T Z).

    Parameters
    ----------
    linear
        diag(C Y^T Z), shape (k,).
    quadratic
        (Z^T Z) * (C C^T), entry by entry, shape (k, k).
    variance
        Squared norms of the columns of the training cells, shape (k,).
    """
    errors = np.empty((len(sizes), len(penalties)))
    for i, k in enumerate(sizes):
        shrinkage = 1 / (variance[:k] + penalties[:, None])  # (n_penalties, k)
        errors[i] = -2 * shrinkage @ linear[:k] + ((shrinkage @ quadratic[:k, :k]) * shrinkage).sum(axis=1)
    return errors


def _left_out_errors(
    z: np.ndarray,
    y: Any,
    mean: np.ndarray,
    cross: np.ndarray,
    penalties: np.ndarray,
    sizes: Sequence[int],
    *,
    own_share: float,
) -> np.ndarray:
    """Squared leave-one-out errors, shape (n_sizes, n_penalties): residual / (1 - leverage).

    Infinite where a cell determines its own prediction. `own_share` is that of a cell in the intercept.
    """
    variance = squared_norms(z)
    gram = cross @ cross.T  # (k, k)
    norms, overlap = _row_products(y, mean, cross)
    errors = np.full((len(sizes), len(penalties)), np.inf)
    for i, k in enumerate(sizes):
        for j, penalty in enumerate(penalties):
            shrunk = z[:, :k] / (variance[:k] + penalty)  # (n, k)
            freedom = 1 - own_share - (shrunk * z[:, :k]).sum(axis=1)
            if freedom.min() >= _LEAST_FREEDOM:
                explained = 2 * (shrunk * overlap[:, :k]).sum(axis=1) - ((shrunk @ gram[:k, :k]) * shrunk).sum(axis=1)
                errors[i, j] = ((norms - explained) / freedom**2).sum()
    return errors


def _row_products(y: Any, mean: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared norms (n,) of the rows of the centred Y and their products with `cross` (n, k)."""
    if sparse.issparse(y):
        squares = sparse.csr_array((y.data.astype(np.float64) ** 2, y.indices, y.indptr), shape=y.shape)
        norms = squares @ np.ones(y.shape[1]) - 2 * (y @ mean) + mean @ mean
        return norms, np.asarray(y @ cross.T) - mean @ cross.T
    parts = []
    for rows in blocks(*y.shape):
        centred = y[rows] - mean
        parts.append(((centred * centred).sum(axis=1), centred @ cross.T))
    norms, overlap = (np.concatenate(values) for values in zip(*parts, strict=True))
    return norms, overlap
