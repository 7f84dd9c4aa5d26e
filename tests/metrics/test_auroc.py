from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import roc_auc_score

from scmog.metrics import auroc


def _data(seed: int = 0, shape: tuple[int, int] = (60, 23), ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.poisson(0.4, shape)
    score = (truth + rng.normal(0, 2, shape)).astype(np.float32)
    return truth, np.round(score) if ties else score


@pytest.mark.parametrize("ties", [pytest.param(False, id="distinct"), pytest.param(True, id="tied")])
@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_agrees_with_sklearn(container, ties, small_blocks):
    truth, score = _data(ties=ties)
    assert auroc(container(truth), score) == pytest.approx(roc_auc_score(truth.ravel() > 0, score.ravel()), abs=1e-12)
    by_feature = [roc_auc_score(truth[:, j] > 0, score[:, j]) for j in range(truth.shape[1])]
    np.testing.assert_allclose(auroc(container(truth), score, axis="feature", min_positives=1), by_feature, atol=1e-12)
    by_cell = [roc_auc_score(truth[i] > 0, score[i]) for i in range(truth.shape[0])]
    np.testing.assert_allclose(auroc(container(truth), score, axis="cell", min_positives=1), by_cell, atol=1e-12)


@pytest.mark.parametrize("order", [pytest.param("C", id="row-major"), pytest.param("F", id="column-major")])
@pytest.mark.parametrize("axis", ["flat", "feature", "cell"])
def test_data_stay_as_they_are(axis, order):
    truth, score = (np.array(values, order=order) for values in _data())
    before = truth.copy(), score.copy()
    first = auroc(truth, score, axis=axis)
    np.testing.assert_array_equal(first, auroc(truth, score, axis=axis))
    np.testing.assert_array_equal(truth, before[0])
    np.testing.assert_array_equal(score, before[1])


def test_by_hand():
    # Positives score 3 and 1, negatives 2 and 1: wins 3>2, 3>1, a tie 1=1, a loss 1<2 -> 2.5 of 4.
    truth, score = np.array([[1], [1], [0], [0]]), np.array([[3.0], [1.0], [2.0], [1.0]])
    assert auroc(truth, score) == 2.5 / 4
    assert auroc(truth, score, axis="feature", min_positives=1) == [2.5 / 4]


def test_many_ties_over_many_blocks(small_blocks):
    truth, score = _data(2, (80, 31))
    score = np.round(score / 3)
    assert auroc(truth, score) == pytest.approx(roc_auc_score(truth.ravel() > 0, score.ravel()), abs=1e-12)
    infinite = np.where(score < 0, -np.inf, np.inf)
    assert auroc(truth, infinite) == pytest.approx(roc_auc_score(truth.ravel() > 0, score.ravel() >= 0))


def test_constant_score_is_exactly_half():
    truth, _ = _data()
    constant = np.full(truth.shape, 0.1, dtype=np.float32)
    assert auroc(truth, constant) == 0.5
    assert set(auroc(truth, constant, axis="feature")) == {0.5}
    # The mean of every feature: nothing to see per feature, much in the flattened score.
    frequencies = np.linspace(0.05, 0.9, 30)
    truth = np.random.default_rng(0).random((80, 30)) < frequencies
    mean = np.broadcast_to(frequencies, truth.shape)
    assert set(auroc(truth, mean, axis="feature", min_positives=1)) <= {0.5}
    assert auroc(truth, mean) > 0.7


def test_features_without_enough_of_a_class_are_nan():
    truth = np.zeros((10, 4))
    truth[:4, 0] = 1
    truth[:5, 1] = 1
    truth[:, 2] = 1
    score = np.tile(np.arange(10.0)[:, None], 4)
    np.testing.assert_array_equal(auroc(truth, score, axis="feature"), [np.nan, 0.0, np.nan, np.nan])
    np.testing.assert_array_equal(auroc(truth, score, axis="feature", min_positives=4), [0.0, 0.0, np.nan, np.nan])
    assert np.isnan(auroc(np.zeros((3, 2)), np.ones((3, 2))))
    assert np.isnan(auroc(np.ones((3, 2)), np.ones((3, 2))))


def test_stored_zeros_and_repeated_entries_count_as_what_they_sum_to():
    data, indices = np.array([1.0, -1.0, 0.0, 2.0, 1.0]), np.array([0, 0, 1, 2, 2])
    truth = sparse.csr_matrix((data, indices, np.array([0, 3, 5])), shape=(2, 3))
    before = [values.copy() for values in (truth.data, truth.indices, truth.indptr)]
    score = np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.7]])
    assert auroc(truth, score) == roc_auc_score([0, 0, 0, 0, 0, 1], score.ravel())
    for kept, now in zip(before, (truth.data, truth.indices, truth.indptr), strict=True):
        np.testing.assert_array_equal(now, kept)
    assert truth.nnz == 5


_scores = hnp.arrays(np.float64, (12, 3), elements=st.integers(-4, 4).map(float))
_truths = hnp.arrays(bool, (12, 3))


@settings(max_examples=40, deadline=None)
@given(truth=_truths, score=_scores, seed=st.integers(0, 2**16))
def test_invariances(truth, score, seed):
    by_feature = auroc(truth, score, axis="feature", min_positives=1)
    order = np.random.default_rng(seed).permutation(len(truth))
    np.testing.assert_allclose(auroc(truth[order], score[order], axis="feature", min_positives=1), by_feature)
    np.testing.assert_allclose(auroc(truth, np.exp(score) - 7, axis="feature", min_positives=1), by_feature)
    np.testing.assert_allclose(auroc(truth, -score, axis="feature", min_positives=1), 1 - by_feature)
    np.testing.assert_allclose(auroc(sparse.csr_array(truth), score), auroc(truth, score))
    np.testing.assert_allclose(auroc(truth, np.exp(score)), auroc(truth, score))
    # Two independent routes to one number: one feature, flattened or by feature.
    single = [auroc(truth[:, [j]], score[:, [j]]) for j in range(3)]
    np.testing.assert_allclose(single, by_feature)


@pytest.mark.parametrize(
    ("truth", "score", "options", "error", "match"),
    [
        pytest.param(np.ones((2, 3)), np.ones((3, 2)), {}, ValueError, r"\(2, 3\) and \(3, 2\)", id="shapes"),
        pytest.param(np.ones(3), np.ones(3), {}, ValueError, "matrix of shape", id="one-dimensional"),
        pytest.param(np.ones((0, 3)), np.ones((0, 3)), {}, ValueError, "non-empty", id="empty"),
        pytest.param(np.full((2, 2), np.nan), np.ones((2, 2)), {}, ValueError, "truth contains NaN", id="nan-truth"),
        pytest.param(np.ones((2, 2)), np.full((2, 2), np.nan), {}, ValueError, "score contains NaN", id="nan-score"),
        pytest.param(np.ones((2, 2)), sparse.eye(2, format="csr"), {}, TypeError, "dense array", id="sparse-score"),
        pytest.param(np.array([["a"]]), np.ones((1, 1)), {}, TypeError, "must hold numbers", id="strings"),
        pytest.param(np.ones((2, 2)), np.ones((2, 2)), {"axis": "peak"}, ValueError, "'flat', 'feature'", id="axis"),
        pytest.param(np.ones((2, 2)), np.ones((2, 2)), {"min_positives": 0}, ValueError, "at least 1", id="minimum"),
    ],
)
def test_refuses(truth, score, options, error, match):
    with pytest.raises(error, match=match):
        auroc(truth, score, **options)
