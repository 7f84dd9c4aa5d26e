"""Which cells a model has ever been fitted on, so that its scores on them are not taken for scores on new ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SeenCells = dict[str, NDArray[np.uint64]]
"""Rising ids of the cells that a model trained or validated on, by the modality that the ids were made of."""


def cell_ids(names: pd.Index, totals: np.ndarray) -> NDArray[np.uint64]:
    """An id of each cell, ``(n_cells,)``, from its name and its total counts in one modality.

    Both, as barcodes are used again by other samples. Hashes: two cells of 10 million have the same id by chance with a
    probability of three in a million.
    """
    table = pd.DataFrame({"name": names.astype(str).to_numpy(object), "total": np.asarray(totals, dtype=np.float64)})
    return pd.util.hash_pandas_object(table, index=False).to_numpy()


def with_cells(seen: Mapping[str, NDArray[np.uint64]], ids: Mapping[str, NDArray[np.uint64]]) -> SeenCells:
    """The cells seen so far and these."""
    nothing = np.array([], dtype=np.uint64)
    return {modality: np.union1d(seen.get(modality, nothing), new) for modality, new in ids.items()}


def n_seen(seen: Mapping[str, NDArray[np.uint64]], ids: Mapping[str, NDArray[np.uint64]]) -> int:
    """How many of the cells the model was trained or validated on, by all modalities that have ids of them."""
    known = [np.isin(ids[modality], seen[modality]) for modality in ids if modality in seen]
    return int(np.logical_and.reduce(known).sum()) if known else 0
