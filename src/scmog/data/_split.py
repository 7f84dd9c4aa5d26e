"""Which cells train, validate and test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog._mudata import find_obs_column, obs_columns

_DEFAULT_TRAIN_SIZE = 0.9


class Split(NamedTuple):
    """Indices of the training, validation and test cells; together they are all cells, each once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_by_key(mdata: MuData, split_key: str) -> Split:
    """Read a split from a column with the labels ``train``, ``validation`` and, optionally, ``test``.

    Raises
    ------
    KeyError
        If no obs has the column.
    ValueError
        If it holds other labels or missing values, or fewer than two training cells.
    """
    column = find_obs_column(mdata, split_key)
    if column is None:
        message = f"split_key {split_key!r} is in no obs; columns are {obs_columns(mdata)}."
        raise KeyError(message)
    wrong = sorted({str(value) for value in column[~column.isin(SPLIT_LABELS)]})
    if wrong:
        message = (
            f"split_key {split_key!r} must hold the labels {list(SPLIT_LABELS)} for every cell; found {wrong[:5]} in "
            f"{int((~column.isin(SPLIT_LABELS)).sum())} cell(s)."
        )
        raise ValueError(message)
    labels = column.astype(str).to_numpy()
    return _checked(Split(*(np.flatnonzero(labels == label) for label in SPLIT_LABELS)))


def split_at_random(n_cells: int, train_size: float | None, validation_size: float | None, seed: int) -> Split:
    """Draw a split; sizes are shares of all cells, as in scvi-tools.

    ``train_size`` is 0.9 by default, ``validation_size`` the rest; what is left of both are test cells.

    Raises
    ------
    ValueError
        If a size is outside its range, the sizes exceed 1, or fewer than two cells are left to train on.
    """
    if train_size is None:
        train_size = _DEFAULT_TRAIN_SIZE if validation_size is None else 1 - validation_size
    if validation_size is None:
        validation_size = 1 - train_size
    if not (0 < train_size <= 1 and 0 <= validation_size < 1 and train_size + validation_size <= 1 + 1e-9):
        message = (
            "train_size must lie in (0, 1], validation_size in [0, 1), and their sum must not exceed 1; got "
            f"{train_size} and {validation_size}."
        )
        raise ValueError(message)
    n_train = int(np.ceil(n_cells * train_size - 1e-9))
    n_validation = min(int(np.round(n_cells * validation_size)), n_cells - n_train)
    order = np.random.default_rng(seed).permutation(n_cells)
    return _checked(Split(*np.split(order, [n_train, n_train + n_validation])))


def _checked(split: Split) -> Split:
    if len(split.train) < 2:
        message = f"at least 2 training cells are needed (batch norm), got {len(split.train)}."
        raise ValueError(message)
    return split
