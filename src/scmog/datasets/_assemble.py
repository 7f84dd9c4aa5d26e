"""From one AnnData per modality to a MuData."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anndata
import mudata
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog.genomics import parse_intervals

logger = logging.getLogger(__name__)


def new_mudata(modalities: Mapping[str, AnnData]) -> MuData:
    """MuData without columns pulled up, without mudata's notes, and without touching Python's random state."""
    state = random.getstate()  # mudata draws names of temporary columns
    try:
        with warnings.catch_warnings(), _nothing_pulled_up():
            # An antibody may be called like a gene; global names are then not unique, those of a modality are.
            warnings.filterwarnings("ignore", message=".*(not unique|intersecting)", module="mudata")
            return MuData(dict(modalities))
    finally:
        random.setstate(state)


@contextmanager
def _nothing_pulled_up() -> Iterator[None]:
    """Leave columns in the modalities: mudata 0.3 would pull them up; 0.4 does not and has no such option.

    Not as ``with set_options(...)``: that logs by way of the root logger, which then gets a handler.
    """
    set_options = getattr(mudata, "set_options", None)
    before = {} if set_options is None else set_options(pull_on_update=False).opts
    try:
        yield
    finally:
        if set_options is not None:
            set_options(**before)


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
