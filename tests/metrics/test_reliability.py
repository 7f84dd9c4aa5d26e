from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import calibration_curve

from scmog.metrics import _reliability, expected_calibration_error, reliability_curve


def _data(shape: tuple[int, int] = (80, 51)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probability = rng.beta(0.6, 3, shape)
    return rng.random(shape) < probability**1.2, probability.astype(np.float32)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
@pytest.mark.parametrize("container", [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_matrix, id="csr")])
def test_agrees_with_sklearn(container, strategy, small_blocks):
    truth, probability = _data()
    curve = reliability_curve(container(truth * 2), probability, n_bins=12, strategy=strategy)
    observed, predicted = calibration_curve(
        truth.ravel(), probability.ravel().astype(np.float64), n_bins=12, strategy=strategy
    )
    assert list(curve.columns) == ["mean_predicted", "observed", "n"]
    np.testing.assert_allclose(curve["mean_predicted"], predicted, atol=1e-12)
    np.testing.assert_allclose(curve["observed"], observed, atol=1e-12)
    assert curve["n"].sum() == truth.size


def test_quantiles_of_many_entries_are_estimated(monkeypatch):
    monkeypatch.setattr(_reliability, "_SAMPLE", 2000)
    truth, probability = _data()
    curve = reliability_curve(truth, probability, n_bins=4)
    assert curve["n"].between(800, 1200).all()
    assert curve["n"].sum() == truth.size
    assert curve.equals(reliability_curve(truth, probability, n_bins=4))


def test_by_hand():
    truth = np.array([[0, 1], [1, 1]])
    probability = np.array([[0.1, 0.4], [0.6, 1.0]])
    curve = reliability_curve(truth, probability, n_bins=2, strategy="uniform")
    np.testing.assert_allclose(curve, [[0.25, 0.5, 2], [0.8, 1.0, 2]])
    error = expected_calibration_error(truth, probability, n_bins=2, strategy="uniform")
    assert error == pytest.approx((0.25 + 0.2) / 2)


def test_constant_and_extreme_probabilities():
    truth = np.arange(20).reshape(4, 5) < 5
    curve = reliability_curve(truth, np.full(truth.shape, 0.1))
    np.testing.assert_allclose(curve, [[0.1, 0.25, 20]])
    assert expected_calibration_error(truth, truth.astype(float)) == 0
    assert expected_calibration_error(truth, 1.0 - truth) == 1
    # Outside of 0..1, as linear predictors give them.
    assert expected_calibration_error(truth, truth * 3.0 - 1) == 0


def test_calibrated_probabilities_have_a_small_error():
    rng = np.random.default_rng(1)
    probability = rng.beta(0.5, 10, (300, 300))
    truth = rng.random(probability.shape) < probability
    # Sampling noise: 20 bins of 4,500 entries, sqrt(0.05 / 4500) each.
    assert expected_calibration_error(truth, probability) < 0.004
    assert expected_calibration_error(truth, probability / 2) == pytest.approx(probability.mean() / 2, abs=0.004)


@pytest.mark.parametrize("function", [reliability_curve, expected_calibration_error])
@pytest.mark.parametrize(
    ("probability", "options", "error", "match"),
    [
        pytest.param(np.ones((2, 3)), {}, ValueError, "one shape", id="shapes"),
        pytest.param(np.full((2, 2), np.nan), {}, ValueError, "probability contains NaN", id="nan"),
        pytest.param(sparse.eye(2, format="csr"), {}, TypeError, "dense", id="sparse"),
        pytest.param(np.ones((2, 2)), {"n_bins": 0}, ValueError, "n_bins must be at least 1", id="bins"),
        pytest.param(np.ones((2, 2)), {"strategy": "log"}, ValueError, "strategy must be one of", id="strategy"),
    ],
)
def test_refuses(function, probability, options, error, match):
    with pytest.raises(error, match=match):
        function(np.eye(2), probability, **options)
