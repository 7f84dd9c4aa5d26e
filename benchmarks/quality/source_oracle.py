"""The best prediction of simulated cells from their source alone, by one who knows every parameter of the simulation.

RNA and ATAC. Where :mod:`oracle` knows the state of a cell, this one has to find it: the posterior distribution of its
type and of its place on the two gradients of that type, given the counts of the source, their depth and the batch. The
expectation of the target over that distribution is what no method that sees the source can beat.

A place on the gradients has two dimensions, so the posterior is computed on a grid, of which the states that make up
all but a thousandth are kept; nothing else is approximate but the rule for the target's depth, as in :mod:`oracle`, and
the splines of log1p.
"""

from __future__ import annotations

import numpy as np
from oracle import conditional_depths, depth_nodes, expected_log1p
from scipy.interpolate import RectBivariateSpline

from scmog.datasets._simulate_options import SimulationOptions
from scmog.datasets._simulation import Simulation

_COARSE, _FINE = 9, 45  # points of the grid per gradient: to find the types in question, to integrate
_HALF_WIDTH = np.sqrt(3)  # of the uniform distribution of places
_UNLIKELY = 15.0  # log probability behind the best at which a type is out of question
_KEPT = 0.999  # of the posterior
_N_LEVELS, _N_SHARES = 12, 40  # points of the splines of log1p, by depth and by share of the gene
_CERTAIN = 0.99  # probability from which the rate behind it is lost in single precision


def oracle_of_source(mdata, is_test: np.ndarray, source: str, target: str, median_total: float) -> np.ndarray:
    """Prediction ``(n_test, n_features)`` on the scale of the truth, from what ``simulate(truth=True)`` keeps."""
    settings = {name: mdata.uns["simulation"].get(name) for name in SimulationOptions.__dataclass_fields__}
    space = Simulation(SimulationOptions(**settings)).space
    batch = mdata.obs["batch"].cat.codes.to_numpy()
    states = np.asarray(mdata.obsm["state"], dtype=np.float64)
    rates = {name: _LogRates(mdata[name], name, states, batch) for name in (source, target)}
    shares = mdata.obs["cell_type"].value_counts(normalize=True, sort=False).to_numpy()
    depth = {name: mdata[name].obs["true_depth"].to_numpy(np.float64) for name in (source, target)}
    center, root = conditional_depths(
        np.log(depth[target])[:, None], np.log(depth[source]), mdata.obs["batch"].astype(str).to_numpy(), is_test
    )
    expected = _expected_open if target == "atac" else _ExpectedLog1p(mdata[target], median_total)
    cells = np.flatnonzero(is_test)
    counts = mdata[source].X[cells].toarray().astype(np.float64)
    grids = {n: _grid(space, n) for n in (_COARSE, _FINE)}
    out = np.zeros((len(cells), mdata[target].n_vars))
    for row, cell in enumerate(cells):

        def log_likelihood(z, cell=cell, x=counts[row]):
            return _LIKELIHOODS[source](x, rates[source](z, batch[cell]), depth[source][cell], mdata[source])

        z, weights = _posterior(log_likelihood, np.log(shares), grids)
        log_rates = rates[target](z, batch[cell])
        for node, weight in depth_nodes(1):
            depth_of_target = float(np.exp(center[row] + node @ root.T)[0])
            out[row] += weight * (weights @ expected(log_rates, depth_of_target))
    return out


def _grid(space, n: int) -> np.ndarray:
    """States ``(n_types, n * n, n_latent)`` in the middle of ``n`` by ``n`` equal parts of each type's places."""
    axis = (np.arange(n) + 0.5) / n * 2 * _HALF_WIDTH - _HALF_WIDTH
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return space.types[:, None] + np.einsum("pa,kal->kpl", places, space.gradients)


def _posterior(log_likelihood, log_shares: np.ndarray, grids: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """States ``(n, n_latent)`` and their probabilities ``(n,)``; a place has the same prior as any other."""
    best = np.array([log_likelihood(z).max() for z in grids[_COARSE]]) + log_shares
    types = np.flatnonzero(best > best.max() - _UNLIKELY)
    z = np.concatenate([grids[_FINE][k] for k in types])
    logs = np.concatenate([log_likelihood(grids[_FINE][k]) + log_shares[k] for k in types])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    order = np.argsort(-weights)
    kept = order[: np.searchsorted(weights[order].cumsum(), _KEPT) + 1]
    return z[kept], weights[kept] / weights[kept].sum()


class _LogRates:
    """Log rate of each feature without depth as a function of state and batch, from the simulation's noise-free means.

    They are linear in both, so least squares give back what the simulation drew, to single precision.
    """

    def __init__(self, adata, name: str, states: np.ndarray, batch: np.ndarray) -> None:
        self.n_batches = batch.max() + 1
        inputs = self._inputs(states, batch)
        if name == "rna":  # the shares of the genes: a constant per cell says nothing
            logs = np.log(np.asarray(adata.layers["mean"], dtype=np.float64))
            self.coefficients = np.linalg.lstsq(inputs, logs - logs.mean(axis=1, keepdims=True), rcond=None)[0]
            return
        open_ = np.asarray(adata.layers["probability"], dtype=np.float64)
        known = (open_ > 0) & (open_ < _CERTAIN)
        with np.errstate(divide="ignore"):
            logs = np.log(-np.log1p(-open_)) - np.log(adata.obs["true_depth"].to_numpy(np.float64))[:, None]
        self.coefficients = np.stack(
            [np.linalg.lstsq(inputs[k], y[k], rcond=None)[0] for k, y in zip(known.T, logs.T, strict=True)], axis=1
        )

    def _inputs(self, states: np.ndarray, batch) -> np.ndarray:
        one_hot = np.broadcast_to(np.eye(self.n_batches)[batch], (len(states), self.n_batches))
        return np.column_stack([states, one_hot])

    def __call__(self, states: np.ndarray, batch: int) -> np.ndarray:
        """``(n_states, n_features)``."""
        return self._inputs(states, batch) @ self.coefficients


def _shares(log_rates: np.ndarray) -> np.ndarray:
    rates = np.exp(log_rates - log_rates.max(axis=1, keepdims=True))
    return rates / rates.sum(axis=1, keepdims=True)


def _rna_log_likelihood(x: np.ndarray, log_rates: np.ndarray, depth: float, adata) -> np.ndarray:
    """Of the counts ``x`` ``(n_genes,)`` in each state, up to a constant; negative binomial."""
    dispersion = adata.var["dispersion"].to_numpy(np.float64)
    mean = _total(adata) * depth * _shares(log_rates)
    return np.log(mean) @ x - np.log1p(dispersion * mean) @ (x + 1 / dispersion)


def _atac_log_likelihood(x: np.ndarray, log_rates: np.ndarray, depth: float, adata) -> np.ndarray:
    """Of what is open in ``x`` ``(n_peaks,)`` in each state; how many fragments there are is the same in all states."""
    rate, opened = depth * np.exp(log_rates), x > 0
    return np.log(-np.expm1(-rate[:, opened])).sum(axis=1) - rate[:, ~opened].sum(axis=1)


_LIKELIHOODS = {"rna": _rna_log_likelihood, "atac": _atac_log_likelihood}


def _total(rna) -> float:
    """Expected counts of a cell of depth 1."""
    total = np.asarray(rna.layers["mean"][:1], dtype=np.float64).sum()
    return float(total / rna.obs["true_depth"].iloc[0])


def _expected_open(log_rates: np.ndarray, depth: float) -> np.ndarray:
    """Probability that a peak is open, ``(n_states, n_peaks)``."""
    return -np.expm1(-depth * np.exp(log_rates))


class _ExpectedLog1p:
    """Expectation of log1p of size-normalised counts, ``(n_states, n_genes)``: splines in depth and share of a gene."""

    def __init__(self, rna, median_total: float) -> None:
        mean, depth = np.asarray(rna.layers["mean"], dtype=np.float64), rna.obs["true_depth"].to_numpy(np.float64)
        share = mean / mean.sum(axis=1, keepdims=True)
        # a little wider than what there is: states of the grid and depths of the rule are not those of cells
        levels = np.geomspace(depth.min() / 2, depth.max() * 2, _N_LEVELS)
        self.levels, self.splines = np.log(levels), []
        for low, high, spread in zip(
            share.min(axis=0) / 3, share.max(axis=0) * 3, rna.var["dispersion"].to_numpy(np.float64), strict=True
        ):
            shares = np.geomspace(low, high, _N_SHARES)
            size = _total(rna) * np.repeat(levels, _N_SHARES)[:, None]
            values = expected_log1p(size * np.tile(shares, _N_LEVELS)[:, None], np.array([spread]), median_total / size)
            self.splines.append(RectBivariateSpline(self.levels, np.log(shares), values.reshape(_N_LEVELS, _N_SHARES)))

    def __call__(self, log_rates: np.ndarray, depth: float) -> np.ndarray:
        logs = np.log(_shares(log_rates))
        level = np.full(len(logs), np.log(depth))
        return np.stack([spline.ev(level, column) for spline, column in zip(self.splines, logs.T, strict=True)], axis=1)
