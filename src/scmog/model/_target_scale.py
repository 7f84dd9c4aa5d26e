"""The scale on which predictions are scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from scmog.metrics import clr, log_normalize


def target_values(modality: str, counts: Any, median_total: float) -> Any:
    """Measured counts on the scale on which predictions are scored.

    ATAC: 0/1. RNA: log1p of size-normalised counts (the paper's "log-scaled expression"). Protein: centred log-ratio.
    """
    if modality == "rna":
        return log_normalize(counts, median_total)
    if modality == "atac":
        return counts > 0
    return clr(counts)


def ceiling_values(
    modality: str, best: Any, median_total: float, truth: Any, absent: np.ndarray | None = None
) -> np.ndarray:
    """The best possible predictions of the measured features on the same scale.

    Means of RNA may be those at the depth of each cell: what is generated, and scored, has the library size of the
    median cell. The logarithm of a mean is more than the mean of logarithms, so that each gene is scaled to its average
    in the ``truth``, ``(n_cells, n_measured)``, and the deviations from the averages by one least-squares slope, as
    those of a model are (:func:`scmog.model._average_profiles.fit_log_scales`).
    """
    if modality != "rna":
        return without(absent, modality, np.asarray(best))
    logs = without(absent, modality, log_normalize(best, median_total))
    measured, average = (np.asarray(values.mean(axis=0)).ravel() for values in (truth, logs))
    deviation: np.ndarray = logs * np.divide(measured, average, out=np.ones_like(average), where=average > 0) - measured
    products = truth.multiply(deviation) if sp.issparse(truth) else truth * deviation  # deviations add up to 0
    slope = products.sum() / max(np.square(deviation).sum(), 1e-12)
    return np.maximum(measured + (slope if slope > 0 else 1.0) * deviation, 0)


def without(absent: np.ndarray | None, modality: str, values: np.ndarray) -> np.ndarray:
    """Predictions of the features that were measured; those of proteins are centred over them, as the truth is."""
    if absent is None:
        return values
    values = values[:, ~absent]
    return values - values.mean(axis=1, keepdims=True) if modality == "protein" else values


def measured_depth(modality: str, counts: Any) -> np.ndarray:
    """Depth of each cell in a modality, ``(n_cells,)``: its open peaks, or its total counts."""
    return np.asarray((counts > 0 if modality == "atac" else counts).sum(axis=1, dtype=np.float64)).ravel()


def share_of(average: np.ndarray, missing: np.ndarray | None) -> float:
    """Share of the average cell, ``(n_features,)``, that the features that are not missing make up; 1 if it is 0."""
    total = average.sum()
    present = total if missing is None else average[~missing].sum()
    return float(present / total) if present > 0 else 1.0
