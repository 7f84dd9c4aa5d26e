"""Which cells a training run trains on, and what keeps it repeatable and safe."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from anndata.abc import CSCDataset
from mudata import MuData
from scvi import settings

from scmog._modalities import MODALITIES
from scmog.data import PartialMuDataManager, SeededDataSplitter, Split, split_at_random, split_by_key
from scmog.model._query import batch_keys, cell_totals
from scmog.model._seen_cells import SeenCells, cell_ids

DEFAULT_SEED = 0
_LARGEST_SEED = 2**63 - 1  # that torch takes


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The number as Python's own kind; a ValueError unless it is whole and within its bounds."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        message = f"{name} must be a whole number, {bounds}, got {value!r}."
        raise ValueError(message)
    return int(value)


def resolve_seed(seed: int | None) -> int:
    """The user's seed, or else that of scvi-tools' settings, or else 0."""
    if seed is None:
        seed = settings.seed if settings.seed is not None else DEFAULT_SEED
    return check_whole("seed", seed, 0, _LARGEST_SEED)


def cells_hash(adata: MuData, matrix: Any) -> str:
    """Fingerprint of the cells' names, order and total counts, by which a split is known to belong to the data."""
    names = "\n".join(map(str, adata.obs_names)).encode()
    return hashlib.sha256(names + cell_totals(matrix).tobytes()).hexdigest()


def ids_of(manager: PartialMuDataManager, split: Split, modalities: list[str]) -> SeenCells:
    """Ids of the training and validation cells, by each modality."""
    cells = np.concatenate([split.train, split.validation])
    names = manager.adata.obs_names[cells]
    matrices = {modality: manager.get_from_registry(MODALITIES[modality].registry_key) for modality in modalities}
    return {modality: cell_ids(names, cell_totals(matrix)[cells]) for modality, matrix in matrices.items()}


@contextmanager
def kept_on_failure(model: Any) -> Iterator[None]:
    """Leave a trained model as it was if the block fails, and an untrained one untrained."""
    names = ("is_trained_", "history_", "train_indices_", "validation_indices_", "test_indices_", "baselines_")
    before = {name: getattr(model, name) for name in (*names, "cells_hash_", "seen_cells_", "seed_", "model_id_")}
    state = copy.deepcopy(model.module.state_dict()) if model.is_trained_ else None
    try:
        yield
    except BaseException:
        for name, value in before.items():
            setattr(model, name, value)
        if state is not None:
            model.module.load_state_dict(state)
            model.module.eval()
        raise


def choose_split(
    mdata: MuData,
    *,
    split_key: str | None,
    train_size: float | None,
    validation_size: float | None,
    seed: int,
    earlier: Split | None,
    trained: bool = False,
    refit: bool = False,
) -> Split:
    """The split of a training run.

    Parameters
    ----------
    earlier
        Split of the runs before, which is taken if no other is asked for; None if there is none.
    trained
        Whether the model has been trained before.
    refit
        Whether other training cells than before are allowed.

    Raises
    ------
    KeyError
        If no obs has ``split_key``.
    ValueError
        If both a key and sizes are given, a label or size is wrong, or the training cells differ from ``earlier``.
    """
    if trained and earlier is None and not refit:
        message = (
            "other cells are attached than those the model was trained on, whose input statistics it keeps; pass "
            "refit=True to fit them anew and continue from the weights."
        )
        raise ValueError(message)
    sizes_given = train_size is not None or validation_size is not None
    if split_key is not None and sizes_given:
        message = "split_key and train_size or validation_size exclude each other; give one of them."
        raise ValueError(message)
    if split_key is not None:
        split = split_by_key(mdata, split_key)
    elif earlier is not None and not sizes_given:
        return earlier
    else:
        split = split_at_random(mdata.n_obs, train_size, validation_size, seed)
    if earlier is not None and not refit and not np.array_equal(np.sort(earlier.train), np.sort(split.train)):
        message = (
            "this split trains on other cells than the earlier train() call, which fitted the input statistics. "
            "Leave the split out to continue on the same cells, or pass refit=True."
        )
        raise ValueError(message)
    return split


def check_shuffled_reading(manager: PartialMuDataManager, modalities: list[str]) -> None:
    """Raise ValueError if a matrix on disk can't be read in random order."""
    for modality in modalities:
        matrix = manager.get_from_registry(MODALITIES[modality].registry_key)
        if isinstance(matrix, h5py.Dataset | CSCDataset):
            kind = "dense" if isinstance(matrix, h5py.Dataset) else "CSC (stored by column)"
            message = (
                f"modality {modality!r} is a {kind} matrix on disk, whose cells can't be read in random order; write "
                "it as CSR (adata.X = scipy.sparse.csr_matrix(adata.X)) or load it into memory to train on it."
            )
            raise ValueError(message)


def make_splitter(
    manager: PartialMuDataManager, split: Split, modalities: list[str], *, batch_size: int, **options: Any
) -> SeededDataSplitter:
    """scvi-tools' data module for a given split, loading only what the directions need."""
    with warnings.catch_warnings():
        # a last mini-batch of one cell is passed over by the training plan
        warnings.filterwarnings("ignore", message="Last batch will have a small size")
        return SeededDataSplitter(
            manager,
            external_indexing=list(split),
            batch_size=batch_size,
            data_and_attributes=batch_keys(manager, modalities),
            **options,
        )
