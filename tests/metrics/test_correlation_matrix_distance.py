from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scmog.metrics import correlation_matrix_distance


def _data(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.poisson(np.exp(rng.normal(size=(shape[0], 3)) @ rng.normal(0, 0.5, (3, shape[1]))))
    return truth, (truth + rng.normal(0, 1, shape)).astype(np.float32)


def _expected(truth: np.ndarray, prediction: np.ndarray) -> float:
    first, second = (np.corrcoef(values, rowvar=False) for values in (truth, prediction))
    return 1 - np.trace(first @ second) / np.linalg.norm(first) / np.linalg.norm(second)


@pytest.mark.parametrize("shape", [pytest.param((50, 21), id="more-cells"), pytest.param((20, 60), id="more-features")])
@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_agrees_with_numpy(container, shape, small_blocks):
    truth, prediction = _data(shape)
    varies = np.ptp(truth, axis=0) > 0
    truth, prediction = truth[:, varies], prediction[:, varies]
    distance = correlation_matrix_distance(container(truth), prediction)
    assert distance == pytest.approx(_expected(truth, prediction), abs=1e-12)
    distance = correlation_matrix_distance(container(truth), prediction, axis="cell")
    assert distance == pytest.approx(_expected(truth.T, prediction.T), abs=1e-12)


def test_by_hand():
    # Two features: correlation 1 measured, -1 predicted: tr(R1 R2) = 2 - 2.
    truth = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    assert correlation_matrix_distance(truth, truth * [1, -1]) == pytest.approx(1)
    assert correlation_matrix_distance(truth, truth) == pytest.approx(0)
    # Against uncorrelated predictions: tr(R1 I) / (|R1| |I|) = 2 / (2 sqrt 2).
    assert correlation_matrix_distance(truth, [[0, 1], [1, -2], [2, 1]]) == pytest.approx(1 - 1 / np.sqrt(2))


@pytest.mark.parametrize("shape", [pytest.param((40, 8), id="more-cells"), pytest.param((9, 30), id="more-features")])
def test_constants_correlate_with_nothing(shape):
    truth, prediction = (values.astype(np.float64) for values in _data(shape))
    mean = np.broadcast_to(prediction.mean(axis=0), shape)
    assert correlation_matrix_distance(truth, mean) == 1
    assert np.isnan(correlation_matrix_distance(mean, prediction))
    prediction[:, 2] = 0.1
    correlations = [np.nan_to_num(np.corrcoef(v, rowvar=False)) for v in (truth, prediction + 1e-300)]
    correlations[1][2], correlations[1][:, 2] = 0, 0
    first, second = correlations
    expected = 1 - (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
    assert correlation_matrix_distance(truth, prediction) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), wide=st.booleans())
def test_invariances(seed, wide):
    truth, prediction = _data((6, 15) if wide else (15, 6), seed)
    rng = np.random.default_rng(seed)
    expected = correlation_matrix_distance(truth, prediction)
    order = rng.permutation(truth.shape[1])
    assert correlation_matrix_distance(truth[:, order], prediction[:, order]) == pytest.approx(expected, abs=1e-9)
    scaled = prediction * rng.uniform(0.5, 2, truth.shape[1]) + rng.normal(size=truth.shape[1])
    assert correlation_matrix_distance(truth, scaled) == pytest.approx(expected, abs=1e-5)
    assert correlation_matrix_distance(prediction, truth * 1.0) == pytest.approx(expected, abs=1e-9)
