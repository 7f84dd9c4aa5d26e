"""Queries: whatever the user has, read without touching it.

A query is wrapped in a MuData of our own that shares the user's matrices and holds nothing but them, cell names,
feature names and, where the model has one, the batch column. scvi-tools' registry may then write its marks there, views
and any order of modalities are fine, and no manager keeps the user's object alive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from mudata import MuData
from numpy.typing import NDArray
from scvi import REGISTRY_KEYS
from scvi.dataloaders import AnnDataLoader

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES
from scmog._mudata import find_obs_column, is_generated, measured_keys, missing_features
from scmog._quiet import quiet_mudata
from scmog.data import PartialMuDataManager
from scmog.model._registry import TrainingRegistry
from scmog.model._seen_cells import cell_ids

_BLOCK_ROWS = 4096  # of a matrix on disk that are read at once


class Query:
    """Cells of a user, registered against the training data.

    Parameters
    ----------
    data
        MuData, or the AnnData of the only modality asked for.
    modalities
        Canonical names of the modalities to read.
    registry
        Registry of the training data.
    indices
        Positions of the cells to use, in this order: of a MuData in its ``obs_names``. Default: all cells that have the
        modality, in the order of the data.

    Raises
    ------
    TypeError
        If ``data`` is neither a MuData nor an AnnData.
    KeyError
        If a layer is missing.
    ValueError
        If a modality is missing or lacks one of the cells, features differ from the trained ones, or values are not
        raw counts.
    """

    def __init__(
        self,
        data: MuData | AnnData,
        modalities: Sequence[str],
        registry: TrainingRegistry,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.modalities = list(modalities)
        self._missing = {
            modality: _missing_mask(find_modality(data, modality, registry.names[modality]), modality)
            for modality in modalities
        }
        self._manager = PartialMuDataManager(fields=registry.fields())
        self._manager.register_fields(_wrap(data, modalities, registry), registry.raw)
        self.indices = _checked_indices(indices, _rows(data, self._manager.adata.obs_names))
        self._check_readable()

    def _check_readable(self) -> None:
        for modality in self.modalities:
            matrix = self._matrix(modality)
            if isinstance(matrix, h5py.Dataset) and (np.diff(self.indices) <= 0).any():
                message = "indices must rise for a dense matrix on disk (h5py); sort them, or load the query."
                raise ValueError(message)

    def _matrix(self, modality: str) -> Any:
        return self._manager.get_from_registry(MODALITIES[modality].registry_key)

    @property
    def cells(self) -> pd.Index:
        """Names of the cells."""
        return self._manager.adata.obs_names[self.indices].astype(str)

    def counts(self, modality: str) -> Any:
        """Raw counts of a modality, ``(n_cells, n_features)``."""
        matrix = self._matrix(modality)
        if np.array_equal(self.indices, np.arange(matrix.shape[0])):
            return matrix[:]
        order = np.argsort(self.indices, kind="stable")  # matrices on disk are read in order
        return matrix[self.indices[order]][np.argsort(order, kind="stable")]

    def missing(self, device: torch.device | str) -> torch.Tensor | None:
        """Features of the first modality that were not measured, boolean ``(n_features,)``; None if all were."""
        mask = self._missing[self.modalities[0]]
        return None if mask is None else torch.as_tensor(mask, device=device)

    def absent(self, modality: str) -> np.ndarray | None:
        """Features of a modality that were not measured, boolean ``(n_features,)``; None if all were."""
        return self._missing[modality]

    def zero_counts(self) -> np.ndarray:
        """Whether each cell has no counts at all in the first modality, ``(n_cells,)``."""
        zero: np.ndarray = self._totals == 0
        return zero

    def ids(self) -> dict[str, NDArray[np.uint64]]:
        """Ids of the cells, ``(n_cells,)``, by their names and total counts in each modality that is complete."""
        complete = [modality for modality in self.modalities if self.absent(modality) is None]
        totals = {modality: cell_totals(self._matrix(modality)) for modality in complete}
        return {modality: cell_ids(self.cells, of_all[self.indices]) for modality, of_all in totals.items()}

    def fingerprint(self) -> str:
        """Hash of the cells' names, order, total counts and batches, and of what was measured of the features."""
        modality = self.modalities[0]
        parts = ["\n".join(self.cells).encode(), self._totals.tobytes(), self.feature_totals().tobytes()]
        if (absent := self.absent(modality)) is not None:
            parts.append(absent.tobytes())
        if REGISTRY_KEYS.BATCH_KEY in self._manager.data_registry:
            codes = np.asarray(self._manager.get_from_registry(REGISTRY_KEYS.BATCH_KEY)).ravel()
            parts.append(codes[self.indices].astype(np.int64).tobytes())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def feature_totals(self) -> np.ndarray:
        """Total counts of each feature of the first modality in all cells of the query, ``(n_features,)``."""
        return self._sums[1]

    @property
    def _totals(self) -> np.ndarray:
        """Total counts of each cell in the first modality."""
        return self._sums[0][self.indices]

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each cell and of each feature of the first modality; read once, as the matrix may be on disk."""
        return _sums_of(self._matrix(self.modalities[0]))

    def batches(self, batch_size: int, *, start: int = 0) -> Iterable[dict[str, torch.Tensor]]:
        """Mini-batches of the first modality of the cells in order, from the cell at position ``start`` on."""
        cells = self.indices[start:]
        return ordered_loader(self._manager, cells, batch_size, batch_keys(self._manager, self.modalities[:1]))


def _rows(data: MuData | AnnData, names: pd.Index) -> NDArray[np.intp]:
    """Row of each cell of the data among the cells ``names`` of its modalities; -1 where they lack it.

    A modality may have its cells in another order than the MuData, or a part of them only.
    """
    if data.obs_names.equals(names):
        return np.arange(len(names))
    if not (data.obs_names.is_unique and names.is_unique):
        message = (
            "cells have the same name, and the modality other cells, or another order of them, than the MuData: call "
            "obs_names_make_unique() on every modality and build the MuData again."
        )
        raise ValueError(message)
    rows = names.get_indexer(data.obs_names)
    if (rows >= 0).sum() < len(names):
        message = "the modality has cells that the MuData does not know; call mdata.update() first."
        raise ValueError(message)
    return rows


def _checked_indices(indices: Sequence[int] | np.ndarray | None, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    if indices is None:
        return rows[rows >= 0]
    n_cells = len(rows)
    chosen = np.asarray(indices)
    if chosen.dtype == bool and chosen.shape == (n_cells,):
        chosen = np.flatnonzero(chosen)
    whole = chosen.ndim == 1 and chosen.dtype.kind in "iu"
    if not whole or not chosen.size or chosen.min() < -n_cells or chosen.max() >= n_cells:
        message = f"indices must be positions of cells (0 to {n_cells - 1}), at least one, or a mask; got {indices!r}."
        raise ValueError(message)
    if (rows[chosen] < 0).any():
        message = f"{int((rows[chosen] < 0).sum())} of the cells that indices choose lack the modality."
        raise ValueError(message)
    return rows[chosen]


def ordered_loader(
    manager: PartialMuDataManager, indices: np.ndarray, batch_size: int, keys: list[str]
) -> Iterable[dict[str, torch.Tensor]]:
    """Mini-batches of the cells ``indices`` in this order.

    The generator is the loader's own: PyTorch draws a seed for each pass, otherwise from the global random state.
    """
    loader: Iterable[dict[str, torch.Tensor]] = AnnDataLoader(
        manager, indices=indices, batch_size=batch_size, data_and_attributes=keys, generator=torch.Generator()
    )
    return loader


def cell_totals(matrix: Any) -> np.ndarray:
    """Sum of each row, ``(n_cells,)``, of a matrix in memory or on disk."""
    return _sums_of(matrix)[0]


def _sums_of(matrix: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each row and of each column."""
    rows, columns = [], np.zeros(matrix.shape[1])
    for start in range(0, matrix.shape[0], _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS]
        rows.append(np.asarray(block.sum(axis=1, dtype=np.float64)).ravel())
        columns += np.asarray(block.sum(axis=0, dtype=np.float64)).ravel()
    return np.concatenate(rows), columns


def batch_keys(manager: PartialMuDataManager, modalities: Sequence[str]) -> list[str]:
    """Registry keys of what a mini-batch must hold: the counts of the modalities, and the batch covariate."""
    keys = [MODALITIES[modality].registry_key for modality in modalities]
    return [*keys, *(key for key in (REGISTRY_KEYS.BATCH_KEY,) if key in manager.data_registry)]


def find_modality(query: MuData | AnnData, modality: str, name: str) -> AnnData:
    """The measured modality of a query: called as in training, or by a usual name."""
    if isinstance(query, AnnData):
        if is_generated(query):
            message = f"the query was generated by scmog and can't be used as measured {modality!r}."
            raise ValueError(message)
        return query
    if not isinstance(query, MuData):
        message = f"a query is a MuData, or the AnnData of the source modality; got {type(query).__name__}."
        raise TypeError(message)
    if keys := measured_keys(query, modality, name):
        return query.mod[keys[0]]
    generated = [key for key, adata in query.mod.items() if is_generated(adata)]
    message = (
        f"modality {modality!r} is not in the query: expected a measured modality called {name!r} (or one of "
        f"{list(MODALITIES[modality].aliases)}), got {list(query.mod)}"
        + (f", of which {generated} are generated and never read as input." if generated else ".")
    )
    raise ValueError(message)


def _wrap(query: MuData | AnnData, modalities: Sequence[str], registry: TrainingRegistry) -> MuData:
    parts = {
        registry.names[modality]: _share_counts(
            find_modality(query, modality, registry.names[modality]), registry.layers[modality]
        )
        for modality in modalities
    }
    with quiet_mudata():
        wrapped = MuData(parts)
    column, is_mudata = None, isinstance(query, MuData)
    if registry.batch_key is not None:
        source = measured_keys(query, modalities[0], registry.names[modalities[0]])[0] if is_mudata else None
        column = find_obs_column(query, registry.batch_key, first=source)
    if column is not None:
        wrapped.obs[registry.batch_key] = column.reindex(wrapped.obs_names).to_numpy()
    return wrapped


def _share_counts(adata: AnnData, layer: str | None) -> AnnData:
    if layer is not None and layer not in adata.layers:
        known = [name for name in adata.layers if name is not None]  # anndata 0.13 lists .X under None
        message = f"the model was trained on layer {layer!r}, which the query lacks; its layers are {known}."
        raise KeyError(message)
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        message = "the query has no .X; put the raw counts there."
        raise ValueError(message)
    obs, var = pd.DataFrame(index=adata.obs_names), pd.DataFrame(index=adata.var_names)
    if layer is None:
        return AnnData(matrix, obs=obs, var=var)
    return AnnData(obs=obs, var=var, layers={layer: matrix})


def _missing_mask(adata: AnnData, modality: str) -> np.ndarray | None:
    mask = missing_features(adata.var)
    if mask.all():
        message = f"all features of the query's {modality!r} are marked as missing (.var[{SCMOG_KEYS.MISSING_VAR!r}])."
        raise ValueError(message)
    return mask if mask.any() else None
