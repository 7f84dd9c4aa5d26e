"""Counts of the simulated modalities, drawn in blocks of cells.

Every random stream is consumed cell by cell in its own generator, and all arithmetic before a draw is element-wise or
within a cell: the result does not depend on the block size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import csr_matrix
from scipy.special import expit

from scmog.datasets._simulate_cells import Cells, Profiles

BLOCK_ENTRIES = 1_000_000
CALIBRATION_CELLS = 1_000
CALIBRATION_ENTRIES = 4_000_000
CERTAIN_LOG_RATE = np.float32(20)  # the probability is 1 in single precision, and exp does not overflow


@dataclass(frozen=True)
class Counts:
    """A count matrix and, if asked for, the dense arrays (n_cells, n_features) it was drawn from."""

    matrix: csr_matrix
    truth: dict[str, np.ndarray] = field(default_factory=dict)


def draw_rna(
    rng: np.random.Generator,
    *,
    cells: Cells,
    profiles: Profiles,
    dispersion: np.ndarray,
    depth: float,
    truth: bool,
) -> Counts:
    """Negative binomial counts whose means add up to the cell's depth."""
    shape = (cells.cell_type.size, profiles.centre.shape[1])
    sampler = _NegativeBinomial(rng, dispersion)
    mean = np.empty(shape, dtype=np.float32) if truth else None
    blocks = []
    for rows in _blocks(*shape):
        log_rates = profiles.log_rates(cells, rows)
        rates = np.exp(log_rates - log_rates.max(axis=1, keepdims=True))
        total = depth * np.exp(cells.log_depth["rna"][rows])
        rates *= (total / rates.sum(axis=1, dtype=np.float64)).astype(np.float32)[:, None]
        blocks.append(_sparse(sampler.draw(rates)))
        if mean is not None:
            mean[rows] = rates
    return Counts(_stack(blocks, shape[1]), {} if mean is None else {"mean": mean})


def draw_protein(
    rng: np.random.Generator,
    *,
    cells: Cells,
    odds: Profiles,
    on: np.ndarray,
    dispersion: np.ndarray,
    background: np.ndarray,
    truth: bool,
) -> Counts:
    """Negative binomial counts around bound plus stray antibody.

    Bound: ``on`` (n_batches, n_proteins) times the expression, whose log odds are ``odds``; stray: ``background``
    (n_proteins,). The former scales with the cell's depth, the latter with the cell's own background.
    """
    shape = (cells.cell_type.size, background.size)
    sampler = _NegativeBinomial(rng, dispersion)
    layers = {name: np.empty(shape, dtype=np.float32) for name in ("mean", "background")} if truth else {}
    blocks = []
    for rows in _blocks(*shape):
        expressed = expit(odds.log_rates(cells, rows)) * on[cells.batch[rows]]
        stray = (background * np.exp(cells.log_depth["background"][rows])[:, None]).astype(np.float32)
        mean = (expressed * np.exp(cells.log_depth["protein"][rows])[:, None]).astype(np.float32) + stray
        blocks.append(_sparse(sampler.draw(mean)))
        if truth:
            layers["mean"][rows], layers["background"][rows] = mean, stray
    return Counts(_stack(blocks, shape[1]), layers)


def draw_atac(
    rng: np.random.Generator,
    *,
    cells: Cells,
    profiles: Profiles,
    density: float,
    double_share: float,
    truth: bool,
) -> Counts:
    """Counts 1 or 2 where a peak is open; it is when at least one fragment is caught, 1 - exp(-rate)."""
    open_rng, double_rng = rng.spawn(2)
    shape = (cells.cell_type.size, profiles.centre.shape[1])
    log_scale = _density_scale(cells, profiles, density=density)
    probability = np.empty(shape, dtype=np.float32) if truth else None
    blocks = []
    for rows in _blocks(*shape):
        p = _open_probability(cells, profiles, rows, log_scale=log_scale)
        row, column = np.nonzero(open_rng.random(p.shape) < p)
        data = np.ones(row.size, dtype=np.float32)
        data[double_rng.random(row.size) < double_share] = 2
        blocks.append((np.bincount(row, minlength=len(p)), column.astype(np.int32), data))
        if probability is not None:
            probability[rows] = p
    return Counts(_stack(blocks, shape[1]), {} if probability is None else {"probability": probability})


def _open_probability(cells: Cells, profiles: Profiles, rows: slice, *, log_scale: float) -> np.ndarray:
    log_rate = profiles.log_rates(cells, rows)
    log_rate += (cells.log_depth["atac"][rows] + log_scale).astype(np.float32)[:, None]
    return _any_fragment(log_rate)


def _any_fragment(log_rate: np.ndarray) -> np.ndarray:
    """Probability 1 - exp(-rate) of at least one event, computed in place."""
    np.minimum(log_rate, CERTAIN_LOG_RATE, out=log_rate)
    rate = np.exp(log_rate, out=log_rate)
    return np.negative(np.expm1(np.negative(rate, out=rate), out=rate), out=rate)


def _density_scale(cells: Cells, profiles: Profiles, *, density: float) -> float:
    """Log rate common to all entries at which the mean probability is ``density`` (on up to 4 million entries)."""
    rows = slice(0, CALIBRATION_CELLS)  # cells are in random order
    n_rows, n_features = min(CALIBRATION_CELLS, cells.cell_type.size), profiles.centre.shape[1]
    features = slice(0, None, -(-n_rows * n_features // CALIBRATION_ENTRIES))
    log_rate = profiles.log_rates(cells, rows, features=features)
    log_rate += cells.log_depth["atac"][rows].astype(np.float32)[:, None]

    def excess(log_scale: float) -> float:
        return float(_any_fragment(log_rate + np.float32(log_scale)).mean(dtype=np.float64)) - density

    # With every rate at most (at least) that of the density, the mean is below (above) it.
    target = np.log(-np.log1p(-density))
    return float(brentq(excess, target - log_rate.max() - 0.1, target - log_rate.min() + 0.1, xtol=1e-4))


class _NegativeBinomial:
    """Negative binomial as a Poisson with a gamma-distributed rate: variance = mean + dispersion * mean^2."""

    def __init__(self, rng: np.random.Generator, dispersion: np.ndarray) -> None:
        self._gamma, self._poisson = rng.spawn(2)
        self._dispersion = dispersion

    def draw(self, mean: np.ndarray) -> np.ndarray:
        """Counts (n_rows, n_features) around ``mean``."""
        factor = self._gamma.standard_gamma(1 / self._dispersion, size=mean.shape) * self._dispersion
        return self._poisson.poisson(mean * factor)


def _blocks(n_cells: int, n_features: int) -> Iterator[slice]:
    step = max(1, BLOCK_ENTRIES // n_features)
    for start in range(0, n_cells, step):
        yield slice(start, min(start + step, n_cells))


def _sparse(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row, column = np.nonzero(counts)
    data = counts[row, column].astype(np.float32)
    return np.bincount(row, minlength=len(counts)), column.astype(np.int32), data


def _stack(blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]], n_features: int) -> csr_matrix:
    per_row, column, data = (np.concatenate(part) for part in zip(*blocks, strict=True))
    ends = np.concatenate([[0], np.cumsum(per_row)])
    return csr_matrix((data, column, ends), shape=(per_row.size, n_features))
