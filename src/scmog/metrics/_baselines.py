"""What every baseline predictor offers, and the simplest one: the training mean of each feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from sklearn.exceptions import NotFittedError

from scmog.metrics._arrays import check_finite, column_means


class Baseline(Protocol):
    """What every baseline predictor offers."""

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Learn from matrices of shape (n_cells, n_source) and (n_cells, n_target)."""

    def predict(self, source: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `source`, shape (n_cells, n_source)."""

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that `predict` needs, as arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a fitted predictor from `state()`."""


class StoredBaseline:
    """A predictor whose fitted state is a dictionary of arrays with fixed names."""

    _names: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._state: dict[str, np.ndarray] = {}

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that `predict` needs, as arrays.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        return {name: values.copy() for name, values in self._state.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a fitted predictor from what `state()` returned.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        missing = [name for name in cls._names if name not in state]
        if missing:
            message = f"state of {cls.__name__} lacks {missing}; it has {sorted(state)}. Pass what state() returned."
            raise KeyError(message)
        predictor = cls()
        predictor._state = {name: np.array(state[name]) for name in cls._names}
        return predictor

    def _check_fitted(self) -> None:
        if not self._state:
            message = f"this {type(self).__name__} is not fitted. Call fit(source_train, target_train) first."
            raise NotFittedError(message)

    def _check_source(self, source: Any, *, n_features: int) -> Any:
        source = check_finite(source, name="source")
        if source.shape[1] != n_features:
            message = f"source must have the {n_features} features of the training cells, got {source.shape[1]}."
            raise ValueError(message)
        return source


class TrainingMean(StoredBaseline):
    """Predicts the mean over the training cells for every cell: what a model knows that has not looked at the source.

    State: `target_mean` (n_target,) float32 and `n_source` ().
    """

    _names = ("target_mean", "n_source")

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None) -> Self:
        """Take the mean of `target_train` (n_cells, n_target); validation cells are checked and not used.

        Raises
        ------
        ValueError
            If shapes do not fit together or a value is NaN or infinite.
        """
        source, target, _, _ = checked_pairs(source_train, target_train, source_val, target_val)
        self._state = {
            "target_mean": column_means(target).astype(np.float32),
            "n_source": np.array(source.shape[1]),
        }
        return self

    def predict(self, source: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), as a read-only view that takes no memory.

        Raises
        ------
        ValueError
            If `source` has another number of features than the training cells.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        source = self._check_source(source, n_features=int(self._state["n_source"]))
        mean = self._state["target_mean"]
        return np.broadcast_to(mean, (source.shape[0], mean.size))


def checked_pairs(source_train: Any, target_train: Any, source_val: Any, target_val: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four matrices of a `fit`, checked one by one and against each other; the last two may be None."""
    if (source_val is None) != (target_val is None):
        given, absent = ("target_val", "source_val") if source_val is None else ("source_val", "target_val")
        message = f"{given} is given without {absent}. Pass both matrices of the validation cells, or neither."
        raise ValueError(message)
    train = _checked_pair(source_train, target_train, names=("source_train", "target_train"))
    if source_val is None:
        return *train, None, None
    validation = _checked_pair(source_val, target_val, names=("source_val", "target_val"))
    for first, second, name in zip(train, validation, ("source", "target"), strict=True):
        if first.shape[1] != second.shape[1]:
            message = (
                f"{name}_val must have the {first.shape[1]} features of {name}_train, got {second.shape[1]}. "
                f"Bring the features of both into the same order."
            )
            raise ValueError(message)
    return *train, *validation


def _checked_pair(source: Any, target: Any, *, names: tuple[str, str]) -> tuple[Any, Any]:
    """Two finite matrices of the same cells."""
    source, target = check_finite(source, name=names[0]), check_finite(target, name=names[1])
    len_source, len_target = source.shape[0], target.shape[0]
    if len_source != len_target:
        message = f"{names[0]} and {names[1]} must hold the same cells, got {len_source} and {len_target} rows."
        raise ValueError(message)
    return source, target
