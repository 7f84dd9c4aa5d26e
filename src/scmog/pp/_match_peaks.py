"""Peaks matched by where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from scmog.genomics import (
    chance_overlap,
    chromosome_sizes,
    exceeds_chance,
    find_intervals,
    interval_columns,
    interval_names,
    lift_over,
    overlap_join,
    possible_builds,
)
from scmog.pp._match import AlignmentOptions, Match, Pairing
from scmog.pp._match_names import find, match_names


def match_peaks(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> Match:
    """Pair peaks by their coordinates.

    A peak of the model that the query has too is that peak and nothing else. Each other one takes all query peaks that
    overlap it and that are not peaks of the model themselves; such a query peak counts in every peak that it overlaps
    (the paper's rule, section 4). The sum is binarised by the model.

    Parameters
    ----------
    query, model
        Peaks of both sides: names as index, or coordinates in columns.
    options
        Of these ``chain_file``, ``build``, ``min_overlap``, ``min_fraction`` and ``warn_below``.

    Raises
    ------
    ValueError
        If ``build`` or ``chain_file`` is given and coordinates are missing or do not fit.
    """
    by_name = match_names(query, model, options)
    placed = options.chain_file is not None or options.build is not None
    if not placed and by_name.queries_per_model.all():
        return by_name
    theirs, ours = find_intervals(query), find_intervals(model)
    if theirs is None or ours is None:
        return _without_coordinates(by_name, placed=placed, names=query.index if theirs is None else model.index)
    if options.build is not None:
        _check_build(theirs, ours, options)
    positions, lifted = np.arange(len(theirs)), {}
    if options.chain_file is not None:
        result = lift_over(theirs.reset_index(drop=True), options.chain_file)
        positions, lifted, theirs = np.flatnonzero(result.kept), result.counts, result.intervals
    pairing = Pairing(len(query), len(model))
    exact = _find_equal(theirs, ours)
    same = query.index.to_numpy()[positions[exact[0]]] == model.index.to_numpy()[exact[1]]
    for kind, chosen in (("name", same), ("same coordinates", ~same)):
        pairing.add(kind, positions[exact[0][chosen]], exact[1][chosen])
    free = ~pairing.used_queries[positions], ~pairing.used_models
    pooled = _overlaps(theirs[free[0]], ours[free[1]], options)
    pairing.add("overlap", positions[free[0]][pooled[0]], np.flatnonzero(free[1])[pooled[1]])
    notes = _plausibility(theirs, ours, pairing.used_models.sum(), options)
    outdated = tuple(interval_columns(query)) if lifted or len(pooled[0]) else ()
    return pairing.match(lifted=lifted, notes=notes, outdated=outdated)


def _without_coordinates(by_name: Match, *, placed: bool, names: pd.Index) -> Match:
    problem = (
        f"Some of the names {list(names[:3])} are no intervals such as chr1:100-200, and no columns hold chrom, start "
        "and end, so that peaks can only be matched by equal names."
    )
    if placed:
        message = f"chain_file and build need the coordinates of the peaks. {problem}"
        raise ValueError(message)
    return replace(by_name, notes=(problem,))


def _find_equal(query: pd.DataFrame, model: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return find(interval_names(query).to_numpy(), interval_names(model).to_numpy())


def _overlaps(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> tuple[np.ndarray, np.ndarray]:
    pairs = overlap_join(query, model, min_overlap=options.min_overlap, min_fraction=options.min_fraction)
    return pairs["query_index"].to_numpy(), pairs["target_index"].to_numpy()


def _check_build(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> None:
    """The query must fit into its build, and without a chain file the model too."""
    sizes = chromosome_sizes(str(options.build))
    sides = {"query": query} if options.chain_file is not None else {"query": query, "model": model}
    for side, table in sides.items():
        outside = (table["end"] > table["chrom"].map(sizes)).to_numpy(dtype=bool)
        foreign = ~table["chrom"].isin(sizes.index) & table["chrom"].str.fullmatch(r"chr(?:\d+|[XYMWZ])")
        wrong = outside | foreign.to_numpy(dtype=bool)
        if wrong.any():
            examples = list(interval_names(table[wrong].iloc[:3]))
            remedy = " Lift the query to the model's build with chain_file=." if side == "model" else ""
            message = (
                f"{int(wrong.sum())} of the {len(table)} peaks of the {side} lie outside of the chromosomes of "
                f"build={options.build!r} ({sizes.name}), e.g. {examples}; they fit into "
                f"{possible_builds(table) or 'no human or mouse build that is known here'}.{remedy}"
            )
            raise ValueError(message)


def _plausibility(query: pd.DataFrame, model: pd.DataFrame, matched: int, options: AlignmentOptions) -> tuple[str, ...]:
    """Compare with what chance alone would give, and say which builds the two sides fit into if that tells them apart.

    Chance is the number of model peaks that are met after all query peaks were moved by 1 Mb.
    """
    builds = possible_builds(query), possible_builds(model)
    apart = all(builds) and not set(builds[0]) & set(builds[1])
    if matched >= options.warn_below * len(model) and not apart:
        return ()
    chance = chance_overlap(query, model, min_overlap=options.min_overlap, min_fraction=options.min_fraction)
    notes = []
    if not exceeds_chance(matched, chance):
        notes.append(
            f"That is no more than by chance ({chance} after moving the query by 1 Mb): another genome build or "
            "species? Lift the query with chain_file=, from its build to that of the model."
        )
    else:
        notes.append(
            f"Chance alone would give {chance} (after moving the query by 1 Mb), so the genome build is probably "
            "right and other peaks were called; counting the fragments of the query in the model's peaks would be best."
        )
    if apart:
        notes.append(f"By their coordinates the query's peaks can be {builds[0]}, the model's {builds[1]}.")
    return tuple(notes)
