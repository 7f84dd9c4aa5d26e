"""Points of a ROC curve, few enough to draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from scmog.metrics._arrays import check_binary, pair_blocks
from scmog.metrics._ranks import positive_scores


def roc_points(truth: Any, score: Any, *, n_points: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Points of the flattened ROC curve at `n_points` thresholds or fewer.

    The thresholds are quantiles of the scores of both classes, so that the points lie on the exact curve and spread
    along it; memory is one sorted copy of the scores.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    score
        Predicted scores, dense, shape (n_cells, n_features).
    n_points
        Largest number of points, the corners (0, 0) and (1, 1) included.

    Returns
    -------
    False positive rates and true positive rates, two ascending float64 arrays of one length.

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty or contains NaN, `truth` holds one class only, or `n_points` is below 4.
    TypeError
        If `score` is sparse or a matrix is not numeric.
    """
    if n_points < 4:
        message = f"n_points must be at least 4, got {n_points}."
        raise ValueError(message)
    truth, score = check_binary(truth, score)
    positives = positive_scores(truth, score)
    negatives = np.sort(np.concatenate([values[~(measured > 0)] for measured, values in pair_blocks(truth, score)]))
    if not positives.size or not negatives.size:
        message = (
            f"truth must hold entries above 0 and entries of 0, got {positives.size} and {negatives.size}. "
            f"A ROC curve needs both."
        )
        raise ValueError(message)
    each = (n_points - 2) // 2  # corners come on top
    quantiles = [values[np.linspace(0, values.size - 1, each).astype(np.int64)] for values in (positives, negatives)]
    thresholds = np.unique(np.concatenate(quantiles))[::-1]
    rates = [1 - np.searchsorted(values, thresholds, side="left") / values.size for values in (negatives, positives)]
    # The lowest threshold is the smallest score of either class or above it: the last corner is added, not assumed.
    false_positive_rate, true_positive_rate = (np.concatenate([[0.0], rate, [1.0]]) for rate in rates)
    return false_positive_rate, true_positive_rate
