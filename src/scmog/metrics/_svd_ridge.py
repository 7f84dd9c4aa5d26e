"""Ridge regression on principal components, tuned in closed form: the baseline that is hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from scmog.metrics._array_state import ArrayState, check_fitted, check_source
from scmog.metrics._baselines import checked_grid, checked_pairs
from scmog.metrics._components import decompose, scores
from scmog.metrics._orthogonal_ridge import DEFAULT_PENALTIES, fit_orthogonal


class SVDRidge(ArrayState):
    r"""Ridge regression on the first principal components of the source.

    With the centred scores :math:`Z = U S` of the training cells, the weights for a penalty :math:`\lambda` are
    :math:`W = (S^2 + \lambda)^{-1} Z^T Y`. The number of components and the penalty are those of the grids with the
    least mean squared error over all features: of the validation cells if there are any, else of exact leave-one-out
    predictions of the training cells (given the components). Both errors are computed from products with :math:`k`
    columns, so a sparse target is never made dense.

    State: `components` (k, n_source), `source_mean` (n_source,), `weights` (k, n_target), `target_mean`
    (n_target,), all float32, and `penalty` ().

    Parameters
    ----------
    n_components
        Principal components used: one number or a grid. Fewer where the training cells or features have a lower rank.
        The decomposition for the largest takes most of the time.
    penalties
        Grid of penalties, on the scale of the squared singular values. Four a decade from 1e-3 to 1e9 by default.
    seed
        Seed of the starting vector of the decomposition.
    """

    _names = ("components", "source_mean", "weights", "target_mean", "penalty")

    def __init__(
        self,
        n_components: int | Sequence[int] = (10, 20, 50, 100),
        *,
        penalties: Sequence[float] = DEFAULT_PENALTIES,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._sizes = checked_grid(n_components, name="n_components", kind="count")
        self._penalties = checked_grid(penalties, name="penalties")
        self._seed = seed

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen `n_components` and `penalty`."""
        check_fitted(self, bool(self._state))
        return {"n_components": len(self._state["components"]), "penalty": float(self._state["penalty"])}

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Fit the components on `source_train`, the weights on `target_train` and choose their number and the penalty.

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
        source_mean, components, z = decompose(x, n_components=int(self._sizes[-1]), seed=self._seed)
        validation = None if x_val is None else (scores(x_val, source_mean, components), y_val)
        ridge = fit_orthogonal(z, y, validation, penalties=self._penalties, sizes=self._sizes)
        arrays = (components[: len(ridge.weights)], source_mean, ridge.weights, ridge.target_mean)
        self._state = {name: values.astype(np.float32) for name, values in zip(self._names, arrays, strict=False)}
        self._state["penalty"] = np.array(ridge.penalty)
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
        check_fitted(self, bool(self._state))
        components, source_mean = self._state["components"], self._state["source_mean"]
        z = scores(check_source(source, n_features=source_mean.size), source_mean, components)
        prediction = z.astype(np.float32) @ self._state["weights"]
        prediction += self._state["target_mean"]
        return prediction
