"""On which chromosome a gene or peak lies."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from anndata import AnnData

from scmog._labels import as_names
from scmog.genomics import find_gene_columns, read_gtf
from scmog.genomics._intervals import COORDINATE_COLUMNS, INTERVAL_NAME
from scmog.genomics._locate import INTERVAL_COLUMNS

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
    for key in COORDINATE_COLUMNS["chrom"]:
        if key in columns:
            found = found.fillna(_as_text(var[columns[key]]))
    for key in INTERVAL_COLUMNS:
        if key in columns:
            found = found.fillna(_chromosome_part(_as_text(var[columns[key]])))
    names = pd.Series(adata.var_names.astype(str), index=var.index, dtype="string")
    found = found.fillna(_chromosome_part(names))
    if genes is not None:
        known = find_gene_columns(adata.var)
        for column in (names, *(pd.Series(values, dtype="string") for values in known["ids"] + known["symbols"])):
            found = found.fillna(_base_name(column).map(genes["chrom"]))
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
        pd.DataFrame({"name": _base_name(genes[column].astype("string")), "chrom": genes["chrom"]})
        for column in ("gene_name", "gene_id")
    ]
    return pd.concat(tables).drop_duplicates().set_index("name")


def base_chromosome(chromosome: pd.Series) -> pd.Series:
    """Chromosome that a contig belongs to, in capitals: ``"Y"`` for ``"Y_KI270740v1_random"``."""
    return chromosome.str.replace(r"[_-].*", "", regex=True).str.upper()


def _chromosome_part(names: pd.Series) -> pd.Series:
    """Chromosome of names of intervals, missing for other names; none if most are others."""
    part = names.str.extract(INTERVAL_NAME.pattern)["chrom"]
    # a few genes have names like an interval
    return part if part.notna().sum() >= _LEAST_SHARE * names.notna().sum() else part.mask(part.notna())


def _as_text(column: pd.Series) -> pd.Series:
    text = as_names(column).astype("string")
    return text.mask(text.str.lower().isin(["", "na", "nan", "none", "unknown"]))


def _base_name(names: pd.Series) -> pd.Series:
    """Ensembl ids without version and mark of the Y chromosome's copy, other names as they are."""
    return names.str.replace(r"^(ENS[A-Z]*\d+)(?:\.\d+)?(?:_PAR_Y)?$", r"\1", regex=True)
