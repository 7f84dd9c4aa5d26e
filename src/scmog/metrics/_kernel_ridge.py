"""Kernel ridge regression on principal components: the strongest simple baseline where cells form groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from scmog.metrics._array_state import ArrayState, check_fitted, check_source
from scmog.metrics._arrays import blocks, column_means
from scmog.metrics._baselines import checked_grid, checked_pairs, draw, held_out, tuning_columns, tuning_rows
from scmog.metrics._components import decompose, leading, scores
from scmog.metrics._kernel_features import KernelFeatures, kernel_features, median_distance
from scmog.metrics._orthogonal_ridge import (
    DEFAULT_PENALTIES,
    cross_product,
    error_terms,
    squared_norms,
    validation_errors,
)

_Cells = tuple[np.ndarray, Any]
"""Scores (n_cells, k) and targets (n_cells, n_target) of the same cells."""

_COARSE_LANDMARKS = 500
"""Landmarks with which components and length scale are chosen; more change the errors, hardly their order."""


class KernelRidge(ArrayState):
    r"""Ridge regression with a Gaussian kernel on the first principal components of the source.

    :math:`K(z, z') = \exp(-|z - z'|^2 / 2 l^2)`, with an intercept that is not penalised. Up to `n_landmarks` training
    cells the solution is exact. Of more cells, `n_landmarks` drawn by `seed` span the functions that all of them are
    fitted with (Nystroem approximation). On PBMC (RNA to protein) 500, 1,000 and 2,000 landmarks give a correlation per
    protein of .835, .837 and .838.

    Number of components, length scale and penalty are those of the grids with the least mean squared error on the
    validation cells: the first two with 500 landmarks and at most 5,000 features, then the penalty with all. Of more
    than 2,000 validation cells, 2,000 are used. One eigendecomposition serves all penalties. Without validation cells
    a tenth of the training cells takes their place while the parameters are chosen.

    A sparse target is never made dense, but the weights are: (n_landmarks, n_target) in float32. Beside them `fit`
    needs (n_cells, n_landmarks) in float32.

    State: `components` (k, n_source), `source_mean` (n_source,), `landmarks` (m, k), `basis` (m, r) and `basis_mean`
    (r,) in float64, `weights` (r, n_target) and `target_mean` (n_target,) in float32, `length_scale` () and `penalty`
    (). It fits into a model file where the target has few features.

    Parameters
    ----------
    n_components
        Principal components used: one number or a grid. Fewer where the training cells or features have a lower rank.
    length_scales
        Grid of length scales, in units of the median distance between training cells.
    penalties
        Grid of penalties, on the scale of the eigenvalues of the kernel matrix.
    n_landmarks
        Training cells at which kernels are centred. Time grows with its cube.
    seed
        Seed of the decomposition, of the landmarks and of the cells that are left out.
    """

    _names = (
        "components",
        "source_mean",
        "landmarks",
        "basis",
        "basis_mean",
        "weights",
        "target_mean",
        "length_scale",
        "penalty",
    )

    def __init__(
        self,
        n_components: int | Sequence[int] = (10, 20, 50),
        *,
        length_scales: float | Sequence[float] = (0.25, 0.5, 1.0, 2.0),
        penalties: Sequence[float] = DEFAULT_PENALTIES,
        n_landmarks: int = 2_000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._sizes = checked_grid(n_components, name="n_components", kind="count")
        self._length_scales = checked_grid(length_scales, name="length_scales")
        self._penalties = checked_grid(penalties, name="penalties")[::-1]  # ties go to the largest
        self._n_landmarks = int(checked_grid(n_landmarks, name="n_landmarks", kind="count")[0])
        self._seed = seed

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen `n_components`, `length_scale` (as a distance) and `penalty`."""
        check_fitted(self, bool(self._state))
        scalars = {name: float(self._state[name]) for name in ("length_scale", "penalty")}
        return {"n_components": len(self._state["components"])} | scalars

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Fit the components on `source_train`, the weights on `target_train` and choose the parameters.

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
        if x_val is None:
            rest, held = held_out(len(z), seed=self._seed)
            train, validation = (z[rest], y[rest]), (z[held], y[held])
        else:
            rows = tuning_rows(x_val.shape[0], seed=self._seed)
            train, validation = (z, y), (scores(x_val[rows], source_mean, components), y_val[rows])
        kernel = self._choose_kernel(train, validation)
        solution = self._solve(train, validation, kernel, penalties=self._penalties)
        if x_val is None:
            solution = self._solve((z, y), None, kernel, penalties=np.array([solution.penalty]))
        features = solution.features
        self._state = {
            "components": components[: kernel[0]],
            "source_mean": source_mean,
            "landmarks": features.landmarks,
            "basis": features.basis,
            "basis_mean": features.mean,
            "weights": solution.weights,
            "target_mean": solution.target_mean.astype(np.float32),
            "length_scale": np.array(features.length_scale),
            "penalty": np.array(solution.penalty),
        }
        return self

    def _choose_kernel(self, train: _Cells, validation: _Cells) -> tuple[int, float]:
        """Number of components and length scale with the least squared error on the validation cells."""
        columns = tuning_columns(train[1].shape[1], seed=self._seed)
        train, validation = ((z, y[:, columns]) for z, y in (train, validation))
        least, chosen = np.inf, (0, 1.0)
        for size in sorted({min(int(size), train[0].shape[1]) for size in self._sizes}):
            unit = median_distance(leading(train[0], size), seed=self._seed)
            for multiple in self._length_scales:
                kernel = (size, float(multiple * unit))
                error = self._solve(train, validation, kernel, penalties=self._penalties, coarse=True).error
                if error < least:
                    least, chosen = error, kernel
        return chosen

    def _solve(
        self,
        train: _Cells,
        validation: _Cells | None,
        kernel: tuple[int, float],
        *,
        penalties: np.ndarray,
        coarse: bool = False,
    ) -> _Solution:
        """Solve for one kernel and choose the penalty on the validation cells; without them the first is taken."""
        (z, y), (size, length_scale) = train, kernel
        z, target_mean = leading(z, size), column_means(y)
        n_landmarks = min(self._n_landmarks, _COARSE_LANDMARKS) if coarse else self._n_landmarks
        landmarks = z[draw(len(z), n_landmarks, seed=self._seed)]
        features = kernel_features(z, landmarks=landmarks, length_scale=length_scale)
        phi = features(z)  # (n_cells, r)
        phi_val = np.zeros((0, phi.shape[1])) if validation is None else features(leading(validation[0], size))
        weights = np.empty((phi.shape[1], y.shape[1]), dtype=np.float32)
        linear, outer = np.zeros(len(weights)), np.zeros((len(weights), len(weights)))
        for columns in blocks(y.shape[1], len(weights)):
            cross = cross_product(phi, y[:, columns], target_mean[columns])
            weights[:, columns] = cross
            if validation is not None:
                terms = error_terms(phi_val, validation[1][:, columns], target_mean[columns], cross)
                linear, outer = linear + terms[0], outer + terms[1]
        variance = squared_norms(phi)
        quadratic = (phi_val.T @ phi_val) * outer
        errors = validation_errors(linear, quadratic, variance, penalties, [len(weights)])[0]
        best = int(np.argmin(errors))
        weights /= (variance + penalties[best]).astype(np.float32)[:, None]
        return _Solution(features, weights, target_mean, float(penalties[best]), float(errors[best]))

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
        components, source_mean, landmarks = (self._state[name] for name in self._names[:3])
        z = scores(check_source(source, n_features=source_mean.size), source_mean, components)
        length_scale = float(self._state["length_scale"])
        features = KernelFeatures(landmarks, length_scale, self._state["basis"], self._state["basis_mean"])
        weights = self._state["weights"]
        prediction = np.empty((len(z), weights.shape[1]), dtype=np.float32)
        for rows in blocks(len(z), len(landmarks)):
            np.matmul(features(leading(z[rows], len(components))), weights, out=prediction[rows])
        prediction += self._state["target_mean"]
        return prediction


@dataclass(frozen=True)
class _Solution:
    """Weights (r, n_target) on features of the kernel, the penalty behind them and its error on validation cells."""

    features: KernelFeatures
    weights: np.ndarray
    target_mean: np.ndarray
    penalty: float
    error: float
