"""The simplest baseline: the training mean of each feature."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from scmog.metrics._array_state import ArrayState, check_fitted, check_source
from scmog.metrics._arrays import column_means
from scmog.metrics._baselines import checked_pairs


class TrainingMean(ArrayState):
    """Predicts the mean over the training cells for every cell: what a model knows that has not looked at the source.

    State: `target_mean` (n_target,) float32 and `n_source` ().
    """

    _names = ("target_mean", "n_source")

    @property
    def parameters(self) -> dict[str, Any]:
        """Empty: there is nothing to choose."""
        return {}

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
        check_fitted(self, bool(self._state))
        source = check_source(source, n_features=int(self._state["n_source"]))
        mean = self._state["target_mean"]
        return np.broadcast_to(mean, (source.shape[0], mean.size))
