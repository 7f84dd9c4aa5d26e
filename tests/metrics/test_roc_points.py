from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_curve as sklearn_roc_curve

from scmog.metrics import auroc, roc_points


@pytest.mark.parametrize("ties", [pytest.param(False, id="distinct"), pytest.param(True, id="tied")])
def test_roc_points_lie_on_the_curve(ties, small_blocks):
    rng = np.random.default_rng(1)
    truth = rng.poisson(0.4, (50, 40))
    score = truth + rng.normal(0, 2, truth.shape)
    score = np.round(score) if ties else score
    false_positive_rate, true_positive_rate = roc_points(sparse.csr_array(truth), score, n_points=100)
    assert 3 <= false_positive_rate.size <= 100
    exact = sklearn_roc_curve(truth.ravel() > 0, score.ravel(), drop_intermediate=False)[:2]
    corners = {(round(x, 12), round(y, 12)) for x, y in zip(*exact, strict=True)}
    assert {
        (round(x, 12), round(y, 12)) for x, y in zip(false_positive_rate, true_positive_rate, strict=True)
    } <= corners
    assert (np.diff(false_positive_rate) >= 0).all()
    assert (np.diff(true_positive_rate) >= 0).all()
    assert np.trapezoid(true_positive_rate, false_positive_rate) == pytest.approx(auroc(truth, score), abs=2e-3)


def test_roc_points_of_scores_that_separate_pass_the_corner():
    truth = np.repeat([[0.0, 1.0]], 400, axis=0)
    score = truth * 5 + np.random.default_rng(0).random(truth.shape)
    false_positive_rate, true_positive_rate = roc_points(truth, score, n_points=50)
    assert np.trapezoid(true_positive_rate, false_positive_rate) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("truth", "n_points", "match"),
    [
        pytest.param(np.zeros((2, 2)), 10, "got 0 and 4", id="no-positives"),
        pytest.param(np.ones((2, 2)), 10, "got 4 and 0", id="no-negatives"),
        pytest.param(np.eye(2), 3, "at least 4", id="points"),
    ],
)
def test_roc_points_refuses(truth, n_points, match):
    with pytest.raises(ValueError, match=match):
        roc_points(truth, np.ones((2, 2)), n_points=n_points)


@pytest.mark.parametrize("n_points", [4, 5, 6, 11, 100])
def test_there_are_no_more_points_than_asked_for(n_points):
    rng = np.random.default_rng(0)
    truth = (rng.random((40, 50)) < 0.3).astype(float)
    points = roc_points(truth, rng.random(truth.shape), n_points=n_points)[0]
    assert n_points - 1 <= len(points) <= n_points
