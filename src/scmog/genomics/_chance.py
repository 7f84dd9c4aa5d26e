"""How much two peak sets overlap without having anything to do with each other."""

from __future__ import annotations

import numpy as np

from scmog.genomics._intervals import Intervals, parse_intervals
from scmog.genomics._overlap import overlap_join

_SHIFT = 1_000_000  # base pairs: far beyond a peak, and within the neighbourhood that makes a region rich in peaks
# Overlaps of unrelated sets, measured: 0.7 to 1.5 times those after a shift; of related ones six times and more.
_TIMES_CHANCE = 2


def chance_overlap(query: Intervals, target: Intervals, *, min_overlap: int = 1, min_fraction: float = 0.0) -> int:
    """Number of targets that query intervals overlap after all of them were moved by one megabase.

    The shift keeps how intervals crowd around genes and along chromosomes, which a calculation from widths and the size
    of the genome would not.

    Parameters
    ----------
    query, target
        Intervals, as :func:`parse_intervals` reads them.
    min_overlap, min_fraction
        As in :func:`overlap_join`.
    """
    moved = parse_intervals(query)
    moved = moved.assign(start=moved["start"] + _SHIFT, end=moved["end"] + _SHIFT)
    pairs = overlap_join(moved, target, min_overlap=min_overlap, min_fraction=min_fraction)
    return int(pairs["target_index"].nunique())


def exceeds_chance(found: int, chance: int) -> bool:
    """Whether so many overlaps are more than those of unrelated sets, or of another genome build.

    Parameters
    ----------
    found
        Number of targets that are overlapped.
    chance
        Number of them after a shift, see :func:`chance_overlap`.

    Returns
    -------
    True above twice the number by chance and three standard deviations of it as a count.
    """
    expected = max(chance, 1)  # none in one try may be one or two in the next
    return bool(found > _TIMES_CHANCE * expected + 3 * np.sqrt(expected))
