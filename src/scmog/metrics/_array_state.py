"""What fitted predictors and decompositions share: a state of plain arrays that a model file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import NotFittedError

from scmog.metrics._arrays import check_finite


class ArrayState:
    """Something whose fitted state is a dictionary of arrays with fixed names."""

    _names: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self._state: dict[str, np.ndarray] = {}

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that was fitted, as arrays.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_fitted(self, bool(self._state))
        return {name: values.copy() for name, values in self._state.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """Rebuild the fitted object from what `state()` returned.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        missing = [name for name in cls._names if name not in state]
        if missing:
            message = f"state of {cls.__name__} lacks {missing}; it has {sorted(state)}. Pass what state() returned."
            raise KeyError(message)
        fitted = cls()
        fitted._state = {name: np.array(state[name]) for name in cls._names}
        return fitted


def check_fitted(predictor: object, fitted: bool) -> None:
    """Refuse to go on before `fit`."""
    if not fitted:
        message = f"this {type(predictor).__name__} is not fitted. Call fit first."
        raise NotFittedError(message)


def check_source(source: Any, *, n_features: int) -> Any:
    """Return a checked source with the features of the training cells."""
    source = check_finite(source, name="source")
    if source.shape[1] != n_features:
        message = f"source must have the {n_features} features of the training cells, got {source.shape[1]}."
        raise ValueError(message)
    return source
