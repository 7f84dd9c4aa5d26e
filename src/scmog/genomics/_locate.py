"""Where the peaks of a table are, however it says so."""

from __future__ import annotations

import pandas as pd

from scmog.genomics._intervals import COORDINATE_COLUMNS, parse_intervals

INTERVAL_COLUMNS = ("interval", "peak", "peaks", "peak_name", "location", "coordinates", "region", "gene_ids", "name")
"""Columns, in lower case, that hold ``chr1:1-2`` in files of 10x, Signac, ArchR and others."""


def find_intervals(features: pd.DataFrame) -> pd.DataFrame | None:
    """Coordinates of features from their names, or else from columns.

    Read are, in this order: the index; the columns ``chrom``, ``start`` and ``end`` under their usual names; a column
    of names such as ``interval`` (10x). The first of them that holds a valid interval for every feature counts.

    Parameters
    ----------
    features
        Table with n features, such as ``adata.var``.

    Returns
    -------
    Table as that of :func:`parse_intervals`, with the index of ``features``; None if nothing gives the coordinates.
    """
    lower = {str(column).lower(): position for position, column in reversed(list(enumerate(features.columns)))}
    texts = (features.iloc[:, lower[name]].astype(object) for name in INTERVAL_COLUMNS if name in lower)
    for source in (features.index.astype(str), features, *texts):
        try:
            table = parse_intervals(source)
        except (ValueError, TypeError):
            continue
        return table.set_axis(features.index)
    return None


def interval_columns(features: pd.DataFrame) -> list[str]:
    """Columns that say where features are: ``chrom``, ``start``, ``end``, ``interval`` and the like.

    Parameters
    ----------
    features
        Table with n features, such as ``adata.var``.
    """
    bounds = {alias for aliases in COORDINATE_COLUMNS.values() for alias in aliases}
    found = []
    for position, column in enumerate(features.columns):
        name = str(column).lower().lstrip("#")
        if name in bounds or (name in INTERVAL_COLUMNS and _are_intervals(features.iloc[:, position].astype(object))):
            found.append(column)
    return found


def _are_intervals(names: pd.Series) -> bool:
    try:
        parse_intervals(names)
    except (ValueError, TypeError):
        return False
    return True
