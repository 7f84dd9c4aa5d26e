from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import average_precision_score

from scmog.metrics import auprc


def _data(ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.4, (60, 23))
    score = (truth + rng.normal(0, 2, truth.shape)).astype(np.float32)
    return truth, np.round(score) if ties else score


@pytest.mark.parametrize("ties", [pytest.param(False, id="distinct"), pytest.param(True, id="tied")])
@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(lambda t: t - 0.5, id="negative-is-closed"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_agrees_with_sklearn(container, ties, small_blocks):
    truth, score = _data(ties)
    opened, measured = truth > 0, container(truth)
    assert auprc(measured, score) == pytest.approx(average_precision_score(opened.ravel(), score.ravel()), abs=1e-12)
    by_feature = [average_precision_score(opened[:, j], score[:, j]) for j in range(truth.shape[1])]
    np.testing.assert_allclose(auprc(measured, score, axis="feature", min_positives=1), by_feature, atol=1e-12)
    by_cell = [average_precision_score(opened[i], score[i]) for i in range(truth.shape[0])]
    np.testing.assert_allclose(auprc(measured, score, axis="cell", min_positives=1), by_cell, atol=1e-12)


@pytest.mark.parametrize("axis", ["flat", "feature", "cell"])
def test_normalized_form(axis):
    truth, score = _data()
    area = auprc(truth, score, axis=axis, min_positives=1)
    share = (truth > 0).mean(axis={"flat": None, "feature": 0, "cell": 1}[axis])
    expected = (area - share) / (1 - share)
    np.testing.assert_allclose(auprc(truth, score, axis=axis, min_positives=1, normalized=True), expected, atol=1e-12)


def test_by_hand():
    # Descending: positive, negative, {positive, negative} tied, negative. Precisions 1/1 and 2/4.
    truth, score = np.array([[1], [0], [1], [0], [0]]), np.array([[4.0], [3.0], [2.0], [2.0], [1.0]])
    assert auprc(truth, score) == pytest.approx((1 + 0.5) / 2)
    assert auprc(truth, score, normalized=True) == pytest.approx((0.75 - 0.4) / 0.6)
    assert auprc(truth, score, axis="feature", min_positives=2) == pytest.approx([0.75])


def test_constant_score_is_exactly_zero_when_normalized():
    rng = np.random.default_rng(0)
    truth = rng.random((43, 30)) < np.linspace(0.1, 0.9, 30)
    constant = np.full(truth.shape, 0.1, dtype=np.float32)
    assert auprc(truth, constant, normalized=True) == 0
    assert set(auprc(truth, constant, axis="feature", min_positives=1, normalized=True)) == {0.0}
    assert auprc(truth, constant) == pytest.approx(truth.mean(), abs=1e-15)
    # The mean of every feature knows nothing about cells, yet scores high when all entries are mixed.
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    assert set(auprc(truth, mean, axis="feature", min_positives=1, normalized=True)) == {0.0}
    assert auprc(truth, mean, normalized=True) > 0.4


def test_features_without_enough_of_a_class_are_nan():
    truth = np.zeros((10, 3))
    truth[:4, 0] = 1
    truth[:5, 1] = 1
    truth[:, 2] = 1
    score = np.tile(np.arange(10.0)[::-1, None], 3)
    np.testing.assert_array_equal(auprc(truth, score, axis="feature"), [np.nan, 1.0, np.nan])
    assert np.isnan(auprc(np.zeros((3, 2)), np.ones((3, 2))))
    assert np.isnan(auprc(np.ones((3, 2)), np.ones((3, 2))))


@settings(max_examples=40, deadline=None)
@given(
    truth=hnp.arrays(bool, (12, 3)),
    score=hnp.arrays(np.float64, (12, 3), elements=st.integers(-4, 4).map(float)),
    seed=st.integers(0, 2**16),
)
def test_invariances(truth, score, seed):
    by_feature = auprc(truth, score, axis="feature", min_positives=1)
    order = np.random.default_rng(seed).permutation(len(truth))
    np.testing.assert_allclose(auprc(truth[order], score[order], axis="feature", min_positives=1), by_feature)
    np.testing.assert_allclose(auprc(truth, np.exp(score) - 7, axis="feature", min_positives=1), by_feature)
    np.testing.assert_allclose(auprc(sparse.csr_array(truth), score), auprc(truth, score))
    # Two independent routes to one number: one feature, flattened or by feature.
    np.testing.assert_allclose([auprc(truth[:, [j]], score[:, [j]]) for j in range(3)], by_feature)
    scored = ~np.isnan(by_feature)
    assert (by_feature[scored] <= 1 + 1e-12).all()
    perfect = auprc(truth, truth.astype(float), axis="feature", min_positives=1, normalized=True)
    np.testing.assert_allclose(perfect[scored], 1)
