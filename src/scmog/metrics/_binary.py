"""Area under the ROC curve of scores for open and closed entries, exact and without sorting everything at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import (
    blocks,
    check_choice,
    check_dense,
    check_matrix,
    check_same_shape,
    dense_rows,
)


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
        Predicted scores in any unit, higher = more likely open; dense, shape (n_cells, n_features).
    axis
        `"flat"`: one number over all entries. `"feature"`: one number for each feature over the cells. `"cell"`: one
        number for each cell over the features.
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
    if min_positives < 1:
        message = f"min_positives must be at least 1, got {min_positives}."
        raise ValueError(message)
    truth, score = _checked(truth, score)
    if axis == "flat":
        return _flat_auroc(truth, score)
    if axis == "cell":
        truth, score = truth.T, score.T
    return _column_auroc(truth, score, min_positives=min_positives)


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
        If shapes differ, a matrix is empty or contains NaN, `truth` holds one class only, or `n_points` is below 3.
    TypeError
        If `score` is sparse or a matrix is not numeric.
    """
    if n_points < 3:
        message = f"n_points must be at least 3, got {n_points}."
        raise ValueError(message)
    truth, score = _checked(truth, score)
    positives = np.sort(np.concatenate([values[mask] for values, mask in _row_blocks(truth, score)]))
    negatives = np.sort(np.concatenate([values[~mask] for values, mask in _row_blocks(truth, score)]))
    if not positives.size or not negatives.size:
        message = (
            f"truth must hold entries above 0 and entries of 0, got {positives.size} and {negatives.size}. "
            f"A ROC curve needs both."
        )
        raise ValueError(message)
    each = (n_points - 1) // 2
    quantiles = [values[np.linspace(0, values.size - 1, each).astype(np.int64)] for values in (positives, negatives)]
    thresholds = np.unique(np.concatenate(quantiles))[::-1]
    rates = [1 - np.searchsorted(values, thresholds, side="left") / values.size for values in (negatives, positives)]
    # The lowest threshold is the smallest score of either class or above it: the last corner is added, not assumed.
    false_positive_rate, true_positive_rate = (np.concatenate([[0.0], rate, [1.0]]) for rate in rates)
    return false_positive_rate, true_positive_rate


def _checked(truth: Any, score: Any) -> tuple[Any, np.ndarray]:
    """Positive mask (dense boolean or boolean CSR without stored False) and dense scores of one shape."""
    truth = check_matrix(truth, name="truth")
    score = check_dense(score, name="score", finite=False)
    check_same_shape(truth, score, names=("truth", "score"))
    if not sparse.issparse(truth):
        return truth if truth.dtype == bool else truth > 0, score
    positive = sparse.csr_array((truth.data > 0, truth.indices, truth.indptr), shape=truth.shape)
    if not positive.data.all():
        # `eliminate_zeros` works in place on index arrays that may still be the caller's.
        positive = positive.copy()
        positive.eliminate_zeros()
    return positive, score


def _row_blocks(truth: Any, score: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield scores and positive masks of blocks of cells."""
    for rows in blocks(*score.shape):
        yield score[rows], dense_rows(truth, rows)


def _flat_auroc(truth: Any, score: np.ndarray) -> float:
    """Sort the (few) positives once and count, block by block, how many lie above each negative."""
    positives = np.sort(np.concatenate([values[mask] for values, mask in _row_blocks(truth, score)]))
    n_negatives, half_wins = 0, 0
    for values, mask in _row_blocks(truth, score):
        # Sorted keys make the search run through memory in order, several times faster than random look-ups.
        negatives = np.sort(values[~mask])
        n_negatives += negatives.size
        for side in ("left", "right"):
            half_wins += positives.size * negatives.size - int(np.searchsorted(positives, negatives, side=side).sum())
    if not positives.size or not n_negatives:
        return float("nan")
    # Python integers: no rounding before the one division.
    return half_wins / (2 * positives.size * n_negatives)


def _column_auroc(truth: Any, score: np.ndarray, *, min_positives: int) -> np.ndarray:
    """AUROC of every column of (n, m) matrices, block of columns by block of columns."""
    n, m = score.shape
    by_column = sparse.csc_array(truth) if sparse.issparse(truth) else truth
    result = np.empty(m)
    for columns in blocks(m, n):
        part = score[:, columns].T  # (b, n), a view of the caller's data
        column, row = by_column[:, columns].T.nonzero()  # coordinates of the positives
        n_positives = np.bincount(column, minlength=len(part))
        # Sorting values and searching only the positives replaces ranking all entries, several times slower.
        ordered = np.sort(part, axis=1)
        below, up_to = (_rowwise_rank(ordered, column, part[column, row], right=right) for right in (False, True))
        midranks = (below + up_to + 1) / 2
        rank_sum = np.bincount(column, weights=midranks, minlength=len(part))
        n_negatives = n - n_positives
        with np.errstate(invalid="ignore", divide="ignore"):
            area = (rank_sum - n_positives * (n_positives + 1) / 2) / (n_positives.astype(np.float64) * n_negatives)
        result[columns] = np.where((n_positives >= min_positives) & (n_negatives > 0), area, np.nan)
    return result


def _rowwise_rank(ordered: np.ndarray, rows: np.ndarray, values: np.ndarray, *, right: bool) -> np.ndarray:
    """`np.searchsorted(ordered[rows[i]], values[i])` for all i at once, by bisection."""
    n = ordered.shape[1]
    low, high = np.zeros(len(values), dtype=np.int64), np.full(len(values), n, dtype=np.int64)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        found = ordered[rows, np.minimum(middle, n - 1)]
        ahead = (found <= values) if right else (found < values)
        ahead &= low < high
        low, high = np.where(ahead, middle + 1, low), np.where(ahead, high, middle)
    return low
