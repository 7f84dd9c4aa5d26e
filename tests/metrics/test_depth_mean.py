from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.linear_model import Ridge

from scmog.metrics import DepthMean, TargetDepthConfounder, auroc, pearson
from scmog.metrics._depth_mean import _log_likelihood

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)


def _binary(n: int = 400, p: int = 30, power: float = 0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Depths and peaks whose rates follow a power of the depth."""
    rng = np.random.default_rng(seed)
    depth = np.round(np.exp(rng.normal(7, 0.8, n)))
    rate = rng.gamma(1.0, 0.2, p) * (depth[:, None] / 1100) ** power
    return depth, (rng.random((n, p)) < -np.expm1(-rate)).astype(np.float32)


def test_scaled_rates_by_hand():
    # Factors 2/3 and 4/3 (mean 1), frequencies 1/2, 0 and 1.
    depth, target = np.array([100, 200]), np.array([[1, 0, 1], [0, 0, 1]])
    prediction = DepthMean(powers=[1.0]).fit(depth, target).predict(depth)
    np.testing.assert_allclose(prediction, [[1 - 0.5 ** (2 / 3), 0, 1], [1 - 0.5 ** (4 / 3), 0, 1]], rtol=1e-6)
    assert prediction.dtype == np.float32


def test_power_of_zero_is_the_training_mean():
    depth, target = _binary()
    prediction = DepthMean(powers=[0]).fit(depth, target).predict([1, 1000, 10**6])
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (3, 1)), rtol=1e-5)


def _brute_force_likelihood(depth, target, depth_new, target_new, power: float) -> float:
    frequency = target.mean(axis=0, dtype=np.float64)
    kept = (frequency > 0) & (frequency < 1)
    factors = depth_new**power / np.mean(depth**power)
    probability = 1 - (1 - frequency[kept]) ** factors[:, None]
    return stats.bernoulli.logpmf(target_new[:, kept], probability).sum()


@pytest.mark.parametrize("container", [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_array, id="csr")])
@pytest.mark.parametrize("validation", [pytest.param(True, id="validation"), pytest.param(False, id="training-only")])
def test_power_of_the_greatest_likelihood(container, validation):
    depth, target = _binary()
    target[:, 0], target[:, 1] = 1, 0  # features that do not move
    target[-1, :2] = 0, 1  # and that surprise in validation
    train, val = slice(0, 300 if validation else 400), slice(300, 400)
    more = (depth[val], container(target[val])) if validation else ()
    chosen = DepthMean(powers=POWERS).fit(depth[train], container(target[train]), *more).parameters["power"]
    judged = (depth[val], target[val]) if validation else (depth, target)
    likelihoods = [_brute_force_likelihood(depth[train], target[train], *judged, power) for power in POWERS]
    assert chosen == POWERS[int(np.argmax(likelihoods))]
    assert chosen in (0.5, 0.75)  # near the truth, not at an edge


def test_likelihood_agrees_with_scipy():
    depth, target = _binary(n=40)
    target[:, 0], target[:, 1] = 1, 0
    mean = target.mean(axis=0, dtype=np.float64)
    log_factors = 0.5 * np.log(depth) - np.log(np.mean(depth**0.5))
    expected = _brute_force_likelihood(depth, target, depth, target, 0.5)
    assert _log_likelihood(sparse.csr_array(target), mean, log_factors) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    depths=st.lists(st.floats(0, 1e9), min_size=1, max_size=5).map(sorted),
    power=st.floats(0, 1.5),
)
def test_probabilities_that_rise_with_depth(seed, depths, power):
    rng = np.random.default_rng(seed)
    target = rng.random((12, 4)) < rng.random(4)
    prediction = DepthMean(powers=[power]).fit(rng.integers(0, 1000, 12), target).predict(depths)
    assert (prediction >= 0).all()
    assert (prediction <= 1).all()
    assert (np.diff(prediction, axis=0) >= -1e-6).all()


def test_no_effect_of_depth_is_found_to_be_none():
    depth, target = _binary(n=2000, power=0.0)
    assert DepthMean(powers=POWERS).fit(depth[:1500], target[:1500], depth[1500:], target[1500:]).parameters == {
        "power": 0.0
    }


@pytest.mark.parametrize("container", [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_array, id="csr")])
def test_slopes_agree_with_sklearn(container):
    rng = np.random.default_rng(0)
    depth = np.round(np.exp(rng.normal(7, 0.6, 300)))
    target = rng.normal(size=(300, 5)) + np.log(depth)[:, None] * np.array([1.0, -0.3, 0.1, 0.0, 0.0])
    parts = (depth[:200], container(target[:200]), depth[200:], container(target[200:]))
    penalties = (0.1, 10.0, 1000.0)
    fitted = DepthMean("continuous", penalties=penalties).fit(*parts)
    x = np.log(depth)[:, None]
    references = [Ridge(alpha=penalty).fit(x[:200], target[:200]) for penalty in penalties]
    errors = [np.square(reference.predict(x[200:]) - target[200:]).mean() for reference in references]
    best = int(np.argmin(errors))
    assert fitted.parameters == {"penalty": penalties[best]}
    np.testing.assert_allclose(fitted.predict(depth[200:]), references[best].predict(x[200:]), rtol=1e-5, atol=1e-5)
    r = pearson(target[200:], fitted.predict(depth[200:]), axis="feature")
    assert r[1] > 0.1  # a negative slope predicts as well as a positive one


def test_confounder_uses_the_depth_of_the_target():
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(0, 0.8, 1000))
    target = (rng.random((1000, 200)) < -np.expm1(-0.1 * depth[:, None])).astype(np.float32)
    source_depth = rng.poisson(500, 1000)
    honest = DepthMean().fit(source_depth[:500], target[:500]).predict(source_depth[500:])
    peeking = TargetDepthConfounder().fit(target[:500].sum(axis=1), target[:500]).predict(target[500:].sum(axis=1))
    assert abs(np.nanmean(auroc(target[500:], honest, axis="feature")) - 0.5) < 0.02
    assert np.nanmean(auroc(target[500:], peeking, axis="feature")) > 0.65


def test_cells_without_counts_count_as_one():
    depth, target = _binary()
    fitted = DepthMean(powers=[0.5]).fit(depth, target)
    np.testing.assert_array_equal(fitted.predict([0]), fitted.predict([1]))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        pytest.param({"depth_train": [-1.0, 2.0]}, "depth_train must be 0 or more, got -1", id="negative"),
        pytest.param({"depth_train": np.ones((2, 3))}, "depth_train must hold one total", id="matrix"),
        pytest.param({"depth_train": [np.nan, 1.0]}, "depth_train contains NaN", id="nan"),
        pytest.param({"target_train": [[0.0], [2.0]]}, "target_train must hold 0 and 1", id="counts"),
        pytest.param(
            {"depth_val": [1.0], "target_val": [[0.5]]}, "target_val must hold 0 and 1", id="validation-values"
        ),
    ],
)
def test_fit_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        DepthMean().fit(**({"depth_train": [1.0, 2.0], "target_train": [[0.0], [1.0]]} | arguments))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"kind": "counts"}, "kind must be one of", id="kind"),
        pytest.param({"powers": [-0.5]}, "powers must be", id="negative-power"),
        pytest.param({"powers": []}, "powers must be", id="no-power"),
        pytest.param({"penalties": [0]}, "penalties must be", id="penalty"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        DepthMean(**options)
