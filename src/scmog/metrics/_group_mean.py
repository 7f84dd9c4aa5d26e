"""Mean of each group of cells, such as cell types: what labels alone explain."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from scmog._labels import as_names
from scmog.metrics._array_state import ArrayState, check_fitted
from scmog.metrics._baselines import checked_grid, checked_pairs
from scmog.metrics._orthogonal_ridge import fit_orthogonal


class GroupMean(ArrayState):
    r"""Predicts the mean of the training cells of the same label, such as the cell type.

    The mean of a group of :math:`n` cells is shrunk towards the mean of all training cells as if :math:`c` cells of
    that mean were in it, :math:`(\sum y + c \bar{y}) / (n + c)`, with one :math:`c` for all groups: the one with the
    least squared error on the validation cells, else of leave-one-out predictions. `prior_cells=0` leaves
    the means as they are.

    Labels of the cells to predict must come from elsewhere. Where they were found with the help of the target, this
    is a ceiling of what knowing the cell type can do, not a competitor.

    State: `labels` (n_groups,) strings, `group_mean` (n_groups, n_target) and `target_mean` (n_target,) float32,
    `prior_cells` ().

    Parameters
    ----------
    prior_cells
        Grid of :math:`c`, numbers of cells of 0 or more.
    """

    _names = ("labels", "group_mean", "target_mean", "prior_cells")

    def __init__(self, prior_cells: float | Sequence[float] = (0, 0.3, 1, 3, 10, 30, 100, 300, 1000)) -> None:
        super().__init__()
        self._prior_cells = checked_grid(prior_cells, name="prior_cells", kind="non-negative")

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen `prior_cells`."""
        check_fitted(self, bool(self._state))
        return {"prior_cells": float(self._state["prior_cells"])}

    def fit(self, labels_train: Any, target_train: Any, labels_val: Any = None, target_val: Any = None) -> Self:
        """Take the means of `target_train` and choose how far they are shrunk.

        Parameters
        ----------
        labels_train
            Labels of the training cells, shape (n_cells,): strings, numbers (1.0 is 1) or a categorical, none missing.
        target_train
            Target of the same cells, shape (n_cells, n_target), dense or sparse.
        labels_val, target_val
            The same of the validation cells, both or neither.

        Raises
        ------
        ValueError
            If shapes do not fit together, a value is NaN or infinite, or a training cell has no label.
        """
        names, absent = _strings(labels_train, name="labels_train")
        if absent.any():
            message = (
                f"labels_train lacks the label of {absent.sum()} cells; one for each training cell is expected. "
                f"Leave those cells out or give them a label of their own."
            )
            raise ValueError(message)
        labels = np.unique(names)
        z_val = None if labels_val is None else _one_hot(*_strings(labels_val, name="labels_val"), labels)
        z, y, z_val, y_val = checked_pairs(
            _one_hot(names, absent, labels), target_train, z_val, target_val, name="labels"
        )
        # Group means are ridge on indicator columns, which are orthogonal; the prior cells are the penalty.
        validation = None if z_val is None else (z_val, y_val)
        ridge = fit_orthogonal(z, y, validation, penalties=self._prior_cells, sizes=[len(labels)], centred=False)
        self._state = {
            "labels": labels,
            "group_mean": (ridge.weights + ridge.target_mean).astype(np.float32),
            "target_mean": ridge.target_mean.astype(np.float32),
            "prior_cells": np.array(ridge.penalty),
        }
        return self

    def predict(self, labels: Any) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `labels`, shape (n_cells,).

        Cells without a label, or with one that no training cell has, get the mean of all training cells.

        Warns
        -----
        UserWarning
            If there are such cells.

        Raises
        ------
        ValueError
            If `labels` is empty or has more than one dimension.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        check_fitted(self, bool(self._state))
        names, absent = _strings(labels, name="labels")
        groups = pd.Index(self._state["labels"]).get_indexer(names)
        groups[absent] = -1
        unknown = groups < 0
        if unknown.any():
            others = np.unique(names[unknown & ~absent]).tolist()
            message = (
                f"{unknown.sum()} cells have no label or one that no training cell has ({others}): they get the mean "
                f"of all training cells. Known labels: {self._state['labels'].tolist()}."
            )
            warnings.warn(message, UserWarning, stacklevel=2)
        means = np.vstack([self._state["group_mean"], self._state["target_mean"]])
        return means[groups]  # -1 is the last row, the mean of all


def _strings(labels: Any, *, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels as strings (n_cells,) and which are missing."""
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1 or not values.size:
        message = f"{name} must be a non-empty sequence of one label for each cell, got shape {values.shape}."
        raise ValueError(message)
    names = as_names(pd.Series(values))
    absent = names.isna().to_numpy()
    return names.mask(absent, "").to_numpy().astype(str), absent


def _one_hot(names: np.ndarray, absent: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indicator columns (n_cells, n_groups) in float64; rows of zeros for missing and other labels."""
    return ((names[:, None] == labels) & ~absent[:, None]).astype(np.float64)
