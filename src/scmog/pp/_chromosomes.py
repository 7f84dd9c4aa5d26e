"""On which chromosome a gene or peak lies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from anndata import AnnData

from scmog.genomics import read_gtf
from scmog.genomics._intervals import INTERVAL_NAME

_CHROMOSOME_COLUMNS = ("chrom", "chromosome", "chr", "chromosome_name", "seqname", "seqnames", "seqid")
_INTERVAL_COLUMNS = ("interval", "location", "peak", "coordinates")
_GENE_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "gene_symbol", "gene_symbols", "gene_name", "feature_name")
_LEAST_SHARE = 0.5


def chromosomes(adata: AnnData, name: str, genes: pd.DataFrame | None) -> pd.Series:
    """Chromosome of each feature without ``chr``, indexed by position; missing where unknown.

    Sources, in this order, each for the features that are still unknown: a column with the chromosome, a column with
    ``chr1:100-200`` (10x writes ``interval``), the names when they have that form, ``genes``.

    Raises
    ------
    ValueError
        If fewer than half of the features get one.
    """
    var = adata.var.reset_index(drop=True)
    columns = {str(column).lower().lstrip("#"): column for column in var.columns}
    found = pd.Series(pd.NA, index=var.index, dtype="string")
    for key in _CHROMOSOME_COLUMNS:
        if key in columns:
            found = found.fillna(_as_text(var[columns[key]]))
    for key in _INTERVAL_COLUMNS:
        if key in columns:
            found = found.fillna(_chromosome_part(_as_text(var[columns[key]])))
    names = pd.Series(adata.var_names.astype(str), index=var.index, dtype="string")
    located = _chromosome_part(names)
    if located.notna().mean() >= _LEAST_SHARE:  # a few genes have names like an interval
        found = found.fillna(located)
    if genes is not None:
        for column in (names, *(_as_text(var[columns[key]]) for key in _GENE_COLUMNS if key in columns)):
            found = found.fillna(_without_version(column).map(genes["chrom"]))
    if len(found) and found.notna().mean() < _LEAST_SHARE:
        message = (
            f"the chromosome of {int(found.isna().sum())} of {len(found)} features of {name!r} is unknown (names "
            f"{list(adata.var_names[:3])}). Add a var column 'chrom', pass gtf= with the annotation of the genes, or "
            "leave the modality out (of prepare: remove_sex=False)."
        )
        raise ValueError(message)
    return found.str.strip().str.replace(r"^chr", "", case=False, regex=True)


def chromosome_by_name(gtf: str | Path) -> pd.DataFrame:
    """Chromosome (column ``chrom``) of the genes of a GTF file, by symbol and by id without version.

    A name that several chromosomes share (also the pseudo-autosomal genes) has a row for each.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`scmog.genomics.read_gtf`.
    """
    genes = read_gtf(gtf)
    tables = [
        pd.DataFrame({"name": _without_version(genes[column].astype("string")), "chrom": genes["chrom"]})
        for column in ("gene_name", "gene_id")
    ]
    return pd.concat(tables).drop_duplicates().set_index("name")


def base_chromosome(chromosome: pd.Series) -> pd.Series:
    """Chromosome that a contig belongs to, in capitals: ``"Y"`` for ``"Y_KI270740v1_random"``."""
    return chromosome.str.replace(r"[_-].*", "", regex=True).str.upper()


def _chromosome_part(names: pd.Series) -> pd.Series:
    """Chromosome of names of intervals, missing for other names."""
    return names.str.extract(INTERVAL_NAME.pattern)["chrom"]


def _as_text(column: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")  # 1.0 was 1 before others got lost
    text = column.astype("string")
    return text.mask(text.str.lower().isin(["", "na", "nan", "none", "unknown"]))


def _without_version(names: pd.Series) -> pd.Series:
    """Ensembl ids without version, other names as they are."""
    return names.str.replace(r"^(ENS[A-Z]*\d+)\.\d+(_PAR_Y)?$", r"\1", regex=True)
