"""All filters of the paper in one call."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from mudata import MuData

from scmog.pp._filter_cells import cells_by_genes, to_global
from scmog.pp._filter_peaks import Reference, peaks_by_cells
from scmog.pp._matrices import count_nonzero
from scmog.pp._sex_chromosomes import autosomal
from scmog.pp._subset import check_writable, count_modality, drop, find_modality, matrix_of, positions

logger = logging.getLogger(__name__)


def prepare(
    mdata: MuData,
    *,
    min_genes: int = 200,
    max_genes: int | None = 7000,
    remove_sex: bool = True,
    gtf: str | Path | None = None,
    autosomes_only: bool = False,
    min_cells: int = 5,
    max_share: float | None = 0.1,
    relative_to: Reference = "cells",
    rna_layer: str | None = None,
    atac_layer: str | None = None,
) -> None:
    """Drop, in place, what the paper drops: cells by their genes, sex chromosomes, then rare and frequent peaks.

    The same as :func:`filter_cells`, :func:`remove_sex_chromosomes` and :func:`filter_peaks` one after the other
    (section 4 of the paper), but everything is decided before anything is cut: after an error ``mdata`` is unchanged,
    and the matrices are copied once, half a matrix at a time. So peaks are counted over the cells that stay. The
    authors' code removes the sex chromosomes before it counts genes, and counts peaks over all cells.

    Counts stay raw: sizes, logarithm, z-score and binarising are part of the model.

    Parameters
    ----------
    mdata
        MuData with RNA; without ATAC the peak filter is left out.
    min_genes, max_genes
        Bounds of the genes of a cell, as in :func:`filter_cells`. The paper's mouse data: ``max_genes=2500``.
    remove_sex
        Whether to drop features of the sex chromosomes.
    gtf, autosomes_only
        As in :func:`remove_sex_chromosomes`; without effect if ``remove_sex`` is False.
    min_cells, max_share, relative_to
        Bounds of the cells of a peak, as in :func:`filter_peaks`.
    rna_layer, atac_layer
        Layers with the counts; None is ``.X``.

    Raises
    ------
    FileNotFoundError, KeyError, TypeError, ValueError
        As the three functions; ``mdata`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=200, n_genes=400, n_peaks=300)
    >>> scmog.pp.prepare(mdata, min_genes=50)
    """
    check_writable(mdata)
    if not isinstance(mdata, MuData):
        message = "prepare takes a MuData; for an AnnData call filter_cells, filter_peaks or remove_sex_chromosomes."
        raise TypeError(message)
    key, n_genes, _ = count_modality(mdata, "rna", None, rna_layer)
    cells = to_global(mdata, key, cells_by_genes(n_genes, min_genes=min_genes, max_genes=max_genes))
    features: dict[str, np.ndarray] = {}
    if remove_sex:
        features = autosomal(mdata, gtf=gtf, sex_chromosomes=("X", "Y"), autosomes_only=autosomes_only, modalities=None)
    peaks = find_modality(mdata, "atac")
    if peaks is None:
        logger.info("prepare: no ATAC, so no peak is filtered")
    else:
        candidates = features.get(peaks, np.ones(mdata.mod[peaks].n_vars, dtype=bool))
        place = positions(mdata, peaks, "obs")
        stays = np.zeros(mdata.mod[peaks].n_obs, dtype=bool)
        stays[place[cells & (place >= 0)]] = True
        _, n_cells = count_nonzero(matrix_of(mdata.mod[peaks], peaks, atac_layer), peaks, rows=stays)
        chosen = peaks_by_cells(
            n_cells[candidates],
            total=int(stays.sum()),
            min_cells=min_cells,
            max_share=max_share,
            relative_to=relative_to,
        )
        features[peaks] = candidates.copy()
        features[peaks][candidates] = chosen
    drop(mdata, cells=cells, features=features)
