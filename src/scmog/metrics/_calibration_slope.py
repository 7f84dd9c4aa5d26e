"""Calibration intercept and slope: a logistic regression of what was measured on the predicted log odds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from scmog.metrics._arrays import check_binary, clipped, pair_blocks

_SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1
_N_BINS = 2**16


def calibration_slope(truth: Any, probability: Any) -> tuple[float, float]:
    r"""Intercept :math:`a` and slope :math:`b` of :math:`P(\text{open}) = \sigma(a + b\,\mathrm{logit}(p))`.

    Fitted by maximum likelihood over all entries (Cox 1958). Calibrated probabilities have intercept 0 and slope 1. A
    slope below 1 means that they are too extreme, as after over-fitting; above 1 too timid; an intercept below 0 that
    they are too high.

    The log odds are collected in one pass into 65,536 bins, each with its mean, so half a billion entries take seconds
    and little memory; intercept and slope change by less than 1e-5.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse. An entry above 0 is positive.
    probability
        Predicted probabilities, dense, shape (n_cells, n_features). They are clipped to 1e-7 ... 1 - 1e-7, so that 0
        and 1 have finite log odds. May be a `numpy.memmap`.

    Returns
    -------
    Intercept and slope. For one constant probability, the logit of the share of positives and 0. NaN, NaN when all
    entries are of one class. When a threshold separates the classes no finite slope is best: NaN and infinity (minus
    infinity when the closed entries have the higher probabilities).

    Raises
    ------
    ValueError
        If shapes differ, a matrix is empty, or a value is NaN or infinite.
    TypeError
        If `probability` is sparse or a matrix is not numeric.
    """
    truth, probability = check_binary(truth, probability, name="probability", finite=True)
    log_odds, n, positive = _binned(truth, probability)
    share = positive.sum() / n.sum()
    if share in {0, 1}:
        return float("nan"), float("nan")
    if log_odds.size == 1:
        return float(logit(share)), 0.0
    opened, closed = np.flatnonzero(positive), np.flatnonzero(n - positive)
    if opened[0] >= closed[-1] or closed[0] >= opened[-1]:
        return float("nan"), float("inf" if opened[0] >= closed[-1] else "-inf")
    return _fit(log_odds, n, positive)


def _binned(truth: Any, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log odds, entries and positives of each bin that is not empty."""
    sums = np.zeros((3, _N_BINS))
    bound = -logit(_SMALLEST)
    for measured, values in pair_blocks(truth, probability):
        log_odds = logit(np.clip(clipped(values), _SMALLEST, 1 - _SMALLEST))
        bins = np.minimum((log_odds + bound) * (_N_BINS / (2 * bound)), _N_BINS - 1).astype(np.int64)
        sums[0] += np.bincount(bins.ravel(), weights=log_odds.ravel(), minlength=_N_BINS)
        sums[1] += np.bincount(bins.ravel(), minlength=_N_BINS)
        sums[2] += np.bincount(bins[measured > 0], minlength=_N_BINS)
    total, n, positive = sums[:, sums[1] > 0]
    return total / n, n, positive


def _fit(log_odds: np.ndarray, n: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Maximum likelihood over bins, by Newton steps within a trust region."""
    center = np.average(log_odds, weights=n)
    scale = np.sqrt(np.average(np.square(log_odds - center), weights=n))
    design = np.stack([np.ones_like(log_odds), (log_odds - center) / scale])
    weights, opened = n / n.sum(), positive / n.sum()

    def loss(beta: np.ndarray) -> float:
        line = beta @ design
        return float(weights @ np.logaddexp(0, line) - opened @ line)

    def gradient(beta: np.ndarray) -> np.ndarray:
        return design @ (weights * expit(beta @ design) - opened)

    def hessian(beta: np.ndarray) -> np.ndarray:
        mean = expit(beta @ design)
        return (design * (weights * mean * (1 - mean))) @ design.T

    share = opened.sum()
    start = np.array([logit(share), 0.0])
    options = {"gtol": 1e-10 * min(share, 1 - share)}
    best = minimize(loss, start, jac=gradient, hess=hessian, method="trust-exact", options=options).x
    slope = best[1] / scale
    return float(best[0] - slope * center), float(slope)
