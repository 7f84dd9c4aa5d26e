"""Split cells by a column: donors, batches, cell types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog.pp._write_split import check_labels, check_splittable, groups_of, labels_of, obs_column, write_split


def split_by_obs(
    data: MuData | AnnData,
    key: str,
    *,
    validation: Any | Sequence[Any] = (),
    test: Any | Sequence[Any] = (),
    group_key: str | None = None,
    key_added: str = "split",
) -> None:
    """Write ``.obs[key_added]``: whole donors, batches or cell types validate and test, the others train.

    Parameters
    ----------
    data
        MuData or AnnData; only the (global) obs is changed.
    key
        Column of the global obs or of a modality's.
    validation, test
        Values of that column, one or several; one of the two may be empty.
    group_key
        Column of obs whose groups must not be in two parts; a check only, e.g. ``"donor"`` when ``key`` is the batch.
    key_added
        Column to write; an earlier split under this name is replaced.

    Raises
    ------
    KeyError
        If no obs has ``key`` or ``group_key``.
    ValueError
        If a value does not occur or is in both parts, a part would be empty, a group would be in two parts, cells have
        duplicate names, a column has missing values, or ``key_added`` holds something else than a split. ``data`` is
        then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=100, n_genes=50, n_peaks=100, n_batches=4)
    >>> scmog.pp.split_by_obs(mdata, "batch", validation="batch_3", test=["batch_4"])
    """
    check_splittable(data)
    column, groups = obs_column(data, key), groups_of(data, group_key)
    parts = {SPLIT_LABELS.VALIDATION: _as_list(validation), SPLIT_LABELS.TEST: _as_list(test)}
    expected = [label for label, values in parts.items() if values]
    if not expected:
        message = f"name the values of obs[{key!r}] that validate or test: {_some(column)}."
        raise ValueError(message)
    both = [value for value in parts[SPLIT_LABELS.TEST] if value in parts[SPLIT_LABELS.VALIDATION]]
    if both:
        message = f"{both} would be in both validation and test (a leak)."
        raise ValueError(message)
    labels = labels_of(len(column), **{label: select(column, values, key, label) for label, values in parts.items()})
    check_labels(labels, expected=expected, groups=groups, group_key=group_key)
    write_split(data, key_added, labels)


def select(column: pd.Series, values: Sequence[Any], key: str, argument: str) -> np.ndarray:
    """Mask of the cells with one of the values.

    Raises
    ------
    ValueError
        If a value does not occur.
    """
    absent = [value for value in values if not (column == value).any()]
    if absent:
        message = f"{argument}={absent} does not occur in {key!r}, which has {_some(column)}."
        raise ValueError(message)
    return column.isin(values).to_numpy()


def _as_list(values: Any) -> list[Any]:
    return [values] if isinstance(values, str) or not np.iterable(values) else list(values)


def _some(column: pd.Series) -> list[Any]:
    return sorted(column.unique().tolist(), key=str)[:20]
