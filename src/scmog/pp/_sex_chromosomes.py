"""Drop genes and peaks of the sex chromosomes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog.pp._chromosomes import base_chromosome, chromosome_by_name, chromosomes
from scmog.pp._subset import check_writable, drop, find_modality

logger = logging.getLogger(__name__)


def remove_sex_chromosomes(
    data: MuData | AnnData,
    *,
    gtf: str | Path | None = None,
    sex_chromosomes: Sequence[str] = ("X", "Y"),
    autosomes_only: bool = False,
    modalities: Sequence[str] | None = None,
) -> None:
    """Drop, in place, genes and peaks of the sex chromosomes, so that a model does not learn the donor's sex.

    The paper removes such genes (section 4), the authors' code also the peaks and all that is not on a numbered
    chromosome (``autosomes_only``). Where a feature lies is read from ``.var``: a column ``chrom`` (or
    ``chromosome``, ``chr``, ``seqname``), a column with ``chrX:100-200`` (10x: ``interval``), or such names. What is
    not there is looked up in ``gtf``. Features whose chromosome stays unknown are kept, unless ``autosomes_only``.

    Parameters
    ----------
    data
        MuData, or the AnnData of genes or of peaks.
    gtf
        Annotation (GTF, plain or gzipped) for genes without a position in ``.var``, by symbol or Ensembl id. A symbol
        that several chromosomes share counts as sex-chromosomal if one of them is.
    sex_chromosomes
        Which chromosomes to drop, with their unplaced contigs, as ``"X"`` or ``"chrX"``. Birds: ``("Z", "W")``.
    autosomes_only
        Whether to drop everything but numbered chromosomes: also the mitochondrion, contigs and features of unknown
        position.
    modalities
        Names in ``data.mod``; None means the RNA and the ATAC, as far as they exist. Not for AnnData.

    Raises
    ------
    FileNotFoundError
        If there is no such GTF.
    KeyError
        If a modality does not exist.
    ValueError
        If the chromosome of more than half of a modality's features is unknown, no chromosome name is of the usual
        kind, no feature is left, or ``data`` is a view or backed. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=50, n_genes=100, n_peaks=300)
    >>> scmog.pp.remove_sex_chromosomes(mdata)
    """
    check_writable(data)
    keep = autosomal(
        data, gtf=gtf, sex_chromosomes=sex_chromosomes, autosomes_only=autosomes_only, modalities=modalities
    )
    drop(data, features=keep)


def autosomal(
    data: MuData | AnnData,
    *,
    gtf: str | Path | None,
    sex_chromosomes: Sequence[str],
    autosomes_only: bool,
    modalities: Sequence[str] | None,
) -> dict[str, np.ndarray]:
    """Masks of the features to keep by modality, logged; parameters and errors as above."""
    unwanted = {str(name).upper().removeprefix("CHR") for name in sex_chromosomes}
    if isinstance(sex_chromosomes, str) or not unwanted:
        message = f"sex_chromosomes must be a list of names such as ('X', 'Y'), got {sex_chromosomes!r}."
        raise ValueError(message)
    genes = None if gtf is None else chromosome_by_name(gtf)
    if genes is not None:
        # Of a name on several chromosomes, the one to drop counts.
        harmless = ~base_chromosome(genes["chrom"].str.replace(r"^chr", "", case=False, regex=True)).isin(unwanted)
        genes = genes.assign(harmless=harmless).sort_values("harmless", kind="stable")
        genes = genes[~genes.index.duplicated()]
    return {key: _keep(adata, key, genes, unwanted, autosomes_only) for key, adata in _chosen(data, modalities).items()}


def _chosen(data: MuData | AnnData, modalities: Sequence[str] | None) -> dict[str, AnnData]:
    if isinstance(data, AnnData):
        if modalities is not None:
            message = "modalities= is for MuData; of an AnnData all features are meant."
            raise ValueError(message)
        return {"data": data}
    if modalities is None:
        keys = [key for name in ("rna", "atac") if (key := find_modality(data, name)) is not None]
    else:
        names = [modalities] if isinstance(modalities, str) else modalities
        keys = [key for name in names if (key := find_modality(data, "rna", name)) is not None]
    if not keys:
        message = f"no RNA or ATAC found in mdata.mod: {list(data.mod)}. Name them with modalities=."
        raise KeyError(message)
    return {key: data.mod[key] for key in keys}


def _keep(adata: AnnData, key: str, genes: pd.DataFrame | None, unwanted: set[str], autosomes_only: bool) -> np.ndarray:
    chromosome = chromosomes(adata, key, genes)
    base = base_chromosome(chromosome)
    numbered = chromosome.str.fullmatch(r"\d+[A-Za-z]?").fillna(False)
    on_sex = base.isin(unwanted)
    if len(base) and not (base.str.fullmatch(r"\d+[A-Za-z]?").fillna(False) | on_sex).any():
        message = (
            f"no chromosome of {key!r} is numbered or one of {sorted(unwanted)}: {sorted(base.dropna().unique())[:5]}. "
            "Rename them to the form chr1, chrX in .var."
        )
        raise ValueError(message)
    keep = (numbered if autosomes_only else ~on_sex).to_numpy(dtype=bool)
    report = (
        f"dropped {int((~keep).sum())} of {len(keep)} features of {key}, {int(on_sex.sum())} of them on chromosomes "
        f"{', '.join(sorted(unwanted))}; {int(chromosome.isna().sum())} have no known chromosome"
    )
    if not keep.any():
        message = f"no feature is left: {report}."
        raise ValueError(message)
    logger.info("remove_sex_chromosomes: %s", report)
    return keep
