"""The best possible prediction of simulated cells: the expectation of the measured values given their true means."""

from __future__ import annotations

import numpy as np
from scipy.stats import nbinom

_LEFT_OUT = 1e-6  # probability beyond the largest count that is summed


def oracle(mdata, target: str, median_total: float) -> np.ndarray:
    """Prediction ``(n_cells, n_features)`` on the scale of the truth, from what ``simulate(truth=True)`` keeps.

    ATAC: the probability. RNA: expectation of log1p of size-normalised counts, the size being its mean. Protein:
    expectation of the centred log-ratio.
    """
    adata = mdata[target]
    if target == "atac":
        return np.asarray(adata.layers["probability"])
    mean = np.asarray(adata.layers["mean"], dtype=np.float64)
    dispersion = adata.var["dispersion"].to_numpy(np.float64)
    if target == "rna":
        return expected_log1p(mean, dispersion, median_total / mean.sum(axis=1, keepdims=True))
    logs = expected_log1p(mean, dispersion, np.ones((len(mean), 1)))
    return logs - logs.mean(axis=1, keepdims=True)


def expected_log1p(mean: np.ndarray, dispersion: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """E[log1p(factor x)] of negative binomial counts x of this mean and variance ``mean + dispersion mean^2``.

    ``mean`` is ``(n_cells, n_features)``, ``dispersion`` ``(n_features,)``, ``factor`` ``(n_cells, 1)``.
    """
    expected = np.zeros(mean.shape)
    for feature, spread in enumerate(dispersion):
        size = 1 / spread
        success = size / (size + mean[:, feature, None])  # (n_cells, 1)
        counts = np.arange(1, int(nbinom.ppf(1 - _LEFT_OUT, size, success).max()) + 1)
        expected[:, feature] = (nbinom.pmf(counts, size, success) * np.log1p(counts * factor)).sum(axis=1)
    return expected
