"""Names of genomic intervals, in and out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

Intervals: TypeAlias = pd.DataFrame | pd.Series | pd.Index | np.ndarray | Sequence[str]
"""What :func:`parse_intervals` reads: a table with coordinates, or names."""

# R writes 100000 as 1e+05, and browsers write 100,000: both turn up in peak names.
_NUMBER = r"\d[\d,]*(?:[eE]\+?\d+)?"
# A chromosome does not end in a separator: chr1:-5-10 has a negative start.
INTERVAL_NAME = re.compile(rf"^\s*(?P<chrom>.*[^:_\s-])[:_-](?P<start>{_NUMBER})[_-](?P<end>{_NUMBER})\s*$")
"""Name of an interval, with the groups ``chrom``, ``start`` and ``end``."""

COORDINATE_COLUMNS = {
    "chrom": ("chrom", "chr", "chromosome", "chromosome_name", "seqnames", "seqname", "seqid", "contig"),
    "start": ("start", "chromstart", "chrom_start", "peak_start", "begin"),
    "end": ("end", "chromend", "chrom_end", "peak_end", "stop"),
}
"""Accepted column names, in lower case and without a leading ``#``; the first that is there counts."""

# Numbers with a letter (2L, 2A), Roman numbers, sex chromosomes and the mitochondrion. Contigs keep their names.
_CHROMOSOME = re.compile(r"^(?:chr)?(\d+[A-Z]?|[IVXYZW]+|MT?)$", flags=re.IGNORECASE)

# Far beyond any chromosome, and small enough that four million of them fit on one axis of 64-bit integers.
_LARGEST_POSITION = 2**40

_SHOWN = 5


def parse_intervals(names_or_frame: Intervals, *, one_based: bool = False) -> pd.DataFrame:
    """Read genomic intervals from their names or from the columns of a table.

    Names are ``chr1:1-2``, ``chr1-1-2``, ``chr1_1_2``, and all of them without ``chr``; contigs such as
    ``chr1_KI270706v1_random-1-2`` are understood, and so are ``1,000`` and the ``1e+05`` that R writes.

    Parameters
    ----------
    names_or_frame
        n names, or a table with n rows. Of a table the columns ``chrom``, ``start``, ``end`` are read, also under the
        usual other names (``seqnames``, ``chromStart``, ``stop``, ...; case does not matter); without them, its index
        is read as names.
    one_based
        False: coordinates are 0-based and half-open (BED, 10x, SnapATAC2). True: they are 1-based and include the end
        (GRanges, and with it Signac and ArchR), and 1 is subtracted from the starts.

    Returns
    -------
    Table with n rows: ``chrom`` (names as in :func:`normalize_chromosomes`), ``start`` and ``end`` (int64, base pairs,
    0-based, half-open). The index is that of the table that was passed, or the names.

    Raises
    ------
    TypeError
        If `names_or_frame` is a single string.
    ValueError
        If a name is not understood, a coordinate is missing, negative or not a whole number, or an interval is empty.
    """
    if isinstance(names_or_frame, str):
        message = f"names_or_frame must be a list of names or a table, got the single text {names_or_frame!r}."
        raise TypeError(message)
    if isinstance(names_or_frame, pd.DataFrame):
        index, columns = names_or_frame.index, _coordinate_columns(names_or_frame)
        raw = _split_names(index, columns=list(names_or_frame.columns)) if columns is None else columns
    else:
        index = pd.Index(names_or_frame)
        raw = _split_names(index)
    return _checked(raw.set_axis(index), one_based=one_based)


def interval_names(intervals: Intervals) -> pd.Index:
    """Names ``chrom:start-end`` of intervals, shape (n,), 0-based and half-open as 10x writes them.

    Parameters
    ----------
    intervals
        n intervals, as :func:`parse_intervals` reads them.
    """
    table = parse_intervals(intervals)
    parts = zip(table["chrom"], table["start"], table["end"], strict=True)
    return pd.Index([f"{chrom}:{start}-{end}" for chrom, start, end in parts], dtype=object)


def normalize_chromosomes(names: pd.Series | pd.Index | np.ndarray | Sequence[str | int]) -> np.ndarray:
    """Write chromosome names the way UCSC does: ``1`` and ``Chr1`` become ``chr1``, ``MT`` becomes ``chrM``.

    Anything that is not a number, a Roman number, X, Y, Z, W or the mitochondrion is a contig and keeps its name.

    Parameters
    ----------
    names
        Chromosome names, shape (n,).

    Returns
    -------
    Names, shape (n,), of type object.

    Raises
    ------
    ValueError
        If a name is missing or empty.
    """
    codes, unique = pd.factorize(np.asarray(names, dtype=object))
    if (codes < 0).any() or any(not str(name).strip() for name in unique):
        message = "names must not hold missing or empty chromosome names; fill or drop those rows first."
        raise ValueError(message)
    normal = np.array([_normal_chromosome(name) for name in unique], dtype=object)
    return normal[codes] if len(unique) else np.empty(0, dtype=object)


def _normal_chromosome(name: object) -> str:
    # A column of numbers that once had gaps holds 1.0 for chromosome 1.
    text = str(int(name)) if isinstance(name, float) and name.is_integer() else str(name).strip()
    match = _CHROMOSOME.match(text)
    if match is None:
        return text
    bare = match[1].upper()
    return "chrM" if bare == "MT" else f"chr{bare}"


def _coordinate_columns(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The three coordinate columns of a table, or None if one of them is not there."""
    lookup = {str(name).lower().lstrip("#"): name for name in reversed(frame.columns)}
    found = {}
    for name, accepted in COORDINATE_COLUMNS.items():
        there = [lookup[alias] for alias in accepted if alias in lookup]
        if not there:
            return None
        found[name] = frame[there[0]].to_numpy()
    return pd.DataFrame(found)


def _split_names(names: pd.Index, *, columns: list[object] | None = None) -> pd.DataFrame:
    matches = (INTERVAL_NAME.match(str(name)) for name in names)
    found = [match.groups() if match else (None, None, None) for match in matches]
    parts = pd.DataFrame(found, columns=["chrom", "start", "end"], dtype=object)
    hint = "expected names such as chr1:100-200, chr1-100-200 or chr1_100_200"
    if columns is not None:
        hint += f", or the columns chrom, start and end; the table has the columns {columns[:10]}"
    _refuse(parts["chrom"].isna(), parts.set_axis(names), problem="cannot be read as intervals", hint=hint)
    for bound in ("start", "end"):
        parts[bound] = parts[bound].str.replace(",", "")
    return parts


def _checked(raw: pd.DataFrame, *, one_based: bool) -> pd.DataFrame:
    """Coordinates as integers, chromosomes with normal names; errors tell which rows are wrong."""
    _refuse(raw["chrom"].isna(), raw, problem="have no chromosome", hint="fill or drop them")
    bounds = {}
    for bound in ("start", "end"):
        values = pd.to_numeric(raw[bound], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.isfinite(values) & (values == np.floor(values)) & (np.abs(values) <= _LARGEST_POSITION)
        hint = f"expected whole numbers of base pairs of at most {_LARGEST_POSITION}"
        _refuse(~whole, raw, problem=f"have no valid {bound}", hint=hint)
        bounds[bound] = values.astype(np.int64)
    bounds["start"] -= int(one_based)
    hint = f"the first base of a chromosome is {int(one_based)}"
    _refuse(bounds["start"] < 0, raw, problem="have a negative start", hint=hint)
    hint = "expected start < end; where the end is included (GRanges, Signac, ArchR) pass one_based=True"
    _refuse(bounds["end"] <= bounds["start"], raw, problem="are empty or reversed", hint=hint)
    return pd.DataFrame({"chrom": normalize_chromosomes(raw["chrom"]), **bounds}, index=raw.index)


def _refuse(wrong: pd.Series | np.ndarray, rows: pd.DataFrame, *, problem: str, hint: str) -> None:
    """Raise if any row is wrong, with the labels (and coordinates, as far as they were read) of the first ones."""
    where = np.flatnonzero(wrong)
    if where.size:
        examples = [
            f"{label!r}" if parts.isna().all() else f"{label!r} ({', '.join(f'{k} {v}' for k, v in parts.items())})"
            for label, parts in rows.iloc[where[:_SHOWN]].iterrows()
        ]
        more = ", ..." if where.size > _SHOWN else ""
        message = (
            f"{where.size} of {len(rows)} intervals {problem}: {', '.join(examples)}{more} "
            f"(first at position {where[0]}); {hint}."
        )
        raise ValueError(message)
