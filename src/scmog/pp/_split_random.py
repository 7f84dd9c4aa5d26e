"""Split cells at random."""

from __future__ import annotations

import numpy as np
from anndata import AnnData
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog.pp._write_split import check_labels, check_splittable, groups_of, labels_of, write_split


def split_random(
    data: MuData | AnnData,
    *,
    validation_size: float = 0.15,
    test_size: float = 0.15,
    group_key: str | None = None,
    seed: int = 0,
    key_added: str = "split",
) -> None:
    """Write ``.obs[key_added]``: train, validation and test cells drawn at random.

    A random split answers how well *these* cells are predicted; cells of a new donor or cluster are harder (see
    :func:`split_by_obs` and :func:`split_by_cluster`). The default sizes are those of the authors' code.

    Parameters
    ----------
    data
        MuData or AnnData; only the (global) obs is changed.
    validation_size, test_size
        Shares of all cells, in [0, 1); with ``group_key`` of all groups, at least one of each part that is not 0.
    group_key
        Column of obs whose groups, such as donors, stay together.
    seed
        Seed of the draw; the global random state is neither used nor changed.
    key_added
        Column to write; an earlier split under this name is replaced.

    Raises
    ------
    KeyError
        If no obs has ``group_key``.
    ValueError
        If a size is out of range or a part would be empty, cells have duplicate names, ``group_key`` has missing
        values, or ``key_added`` holds something else than a split. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=100, n_genes=50, n_peaks=100)
    >>> scmog.pp.split_random(mdata, seed=1)
    >>> mdata.obs["split"].value_counts().to_dict()
    {'train': 70, 'validation': 15, 'test': 15}
    """
    if not (0 <= validation_size < 1 and 0 <= test_size < 1 and 0 < validation_size + test_size < 1):
        message = (
            "validation_size and test_size must lie in [0, 1), with a sum above 0 and below 1; got "
            f"{validation_size} and {test_size}."
        )
        raise ValueError(message)
    check_splittable(data)
    groups = groups_of(data, group_key)
    codes = np.arange(data.n_obs) if groups is None else groups
    n_units = int(codes.max(initial=-1)) + 1
    n_validation, n_test = (_count(size, n_units, grouped=groups is not None) for size in (validation_size, test_size))
    order = np.random.default_rng(seed).permutation(n_units)
    labels = labels_of(
        data.n_obs,
        validation=np.isin(codes, order[:n_validation]),
        test=np.isin(codes, order[n_validation : n_validation + n_test]),
    )
    sizes = {SPLIT_LABELS.VALIDATION: validation_size, SPLIT_LABELS.TEST: test_size}
    check_labels(
        labels, expected=[label for label, size in sizes.items() if size > 0], groups=groups, group_key=group_key
    )
    write_split(data, key_added, labels)


def _count(size: float, n_units: int, *, grouped: bool) -> int:
    rounded = int(np.floor(size * n_units + 0.5))
    return max(rounded, 1) if grouped and size > 0 else rounded
