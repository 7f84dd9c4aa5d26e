"""Intervals of mean scores: bootstrap over the scores, jackknife over the cells behind them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import t as student

from scmog.metrics._arrays import blocks

_N_FOLDS = 10


def bootstrap_interval(scores: np.ndarray, *, n_bootstrap: int, seed: int) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of the mean; NaN when there is nothing to resample."""
    if scores.size < 2 or n_bootstrap == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [rng.choice(scores, scores.size).mean() for _ in range(n_bootstrap)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def jackknife_interval(
    scores: np.ndarray, score: Callable[[np.ndarray, np.ndarray], np.ndarray], *, n_cells: int, seed: int
) -> tuple[float, float]:
    """95 % interval of the mean of feature scores, from ten recomputations that each leave out a tenth of the cells.

    Delete-a-group jackknife: resampling cells hundreds of times, each with new ranks, would cost hundreds of times the
    score itself.

    Parameters
    ----------
    scores
        Scores on all cells, shape (n_features,); those that are NaN are left out here too.
    score
        Returns the scores of some features on some cells, given the indices of both.
    n_cells
        Number of cells.
    seed
        Seed of the folds.
    """
    kept = ~np.isnan(scores)
    n_folds = min(_N_FOLDS, n_cells)
    if not kept.any() or n_folds < 2:
        return float("nan"), float("nan")
    folds = np.random.default_rng(seed).permutation(n_cells) % n_folds
    sums, counts = np.zeros((2, n_folds))
    for columns in blocks(scores.size, n_cells):
        features = columns.start + np.flatnonzero(kept[columns])
        for fold in range(n_folds if features.size else 0):
            values = score(np.flatnonzero(folds != fold), features)
            sums[fold] += np.nansum(values)
            counts[fold] += np.count_nonzero(~np.isnan(values))
    if not counts.all():
        return float("nan"), float("nan")
    means = sums / counts
    error = np.sqrt((n_folds - 1) / n_folds * np.square(means - means.mean()).sum())
    margin = float(student.ppf(0.975, n_folds - 1) * error)
    value = float(scores[kept].mean())
    return value - margin, value + margin
