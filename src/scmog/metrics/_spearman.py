"""Spearman correlation of measured and predicted values, with exact mid-ranks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import blocks, check_choice, check_values, pair_blocks, without_stored_zeros
from scmog.metrics._ranks import Column, ranked_columns, tie_sum, tie_term, value_bounds


@overload
def spearman(truth: Any, prediction: Any, *, axis: Literal["flat"] = "flat") -> float: ...
@overload
def spearman(truth: Any, prediction: Any, *, axis: Literal["feature", "cell"]) -> np.ndarray: ...
def spearman(
    truth: Any,
    prediction: Any,
    *,
    axis: Literal["flat", "feature", "cell"] = "flat",
) -> float | np.ndarray:
    """Spearman correlation of `truth` and `prediction`: the Pearson correlation of their ranks.

    Equal values share their mean rank. A constant prediction carries no information and scores 0, it is never dropped;
    where the truth is constant the correlation is undefined and NaN. Only the entries in which the truth is not zero
    are looked up one by one.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Predicted values in any unit, dense, shape (n_cells, n_features). May be a `numpy.memmap`.
    axis
        `"flat"`: one number over all entries; dominated by the means of the features. Works through the predictions
        range by range, each a pass over the data and a sort of about 17 million entries; memory is such a range and the
        values of the truth that are not zero. `"feature"`: one number for each feature over the cells. `"cell"`: one
        number for each cell over the features.

    Returns
    -------
    A float for `"flat"`; otherwise a float64 array of shape (n_features,) or (n_cells,).

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, or a value is NaN or infinite.
    TypeError
        If `prediction` is sparse or a matrix is not numeric.
    """
    check_choice(axis, name="axis", choices=("flat", "feature", "cell"))
    truth, prediction = check_values(truth, prediction)
    if sparse.issparse(truth):
        truth = without_stored_zeros(truth)
    if axis == "flat":
        return _flat_spearman(truth, prediction)
    if axis == "cell":
        truth, prediction = truth.T, prediction.T
    result = np.empty(prediction.shape[1])
    for column in ranked_columns(truth, prediction):
        result[column.position] = _column_spearman(column)
    return result


def _column_spearman(column: Column) -> float:
    ordered, ordered_truth = column.ordered, np.sort(column.truth)
    n, n_zeros = ordered.size, ordered.size - ordered_truth.size
    below, up_to = (np.searchsorted(ordered, column.prediction, side=side) for side in ("left", "right"))
    # Centred mid-ranks of the predictions sum to 0, so entries that share the rank of zero add nothing.
    product = _excess_rank(column.truth, ordered_truth, n_zeros=n_zeros) @ ((below + up_to + 1) / 2 - (n + 1) / 2)
    ties = tie_sum(ordered_truth) + tie_term(n_zeros), tie_sum(ordered)
    return _correlation(float(product), ties, n=n)


def _flat_spearman(truth: Any, prediction: np.ndarray) -> float:
    n = prediction.size
    parts = [truth.data] if sparse.issparse(truth) else [truth[rows][truth[rows] != 0] for rows in blocks(*truth.shape)]
    ordered_truth = np.sort(np.concatenate(parts))
    n_zeros = n - ordered_truth.size
    product, ties, n_below = 0.0, 0.0, 0
    for low, high in pairwise([None, *value_bounds(prediction), None]):
        n_low, ordered, measured, predicted = _gather(truth, prediction, low=low, high=high)
        # Sorted and distinct keys run through memory in order, several times faster than random look-ups.
        order = np.argsort(predicted)
        predicted = predicted[order]
        distinct, place = np.unique(measured[order], return_inverse=True)
        weights = _excess_rank(distinct, ordered_truth, n_zeros=n_zeros)[place]
        above_low = np.zeros(predicted.size, dtype=bool) if low is None else predicted > low
        below, up_to = (np.searchsorted(ordered, predicted, side=side) for side in ("left", "right"))
        midranks = n_below + (n_low * above_low + below + n_low + up_to + 1) / 2
        product += float(weights @ (midranks - (n + 1) / 2))
        ties += tie_sum(ordered) + tie_term(n_low)
        n_below += n_low + ordered.size
    return _correlation(product, (tie_sum(ordered_truth) + tie_term(n_zeros), ties), n=n)


class _Range(NamedTuple):
    """Predictions from a lower bound up to below an upper one."""

    n_low: int
    """How many equal the lower bound: only counted, as it may be a value that fills most of the matrix."""
    ordered: np.ndarray
    """The others, ascending."""
    measured: np.ndarray
    """Entries of the truth that are not 0."""
    predicted: np.ndarray
    """Their predictions."""


def _gather(truth: Any, prediction: np.ndarray, *, low: Any, high: Any) -> _Range:
    n_low, inside, measured, predicted = 0, [], [], []
    for values, guesses in pair_blocks(truth, prediction):
        within = np.ones(guesses.shape, dtype=bool) if low is None else guesses >= low
        if high is not None:
            within &= guesses < high
        chosen = within & (values != 0)
        measured.append(values[chosen])
        predicted.append(guesses[chosen])
        if low is not None:
            equal = guesses == low
            n_low += int(np.count_nonzero(equal))
            within &= ~equal
        inside.append(guesses[within])
    ordered = np.concatenate(inside)
    ordered.sort()
    return _Range(n_low, ordered, np.concatenate(measured), np.concatenate(predicted))


def _excess_rank(values: np.ndarray, ordered: np.ndarray, *, n_zeros: int) -> np.ndarray:
    """Mid-ranks of values that are not zero less the mid-rank of zero, among `ordered` ones and `n_zeros` zeros."""
    below, up_to = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    rank_of_zero = np.searchsorted(ordered, ordered.dtype.type(0)) + (n_zeros + 1) / 2
    return (below + up_to + 1) / 2 + n_zeros * (values > 0) - rank_of_zero


def _correlation(product: float, ties: tuple[float, float], *, n: int) -> float:
    """Correlation of n ranks from their centred product and the tie sums of truth and prediction."""
    truth_spread, prediction_spread = ((tie_term(n) - tied) / 12 for tied in ties)
    if truth_spread == 0:
        return float("nan")
    if prediction_spread == 0:
        return 0.0
    return float(np.clip(product / np.sqrt(truth_spread) / np.sqrt(prediction_spread), -1.0, 1.0))
