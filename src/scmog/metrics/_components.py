"""Principal components of the source, the space in which the baseline predictors work."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from scmog.metrics._array_state import ArrayState, check_fitted, check_source
from scmog.metrics._arrays import as_floating, check_finite, column_means

RANK_TOLERANCE = 1e-10
"""Directions with less than this share of the largest squared singular value are rounding noise."""


class PrincipalComponents(ArrayState):
    """Principal components of the source, computed once for several baselines.

    The scores that :meth:`transform` returns are a source for :class:`SVDRidge`, :class:`KNN` and
    :class:`KernelRidge`: their own decomposition of so few columns costs next to nothing and changes nothing. Of a
    TF-IDF matrix they are latent semantic indexing (LSI) with centred columns.

    Where the training cells do not differ there is no component, and the scores are one column of zeros.

    State: `components` (k, n_source) and `source_mean` (n_source,), float32.

    Parameters
    ----------
    n_components
        Components computed; fewer where the training cells or features have a lower rank.
    seed
        Seed of the starting vector of the decomposition.
    """

    _names = ("components", "source_mean")

    def __init__(self, n_components: int = 100, *, seed: int = 0) -> None:
        super().__init__()
        if n_components < 1:
            message = f"n_components must be at least 1, got {n_components}."
            raise ValueError(message)
        self._n_components, self._seed = n_components, seed

    def fit(self, source_train: Any) -> Self:
        """Decompose the source of the training cells, shape (n_cells, n_source), dense or sparse.

        Raises
        ------
        ValueError
            If a value is NaN or infinite.
        """
        source = check_finite(source_train, name="source_train")
        mean, components, _ = decompose(source, n_components=self._n_components, seed=self._seed)
        self._state = {"components": components.astype(np.float32), "source_mean": mean.astype(np.float32)}
        return self

    def transform(self, source: Any) -> np.ndarray:
        """Return the float32 scores of cells, shape (n_cells, k), for `source`, shape (n_cells, n_source).

        Raises
        ------
        ValueError
            If `source` has another number of features than the training cells.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_fitted(self, bool(self._state))
        components, mean = self._state["components"], self._state["source_mean"]
        z = scores(check_source(source, n_features=mean.size), mean, components)
        return leading(z, len(components)).astype(np.float32)


def scores(x: Any, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Centred projections on the components, shape (n_cells, k); centring after the product keeps sparse x sparse."""
    x = as_floating(x)
    projected = np.asarray(x @ components.T.astype(x.dtype))
    return projected - mean @ components.T


def leading(z: np.ndarray, size: int) -> np.ndarray:
    """First columns of scores; a column of zeros where there is none, as distances need one."""
    return z[:, :size] if z.shape[1] else np.zeros((len(z), 1))


def decompose(x: Any, *, n_components: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    z = scores(x, mean, pca.components_).astype(np.float64)
    z -= z.mean(axis=0)
    # A rotation makes the columns exactly orthogonal, on which every closed form below rests, and shows the rank.
    eigenvalues, rotation = np.linalg.eigh(z.T @ z)
    rotation = rotation[:, eigenvalues > max(eigenvalues[-1] * RANK_TOLERANCE, 0.0)][:, ::-1]
    return mean, rotation.T @ pca.components_, z @ rotation


def _varies(x: Any) -> bool:
    """Whether any column holds two values; the decompositions fail on constants."""
    low, high = (edge.toarray() if sparse.issparse(edge) else edge for edge in (x.min(axis=0), x.max(axis=0)))
    return bool((low != high).any())
