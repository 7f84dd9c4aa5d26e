"""Reliability of probabilities: predicted against observed frequencies, in bins."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from scmog.metrics._arrays import check_binary, check_choice, clipped, pair_blocks

_SAMPLE = 2**22  # entries from which quantiles are taken where there are more


def reliability_curve(
    truth: Any,
    probability: Any,
    *,
    n_bins: int = 20,
    strategy: Literal["quantile", "uniform"] = "quantile",
) -> pd.DataFrame:
    """Mean predicted probability and observed frequency of open entries, in bins of the predicted probability.

    Over all entries, block by block. Calibrated probabilities lie on the diagonal.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    probability
        Predicted probabilities, dense, shape (n_cells, n_features). Values below 0 or above 1, as linear predictors
        give them, count as 0 and 1. May be a `numpy.memmap`.
    n_bins
        Largest number of bins.
    strategy
        `"quantile"`: about equally many entries in each bin; the edges are exact up to 4 million entries, estimated
        from a random sample above. Sparse peaks have nearly all of their probabilities close to 0, so this is the
        default. `"uniform"`: bins of equal width from 0 to 1.

    Returns
    -------
    Data frame with one row for each bin that is not empty, in ascending order: `mean_predicted`, `observed` (share of
    positives) and `n` (entries).

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, a value is NaN or infinite, or an argument is out of range.
    TypeError
        If `probability` is sparse or a matrix is not numeric.
    """
    check_choice(strategy, name="strategy", choices=("quantile", "uniform"))
    if n_bins < 1:
        message = f"n_bins must be at least 1, got {n_bins}."
        raise ValueError(message)
    truth, probability = check_binary(truth, probability, name="probability", finite=True)
    shares = np.linspace(0, 1, n_bins + 1)[1:-1]
    edges = shares if strategy == "uniform" else np.unique(np.quantile(_sample(probability), shares))
    n, predicted, positive = np.zeros(n_bins, dtype=np.int64), np.zeros(n_bins), np.zeros(n_bins, dtype=np.int64)
    for measured, values in pair_blocks(truth, probability):
        values = clipped(values)
        # A value on an edge falls into the lower bin.
        bins = np.searchsorted(edges, values)
        n += np.bincount(bins.ravel(), minlength=n_bins)
        predicted += np.bincount(bins.ravel(), weights=values.ravel(), minlength=n_bins)
        positive += np.bincount(bins[measured > 0], minlength=n_bins)
    filled = n > 0
    columns = {"mean_predicted": predicted[filled] / n[filled], "observed": positive[filled] / n[filled]}
    return pd.DataFrame({**columns, "n": n[filled]})


def expected_calibration_error(
    truth: Any,
    probability: Any,
    *,
    n_bins: int = 20,
    strategy: Literal["quantile", "uniform"] = "quantile",
) -> float:
    """Mean distance between predicted probability and observed frequency over the bins of :func:`reliability_curve`.

    Bins count as their entries do. Read it against the share of open entries: an error of 0.005 is small where 10 % are
    open and as large as the probabilities themselves where 0.5 % are.

    Parameters
    ----------
    truth, probability, n_bins, strategy
        As in :func:`reliability_curve`.

    Returns
    -------
    Error from 0 (calibrated) to 1.

    Raises
    ------
    ValueError
        As in :func:`reliability_curve`.
    TypeError
        As in :func:`reliability_curve`.
    """
    curve = reliability_curve(truth, probability, n_bins=n_bins, strategy=strategy)
    return float(np.average((curve["observed"] - curve["mean_predicted"]).abs(), weights=curve["n"]))


def _sample(probability: np.ndarray) -> np.ndarray:
    """All entries, or as many as make quantiles certain to three digits, drawn with a fixed seed."""
    if probability.size <= _SAMPLE:
        return clipped(probability)
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(length, size=_SAMPLE) for length in probability.shape)
    return clipped(probability[rows, columns])
