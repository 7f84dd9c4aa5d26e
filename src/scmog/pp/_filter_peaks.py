"""Drop peaks by the number of cells in which they are open."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
from anndata import AnnData
from mudata import MuData

from scmog.pp._subset import check_writable, count_modality, drop

logger = logging.getLogger(__name__)

Reference = Literal["cells", "most_frequent_peak"]
"""What ``max_share`` is a share of."""


def filter_peaks(
    data: MuData | AnnData,
    *,
    min_cells: int = 5,
    max_share: float | None = 0.1,
    relative_to: Reference = "cells",
    modality: str | None = None,
    layer: str | None = None,
) -> None:
    """Drop, in place, peaks that are open in too few or too many cells.

    The bounds are those of the paper (section 4): at least 5 cells and at most 10 % of the cells. The authors' code
    takes 10 % of the cells of the *most frequent peak* instead, which drops more; ``relative_to`` chooses.

    Parameters
    ----------
    data
        MuData, of which only the ATAC is changed, or the AnnData of the ATAC.
    min_cells
        Fewest cells in which a peak is open; peaks at the bound stay.
    max_share
        Largest share of ``relative_to``; peaks at the bound stay. None means no bound.
    relative_to
        ``"cells"``: all cells of the modality (the paper). ``"most_frequent_peak"``: the cells in which the most
        frequent peak is open (the authors' code).
    modality
        Name of the ATAC in ``data.mod``; found by its usual names when None.
    layer
        Layer with the counts; None is ``.X``.

    Raises
    ------
    KeyError
        If the modality or layer does not exist.
    ValueError
        If a bound is out of range, no peak is left, the counts are negative or not finite, or ``data`` is a view or
        backed. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=200, n_genes=100, n_peaks=300)
    >>> scmog.pp.filter_peaks(mdata)
    """
    check_writable(data)
    key, n_peaks, n_cells = count_modality(data, "atac", modality, layer)
    keep = peaks_by_cells(
        n_cells, total=len(n_peaks), min_cells=min_cells, max_share=max_share, relative_to=relative_to
    )
    drop(data, features={key: keep})


def peaks_by_cells(
    n_cells: np.ndarray, *, total: int, min_cells: int, max_share: float | None, relative_to: Reference
) -> np.ndarray:
    """Mask of the peaks within the bounds, logged.

    Raises
    ------
    ValueError
        If a bound is out of range or no peak is left.
    """
    if relative_to not in ("cells", "most_frequent_peak"):
        message = f"relative_to must be 'cells' or 'most_frequent_peak', got {relative_to!r}."
        raise ValueError(message)
    if min_cells < 0 or (max_share is not None and not 0 < max_share <= 1):
        message = f"min_cells must be at least 0 and max_share in (0, 1] or None, got {min_cells} and {max_share}."
        raise ValueError(message)
    whole = total if relative_to == "cells" else int(n_cells.max(initial=0))
    # The nudge keeps a peak at exactly the bound, e.g. 29 of 100 cells, as 0.29 * 100 < 29 in floating point.
    most = np.inf if max_share is None else np.floor(max_share * whole * (1 + 1e-12))
    few, many = n_cells < min_cells, n_cells > most
    keep = ~(few | many)
    report = f"{int(few.sum())} in fewer than {min_cells} cells"
    if max_share is not None:
        of_all = f"({max_share:.0%} of the {whole} {_WHOLE[relative_to]})"
        report = f"{report}, {int(many.sum())} in more than {most:.0f} cells {of_all}"
    if not keep.any():
        message = f"no peak is left of {len(keep)}: {report}. Change min_cells or max_share."
        raise ValueError(message)
    logger.info("filter_peaks: kept %d of %d peaks; dropped %s", keep.sum(), len(keep), report)
    return keep


_WHOLE = {"cells": "cells", "most_frequent_peak": "cells of the most frequent peak"}
