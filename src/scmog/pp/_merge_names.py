"""Genes and proteins of several data sets, joined by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from scmog._constants import SCMOG_KEYS
from scmog._mudata import missing_features
from scmog.pp._merge_features import FeatureJoin, Join

logger = logging.getLogger(__name__)

_SHOWN = 3


def join_by_name(
    tables: Mapping[str, pd.DataFrame], *, kind: str, join: Join, key: str | None, min_shared: float, sum_equal: bool
) -> FeatureJoin:
    """Join features with equal names, in the order in which they first occur.

    Parameters
    ----------
    tables
        ``.var`` of each data set.
    kind
        What the features are called in messages.
    join
        Which features to keep.
    key
        Column with the names; None is the index.
    min_shared
        Least share of the features of the smallest data set that all must have.
    sum_equal
        Whether a data set may have several features with one name, which are then summed.

    Raises
    ------
    KeyError
        If a table lacks the column.
    ValueError
        If too few features are shared, or names occur twice that must not.
    """
    names = {dataset: _names(table, key, dataset) for dataset, table in tables.items()}
    if not sum_equal:
        for dataset, own in names.items():
            twice = list(own[own.notna() & own.duplicated()].unique()[:_SHOWN])
            if twice:
                message = f"the names of {kind} must be unique, {twice} of data set {dataset!r} are not."
                raise ValueError(message)
    distinct = [pd.Index(own.dropna().unique()) for own in names.values()]
    shared = distinct[0]
    for other in distinct[1:]:
        shared = shared[shared.isin(other)]
    smallest = min(len(own) for own in distinct)
    logger.info("merge_datasets: %d %s in all data sets; they have %s", len(shared), kind, [len(d) for d in distinct])
    if not len(shared) or len(shared) < min_shared * smallest:
        message = (
            f"only {len(shared)} {kind} are in all data sets, of {smallest} in the smallest (min_shared={min_shared}). "
            f"Their names begin with { ({dataset: own.head(_SHOWN).tolist() for dataset, own in names.items()}) }. "
            f"{_hint(tables, kind)}"
        )
        raise ValueError(message)
    features = shared if join == "inner" else pd.Index(pd.unique(np.concatenate([own.to_numpy() for own in distinct])))
    targets = [np.where(own.isna(), -1, features.get_indexer(own)) for own in names.values()]
    return FeatureJoin(var=_agreeing(list(tables.values()), targets, features), targets=targets)


def _names(table: pd.DataFrame, key: str | None, dataset: str) -> pd.Series:
    """Names of the features, missing where they have none or were not measured."""
    if key is not None and key not in table:
        message = f"gene_key {key!r} is not in the var columns of data set {dataset!r}: {list(table.columns)}."
        raise KeyError(message)
    values = table.index if key is None else table[key]
    names = pd.Series(np.asarray(values, dtype=object), dtype=object)
    there = names.notna() & ~missing_features(table)
    return names.where(~there, names.astype(str)).where(there & (names.astype(str) != ""), None)


def _hint(tables: Mapping[str, pd.DataFrame], kind: str) -> str:
    """What else could be done to join the features."""
    columns = set.intersection(*(set(table.columns) for table in tables.values()))
    shared = {
        column: len(set.intersection(*(set(table[column].dropna().astype(str)) for table in tables.values())))
        for column in sorted(columns - {SCMOG_KEYS.MISSING_VAR}, key=str)
        if all(table[column].nunique() * 2 > len(table) for table in tables.values())
    }
    best = max(shared, key=lambda column: shared[column], default=None)
    if kind == "genes" and best is not None and shared[best]:
        return f"By var[{best!r}] they would share {shared[best]}: pass gene_key={best!r}."
    remedy = " or pass gene_key=, a column of var with common names," if kind == "genes" else ""
    return f"Rename them{remedy} so that the same {kind} have the same names, or lower min_shared."


def _agreeing(tables: list[pd.DataFrame], targets: list[np.ndarray], features: pd.Index) -> pd.DataFrame:
    """Columns in which the data sets agree; of text also where most features agree, the others are missing."""
    result = pd.DataFrame(index=pd.Index(features.astype(str)))
    for column in dict.fromkeys(column for table in tables for column in table.columns):
        if column == SCMOG_KEYS.MISSING_VAR:
            continue
        parts = [
            pd.DataFrame({"target": target, "value": table[column].to_numpy(dtype=object)})
            for table, target in zip(tables, targets, strict=True)
            if column in table
        ]
        # Of features that are summed the first one counts.
        first = pd.concat([part[part["target"] >= 0].dropna().drop_duplicates("target") for part in parts])
        values = first.groupby("target")["value"]
        agree = values.nunique() == 1
        text = first["value"].map(lambda value: isinstance(value, str)).all()
        if len(first) and (agree.all() or (text and agree.mean() > 0.5)):
            joined = values.first()[agree].reindex(range(len(features)))
            joined = joined if text else joined.infer_objects()
            # Truth values with gaps would be mixed objects, which no file takes.
            result[column] = (joined.convert_dtypes() if joined.dtype == object and not text else joined).array
    return result
