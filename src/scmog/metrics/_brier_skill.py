"""Brier skill: how much closer probabilities come to what was measured than those of a reference."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from scmog.metrics._arrays import blocks, check_binary, check_choice, check_min_positives, clipped, dense_rows


@overload
def brier_skill(
    truth: Any, probability: Any, reference: Any, *, axis: Literal["flat"] = "flat", min_positives: int = 5
) -> float: ...
@overload
def brier_skill(
    truth: Any, probability: Any, reference: Any, *, axis: Literal["feature"], min_positives: int = 5
) -> np.ndarray: ...
def brier_skill(
    truth: Any,
    probability: Any,
    reference: Any,
    *,
    axis: Literal["flat", "feature"] = "flat",
    min_positives: int = 5,
) -> float | np.ndarray:
    r"""Brier skill score of `probability`: :math:`1 - B / B_\text{reference}`.

    :math:`B` is the Brier score, the mean squared difference between the probability of an entry and 1 (open) or 0
    (closed). 1 is perfect, 0 as good as the reference, below 0 worse. The reference that makes it honest is the share
    of *training* cells in which each peak is open: it is calibrated and says nothing about single cells, so a
    positive skill cannot come from knowing which peaks are open often.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    probability
        Predicted probabilities, dense, shape (n_cells, n_features). Values below 0 or above 1, as linear predictors
        give them, count as 0 and 1. May be a `numpy.memmap`.
    reference
        Probabilities to compare with: one for each feature, shape (n_features,), or (n_cells, n_features).
    axis
        `"flat"`: one number over all entries; peaks that are open often weigh most. `"feature"`: one number for each
        feature over the cells.
    min_positives
        Features with fewer positives get NaN: the score of their reference is next to nothing, and a ratio to it means
        little. Not used for `"flat"`.

    Returns
    -------
    A float for `"flat"`, otherwise a float64 array of shape (n_features,); NaN where the reference makes no error.

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, a value is NaN or infinite, or an argument is out of range.
    TypeError
        If `probability` is sparse or a matrix is not numeric.
    """
    check_choice(axis, name="axis", choices=("flat", "feature"))
    check_min_positives(min_positives)
    truth, probability = check_binary(truth, probability, name="probability", finite=True)
    reference = _checked_reference(reference, shape=probability.shape)
    n_features = probability.shape[1]
    errors, n_positives = np.zeros((2, n_features)), np.zeros(n_features, dtype=np.int64)
    for rows in blocks(*probability.shape):
        positive = dense_rows(truth, rows) > 0
        n_positives += np.count_nonzero(positive, axis=0)
        for error, values in zip(errors, (probability, reference), strict=True):
            error += np.square(clipped(values[rows]) - positive).sum(axis=0)
    if axis == "flat":
        ours, theirs = errors.sum(axis=1)
        return float(1 - ours / theirs) if theirs > 0 else float("nan")
    scored = (n_positives >= min_positives) & (errors[1] > 0)
    return 1 - np.divide(errors[0], errors[1], out=np.full(n_features, np.nan), where=scored)


def _checked_reference(reference: Any, *, shape: tuple[int, int]) -> np.ndarray:
    """Reference as a matrix of `shape`, without a copy for one value per feature."""
    reference = np.asarray(reference)
    if reference.shape not in {shape, shape[1:]}:
        message = (
            f"reference must have shape {shape[1:]}, one probability for each feature, or {shape}, got "
            f"{reference.shape}. Pass for example the share of training cells in which each peak is open."
        )
        raise ValueError(message)
    if reference.dtype.kind not in "biuf" or not np.isfinite([reference.min(), reference.max()]).all():
        message = f"reference must hold finite numbers, got dtype {reference.dtype} with NaN, infinity or no numbers."
        raise ValueError(message)
    return np.broadcast_to(reference, shape)
