"""Coordinates of one genome build expressed in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scmog.genomics._intervals import Intervals, parse_intervals

_STATUS = ("lifted", "unmapped", "ambiguous", "split", "resized")
_Hit = tuple[str, int, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class LiftedIntervals:
    """Intervals in the new build, and what became of each of the old ones.

    Attributes
    ----------
    intervals
        The intervals that were lifted, in their old order and with their old index: ``chrom``, ``start``, ``end``.
    status
        Categorical of shape (n,), one entry for each old interval: ``lifted``; ``unmapped`` (an end is not in the new
        build); ``ambiguous`` (an end is there more than once); ``split`` (the ends lie on different chromosomes or
        strands, or in reverse order); ``resized`` (the width changes by more than `min_match` allows).
    """

    intervals: pd.DataFrame
    status: pd.Categorical

    @property
    def kept(self) -> np.ndarray:
        """Whether the old interval was lifted, bool, shape (n,)."""
        return np.asarray(self.status == "lifted")

    @property
    def counts(self) -> dict[str, int]:
        """How many intervals have each status."""
        return {name: int((self.status == name).sum()) for name in _STATUS}


def lift_over(intervals: Intervals, chain_file: str | PathLike[str], *, min_match: float = 0.95) -> LiftedIntervals:
    """Lift intervals to another genome build with a UCSC chain file.

    The first and the last base of each interval are lifted; what lies between them may differ between the builds as
    long as the width stays about the same. An end that falls into a gap of the chain is moved inwards, by up to
    ``1 - min_match`` of the width. Needs the extra ``liftover``.

    Parameters
    ----------
    intervals
        n intervals of the old build, as :func:`parse_intervals` reads them.
    chain_file
        Chain file from the old to the new build, plain or gzipped, e.g. ``hg19ToHg38.over.chain.gz`` of UCSC.
    min_match
        Least ratio of the narrower to the wider of the two widths, above 0 and up to 1. The default is that of UCSC's
        liftOver, which compares the number of aligned bases.

    Raises
    ------
    ImportError
        If the package `liftover` is not installed.
    FileNotFoundError
        If there is no such chain file.
    ValueError
        If the file is not a chain file, it has none of the chromosomes, an interval is not valid, or `min_match` is
        out of range.
    """
    if not 0 < min_match <= 1:
        message = f"min_match must be above 0 and at most 1, got {min_match}."
        raise ValueError(message)
    table = parse_intervals(intervals)
    chains = _read_chains(Path(chain_file))
    lookups = {name: _lookup(chains, name) for name in table["chrom"].unique()}
    if len(table) and not any(lookups.values()):
        message = (
            f"chain_file {str(chain_file)!r} has none of the chromosomes {list(lookups)[:5]}; it lifts from "
            f"{sorted(chains.keys())[:5]}. Is it the chain of another species?"
        )
        raise ValueError(message)
    rows = zip(table["chrom"], table["start"].tolist(), table["end"].tolist(), strict=True)
    lifted = [_lift(lookups[chrom], start, end, min_match=min_match) for chrom, start, end in rows]
    status = pd.Categorical([item if isinstance(item, str) else "lifted" for item in lifted], categories=_STATUS)
    found = pd.DataFrame([item for item in lifted if not isinstance(item, str)], columns=["chrom", "start", "end"])
    kept = table.index[np.asarray(status == "lifted")]
    return LiftedIntervals(intervals=parse_intervals(found.set_axis(kept)), status=status)


def _read_chains(path: Path) -> Any:
    try:
        from liftover import ChainFile
    except ImportError as error:
        message = 'lifting needs the package liftover: python -m pip install "scmog[liftover]".'
        raise ImportError(message) from error
    if not path.is_file():
        message = f"chain_file {str(path)!r} does not exist; UCSC offers one for each pair of builds."
        raise FileNotFoundError(message)
    try:
        chains = ChainFile(str(path))
    except ValueError as error:
        message = f"chain_file {str(path)!r} cannot be read as a chain file: {error}."
        raise ValueError(message) from error
    if not chains.keys():
        message = f"chain_file {str(path)!r} holds no chain."
        raise ValueError(message)
    return chains


def _lookup(chains: Any, chrom: str) -> Callable[[int], list[_Hit]] | None:
    """Where a base of the chromosome goes; the chain may name chromosomes with or without ``chr``."""
    known = {str(name): name for name in chains.keys()}
    bare = chrom.removeprefix("chr")
    found = next((known[name] for name in (chrom, bare, "MT" if bare == "M" else bare) if name in known), None)
    return None if found is None else chains[found].__getitem__


def _lift(
    lookup: Callable[[int], list[_Hit]] | None, start: int, end: int, *, min_match: float
) -> tuple[str, int, int] | str:
    """The interval in the new build, or the status that says why there is none."""
    if lookup is None:
        return "unmapped"
    slack = int((1 - min_match) * (end - start))
    first = _first_hits(lookup, range(start, min(start + slack, end - 1) + 1))
    last = _first_hits(lookup, range(end - 1, max(end - 1 - slack, start) - 1, -1))
    if not first or not last:
        return "unmapped"
    if len(first) > 1 or len(last) > 1:
        return "ambiguous"
    (chrom, left, strand), (other, right, other_strand) = first[0], last[0]
    if strand == "-":
        left, right = right, left
    if (chrom, strand) != (other, other_strand) or left > right:
        return "split"
    widths = sorted((end - start, right + 1 - left))
    return (chrom, left, right + 1) if widths[0] >= min_match * widths[1] else "resized"


def _first_hits(lookup: Callable[[int], list[_Hit]], positions: range) -> list[_Hit]:
    """Hits of the first position that has any."""
    return next((hits for position in positions if (hits := lookup(position))), [])
