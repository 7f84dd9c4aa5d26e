"""From one AnnData per modality to a MuData."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog._quiet import quiet_mudata
from scmog.genomics import parse_intervals

logger = logging.getLogger(__name__)


def new_mudata(modalities: Mapping[str, AnnData]) -> MuData:
    """MuData whose columns stay in the modalities, made without a trace."""
    with quiet_mudata():
        return MuData(dict(modalities))


def counts_table(counts: sp.spmatrix | sp.sparray, cells: pd.Index, var: pd.DataFrame, modality: str) -> AnnData:
    """AnnData of raw counts, CSR float32, with unique feature names; made unique by ``-1``, ``-2`` where needed.

    Raises
    ------
    ValueError
        If two cells have one name.
    """
    if not cells.is_unique:
        repeated = list(cells[cells.duplicated()].unique()[:3])
        message = f"cells must have different names; {modality} has {repeated} more than once."
        raise ValueError(message)
    names = var.index.astype(str).rename(None)
    n_repeated = int(names.duplicated().sum())
    if n_repeated:
        logger.info("%s: %d repeated feature names were made unique (-1, -2, ...)", modality, n_repeated)
        names = anndata.utils.make_index_unique(names)
    obs = pd.DataFrame(index=cells.astype(str).rename(None))
    return AnnData(sp.csr_matrix(counts, dtype=np.float32), obs=obs, var=var.set_axis(names))


def with_peak_positions(var: pd.DataFrame) -> pd.DataFrame:
    """Add ``chrom``, ``start`` and ``end`` from the names of the peaks.

    Raises
    ------
    ValueError
        If a name is not an interval.
    """
    return var.assign(**{name: column.to_numpy() for name, column in parse_intervals(var.index).items()})
