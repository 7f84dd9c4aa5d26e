"""Peaks of several data sets, joined where they overlap."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from scmog._mudata import missing_features
from scmog.genomics import (
    chance_overlap,
    exceeds_chance,
    find_intervals,
    merge_intervals,
    overlap_join,
    parse_intervals,
)
from scmog.pp._merge_features import FeatureJoin, Join

logger = logging.getLogger(__name__)

_CLEARLY = 0.5  # of the peaks: sets that cover most of the genome overlap by chance too


def join_by_overlap(
    tables: Mapping[str, pd.DataFrame], *, join: Join, min_shared: float, check_build: bool
) -> FeatureJoin:
    """Join peaks to the disjoint unions of all that overlap, in the order of the genome.

    A peak lies in exactly one union. Peaks of one data set that overlap each other, or that a peak of another data set
    connects, become one, as in the authors' code.

    Parameters
    ----------
    tables
        ``.var`` of each data set.
    join
        Unions of any peaks, or only those to which every data set contributes.
    min_shared
        Share of the unions to which every data set contributes; below it a warning.
    check_build
        Whether to refuse data sets whose peaks overlap no more than by chance.

    Raises
    ------
    ValueError
        If peaks cannot be read as intervals, overlap no more than by chance, or no peak is left.
    """
    places = {dataset: _intervals(table, dataset) for dataset, table in tables.items()}
    for one, other in itertools.combinations(places, 2):
        if check_build:
            _compare(places, one, other)
    merged = merge_intervals(pd.concat(places.values(), ignore_index=True))
    targets = []
    for dataset, place in places.items():
        known = ~missing_features(tables[dataset])
        target = np.full(len(known), -1, dtype=np.int64)
        target[known] = overlap_join(place, merged)["target_index"]
        targets.append(target)
    union = FeatureJoin(var=merged, targets=targets)
    in_all = union.measured.all(axis=1)
    logger.info(
        "merge_datasets: %d unions of overlapping peaks, %d of them with peaks of all data sets; they have %s",
        len(merged),
        in_all.sum(),
        [len(place) for place in places.values()],
    )
    if join == "outer":
        if in_all.sum() < min_shared * len(merged):
            message = (
                f"only {in_all.sum()} of the {len(merged)} unions of overlapping peaks have peaks of all data sets. "
                "Those that a data set lacks are zero in all its cells, which a model reads as closed; count the "
                "fragments of all in common peaks, or pass peaks='inner'."
            )
            warnings.warn(message, UserWarning, stacklevel=3)
        return union
    if not in_all.any():
        message = "no peak overlaps peaks of all the other data sets; pass peaks='outer' to keep those of any."
        raise ValueError(message)
    renumber = np.append(np.where(in_all, np.cumsum(in_all) - 1, -1), -1)  # the last for what was left out before
    return FeatureJoin(var=merged[in_all], targets=[renumber[target] for target in targets])


def _intervals(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    table = table[~missing_features(table)]
    found = find_intervals(table)
    if found is not None:
        return found
    try:
        return parse_intervals(table)  # it says what is wrong
    except ValueError as error:
        message = f"the peaks of data set {dataset!r} cannot be placed: {error}"
        raise ValueError(message) from error


def _compare(places: Mapping[str, pd.DataFrame], one: str, other: str) -> None:
    """Refuse two peak sets that overlap no more than by chance."""
    few, many = sorted((one, other), key=lambda dataset: len(places[dataset]))
    query, target = places[few], places[many]
    found = overlap_join(query, target)["query_index"].nunique()
    chance = chance_overlap(target, query)
    met = f"{found} of the {len(query)} peaks of data set {few!r} overlap peaks of {many!r}"
    logger.info("merge_datasets: %s, %d after a shift of 1 Mb", met, chance)
    if found < _CLEARLY * len(query) and not exceeds_chance(found, chance):
        message = (
            f"only {met}, no more than by chance ({chance} after a shift of 1 Mb): another genome build or species? "
            "Lift one of them with scmog.genomics.lift_over first, or pass check_build=False if the builds are the "
            "same."
        )
        raise ValueError(message)
