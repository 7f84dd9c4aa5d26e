from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import pearsonr

from scmog.metrics import _arrays, pearson


def _data(seed: int = 0, shape: tuple[int, int] = (40, 17)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.log1p(rng.poisson(1.0, shape)).astype(np.float32)
    return truth, (0.5 * truth + rng.normal(0, 1, shape) + np.arange(shape[1])).astype(np.float32)


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_agrees_with_scipy(container, monkeypatch):
    monkeypatch.setattr(_arrays.blocks, "__kwdefaults__", {"entries": 60})
    truth, prediction = _data()
    exact, guess = truth.astype(np.float64), prediction.astype(np.float64)
    measured = container(truth)
    assert pearson(measured, prediction) == pytest.approx(pearsonr(exact.ravel(), guess.ravel())[0], abs=1e-12)
    by_feature = [pearsonr(exact[:, j], guess[:, j])[0] for j in range(exact.shape[1])]
    np.testing.assert_allclose(pearson(measured, prediction, axis="feature"), by_feature, atol=1e-12)
    by_cell = [pearsonr(exact[i], guess[i])[0] for i in range(exact.shape[0])]
    np.testing.assert_allclose(pearson(measured, prediction, axis="cell"), by_cell, atol=1e-12)


def test_by_hand():
    truth, prediction = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [3.0], [2.0]])
    assert pearson(truth, prediction) == pytest.approx(0.5)  # centred: (-1, 0, 1) . (-1, 1, 0) / (sqrt 2 sqrt 2)


@pytest.mark.parametrize("axis", [pytest.param("feature", id="feature"), pytest.param("cell", id="cell")])
def test_constants(axis):
    truth, prediction = (values.astype(np.float64) for values in _data(shape=(43, 17)))
    prediction[:, 0] = 0.1  # the mean of 43 of these is not 0.1 in floating point
    truth[:, 1] = 0.1
    truth[:, 2] = prediction[:, 2] = 0.1
    if axis == "cell":
        truth, prediction = truth.T, prediction.T
    result = pearson(truth, prediction, axis=axis)
    assert result[0] == 0
    assert np.isnan(result[1:3]).all()
    assert (np.abs(result[3:]) > 0).all()


def test_constant_flat():
    truth, prediction = (values.astype(np.float64) for values in _data(shape=(43, 17)))
    assert pearson(truth, np.full_like(prediction, 0.1)) == 0
    assert np.isnan(pearson(np.full_like(truth, 0.1), prediction))


def test_training_mean_scores_zero_per_feature_and_high_flattened():
    rng = np.random.default_rng(0)
    means = rng.gamma(1.0, 2.0, 50)
    truth = np.log1p(rng.poisson(means, (60, 50)))
    prediction = np.broadcast_to(truth.mean(axis=0).astype(np.float32), truth.shape)
    varies = truth.any(axis=0)
    assert set(pearson(truth[:, varies], prediction[:, varies], axis="feature")) == {0.0}
    assert pearson(truth, prediction) > 0.6


def test_large_offset_keeps_its_digits():
    truth, prediction = (values.astype(np.float64) for values in _data())
    expected = pearson(truth, prediction, axis="feature")
    np.testing.assert_allclose(pearson(truth + 1e6, prediction - 1e6, axis="feature"), expected, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_invariances(seed, scale, shift):
    truth, prediction = (values.astype(np.float64) for values in _data(seed, (9, 4)))
    expected = pearson(truth, prediction, axis="feature")
    order = np.random.default_rng(seed).permutation(len(truth))
    np.testing.assert_allclose(pearson(truth[order], prediction[order], axis="feature"), expected, atol=1e-10)
    np.testing.assert_allclose(pearson(truth, scale * prediction + shift, axis="feature"), expected, atol=1e-10)
    flat = pearson(truth, prediction)
    assert pearson(truth, -prediction) == pytest.approx(-flat, abs=1e-10)
    assert pearson(truth, truth) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("truth", "prediction", "axis", "error", "match"),
    [
        pytest.param(np.ones((2, 3)), np.ones((2, 2)), "flat", ValueError, "one shape", id="shapes"),
        pytest.param(np.ones((2, 2)), np.full((2, 2), np.inf), "flat", ValueError, "prediction contains inf", id="inf"),
        pytest.param(np.full((2, 2), np.nan), np.ones((2, 2)), "flat", ValueError, "truth contains NaN", id="nan"),
        pytest.param(np.ones((2, 2)), sparse.eye(2, format="csr"), "flat", TypeError, "dense", id="sparse-prediction"),
        pytest.param(np.ones((2, 2)), np.ones((2, 2)), "gene", ValueError, "axis must be one of", id="axis"),
    ],
)
def test_refuses(truth, prediction, axis, error, match):
    with pytest.raises(error, match=match):
        pearson(truth, prediction, axis=axis)
