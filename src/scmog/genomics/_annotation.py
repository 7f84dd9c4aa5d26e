"""Positions of genes, from an annotation file."""

from __future__ import annotations

import csv
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scmog.genomics._intervals import parse_intervals

_FIELDS = ("chrom", "source", "feature", "start", "end", "score", "strand", "frame", "attributes")
_USED = ("chrom", "feature", "start", "end", "strand", "attributes")
_ROWS = 200_000  # an annotation has some million lines; this many at a time are some 100 MB


def read_gtf(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the genes of a GTF file (GENCODE, Ensembl, RefSeq, 10x references).

    Where the file has no ``gene`` lines (as the files of the UCSC table browser), a gene spans its transcripts and
    exons.

    Parameters
    ----------
    path
        GTF file, plain or gzipped.

    Returns
    -------
    Table with one row per gene and chromosome, in the order of the file: ``gene_id``, ``gene_name`` (the symbol; the
    id where there is none), ``chrom``, ``start``, ``end`` (base pairs, 0-based, half-open, unlike in the file) and
    ``strand`` (``+``, ``-`` or ``.``). The transcription start is ``start`` on the plus strand and ``end - 1`` on the
    minus strand.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or has no genes, a gene has no ``gene_id``, or coordinates are not valid.
    """
    path = Path(path)
    if not path.is_file():
        message = f"path {str(path)!r} does not exist."
        raise FileNotFoundError(message)
    lines = _read_features(path, {"gene"})
    whole = len(lines) > 0
    if not whole:
        lines = _read_features(path, {"transcript", "exon"})
    if not len(lines):
        message = f"{str(path)!r} has no gene, transcript or exon line; is it a tab-separated GTF file?"
        raise ValueError(message)
    genes = _with_names(lines, path)
    if whole:
        return genes
    spans = genes.groupby(["gene_id", "chrom", "strand"], sort=False, as_index=False)
    joined = spans.agg({"gene_name": "first", "start": "min", "end": "max"})
    return joined[list(genes.columns)]


def _read_features(path: Path, features: set[str]) -> pd.DataFrame:
    """Lines of the wanted features; the file is read in pieces, as most of its lines are not wanted."""
    with path.open("rb") as handle:
        compression = "gzip" if handle.read(2) == b"\x1f\x8b" else None
    options: dict[str, Any] = {
        "sep": "\t",
        "names": list(_FIELDS),
        "index_col": False,
        "dtype": str,
        "na_filter": False,
        "quoting": csv.QUOTE_NONE,
        "compression": compression,
    }
    try:
        chunks = pd.read_csv(path, chunksize=_ROWS, **options)
        wanted = [
            chunk.loc[chunk["feature"].isin(features) & ~chunk["chrom"].str.startswith("#"), list(_USED)]
            for chunk in chunks
        ]
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        message = f"{str(path)!r} could not be read ({error}); is it complete?"
        raise ValueError(message) from error
    return pd.concat(wanted, ignore_index=True) if wanted else pd.DataFrame(columns=list(_USED))


def _with_names(lines: pd.DataFrame, path: Path) -> pd.DataFrame:
    gene_id, gene_name = _attribute(lines, "gene_id"), _attribute(lines, "gene_name")
    nameless = np.flatnonzero(gene_id.isna())
    if nameless.size:
        message = (
            f"{nameless.size} of {len(lines)} genes in {str(path)!r} have no gene_id, the first with the attributes "
            f"{lines['attributes'].iloc[nameless[0]]!r}. A GFF3 file has to be converted to GTF first."
        )
        raise ValueError(message)
    place = parse_intervals(lines[["chrom", "start", "end"]].set_axis(gene_id), one_based=True).reset_index(drop=True)
    names = pd.DataFrame({"gene_id": gene_id, "gene_name": gene_name.fillna(gene_id)})
    return pd.concat([names, place, lines["strand"]], axis=1)


def _attribute(lines: pd.DataFrame, key: str) -> pd.Series:
    """Value of an attribute, with or without quotation marks; missing where it is absent or empty."""
    return lines["attributes"].str.extract(rf'(?:^|;)\s*{key}\s+"?([^";]+)"?', expand=False)
