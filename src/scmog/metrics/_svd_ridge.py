"""Ridge regression on principal components, tuned in closed form: the baseline that is hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from scmog.metrics._arrays import as_floating, blocks, column_means
from scmog.metrics._baselines import StoredBaseline, checked_pairs

DEFAULT_PENALTIES = tuple(float(value) for value in np.logspace(-3, 9, 49))
"""Four penalties a decade: in closed form a penalty costs next to nothing, so the grid is wide."""

_RANK_TOLERANCE = 1e-10
"""Components with less than this share of the largest squared singular value are rounding noise in float32."""

_LEAST_FREEDOM = 1e-6
"""Below this 1 - leverage a leave-one-out residual has no digits left: the cell determines its own prediction."""


class SVDRidge(StoredBaseline):
    r"""Ridge regression on the first principal components of the source.

    With the centred scores :math:`Z = U S` of the training cells, the weights for a penalty :math:`\lambda` are
    :math:`W = (S^2 + \lambda)^{-1} Z^T Y`. The penalty is the one of the grid with the least mean squared error over
    all features: of the validation cells if there are any, else of exact leave-one-out predictions of the training
    cells (given the components). Both errors are computed from products with :math:`k` columns, so a sparse target
    is never made dense.

    State: `components` (k, n_source), `source_mean` (n_source,), `weights` (k, n_target), `target_mean`
    (n_target,), all float32, and `penalty` ().

    Parameters
    ----------
    n_components
        Principal components used; fewer where the training cells or features have a lower rank.
    penalties
        Grid of penalties, on the scale of the squared singular values. Four a decade from 1e-3 to 1e9 by default.
    seed
        Seed of the starting vector of the decomposition.
    """

    _names = ("components", "source_mean", "weights", "target_mean", "penalty")

    def __init__(
        self, n_components: int = 50, *, penalties: Sequence[float] = DEFAULT_PENALTIES, seed: int = 0
    ) -> None:
        super().__init__()
        grid = np.asarray(penalties, dtype=np.float64)
        if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all() or (grid <= 0).any():
            message = f"penalties must be a non-empty sequence of positive finite numbers, got {penalties!r}."
            raise ValueError(message)
        if n_components < 1:
            message = f"n_components must be at least 1, got {n_components}."
            raise ValueError(message)
        self._n_components, self._penalties, self._seed = n_components, grid, seed

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Fit the components on `source_train`, the weights on `target_train` and choose the penalty.

        Parameters
        ----------
        source_train
            Source of the training cells on a sensible scale (log-normalised, TF-IDF), shape (n_cells, n_source), dense
            or sparse.
        target_train
            Target of the same cells, shape (n_cells, n_target), dense or sparse.
        source_val, target_val
            The same of the validation cells, both or neither.

        Raises
        ------
        ValueError
            If shapes do not fit together, a value is NaN or infinite, or only one validation matrix is given.
        """
        x, y, x_val, y_val = checked_pairs(source_train, target_train, source_val, target_val)
        source_mean, components, z = _decompose(x, n_components=self._n_components, seed=self._seed)
        target_mean = column_means(y)
        cross = _cross_product(z, y, target_mean)  # Z^T (Y - mean), (k, n_target)
        variance = (z * z).sum(axis=0)  # squared singular values, (k,)
        if x_val is None:
            errors = _left_out_errors(z, y, target_mean, cross, self._penalties)
        else:
            z_val = _scores(x_val, source_mean, components)
            errors = _validation_errors(z_val, y_val, target_mean, cross, variance, self._penalties)
        # Ties (nothing to learn) go to the largest penalty, nearest to the training mean.
        order = np.argsort(self._penalties)[::-1]
        penalty = self._penalties[order][np.argmin(errors[order])]
        weights = cross / (variance + penalty)[:, None]
        arrays = (components, source_mean, weights, target_mean)
        self._state = {name: values.astype(np.float32) for name, values in zip(self._names, arrays, strict=False)}
        self._state["penalty"] = np.array(penalty)
        return self

    def predict(self, source: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `source`, shape (n_cells, n_source).

        Raises
        ------
        ValueError
            If `source` has another number of features than the training cells.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        components, source_mean = self._state["components"], self._state["source_mean"]
        z = _scores(self._check_source(source, n_features=source_mean.size), source_mean, components)
        prediction = z.astype(np.float32) @ self._state["weights"]
        prediction += self._state["target_mean"]
        return prediction


def _scores(x: Any, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Centred projections on the components, shape (n_cells, k); centring after the product keeps sparse x sparse."""
    x = as_floating(x)
    projected = np.asarray(x @ components.T.astype(x.dtype))
    return projected - mean @ components.T


def _decompose(x: Any, *, n_components: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (p,), principal axes (k, p) and float64 scores (n, k) with orthogonal columns, k <= rank of centred x."""
    n, p = x.shape
    mean = column_means(x)
    k = min(n_components, n - 1, p)
    if k < 1 or not _varies(x):
        return mean, np.zeros((0, p)), np.zeros((n, 0))
    x = as_floating(x)
    if min(n, p) <= k + 1 or n * p <= 2**20:
        # ARPACK needs k well below both sizes; one side is short here, so the dense matrix is small.
        dense = x.toarray() if sparse.issparse(x) else x
        pca = PCA(k, svd_solver="full").fit(dense.astype(np.float64))
    else:
        pca = PCA(k, svd_solver="arpack", random_state=seed).fit(x)
    z = _scores(x, mean, pca.components_).astype(np.float64)
    z -= z.mean(axis=0)
    # A rotation makes the columns exactly orthogonal, on which every closed form below rests, and shows the rank.
    eigenvalues, rotation = np.linalg.eigh(z.T @ z)
    rotation = rotation[:, eigenvalues > max(eigenvalues[-1] * _RANK_TOLERANCE, 0.0)][:, ::-1]
    return mean, rotation.T @ pca.components_, z @ rotation


def _varies(x: Any) -> bool:
    """Whether any column holds two values; the decompositions fail on constants."""
    low, high = (edge.toarray() if sparse.issparse(edge) else edge for edge in (x.min(axis=0), x.max(axis=0)))
    return bool((low != high).any())


def _cross_product(z: np.ndarray, y: Any, mean: np.ndarray) -> np.ndarray:
    """Z^T (Y - mean), shape (k, n_target); the centred Y is never formed."""
    if sparse.issparse(y):
        product = np.asarray(y.T @ z)
    else:
        product = np.zeros((y.shape[1], z.shape[1]))
        for rows in blocks(*y.shape):  # a mixed-type product converts its operand: one block at a time
            product += y[rows].T @ z[rows]
    return product.T - np.outer(z.sum(axis=0), mean)


def _validation_errors(
    z_val: np.ndarray,
    y_val: Any,
    mean: np.ndarray,
    cross: np.ndarray,
    variance: np.ndarray,
    penalties: np.ndarray,
) -> np.ndarray:
    """Sum the squared errors of the validation cells for each penalty, less those of the training mean.

    With D = diag(1 / (variance + penalty)) and centred Y,
    |Y - Z D C|^2 - |Y|^2 = -2 tr(D C Y^T Z) + tr(D C C^T D Z^T Z).
    """
    linear = (_cross_product(z_val, y_val, mean) * cross).sum(axis=1)  # (k,)
    quadratic = (z_val.T @ z_val) * (cross @ cross.T)  # (k, k)
    shrinkage = 1 / (variance + penalties[:, None])  # (n_penalties, k)
    return -2 * shrinkage @ linear + ((shrinkage @ quadratic) * shrinkage).sum(axis=1)


def _left_out_errors(z: np.ndarray, y: Any, mean: np.ndarray, cross: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Sum the squared leave-one-out errors for each penalty: residual / (1 - leverage), the intercept included.

    Infinite where a cell determines its own prediction.
    """
    variance = (z * z).sum(axis=0)
    gram = cross @ cross.T  # (k, k)
    norms, overlap = _row_products(y, mean, cross)
    errors = np.full(len(penalties), np.inf)
    for i, penalty in enumerate(penalties):
        shrunk = z / (variance + penalty)  # (n, k)
        freedom = 1 - 1 / len(z) - (shrunk * z).sum(axis=1)
        if freedom.min() >= _LEAST_FREEDOM:
            residual = norms - 2 * (shrunk * overlap).sum(axis=1) + ((shrunk @ gram) * shrunk).sum(axis=1)
            errors[i] = (residual / freedom**2).sum()
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
