"""Area under the precision-recall curve, as average precision, exact and without sorting everything at once."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from scmog.metrics._arrays import blocks, check_binary, check_choice, check_min_positives, pair_blocks
from scmog.metrics._ranks import count_below, positive_columns, positive_scores


@overload
def auprc(
    truth: Any, score: Any, *, axis: Literal["flat"] = "flat", min_positives: int = 5, normalized: bool = False
) -> float: ...
@overload
def auprc(
    truth: Any, score: Any, *, axis: Literal["feature", "cell"], min_positives: int = 5, normalized: bool = False
) -> np.ndarray: ...
def auprc(
    truth: Any,
    score: Any,
    *,
    axis: Literal["flat", "feature", "cell"] = "flat",
    min_positives: int = 5,
    normalized: bool = False,
) -> float | np.ndarray:
    r"""Area under the precision-recall curve (AUPRC) of `score` for the open entries of `truth`.

    Average precision, the mean over the positives of the precision among all entries that score as high or higher;
    tied scores are called open together, as in :func:`sklearn.metrics.average_precision_score`. A score without
    information gives the share :math:`p` of positives, which differs from feature to feature: compare and average
    features with `normalized=True`.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    score
        Predicted scores in any unit, higher = more likely open; dense, shape (n_cells, n_features). May be a
        `numpy.memmap`.
    axis
        `"flat"`: one number over all entries; memory is 16 bytes for each positive and a block of entries.
        `"feature"`: one number for each feature over the cells. `"cell"`: one number for each cell over the features.
    min_positives
        Features (cells) with fewer positives get NaN. Not used for `"flat"`.
    normalized
        Return :math:`(\mathrm{AUPRC} - p) / (1 - p)` (Zhang et al. 2022, Polarbear): exactly 0 for a constant score,
        1 for a perfect one.

    Returns
    -------
    A float for `"flat"` (NaN when all entries are of one class); otherwise a float64 array of shape (n_features,) or
    (n_cells,) with NaN where there are too few positives or no negatives.

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty or contains NaN, or an argument is out of range.
    TypeError
        If `score` is sparse or a matrix is not numeric.
    """
    check_choice(axis, name="axis", choices=("flat", "feature", "cell"))
    check_min_positives(min_positives)
    truth, score = check_binary(truth, score)
    if axis == "flat":
        positives = positive_scores(truth, score)
        if not 0 < positives.size < score.size:
            return float("nan")
        below = count_below(positives, (values for _, values in pair_blocks(truth, score)))
        return _average_precision(positives, below, n=score.size, normalized=normalized)
    if axis == "cell":
        truth, score = truth.T, score.T
    result = np.full(score.shape[1], np.nan)
    for column, ordered, positives in positive_columns(truth, score, min_positives=min_positives):
        below = np.searchsorted(ordered, positives, side="left")
        result[column] = _average_precision(positives, below, n=ordered.size, normalized=normalized)
    return result


def _average_precision(positives: np.ndarray, below: np.ndarray, *, n: int, normalized: bool) -> float:
    """Average precision from the ascending scores of the positives and the number of all `n` scores below each."""
    share, excess = positives.size / n, 0.0
    for part in blocks(positives.size, 1):
        true_positives = positives.size - np.searchsorted(positives, positives[part], side="left")
        # Summed as excess over the share of positives: exactly 0 for a constant score, whatever the rounding.
        excess += float((true_positives / (n - below[part]) - share).sum()) / positives.size
    return excess / (1 - share) if normalized else share + excess
