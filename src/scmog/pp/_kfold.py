"""Split cells for cross-validation."""

from __future__ import annotations

import logging

import numpy as np
from anndata import AnnData
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog.pp._write_split import (
    check_labels,
    check_splittable,
    groups_of,
    labels_of,
    write_columns,
)

logger = logging.getLogger(__name__)

_LEAST_FOLDS = 3


def split_kfold(
    data: MuData | AnnData,
    *,
    n_folds: int = 5,
    group_key: str | None = None,
    seed: int = 0,
    key_added: str = "split",
    fold_key: str = "fold",
) -> None:
    """Write ``.obs[fold_key]`` and, for each fold ``k``, ``.obs[f"{key_added}_{k}"]``: splits for cross-validation.

    In split ``k`` fold ``k`` tests, the next fold validates (early stopping and calibration never see the test cells,
    unlike in the authors' code), and the others train. Every cell tests once.

    Parameters
    ----------
    data
        MuData or AnnData; only the (global) obs is changed.
    n_folds
        Number of folds, at least 3.
    group_key
        Column of obs whose groups, such as donors, stay in one fold. Folds then differ in size.
    seed
        Seed of the draw; the global random state is neither used nor changed.
    key_added
        Prefix of the split columns; earlier splits under these names are replaced.
    fold_key
        Column with the number of the fold in which a cell tests, ``0`` to ``n_folds - 1``.

    Raises
    ------
    KeyError
        If no obs has ``group_key``.
    ValueError
        If there are too few folds, or fewer cells or groups than folds, cells have duplicate names, ``group_key`` has
        missing values, a split column holds something else, ``fold_key`` exists with other values, or two names are
        one. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=100, n_genes=50, n_peaks=100)
    >>> scmog.pp.split_kfold(mdata, n_folds=4)
    >>> [column for column in mdata.obs if column.startswith("split")]
    ['split_0', 'split_1', 'split_2', 'split_3']
    """
    if n_folds < _LEAST_FOLDS:
        message = f"n_folds must be at least {_LEAST_FOLDS} (one trains, one validates, one tests), got {n_folds}."
        raise ValueError(message)
    check_splittable(data)
    groups = groups_of(data, group_key)
    sizes = np.ones(data.n_obs, dtype=np.int64) if groups is None else np.bincount(groups)
    if len(sizes) < n_folds:
        unit = "cells" if group_key is None else f"groups of obs[{group_key!r}]"
        message = f"{n_folds} folds need at least as many {unit}, got {len(sizes)}."
        raise ValueError(message)
    fold_of = _deal(sizes, n_folds, np.random.default_rng(seed))
    fold = fold_of if groups is None else fold_of[groups]
    splits = {}
    for k in range(n_folds):
        labels = labels_of(data.n_obs, validation=fold == (k + 1) % n_folds, test=fold == k)
        check_labels(labels, expected=[SPLIT_LABELS.VALIDATION, SPLIT_LABELS.TEST], groups=groups, group_key=group_key)
        splits[f"{key_added}_{k}"] = labels
    write_columns(data, splits, {fold_key: fold})
    logger.info("obs[%r]: folds of %s cells", fold_key, ", ".join(map(str, np.bincount(fold))))


def _deal(sizes: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each unit: largest first, each to the fold that is smallest so far; equal ones in random order."""
    order = rng.permutation(len(sizes))
    if (sizes == 1).all():
        fold = np.empty(len(sizes), dtype=np.int64)
        fold[order] = np.arange(len(sizes)) % n_folds
        return fold
    fold, filled = np.empty(len(sizes), dtype=np.int64), np.zeros(n_folds, dtype=np.int64)
    for unit in order[np.argsort(-sizes[order], kind="stable")]:
        fold[unit] = filled.argmin()
        filled[fold[unit]] += sizes[unit]
    return fold
