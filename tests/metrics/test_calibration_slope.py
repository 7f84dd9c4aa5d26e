from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from scmog.metrics import calibration_slope


def _data(intercept: float, slope: float, center: float = -3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    probability = expit(rng.normal(center, 1.5, (300, 60)))
    return rng.random(probability.shape) < expit(intercept + slope * logit(probability)), probability


def _by_sklearn(truth: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    fit.fit(logit(probability).reshape(-1, 1), truth.ravel())
    return fit.intercept_[0], fit.coef_[0, 0]


@pytest.mark.parametrize(
    ("intercept", "slope", "center"),
    [
        pytest.param(0.0, 1.0, -3.0, id="calibrated"),
        pytest.param(0.4, 0.6, -3.0, id="too-extreme"),
        pytest.param(-1.0, 2.0, 0.0, id="too-timid"),
        pytest.param(-2.0, -0.7, -2.0, id="upside-down"),
        pytest.param(-1.5, 1.0, -4.0, id="too-high-and-rare"),
    ],
)
def test_agrees_with_sklearn(intercept, slope, center, small_blocks):
    truth, probability = _data(intercept, slope, center)
    expected = _by_sklearn(truth, probability)
    assert calibration_slope(truth, probability) == pytest.approx(expected, abs=2e-5)
    assert calibration_slope(sparse.csr_array(truth * 3), probability) == pytest.approx(expected, abs=2e-5)
    # Opening what is closed turns all signs of the log odds.
    mirrored = calibration_slope(~truth, 1 - probability)
    assert mirrored == pytest.approx((-expected[0], expected[1]), abs=2e-5)


def test_zero_and_one_are_clipped():
    truth, probability = _data(0.0, 1.0)
    probability[:2], probability[2] = 0, 1
    expected = _by_sklearn(truth, np.clip(probability, 1e-7, 1 - 1e-7))
    assert np.isfinite(expected).all()
    assert calibration_slope(truth, probability) == pytest.approx(expected, abs=2e-5)
    beyond = np.where(probability == 1, 1.3, np.where(probability == 0, -0.2, probability))
    assert calibration_slope(truth, beyond) == pytest.approx(expected, abs=2e-5)


def test_constant_probability():
    truth = np.arange(20).reshape(4, 5) < 5
    assert calibration_slope(truth, np.full(truth.shape, 0.1)) == (pytest.approx(logit(0.25)), 0)


def test_no_best_slope():
    truth = np.array([[0, 0, 1, 1]])
    assert np.isnan(calibration_slope(np.ones((2, 2)), np.full((2, 2), 0.3))).all()
    assert np.isnan(calibration_slope(np.zeros((2, 2)), np.eye(2))).all()
    for probability, expected in (([0.1, 0.2, 0.2, 0.3], np.inf), ([0.8, 0.7, 0.6, 0.3], -np.inf)):
        intercept, slope = calibration_slope(truth, np.array([probability]))
        assert np.isnan(intercept)
        assert slope == expected


@pytest.mark.parametrize(
    ("probability", "error", "match"),
    [
        pytest.param(np.ones((2, 3)), ValueError, "one shape", id="shapes"),
        pytest.param(np.full((2, 2), np.nan), ValueError, "probability contains NaN", id="nan"),
        pytest.param(sparse.eye(2, format="csr"), TypeError, "dense", id="sparse"),
    ],
)
def test_refuses(probability, error, match):
    with pytest.raises(error, match=match):
        calibration_slope(np.eye(2), probability)
