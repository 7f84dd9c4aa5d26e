"""Scales of predictions, and the one place where a prediction is brought to the scale of the truth.

Truth (``Prepared.truth``):

- ``binary``: ATAC, 1 where a peak has counts;
- ``log1p``: RNA, ``log1p(counts / total * median_total)``;
- ``clr``: protein, ``log1p(counts)`` less its mean over the proteins of the cell;
- ``log1p_counts``: protein, ``log1p(counts)``, the scale of the published predictions.

A method says on which scale its prediction is: ``truth``, the case's own, or one of the keys below. A baseline that
is fitted on ``target_values`` predicts on the scale of the truth. A ``score`` is higher where a peak is rather open,
but is no probability that it is measured as open: it gets no scores of probabilities (scores.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scmog.metrics import clr, log_normalize


def target_values(truth: str, counts: Any, median_total: float) -> Any:
    """Raw counts on the scale of the truth, ``(n_cells, n_features)``, sparse where that scale keeps zeros."""
    if truth == "binary":
        return (counts > 0).astype(np.float32)
    if truth == "log1p":
        return log_normalize(counts, median_total)
    if truth == "clr":
        return clr(counts)
    return counts.log1p().toarray()


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=1, keepdims=True)


_CONVERSIONS = {
    # (scale of the prediction, scale of the truth)
    ("probability", "binary"): lambda values, median_total: values,
    ("score", "binary"): lambda values, median_total: values,
    # share of each gene in the RNA of the cell
    ("share", "log1p"): lambda values, median_total: np.log1p(values * median_total),
    # counts of a cell of the size median_total
    ("normalised", "log1p"): lambda values, median_total: np.log1p(values),
    # expected counts
    ("counts", "clr"): lambda values, median_total: clr(values),
    ("counts", "log1p_counts"): lambda values, median_total: np.log1p(values),
    # logarithm of counts, normalised or not: the mean over the proteins of a cell is left in
    ("log1p", "clr"): lambda values, median_total: _centred(values),
    ("log1p", "log1p_counts"): lambda values, median_total: values,
    ("clr", "clr"): lambda values, median_total: values,
    # what a cell has on average is missing; a correlation across cells can still be looked at
    ("clr", "log1p_counts"): lambda values, median_total: values,
}


def on_truth_scale(values: np.ndarray, scale: str, truth: str, median_total: float) -> np.ndarray:
    """Prediction ``(n_cells, n_features)`` on the scale of the truth, float32.

    Raises
    ------
    ValueError
        If there is no conversion between the two scales.
    """
    if scale == "truth":
        return values.astype(np.float32, copy=False)
    if (scale, truth) not in _CONVERSIONS:
        message = f"no conversion from {scale!r} to {truth!r}; there are {sorted(_CONVERSIONS)}. Add one to scales.py."
        raise ValueError(message)
    return _CONVERSIONS[scale, truth](values, median_total).astype(np.float32, copy=False)
