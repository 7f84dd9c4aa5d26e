from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from scipy.stats import spearmanr

from scmog.metrics import spearman


def _counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.6, (40, 37))


def _prediction(ties: bool = False) -> np.ndarray:
    prediction = _counts() + np.random.default_rng(1).normal(0, 1, (40, 37)) + np.arange(37) / 10
    return (np.round(prediction) if ties else prediction).astype(np.float32)


@pytest.mark.parametrize("ties", [pytest.param(False, id="distinct"), pytest.param(True, id="tied")])
@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="counts"),
        pytest.param(lambda t: t - 1, id="negative-values"),
        pytest.param(lambda t: t + 0.5, id="no-zeros"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(lambda t: t + np.random.default_rng(2).normal(size=t.shape), id="no-ties"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(lambda t: sparse.csc_array(t - 1.0), id="csc-negative"),
    ],
)
def test_agrees_with_scipy(container, ties, small_blocks):
    truth, prediction = container(_counts()), _prediction(ties)
    dense = truth.toarray() if sparse.issparse(truth) else truth
    assert spearman(truth, prediction) == pytest.approx(spearmanr(dense.ravel(), prediction.ravel())[0], abs=1e-12)
    by_feature = [spearmanr(dense[:, j], prediction[:, j])[0] for j in range(dense.shape[1])]
    np.testing.assert_allclose(spearman(truth, prediction, axis="feature"), by_feature, atol=1e-12)
    by_cell = [spearmanr(dense[i], prediction[i])[0] for i in range(dense.shape[0])]
    np.testing.assert_allclose(spearman(truth, prediction, axis="cell"), by_cell, atol=1e-12)


def test_by_hand():
    # Ranks of the truth 1.5, 1.5, 3, of the prediction 2, 1, 3: centred (-.5, -.5, 1) . (0, -1, 1) = 1.5.
    truth, prediction = np.array([[0.0], [0.0], [7.0]]), np.array([[1.0], [0.0], [99.0]])
    assert spearman(truth, prediction) == pytest.approx(1.5 / np.sqrt(1.5 * 2))


def test_one_value_that_fills_most_of_the_matrix(small_blocks):
    prediction = _prediction()
    prediction[prediction < 2] = 0.25
    expected = spearmanr(_counts().ravel(), prediction.ravel())[0]
    assert spearman(_counts(), prediction) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("axis", [pytest.param("feature", id="feature"), pytest.param("cell", id="cell")])
def test_constants(axis):
    truth, prediction = _counts().astype(np.float64), _prediction()
    truth[:, 0], prediction[:, 0] = np.arange(40), 0.1
    truth[:, 1], truth[:, 2], prediction[:, 2] = 0.1, 0, 0.1
    if axis == "cell":
        truth, prediction = truth.T, prediction.T
    for measured in (truth, sparse.csr_array(truth)):
        result = spearman(measured, prediction, axis=axis)
        assert result[0] == 0
        assert np.isnan(result[1:3]).all()
        assert (np.abs(result[3:]) > 0).all()


def test_constant_flat(small_blocks):
    truth, prediction = _counts(), _prediction()
    assert spearman(truth, np.full_like(prediction, 0.1)) == 0
    assert np.isnan(spearman(np.full(truth.shape, 0.1), prediction))
    assert np.isnan(spearman(sparse.csr_array(truth.shape), prediction))


def test_stored_zeros_are_zeros():
    truth = sparse.csr_array(_counts().astype(np.float32))
    truth.data[::3] = 0
    before = truth.data.copy()
    for axis in ("flat", "feature", "cell"):
        expected = spearman(truth.toarray(), _prediction(), axis=axis)
        np.testing.assert_allclose(spearman(truth, _prediction(), axis=axis), expected, atol=1e-12)
    np.testing.assert_array_equal(truth.data, before)


_values = hnp.arrays(np.float64, (9, 3), elements=st.integers(-2, 4).map(float))


@settings(max_examples=40, deadline=None)
@given(truth=_values, prediction=_values, seed=st.integers(0, 2**16))
def test_invariances(truth, prediction, seed):
    by_feature = spearman(truth, prediction, axis="feature")
    order = np.random.default_rng(seed).permutation(len(truth))
    np.testing.assert_allclose(spearman(truth[order], prediction[order], axis="feature"), by_feature, atol=1e-12)
    np.testing.assert_allclose(spearman(truth, np.exp(prediction), axis="feature"), by_feature, atol=1e-12)
    np.testing.assert_allclose(spearman(np.exp(truth), prediction, axis="feature"), by_feature, atol=1e-12)
    np.testing.assert_allclose(spearman(truth, -prediction, axis="feature"), -by_feature, atol=1e-12)
    single = [spearman(truth[:, [j]], prediction[:, [j]]) for j in range(3)]
    np.testing.assert_allclose(single, by_feature, atol=1e-12)
    assert spearman(sparse.csr_array(truth), prediction) == pytest.approx(spearman(truth, prediction), nan_ok=True)
