"""What all splits share: who is in which part, checked, and written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog._mudata import find_obs_column
from scmog.pp._subset import check_writable

logger = logging.getLogger(__name__)

_LEAST_TRAIN = 2


def check_splittable(data: MuData | AnnData) -> None:
    """Refuse what can't take a column, and cells with one name.

    Raises
    ------
    TypeError
        If ``data`` is neither MuData nor AnnData.
    ValueError
        If it is a view, or its cells have duplicate names.
    """
    check_writable(data, in_memory=False)
    if not data.obs_names.is_unique:
        duplicate = data.obs_names[data.obs_names.duplicated()][0]
        message = (
            f"obs_names must be unique, or one cell could be in two parts; {str(duplicate)!r} occurs twice. Make them "
            "unique in every modality (obs_names_make_unique) and build the MuData again."
        )
        raise ValueError(message)


def obs_column(data: MuData | AnnData, key: str) -> pd.Series:
    """A complete column of the global obs, or else of the first modality that has it.

    Raises
    ------
    KeyError
        If no obs has the column.
    ValueError
        If it has missing values.
    """
    column = find_obs_column(data, key)
    if column is None:
        tables = [data.obs, *(adata.obs for adata in getattr(data, "mod", {}).values())]
        message = f"{key!r} is in no obs; the columns are {sorted({str(c) for table in tables for c in table})}."
        raise KeyError(message)
    if column.isna().any():
        message = f"obs[{key!r}] has no value for {int(column.isna().sum())} of {len(column)} cells; fill or drop them."
        raise ValueError(message)
    return column


def groups_of(data: MuData | AnnData, group_key: str | None) -> np.ndarray | None:
    """Codes ``0, 1, ...`` of the groups that must not be torn apart, or None; errors as :func:`obs_column`."""
    return None if group_key is None else pd.factorize(obs_column(data, group_key), sort=True)[0]


def labels_of(n_cells: int, *, validation: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Labels of all cells from the masks or positions of two parts; the rest trains."""
    labels = np.full(n_cells, SPLIT_LABELS.TRAIN, dtype=object)
    labels[validation] = SPLIT_LABELS.VALIDATION
    labels[test] = SPLIT_LABELS.TEST
    return labels


def check_labels(
    labels: np.ndarray, *, expected: Iterable[str], groups: np.ndarray | None = None, group_key: str | None = None
) -> None:
    """Refuse empty parts and groups in two parts.

    Raises
    ------
    ValueError
        If fewer than two cells train, a part of ``expected`` is empty, or cells of one group are in two parts.
    """
    sizes = {label: int((labels == label).sum()) for label in SPLIT_LABELS}
    empty = [label for label in expected if not sizes[label]]
    if empty or sizes[SPLIT_LABELS.TRAIN] < _LEAST_TRAIN:
        message = (
            f"the split would have {sizes} cells; {SPLIT_LABELS.TRAIN} needs at least {_LEAST_TRAIN} and "
            f"{' and '.join(expected) or 'no other part'} at least 1."
        )
        raise ValueError(message)
    if groups is not None:
        parts = pd.Series(labels).groupby(groups).nunique()
        if (parts > 1).any():
            message = (
                f"{int((parts > 1).sum())} of {len(parts)} groups of obs[{group_key!r}] would be in two parts of the "
                "split (a leak). Use split_random(group_key=...) or split_by_obs, which keep groups together."
            )
            raise ValueError(message)


def write_columns(data: MuData | AnnData, splits: Mapping[str, np.ndarray], others: Mapping[str, Any]) -> None:
    """Write labels of splits, and other columns with them, to the (global) obs: all or none.

    Only earlier splits are replaced: whose the numbers of another column are can't be told.

    Raises
    ------
    ValueError
        If a name is used twice, a column for a split exists and holds something else, or another column exists and
        holds other values.
    """
    for key in splits:
        if key in others:
            message = f"{key!r} would name two columns of obs; choose different names."
            raise ValueError(message)
        if key in data.obs and not data.obs[key].dropna().isin(SPLIT_LABELS).all():
            message = f"obs[{key!r}] exists and is not a split; choose another name for the result."
            raise ValueError(message)
    for key, values in others.items():
        if key in data.obs and not np.array_equal(data.obs[key].astype(str), np.asarray(values).astype(str)):
            message = f"obs[{key!r}] exists and holds other values; delete it, or choose another name for the result."
            raise ValueError(message)
    for key, labels in splits.items():
        data.obs[key] = pd.Categorical(labels, categories=list(SPLIT_LABELS))
    for key, values in others.items():
        data.obs[key] = values


def write_split(
    data: MuData | AnnData, key: str, labels: np.ndarray, others: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write a split, and other columns with it, and log the sizes; errors as :func:`write_columns`."""
    write_columns(data, {key: labels}, others)
    sizes = ", ".join(f"{label} {int((labels == label).sum())}" for label in SPLIT_LABELS)
    logger.info("obs[%r]: %s of %d cells", key, sizes, len(labels))
