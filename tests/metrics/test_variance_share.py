from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmog.metrics import TrainingMean, variance_share


def test_agrees_with_numpy(small_blocks):
    rng = np.random.default_rng(0)
    prediction = (rng.gamma(0.3, size=31) * rng.gamma(2.0, size=(50, 1)) + rng.normal(size=(50, 31))).astype(np.float32)
    exact = prediction.astype(np.float64)
    assert variance_share(prediction) == pytest.approx(exact.var(axis=0).mean() / exact.var(), abs=1e-12)


def test_by_hand():
    # Means 1 and 4, grand mean 2.5: within 2 + 2, between 2 (1.5^2 + 1.5^2) = 9.
    assert variance_share([[0.0, 3.0], [2.0, 5.0]]) == pytest.approx(4 / 13)


def test_no_difference_between_cells_is_exactly_zero():
    rng = np.random.default_rng(0)
    source, target = rng.random((43, 5)), rng.random((43, 30))
    assert variance_share(TrainingMean().fit(source, target).predict(source)) == 0
    assert variance_share(np.full((7, 3), 0.1)) == 0
    assert variance_share(np.ones((1, 3))) == 0


def test_features_with_one_mean_have_all_variance_between_cells():
    cells = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert variance_share(np.tile(cells, (5, 4))) == 1


def test_a_collapsing_generator_falls_below_any_share():
    rng = np.random.default_rng(0)
    frequency = rng.beta(0.5, 20, 300)
    alive = np.clip(frequency * np.exp(rng.normal(0, 0.5, (200, 300))), 0, 1)
    shares = [variance_share(frequency + weight * (alive - frequency)) for weight in (1, 0.3, 0.1)]
    assert shares[0] > 4 * shares[1] > 16 * shares[2] > 0


@pytest.mark.parametrize(
    ("prediction", "error", "match"),
    [
        pytest.param(np.full((2, 2), np.nan), ValueError, "prediction contains NaN", id="nan"),
        pytest.param(np.ones(3), ValueError, "matrix of shape", id="one-dimensional"),
        pytest.param(sparse.eye(2, format="csr"), TypeError, "dense", id="sparse"),
    ],
)
def test_refuses(prediction, error, match):
    with pytest.raises(error, match=match):
        variance_share(prediction)
