"""Which intervals overlap, and the union of those that do."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from scmog.genomics._intervals import Intervals, interval_names, parse_intervals

# 0.1 * 30 is slightly more than 3 in floating point; 3 of 30 base pairs are a tenth all the same.
_ROUNDING = 1e-9


def overlap_join(
    query: Intervals, target: Intervals, *, min_overlap: int = 1, min_fraction: float = 0.0
) -> pd.DataFrame:
    """All pairs of overlapping intervals, many to many.

    Intervals overlap if they share a base; intervals that only touch do not. Each pair is found once, by two binary
    searches in sorted starts: either the target starts inside the query, or the query starts after the target's start
    and inside it. Time is O((n + m) log(n + m) + pairs), whatever the widths.

    Parameters
    ----------
    query, target
        n and m intervals, as :func:`parse_intervals` reads them; they need not be sorted or disjoint.
    min_overlap
        Least number of base pairs that a pair shares, at least 1.
    min_fraction
        Least share of the shorter of the two intervals that is covered, from 0 to 1. A narrow peak inside a wide one
        counts as covered entirely, in whichever of the two sets it is.

    Returns
    -------
    Table with one row per pair, sorted by query and target: ``query_index`` and ``target_index`` (int64, positions in
    the inputs), ``overlap_bp`` (int64, shared base pairs).

    Raises
    ------
    ValueError
        If an interval is not valid, `min_overlap` is below 1, or `min_fraction` is outside of 0 to 1.
    """
    _check_limits(min_overlap, min_fraction)
    query, target = parse_intervals(query), parse_intervals(target)
    starts, ends = _on_one_axis(pd.concat([query, target], ignore_index=True))
    n = len(query)
    own, other = _starts_within(starts[:n], ends[:n], starts[n:], include_start=True)
    under, inside = _starts_within(starts[n:], ends[n:], starts[:n], include_start=False)
    i, j = np.concatenate([own, inside]), np.concatenate([other, under])
    shared = np.minimum(ends[i], ends[n + j]) - np.maximum(starts[i], starts[n + j])
    needed: np.ndarray | int = min_overlap
    if min_fraction > 0:
        shorter = np.minimum(ends[i] - starts[i], ends[n + j] - starts[n + j])
        needed = np.maximum(min_overlap, min_fraction * shorter - _ROUNDING)
    keep = shared >= needed
    i, j, shared = i[keep], j[keep], shared[keep]
    order = np.lexsort((j, i))
    return pd.DataFrame({"query_index": i[order], "target_index": j[order], "overlap_bp": shared[order]})


def merge_intervals(intervals: Intervals) -> pd.DataFrame:
    """Union of overlapping intervals: the common peak set of several experiments.

    Intervals that only touch stay apart. To merge several sets, concatenate their tables first.

    Parameters
    ----------
    intervals
        n intervals, as :func:`parse_intervals` reads them.

    Returns
    -------
    Table of the disjoint unions, sorted by chromosome (numbers first, in their order) and position: ``chrom``,
    ``start``, ``end``; the index holds their names ``chrom:start-end``.
    """
    table = parse_intervals(intervals)
    starts, ends = _on_one_axis(table)
    order = np.argsort(starts, kind="stable")
    starts, furthest = starts[order], np.maximum.accumulate(ends[order])
    # Chromosomes do not share positions of the axis, so that the furthest end so far never reaches into the next one.
    opens = np.append(True, starts[1:] >= furthest[:-1])[: len(starts)]
    closes = np.append(opens[1:], True)[: len(starts)]
    first = order[opens]
    start = table["start"].to_numpy()[first]
    width = furthest[closes] - starts[opens]
    merged = pd.DataFrame({"chrom": table["chrom"].to_numpy()[first], "start": start, "end": start + width})
    return merged.set_axis(interval_names(merged))


def _on_one_axis(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends with the chromosomes laid end to end, in their natural order."""
    codes, names = pd.factorize(table["chrom"])
    rank = np.empty(len(names), dtype=np.int64)
    rank[sorted(range(len(names)), key=lambda i: _natural_order(names[i]))] = np.arange(len(names))
    length = int(table["end"].max()) if len(table) else 0
    shift = rank[codes] * length
    return table["start"].to_numpy() + shift, table["end"].to_numpy() + shift


def _natural_order(name: str) -> tuple[bool, int, str]:
    """Numbered chromosomes by number, then the others and the contigs by name."""
    match = re.match(r"chr(\d+)([A-Z]?)$", name)
    return (match is None, int(match[1]) if match else 0, match[2] if match else name)


def _starts_within(
    starts: np.ndarray, ends: np.ndarray, points: np.ndarray, *, include_start: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (interval, point) with start <= point < end, or start < point < end, as positions in the inputs."""
    order = np.argsort(points, kind="stable")
    ranked = points[order]
    low = np.searchsorted(ranked, starts, side="left" if include_start else "right")
    high = np.searchsorted(ranked, ends, side="left")
    count = np.maximum(high - low, 0)  # start < point < end has no room in an interval of one base
    interval = np.repeat(np.arange(len(starts)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return interval, order[np.repeat(low, count) + offset]


def _check_limits(min_overlap: int, min_fraction: float) -> None:
    if min_overlap < 1:
        message = f"min_overlap must be at least 1 base pair, got {min_overlap}."
        raise ValueError(message)
    if not 0 <= min_fraction <= 1:
        message = f"min_fraction must be from 0 to 1, got {min_fraction}."
        raise ValueError(message)
