"""Depth of cells, for predictors that use it alone or beside other features."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import as_floating, check_finite

DEPTH_WEIGHT = 2.0


def with_log_depth(features: Any, depth: Any, *, weight: float = DEPTH_WEIGHT) -> Any:
    """Append a column with the weighted logarithm of the depth, which normalised features have lost.

    Depth carries information of its own: a cell of which more was read has more open peaks. With it ridge on
    log-normalised RNA rises from .634 to .646 in AUROC per peak (SNARE-seq), and in correlation per protein from .803
    to .806 (PBMC 10k) and from .578 to .592 (REAP-seq, another run).

    Parameters
    ----------
    features
        Features of the source, shape (n_cells, n_features), dense or sparse.
    depth
        Total counts of the same cells in the source, shape (n_cells,); below 1 counts as 1.
    weight
        Factor of the column: large enough that a decomposition keeps it, small enough that distances between cells are
        not those of their depths. Of 1, 2, 3 and 5 the default is best for neighbours on the validation cells of
        PBMC 10k and REAP-seq; ridge hardly minds.

    Returns
    -------
    New matrix of shape (n_cells, n_features + 1) in the floating-point type of `features`, CSR when those are sparse.

    Raises
    ------
    ValueError
        If `depth` is negative, NaN or infinite, or has another number of cells.
    """
    features = as_floating(check_finite(features, name="features"))
    column = weight * log_depth(depth, name="depth").astype(features.dtype)
    if len(column) != features.shape[0]:
        message = f"depth must have one value for each of the {features.shape[0]} cells, got {len(column)}."
        raise ValueError(message)
    if sparse.issparse(features):
        return sparse.csr_array(sparse.hstack([features, sparse.csr_array(column)], format="csr"))
    return np.hstack([features, column])


def log_depth(depth: Any, *, name: str) -> np.ndarray:
    """Natural logarithm of checked depths, float64 column (n_cells, 1)."""
    values = np.asarray(depth)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != 1:
        message = f"{name} must hold one total for each cell, shape (n_cells,), got shape {np.shape(depth)}."
        raise ValueError(message)
    values = check_finite(values, name=name)
    if values.min() < 0:
        message = f"{name} must be 0 or more, got {values.min()}. Pass totals of raw counts, not their logarithm."
        raise ValueError(message)
    return np.log(np.maximum(values, 1.0), dtype=np.float64)
