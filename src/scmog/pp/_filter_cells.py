"""Drop cells by the number of their genes."""

from __future__ import annotations

import logging

import numpy as np
from anndata import AnnData
from mudata import MuData

from scmog.pp._subset import check_writable, count_modality, drop, positions

logger = logging.getLogger(__name__)


def filter_cells(
    data: MuData | AnnData,
    *,
    min_genes: int = 200,
    max_genes: int | None = 7000,
    modality: str | None = None,
    layer: str | None = None,
) -> None:
    """Drop, in place, cells with too few or too many genes; of a MuData, from all modalities.

    The bounds are those of the paper (section 4): 200 to 7,000 detected genes, for its mouse data (SNARE-seq) 200 to
    2,500. Cells of a MuData that have no RNA at all can't be judged and stay.

    Parameters
    ----------
    data
        MuData, or the AnnData of the RNA.
    min_genes
        Fewest genes with a count; cells at the bound stay.
    max_genes
        Most genes with a count; cells at the bound stay. None means no bound.
    modality
        Name of the RNA in ``data.mod``; found by its usual names when None.
    layer
        Layer with the counts; None is ``.X``.

    Raises
    ------
    KeyError
        If the modality or layer does not exist.
    ValueError
        If the bounds contradict each other, no cell is left, the counts are negative or not finite, or ``data`` is a
        view or backed. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=200, n_genes=300, n_peaks=100)
    >>> scmog.pp.filter_cells(mdata, min_genes=50, max_genes=200)
    """
    check_writable(data)
    key, n_genes, _ = count_modality(data, "rna", modality, layer)
    keep = cells_by_genes(n_genes, min_genes=min_genes, max_genes=max_genes)
    drop(data, cells=to_global(data, key, keep))


def cells_by_genes(n_genes: np.ndarray, *, min_genes: int, max_genes: int | None) -> np.ndarray:
    """Mask of the cells within the bounds, logged.

    Raises
    ------
    ValueError
        If the bounds contradict each other or no cell is left.
    """
    if min_genes < 0 or (max_genes is not None and max_genes < min_genes):
        message = f"bounds must satisfy 0 <= min_genes <= max_genes, got {min_genes} and {max_genes}."
        raise ValueError(message)
    few = n_genes < min_genes
    many = np.zeros_like(few) if max_genes is None else n_genes > max_genes
    keep = ~(few | many)
    report = f"{int(few.sum())} with fewer than {min_genes} genes"
    if max_genes is not None:
        report = f"{report}, {int(many.sum())} with more than {max_genes}"
    if not keep.any():
        middle = f"; the median cell has {np.median(n_genes):.0f}" if len(n_genes) else ""
        message = f"no cell is left of {len(keep)}: {report}{middle}. Change min_genes or max_genes."
        raise ValueError(message)
    logger.info("filter_cells: kept %d of %d cells; dropped %s", keep.sum(), len(keep), report)
    return keep


def to_global(data: MuData | AnnData, key: str, keep: np.ndarray) -> np.ndarray:
    """Mask of the global cells from that of one modality's; cells without the modality are kept."""
    if isinstance(data, AnnData):
        return keep
    place = positions(data, key, "obs")
    result = np.ones(data.n_obs, dtype=bool)
    result[place >= 0] = keep[place[place >= 0]]
    if (place < 0).any():
        logger.info("%d cells without %s were not judged and stay", (place < 0).sum(), key)
    return result
