"""Area under the ROC curve of scores for open and closed entries, exact and without sorting everything at once."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from scmog.metrics._arrays import check_binary, check_choice, check_min_positives, pair_blocks
from scmog.metrics._ranks import positive_columns, positive_scores


@overload
def auroc(truth: Any, score: Any, *, axis: Literal["flat"] = "flat", min_positives: int = 5) -> float: ...
@overload
def auroc(truth: Any, score: Any, *, axis: Literal["feature", "cell"], min_positives: int = 5) -> np.ndarray: ...
def auroc(
    truth: Any,
    score: Any,
    *,
    axis: Literal["flat", "feature", "cell"] = "flat",
    min_positives: int = 5,
) -> float | np.ndarray:
    r"""Area under the ROC curve (AUROC) of `score` for the open entries of `truth`.

    Computed from ranks (Mann-Whitney identity), :math:`(R_+ - P(P+1)/2) / (P N)` with the rank sum :math:`R_+` of the
    :math:`P` positives among :math:`P + N` entries; tied scores share their mean rank, so a constant score gives
    exactly 0.5. The paper reports the flattened form (Fig. 2B; Benchmark Evaluation Metrics), which is
    dominated by how often each peak is open; `axis="feature"` says whether the right *cells* are found.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    score
        Predicted scores in any unit, higher = more likely open; dense, shape (n_cells, n_features). May be a
        `numpy.memmap`.
    axis
        `"flat"`: one number over all entries; memory is the scores of the positives and a block of entries.
        `"feature"`: one number for each feature over the cells. `"cell"`: one number for each cell over the features.
    min_positives
        Features (cells) with fewer positives get NaN. Not used for `"flat"`.

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
        return _flat_auroc(truth, score)
    if axis == "cell":
        truth, score = truth.T, score.T
    result = np.full(score.shape[1], np.nan)
    for column, ordered, positives in positive_columns(truth, score, min_positives=min_positives):
        result[column] = _area(ordered, positives)
    return result


def _area(ordered: np.ndarray, positives: np.ndarray) -> float:
    """AUROC from all scores and those of the positives, both ascending."""
    below, up_to = (np.searchsorted(ordered, positives, side=side).sum() for side in ("left", "right"))
    n_positives, n_negatives = positives.size, ordered.size - positives.size
    rank_sum = (below + up_to + n_positives) / 2
    return float((rank_sum - n_positives * (n_positives + 1) / 2) / (n_positives * n_negatives))


def _flat_auroc(truth: Any, score: np.ndarray) -> float:
    """Sort the (few) positives once and count, block by block, how many lie above each negative."""
    positives = positive_scores(truth, score)
    n_positives, n_negatives = positives.size, score.size - positives.size
    if not n_positives or not n_negatives:
        return float("nan")
    half_wins = 0
    for measured, values in pair_blocks(truth, score):
        # Sorted keys make the search run through memory in order, several times faster than random look-ups.
        negatives = np.sort(values[~(measured > 0)])
        below = np.searchsorted(positives, negatives, side="left")
        half_wins += 2 * (n_positives * negatives.size - int(below.sum()))
        tied = positives[np.minimum(below, n_positives - 1)] == negatives
        up_to = np.searchsorted(positives, negatives[tied], side="right")
        half_wins -= int((up_to - below[tied]).sum())
    # Python integers: no rounding before the one division.
    return half_wins / (2 * n_positives * n_negatives)
