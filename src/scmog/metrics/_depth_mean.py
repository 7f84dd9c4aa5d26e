"""Training mean scaled by the depth of a cell: what sequencing depth alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse

from scmog.metrics._array_state import ArrayState, check_fitted
from scmog.metrics._arrays import check_choice, column_means, stored_values
from scmog.metrics._baselines import checked_grid, checked_pairs, tuning_rows
from scmog.metrics._log_depth import log_depth
from scmog.metrics._orthogonal_ridge import DEFAULT_PENALTIES, fit_orthogonal

DEFAULT_POWERS = tuple(round(0.1 * step, 1) for step in range(16))
"""From no effect of depth to more than proportional."""


class DepthMean(ArrayState):
    r"""Predicts from the depth of the source alone: the training mean, moved by how much was read of a cell.

    **0/1 targets.** The rate of each feature is scaled by a power of the depth :math:`d`, so that a prediction stays a
    probability: :math:`p = 1 - (1 - f)^s` with the training frequency :math:`f` and
    :math:`s = d^a / \overline{d^a}` (mean over the training cells). The power :math:`a` is the one of the grid with the
    greatest likelihood, of the validation cells if there are any, else of the training cells. One power serves all
    features: the cells are ranked alike in all of them.

    **Values** (log-normalised expression, CLR). They are normalised by the depth of the target, so a common factor says
    little; what is left of depth differs in size and sign between features. Each feature gets a slope on
    :math:`\ln d`, with one ridge penalty that is chosen as in :class:`SVDRidge`.

    State: `target_mean` (n_target,) and `slopes` (n_target,) (0/1: empty) in float32; `offset` (), `power` () (values:
    NaN) and `penalty` () (0/1: NaN).

    Parameters
    ----------
    kind
        What the targets are: 0/1 (`"binary"`) or values (`"continuous"`).
    powers
        Grid of powers for 0/1 targets; 0 is the training mean.
    penalties
        Grid of penalties for values, on the scale of the sum of squares of centred :math:`\ln d`.
    """

    _names = ("target_mean", "slopes", "offset", "power", "penalty")

    def __init__(
        self,
        kind: Literal["binary", "continuous"] = "binary",
        *,
        powers: Sequence[float] = DEFAULT_POWERS,
        penalties: Sequence[float] = DEFAULT_PENALTIES,
    ) -> None:
        super().__init__()
        check_choice(kind, name="kind", choices=("binary", "continuous"))
        self._kind = kind
        self._powers = checked_grid(powers, name="powers", kind="non-negative")
        self._penalties = checked_grid(penalties, name="penalties")

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen `power` (0/1 targets) or `penalty` (values)."""
        check_fitted(self, bool(self._state))
        name = "penalty" if self._state["slopes"].size else "power"
        return {name: float(self._state[name])}

    def fit(self, depth_train: Any, target_train: Any, depth_val: Any = None, target_val: Any = None) -> Self:
        """Take the means of `target_train` and choose how they move with the depth.

        Parameters
        ----------
        depth_train
            Total raw counts (or open peaks) of the training cells in the source, shape (n_cells,); below 1 counts as 1.
        target_train
            Target of the same cells, shape (n_cells, n_target), dense or sparse.
        depth_val, target_val
            The same of the validation cells, both or neither.

        Raises
        ------
        ValueError
            If shapes do not fit together, a depth is negative, a value is NaN or infinite, or a binary target holds
            something other than 0 and 1.
        """
        x = log_depth(depth_train, name="depth_train")
        x_val = None if depth_val is None else log_depth(depth_val, name="depth_val")
        x, y, x_val, y_val = checked_pairs(x, target_train, x_val, target_val, name="depth")
        if self._kind == "binary":
            _check_binary(y, name="target_train")
            if y_val is not None:
                _check_binary(y_val, name="target_val")
            self._state = self._scaled_rates(x[:, 0], y, (x, y) if x_val is None else (x_val, y_val))
            return self
        offset = x.mean()
        validation = None if x_val is None else (x_val - offset, y_val)
        ridge = fit_orthogonal(x - offset, y, validation, penalties=self._penalties, sizes=[1])
        self._state = {
            "target_mean": ridge.target_mean.astype(np.float32),
            "slopes": ridge.weights[0].astype(np.float32),
            "offset": np.array(offset),
            "power": np.array(np.nan),
            "penalty": np.array(ridge.penalty),
        }
        return self

    def _scaled_rates(self, x: np.ndarray, y: Any, tuning: tuple[np.ndarray, Any]) -> dict[str, np.ndarray]:
        """State for 0/1 targets; `x` are log depths (n_cells,)."""
        mean = column_means(y)
        rows = tuning_rows(len(tuning[0]), seed=0)
        x_tuning, y_tuning = tuning[0][rows, 0], sparse.csr_array(tuning[1][rows])
        offsets = [_log_mean_exp(power * x) for power in self._powers]
        fits = [
            _log_likelihood(y_tuning, mean, power * x_tuning - offset)
            for power, offset in zip(self._powers, offsets, strict=True)
        ]
        best = int(np.argmax(fits))  # ties go to the smallest power, nearest to the training mean
        return {
            "target_mean": mean.astype(np.float32),
            "slopes": np.zeros(0, dtype=np.float32),
            "offset": np.array(offsets[best]),
            "power": np.array(self._powers[best]),
            "penalty": np.array(np.nan),
        }

    def predict(self, depth: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `depth`, shape (n_cells,).

        Raises
        ------
        ValueError
            If a depth is negative, NaN or infinite.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_fitted(self, bool(self._state))
        mean, slopes, offset = (self._state[name] for name in ("target_mean", "slopes", "offset"))
        x = log_depth(depth, name="depth")  # (n_cells, 1)
        if slopes.size:
            prediction = (x - offset).astype(np.float32) * slopes
            prediction += mean
            return prediction
        factors = np.exp(self._state["power"] * x - offset).astype(np.float32)
        with np.errstate(divide="ignore"):  # a feature that is always open has an infinite rate
            prediction = factors * np.log1p(-mean)
        np.expm1(prediction, out=prediction)
        return np.negative(prediction, out=prediction)


class TargetDepthConfounder(DepthMean):
    """A confounder, not a competitor: the training mean scaled by the measured depth of the *target*.

    The same as :class:`DepthMean`, but for `depth_train`, `depth_val` and `depth` one passes the totals of the target
    itself, those of the cells to predict included. That peeks at what is to be predicted. It shows how much of a score
    for each feature depth alone explains: what a model gains up to this value need not be biology.
    """


def _check_binary(y: Any, *, name: str) -> None:
    """Refuse targets that are not 0/1."""
    values = stored_values(y)
    if not ((values == 0) | (values == 1)).all():
        message = f'{name} must hold 0 and 1 for kind="binary". Pass counts > 0, or kind="continuous" for values.'
        raise ValueError(message)


def _log_mean_exp(x: np.ndarray) -> float:
    """Logarithm of the mean of exp(x)."""
    return float(np.log(np.exp(x - x.max()).mean()) + x.max())


def _log_likelihood(y: Any, mean: np.ndarray, log_factors: np.ndarray) -> float:
    """Bernoulli log-likelihood of CSR 0/1 targets under 1 - (1 - mean)^s, from the stored entries alone.

    With rates r = -ln(1 - mean) an open entry adds ln(1 - exp(-s r)), a closed one -s r; so the sum is that of
    ln(exp(s r) - 1) over the open entries less the sum of s r over all. Features that are never or always open in
    training are left out: their predictions do not move.
    """
    moves = (mean > 0) & (mean < 1)
    rates = -np.log1p(-np.where(moves, mean, 0.0))
    factors = np.exp(log_factors)
    opened = (y.data > 0) & moves[y.indices]
    products = (np.repeat(factors, np.diff(y.indptr)) * rates[y.indices])[opened]
    return float((products + np.log(-np.expm1(-products))).sum() - factors.sum() * rates.sum())
