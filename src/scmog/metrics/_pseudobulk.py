"""Differences between groups of cells: correlation of measured and predicted pseudobulk log fold changes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from scmog.metrics._arrays import blocks, check_choice, check_finite, check_values, dense_rows, stored_values
from scmog.metrics._pearson import pearson

_ROUNDING = 1e-6  # log fold changes below this are rounding errors of float32 predictions


def pseudobulk_correlation(
    truth: Any,
    prediction: Any,
    groups: Any,
    *,
    features: Any = None,
    scale: Literal["rate", "log"] = "rate",
    min_cells: int = 20,
    pseudocount: float | None = None,
) -> pd.Series:
    r"""Correlation of measured and predicted log fold changes of each group of cells against the mean of the groups.

    The mean :math:`m_{gj}` of feature :math:`j` over the cells of group :math:`g` becomes a log fold change
    :math:`l_{gj}`:

    - `scale="rate"` (0/1 or counts, and the probabilities or means that predict them): the profiles of the groups are
      brought to one total, :math:`r_{gj} = m_{gj} \bar T / T_g` with :math:`T_g = \sum_j m_{gj}`, and
      :math:`l_{gj} = \ln(r_{gj} + c) - \ln(\frac{1}{G}\sum_h r_{hj} + c)`. A prediction that only knows how deep the
      cells of a group were sequenced has no fold changes.
    - `scale="log"` (log-normalised RNA, CLR of proteins): :math:`l_{gj} = m_{gj} - \frac{1}{G}\sum_h m_{hj}`.

    The score of a group is the Pearson correlation of measured and predicted :math:`l_{gj}` over the features. Being
    centred, it does not reward knowing how high each feature is on average: the training mean scores exactly 0
    (differences below 1e-6, the rounding of float32, count as none).

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Predicted values on the same scale, dense, shape (n_cells, n_features). May be a `numpy.memmap`. Group means
        below 0, as linear predictors give them, count as 0 for `scale="rate"`.
    groups
        Label of each cell, shape (n_cells,), for example the cell type. Cells without one (None, NaN) are left out.
    features
        Features to correlate over: indices or a boolean mask, best those that differ between groups of *training*
        cells (:func:`variable_features`). All by default.
    scale
        Whether the values are rates or logarithms.
    min_cells
        Groups with fewer cells are left out, of the mean over the groups too.
    pseudocount
        The :math:`c` of `scale="rate"`, in the unit of the values. By default one over the mean number of cells of a
        group: as if each feature had been seen once more in each group.

    Returns
    -------
    Correlation of each group, indexed by its label, in sorted order; NaN where the measured fold changes are constant.
    Empty when fewer than two groups have `min_cells` cells: there is nothing to compare them with.

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, a value is NaN or infinite, rates are negative, `groups` or `features` do
        not fit, or an argument is out of range.
    TypeError
        If `prediction` is sparse or a matrix is not numeric.
    """
    truth, prediction = check_values(truth, prediction)
    _check_scale(truth, scale=scale)
    labels, weights = _group_weights(groups, n_cells=truth.shape[0], min_cells=min_cells)
    if len(labels) < 2:
        return pd.Series(np.zeros(0), index=labels[:0], name="pseudobulk_lfc")
    pseudocount = _checked_pseudocount(pseudocount, weights)
    means = [_group_means(matrix, weights) for matrix in (truth, prediction)]
    changes = [_fold_changes(mean, scale=scale, pseudocount=pseudocount) for mean in means]
    if features is not None:
        changes = [change[:, _feature_indices(features, n_features=truth.shape[1])] for change in changes]
    return pd.Series(pearson(*changes, axis="cell"), index=labels, name="pseudobulk_lfc")


def variable_features(
    truth_train: Any,
    groups_train: Any,
    *,
    n: int = 1000,
    scale: Literal["rate", "log"] = "rate",
    min_cells: int = 20,
    pseudocount: float | None = None,
) -> np.ndarray:
    """Features whose pseudobulk log fold changes vary most between groups of training cells.

    Chosen on training cells, so that the test cells decide nothing about what they are scored on. The pseudo-count
    keeps features that were hardly seen from being chosen for their noise.

    Parameters
    ----------
    truth_train
        Measured values of the training cells, shape (n_cells, n_features), dense or sparse.
    groups_train
        Label of each training cell, shape (n_cells,).
    n
        Number of features; all when there are fewer.
    scale, min_cells, pseudocount
        As in :func:`pseudobulk_correlation`.

    Returns
    -------
    Ascending indices of the chosen features, int64. The first ones win ties.

    Raises
    ------
    ValueError
        As in :func:`pseudobulk_correlation`; also if fewer than two groups have `min_cells` cells or `n` is below 2.
    TypeError
        If the matrix is not numeric.
    """
    if n < 2:
        message = f"n must be at least 2, a correlation over fewer features means nothing; got {n}."
        raise ValueError(message)
    truth = check_finite(truth_train, name="truth_train")
    _check_scale(truth, scale=scale)
    labels, weights = _group_weights(groups_train, n_cells=truth.shape[0], min_cells=min_cells)
    if len(labels) < 2:
        message = (
            f"groups_train must hold two or more groups of at least {min_cells} cells, got {len(labels)}. "
            f"Use coarser groups or lower min_cells."
        )
        raise ValueError(message)
    pseudocount = _checked_pseudocount(pseudocount, weights)
    variances = _fold_changes(_group_means(truth, weights), scale=scale, pseudocount=pseudocount).var(axis=0)
    return np.sort(np.argsort(-variances, kind="stable")[:n])


def _group_weights(groups: Any, *, n_cells: int, min_cells: int) -> tuple[pd.Index, Any]:
    """Labels of the groups that are large enough, and a CSR matrix (n_groups, n_cells) that takes their means."""
    if min_cells < 1:
        message = f"min_cells must be at least 1, got {min_cells}."
        raise ValueError(message)
    if np.shape(groups) != (n_cells,):
        message = f"groups must have one label for each of the {n_cells} cells, got shape {np.shape(groups)}."
        raise ValueError(message)
    codes, labels = pd.factorize(pd.Series(np.asarray(groups)), sort=True)
    sizes = np.bincount(codes[codes >= 0], minlength=len(labels))
    kept = np.flatnonzero(sizes >= min_cells)
    cells = np.flatnonzero(np.isin(codes, kept))
    row = np.searchsorted(kept, codes[cells])
    weights = sparse.csr_array((1 / sizes[codes[cells]], (row, cells)), shape=(len(kept), n_cells))
    return pd.Index(labels)[kept], weights


def _check_scale(truth: Any, *, scale: str) -> None:
    check_choice(scale, name="scale", choices=("rate", "log"))
    values = stored_values(truth)
    if scale == "rate" and values.size and values.min() < 0:
        message = f'truth must be 0 or more for scale="rate", got {values.min()}. Pass scale="log" for logarithms.'
        raise ValueError(message)


def _checked_pseudocount(pseudocount: float | None, weights: Any) -> float:
    if pseudocount is None:
        return weights.shape[0] / weights.nnz
    if not (np.isfinite(pseudocount) and pseudocount > 0):
        message = f"pseudocount must be a positive number, got {pseudocount}."
        raise ValueError(message)
    return pseudocount


def _group_means(matrix: Any, weights: Any) -> np.ndarray:
    """Mean of each feature over the cells of each group, float64 (n_groups, n_features)."""
    means = np.zeros((weights.shape[0], matrix.shape[1]))
    columns = sparse.csc_array(weights)
    for rows in blocks(*matrix.shape):
        means += columns[:, rows] @ dense_rows(matrix, rows).astype(np.float64)
    return means


def _fold_changes(means: np.ndarray, *, scale: str, pseudocount: float) -> np.ndarray:
    """Log fold changes of group means against the mean of the groups, same shape."""
    if scale == "rate":
        means = np.maximum(means, 0)
        totals = means.sum(axis=1, keepdims=True)
        # A group without anything stays at zero.
        means = means * np.divide(totals.mean(), totals, out=np.zeros_like(totals), where=totals > 0)
        changes = np.log(means + pseudocount) - np.log(means.mean(axis=0) + pseudocount)
    else:
        changes = means - means.mean(axis=0)
    return np.where(np.abs(changes) < _ROUNDING, 0.0, changes)


def _feature_indices(features: Any, *, n_features: int) -> np.ndarray:
    """Indices of features given by index or mask."""
    features = np.asarray(features)
    if features.dtype == bool and features.shape == (n_features,):
        features = np.flatnonzero(features)
    if features.ndim != 1 or features.dtype.kind not in "iu" or features.size < 2:
        message = (
            f"features must be two or more indices or a boolean mask of length {n_features}, got dtype "
            f"{features.dtype} and shape {features.shape}."
        )
        raise ValueError(message)
    if features.min() < 0 or features.max() >= n_features:
        message = f"features must be indices from 0 to {n_features - 1}, got {features.min()} to {features.max()}."
        raise ValueError(message)
    return features
