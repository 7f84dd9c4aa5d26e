"""The best possible predictions of simulated cells: expectations of the measured values given their true means.

Two of them, because a part of what is measured is depth. The *oracle* knows how deeply the target of each cell was
sequenced, which no method can; the *oracle without depth* knows the true state of the cell, and of the target's depth
only what the batch and the depth of the source tell. Nothing that sees the source alone gets beyond the latter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import nbinom

_LEFT_OUT = 1e-6  # probability beyond the largest count that is summed
_N_NODES = 5  # of the Gauss-Hermite rule, for each depth that is not known
_N_MEANS = 40  # per feature, at which expectations of proteins are computed; the spline is right to 1e-5


def oracle(mdata, target: str, median_total: float) -> np.ndarray:
    """Prediction ``(n_cells, n_features)`` on the scale of the truth, from what ``simulate(truth=True)`` keeps.

    ATAC: the probability. RNA: expectation of log1p of size-normalised counts, the size being its mean. Protein:
    expectation of the centred log-ratio.
    """
    adata = mdata[target]
    rates = np.asarray(adata.layers["probability" if target == "atac" else "mean"], dtype=np.float64)
    return _expected(rates, adata, target, median_total)


def oracle_without_depth(mdata, is_test: np.ndarray, source: str, target: str, median_total: float) -> np.ndarray:
    """The same for the test cells, averaged over the depths that their target may have.

    Their logarithms are normal in the simulation, given the batch and the log depth of the source; mean and covariance
    come from a linear fit to the other cells. A batch without other cells counts as an average one.
    """
    hidden = {target: np.log(mdata[target].obs["true_depth"].to_numpy(np.float64))}
    if target == "protein":  # stray antibody has an amount of its own
        hidden["background"] = np.log(mdata[target].layers["background"].astype(np.float64)).mean(axis=1)
    known = np.log(mdata[source].obs["true_depth"].to_numpy(np.float64))
    depths = np.stack(list(hidden.values()), axis=1)  # (n_cells, 1 or 2)
    center, root = conditional_depths(depths, known, mdata.obs["batch"].astype(str).to_numpy(), is_test)
    adata = mdata[target][is_test]
    at_depth = depths[is_test]
    total = np.zeros(adata.shape)
    for node, weight in depth_nodes(depths.shape[1]):
        factor = np.exp(center + node @ root.T - at_depth)  # (n_test, 1 or 2)
        total += weight * _expected(_rescaled(adata, target, factor), adata, target, median_total)
    return total


def conditional_depths(
    depths: np.ndarray, known: np.ndarray, batch: np.ndarray, is_test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(n_test, k)`` and root of the covariance ``(k, k)`` of ``depths`` ``(n_cells, k)`` in test cells."""
    batches, counts = np.unique(batch[~is_test], return_counts=True)
    one_hot = (batch[:, None] == batches).astype(float)
    one_hot[~one_hot.any(axis=1)] = counts / counts.sum()
    inputs = np.column_stack([one_hot, known])
    coefficients = np.linalg.lstsq(inputs[~is_test], depths[~is_test], rcond=None)[0]
    residual = (depths - inputs @ coefficients)[~is_test]
    return inputs[is_test] @ coefficients, np.linalg.cholesky(np.atleast_2d(np.cov(residual.T)))


def depth_nodes(n_hidden: int) -> Iterator[tuple[np.ndarray, float]]:
    """Nodes ``(n_hidden,)`` and weights of a rule for the standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    weights = weights / weights.sum()
    for index in np.ndindex(*[_N_NODES] * n_hidden):
        yield nodes[list(index)], float(weights[list(index)].prod())


def _rescaled(adata, target: str, factor: np.ndarray) -> np.ndarray:
    """Probabilities or means if the depths were ``factor`` times what they were."""
    if target == "atac":
        closed = 1 - np.asarray(adata.layers["probability"], dtype=np.float64)
        return 1 - closed ** factor[:, :1]
    mean = np.asarray(adata.layers["mean"], dtype=np.float64)
    if target == "rna":
        return mean * factor[:, :1]
    background = np.asarray(adata.layers["background"], dtype=np.float64)
    return (mean - background) * factor[:, :1] + background * factor[:, 1:]


def _expected(rates: np.ndarray, adata, target: str, median_total: float) -> np.ndarray:
    """Expectation of the measured values on the scale of the truth for true probabilities or means ``rates``."""
    if target == "atac":
        return rates
    dispersion = adata.var["dispersion"].to_numpy(np.float64)
    if target == "rna":
        return expected_log1p(rates, dispersion, median_total / rates.sum(axis=1, keepdims=True))
    logs = _expected_log1p_between(rates, dispersion)
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


def _expected_log1p_between(mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """The same with factor 1 for large counts, where sums are long: a spline between a few means of each feature."""
    grid = np.geomspace(mean.min(axis=0), mean.max(axis=0), _N_MEANS)  # (_N_MEANS, n_features)
    on_grid = expected_log1p(grid, dispersion, np.ones((len(grid), 1)))
    splines = [CubicSpline(np.log(x), y) for x, y in zip(grid.T, on_grid.T, strict=True)]
    return np.stack([spline(np.log(column)) for spline, column in zip(splines, mean.T, strict=True)], axis=1)
