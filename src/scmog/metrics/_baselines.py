"""What every baseline predictor offers, and the checks and cells that their `fit` methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

import numpy as np

from scmog.metrics._arrays import check_finite

MAX_TUNING_CELLS = 2_000
MAX_TUNING_FEATURES = 5_000
"""More do not move a choice among a few parameters, but each costs predictions with all of them."""


class Baseline(Protocol):
    """What every baseline predictor offers.

    `source` is what a predictor looks at: a matrix of features for most, the depths of the cells for
    :class:`DepthMean`, their labels for :class:`GroupMean`. Every predictor chooses its parameters on the validation
    cells; without them it chooses on training cells that are left out.

    Cells are predicted one by one: predictions of `source[start:stop]` are the rows `start:stop` of the predictions of
    `source`, so any number of cells can be predicted in blocks of rows. `predict` needs the memory of its result,
    of the scores of all cells on principal components where it works on them, and of a source of integers in floats.
    """

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters that were chosen by `fit`, by name; empty where there is nothing to choose."""

    def fit(self, source_train: Any, target_train: Any, source_val: Any = None, target_val: Any = None, /) -> Self:
        """Learn from matrices of shape (n_cells, n_source) and (n_cells, n_target)."""

    def predict(self, source: Any, /) -> np.ndarray:
        """Predict float32 targets, shape (n_cells, n_target), for `source`, shape (n_cells, n_source)."""


class StorableBaseline(Baseline, Protocol):
    """A baseline that needs no training cells after `fit`: its state fits into a model file.

    :class:`KNN` is none: it keeps the training cells.
    """

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that `predict` needs, as arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """Rebuild a fitted predictor from `state()`."""


def checked_pairs(
    source_train: Any, target_train: Any, source_val: Any, target_val: Any, *, name: str = "source"
) -> tuple[Any, Any, Any, Any]:
    """Return the four matrices of a `fit`, checked one by one and against each other; the last two may be None."""
    if (source_val is None) != (target_val is None):
        given, absent = ("target_val", f"{name}_val") if source_val is None else (f"{name}_val", "target_val")
        message = f"{given} is given without {absent}. Pass both for the validation cells, or neither."
        raise ValueError(message)
    train = _checked_pair(source_train, target_train, names=(f"{name}_train", "target_train"))
    if source_val is None:
        return *train, None, None
    validation = _checked_pair(source_val, target_val, names=(f"{name}_val", "target_val"))
    for first, second, kind in zip(train, validation, (name, "target"), strict=True):
        if first.shape[1] != second.shape[1]:
            message = (
                f"{kind}_val must have the {first.shape[1]} features of {kind}_train, got {second.shape[1]}. "
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


def held_out(n_cells: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows to choose parameters on where no validation cells are given: nine tenths and a tenth.

    A single cell is both.
    """
    if n_cells == 1:
        return np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp)
    order = np.random.default_rng(seed).permutation(n_cells)
    size = min(max(1, n_cells // 10), MAX_TUNING_CELLS)
    return np.sort(order[size:]), np.sort(order[:size])


def tuning_rows(n_cells: int, *, seed: int) -> np.ndarray:
    """Rows of the validation cells on which parameters are chosen: all, or `MAX_TUNING_CELLS` drawn by `seed`."""
    return draw(n_cells, MAX_TUNING_CELLS, seed=seed)


def tuning_columns(n_target: int, *, seed: int) -> np.ndarray | slice:
    """Features of the target on which parameters are chosen: all, or `MAX_TUNING_FEATURES` drawn by `seed`."""
    if n_target <= MAX_TUNING_FEATURES:
        return slice(None)  # takes no copy
    return draw(n_target, MAX_TUNING_FEATURES, seed=seed)


def draw(length: int, size: int, *, seed: int) -> np.ndarray:
    """Ascending positions of `size` of `length` lines without repeats, of all where there are no more."""
    if length <= size:
        return np.arange(length)
    return np.sort(np.random.default_rng(seed).choice(length, size, replace=False))


def checked_grid(
    values: Any, *, name: str, kind: Literal["positive", "non-negative", "count"] = "positive"
) -> np.ndarray:
    """Return a grid of parameters, ascending and without repeats; one number is a grid of one."""
    grid = np.unique(np.atleast_1d(np.asarray(values)))
    sensible = np.ndim(values) <= 1 and grid.size > 0 and grid.dtype.kind in ("iu" if kind == "count" else "iuf")
    if not sensible or not np.isfinite(grid).all() or (grid[0] < 0 if kind == "non-negative" else grid[0] <= 0):
        expected = "integers of 1 or more" if kind == "count" else f"{kind} finite numbers"
        message = f"{name} must be a non-empty sequence of {expected} (or one), got {values!r}."
        raise ValueError(message)
    return grid if kind == "count" else grid.astype(np.float64)
