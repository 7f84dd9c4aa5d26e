"""Mean of the nearest training cells: the baseline that needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from scmog.metrics._array_state import check_fitted, check_source
from scmog.metrics._arrays import as_floating, blocks, check_choice
from scmog.metrics._baselines import checked_grid, checked_pairs, held_out, tuning_columns, tuning_rows
from scmog.metrics._components import decompose, leading, scores

Weighting = Literal["uniform", "distance"]

_TUNING_ENTRIES = 2**20
"""Sums that stay in the cache while neighbours are added to them."""


class KNN:
    """Mean of the `k` nearest training cells on the first principal components of the source.

    Number of components, `k` and weighting are those of the grids with the least mean squared error on the validation
    cells; of more than 2,000 cells and 5,000 features, so many are used. Without validation cells a tenth of the
    training cells takes their place while the parameters are chosen.

    It keeps the target of the training cells (the caller's matrix, not a copy) and has no state for a model file. A
    sparse target is never made dense: predictions are products of a sparse matrix of weights with blocks of about 8
    million entries.

    Parameters
    ----------
    n_components
        Principal components used: one number or a grid. Fewer where the training cells or features have a lower rank.
    n_neighbors
        Grid of `k`; numbers above that of the training cells count as all.
    weights
        `"uniform"`, `"distance"` (inverse of the Euclidean distance) or both to choose from.
    seed
        Seed of the decomposition and of the cells that are left out.
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (10, 20, 50),
        *,
        n_neighbors: int | Sequence[int] = (5, 10, 20, 50, 100, 200, 500, 1000),
        weights: Weighting | Sequence[Weighting] = ("uniform", "distance"),
        seed: int = 0,
    ) -> None:
        self._sizes = checked_grid(n_components, name="n_components", kind="count")
        self._neighbors = checked_grid(n_neighbors, name="n_neighbors", kind="count")
        self._weights = (weights,) if isinstance(weights, str) else tuple(weights)
        for choice in self._weights or ("",):
            check_choice(choice, name="weights", choices=("uniform", "distance"))
        self._seed = seed
        self._index: Any = None
        self._mean, self._components = np.zeros(0), np.zeros((0, 0))
        self._target: Any = None
        self._parameters: dict[str, Any] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen `n_components`, `n_neighbors` and `weights`."""
        check_fitted(self, self._index is not None)
        return dict(self._parameters)

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Index the training cells and choose the parameters.

        Parameters
        ----------
        source_train
            Source of the training cells on a sensible scale (log-normalised, TF-IDF), shape (n_cells, n_source), dense
            or sparse.
        target_train
            Target of the same cells, shape (n_cells, n_target), dense or sparse; kept.
        source_val, target_val
            The same of the validation cells, both or neither.

        Raises
        ------
        ValueError
            If shapes do not fit together, a value is NaN or infinite, or only one validation matrix is given.
        """
        x, y, x_val, y_val = checked_pairs(source_train, target_train, source_val, target_val)
        self._target = y = as_floating(y)
        self._mean, components, z = decompose(x, n_components=int(self._sizes[-1]), seed=self._seed)
        if x_val is None:
            rest, held = held_out(len(z), seed=self._seed)
            tuning = (z[rest], y[rest], z[held], y[held])
        else:
            rows = tuning_rows(x_val.shape[0], seed=self._seed)
            tuning = (z, y, scores(x_val[rows], self._mean, components), y_val[rows])
        # Without a component all cells are equally near: the mean of all is what is left.
        grid = self._neighbors if z.shape[1] else np.array([len(z)])
        chosen = self._choose(grid, *tuning)
        self._parameters = chosen | {"n_neighbors": min(chosen["n_neighbors"], len(z))}
        size = self._parameters["n_components"]
        self._components = components[:size]
        self._index = NearestNeighbors(n_neighbors=self._parameters["n_neighbors"]).fit(leading(z, size))
        return self

    def _choose(self, grid: np.ndarray, z: np.ndarray, y: Any, z_val: np.ndarray, y_val: Any) -> dict[str, Any]:
        """Return the parameters with the least squared error on the validation cells; `grid` is that of `k`."""
        columns = tuning_columns(y.shape[1], seed=self._seed)
        y, y_val = y[:, columns], y_val[:, columns]
        least, chosen = np.inf, {}
        counts = np.unique(np.minimum(grid, len(z)))
        for size in sorted({min(int(size), z.shape[1]) for size in self._sizes}):
            index = NearestNeighbors(n_neighbors=counts[-1]).fit(leading(z, size))
            distances, neighbors = index.kneighbors(leading(z_val, size))
            for kind in self._weights:
                errors = np.zeros(len(counts))
                for rows in blocks(*y_val.shape, entries=_TUNING_ENTRIES):
                    sums = _nested_sums(_weigh(distances[rows], kind), neighbors[rows], y, counts)
                    errors += [_excess_error(*pair, y_val[rows]) for pair in sums]
                best = int(np.argmin(errors))
                if errors[best] < least:
                    least = errors[best]
                    chosen = {"n_components": size, "n_neighbors": int(grid[best]), "weights": kind}
        return chosen

    def predict(self, source: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `source`, shape (n_cells, n_source).

        Raises
        ------
        ValueError
            If `source` has another number of features than the training cells.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_fitted(self, self._index is not None)
        z = scores(check_source(source, n_features=self._mean.size), self._mean, self._components)
        prediction = np.empty((len(z), self._target.shape[1]), dtype=np.float32)
        k, kind = self._parameters["n_neighbors"], self._parameters["weights"]
        for rows in blocks(len(z), max(prediction.shape[1], k)):
            distances, neighbors = self._index.kneighbors(leading(z[rows], z.shape[1]))
            sums, totals = next(_nested_sums(_weigh(distances, kind), neighbors, self._target, np.array([k])))
            np.divide(sums, totals[:, None], out=prediction[rows], casting="same_kind")
        return prediction


def _weigh(distances: np.ndarray, kind: Weighting) -> np.ndarray:
    """Weights (n_cells, k) of neighbours in ascending order of distance, relative to the nearest.

    Cells at distance 0 are the only ones that count, as in scikit-learn.
    """
    if kind == "uniform":
        return np.ones(distances.shape, dtype=np.float32)
    nearest = distances[:, :1]
    relative = np.divide(nearest, distances, out=np.ones_like(distances), where=distances > 0)
    return relative.astype(np.float32)


def _nested_sums(
    weights: np.ndarray, neighbors: np.ndarray, y: Any, counts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield dense weighted sums (n_cells, n_target) and sums of weights (n_cells,) over the first `counts` neighbours.

    Counts ascend; each sum is the last one with more neighbours added, in the same memory.
    """
    sums = np.zeros((len(weights), y.shape[1]), dtype=y.dtype)
    for start, stop in pairwise([0, *counts]):
        part, n_cells = slice(start, stop), len(weights)
        pointers = np.arange(n_cells + 1) * (stop - start)
        entries = (weights[:, part].ravel(), neighbors[:, part].ravel(), pointers)
        product = sparse.csr_array(entries, shape=(n_cells, y.shape[0])) @ y
        sums += product.toarray() if sparse.issparse(product) else product
        yield sums, weights[:, :stop].sum(axis=1)


def _excess_error(sums: np.ndarray, totals: np.ndarray, truth: Any) -> float:
    """Squared error of `sums / totals` less that of predicting zeros; a sparse truth is not made dense."""
    if sparse.issparse(truth):
        cells = np.repeat(np.arange(len(totals)), np.diff(truth.indptr))
        overlap = np.bincount(cells, weights=truth.data * sums[cells, truth.indices], minlength=len(totals))
    else:
        overlap = np.einsum("ij,ij->i", sums, truth)
    return float((np.einsum("ij,ij->i", sums, sums) / totals**2 - 2 * overlap / totals).sum(dtype=np.float64))
