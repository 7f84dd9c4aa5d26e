"""How far averages are moved: SciPy's maximum of the held-out likelihood, and what it means at both ends."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import nbinom, poisson

from scmog.nn import shrunken_ratios


def draw(spread: float, n_features: int = 400) -> list[np.ndarray]:
    """Events in training and held-out cells of features whose true ratios to what is expected have this variance."""
    rng = np.random.default_rng(0)
    true = rng.gamma(1 / spread, spread, n_features) if spread else np.ones(n_features)
    expected = rng.uniform(2, 60, n_features)
    return [rng.poisson(true * expected), expected, rng.poisson(true * expected / 5), expected / 5]


def ratios(*parts: np.ndarray) -> np.ndarray:
    return shrunken_ratios(*map(torch.as_tensor, parts)).numpy()


def test_strength_is_the_most_likely_one() -> None:
    observed, expected, held_out, held_out_expected = draw(0.1)

    def surprise(log_k: float) -> float:
        k = np.exp(log_k)
        return -poisson.logpmf(held_out, held_out_expected * (observed + k) / (expected + k)).sum()

    best = np.exp(minimize_scalar(surprise, bounds=(0, np.log(1e6)), method="bounded").x)
    by_scipy = (observed + best) / (expected + best)
    found = ratios(observed, expected, held_out, held_out_expected)
    np.testing.assert_allclose(found, by_scipy, rtol=0.05)  # strengths are tried in steps
    assert 5 < best < 20  # the variance of the ratios is a tenth


def test_misjudged_features_get_their_own_and_others_do_not() -> None:
    """Forty of 2,000 features have two to four times the events, the others what is expected: SciPy's mixture."""
    rng = np.random.default_rng(0)
    true = np.where(np.arange(2000) < 40, rng.uniform(2, 4, 2000), 1)
    expected = rng.uniform(5, 40, 2000)
    observed, held_out = rng.poisson(true * expected), rng.poisson(true * expected / 5)
    found = ratios(observed, expected, held_out, expected / 5)

    def mixture(share: float, k: float) -> np.ndarray:
        likely = [w * nbinom.pmf(observed, k, k / (k + expected)) for w, k in ((share, 3), (1 - share, k))]
        means = [(observed + k) / (expected + k) for k in (3, k)]
        return np.average(means, axis=0, weights=likely)

    tried = [mixture(share, k) for share in (0.01, 0.03) for k in np.logspace(2, 6, 25)]
    np.testing.assert_allclose(min(tried, key=lambda ratio: np.abs(ratio - found).max()), found, rtol=1e-6)
    assert np.median(np.abs(found[:40] / true[:40] - 1)) < 0.25  # those with few events are not believed
    assert np.abs(found[40:] - 1).mean() < 0.05
    # one strength for all takes away from the misjudged or adds noise to the others
    single = min(
        ((observed + k) / (expected + k) for k in np.logspace(0, 6, 37)),
        key=lambda ratio: -poisson.logpmf(held_out, expected / 5 * ratio).sum(),
    )
    assert np.square(found - true).mean() < np.square(single - true).mean() / 2


def test_noise_moves_nothing() -> None:
    """Where ratios scatter as counts do, the network's own averages are as good."""
    np.testing.assert_allclose(ratios(*draw(0.0)), 1, atol=0.03)


def test_held_out_cells_that_disagree_move_nothing() -> None:
    observed, expected = np.array([20, 5]), np.array([10.0, 10.0])
    np.testing.assert_array_equal(ratios(observed, expected, np.array([5, 20]), np.array([10.0, 10.0])), [1, 1])


def test_much_evidence_is_taken_over() -> None:
    observed, expected = np.array([2e6, 0.5e6]), np.array([1e6, 1e6])
    np.testing.assert_allclose(ratios(observed, expected, observed / 9, expected / 9), [2, 0.5], rtol=1e-3)


def test_features_without_events() -> None:
    moved = ratios(np.zeros(3), np.array([0.0, 1e-9, 4.0]), np.zeros(3), np.array([0.0, 1e-9, 4.0]))
    assert np.isfinite(moved).all()
    assert (moved > 0).all()
    assert moved[2] < 1
