from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import brier_score_loss

from scmog.metrics import brier_skill


def _data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, probabilities and the frequency of each feature."""
    rng = np.random.default_rng(0)
    frequency = np.linspace(0.1, 0.7, 17)
    probability = np.clip(frequency + rng.normal(0, 0.15, (60, 17)), 0, 1)
    truth = (rng.random(probability.shape) < probability) * rng.integers(1, 4, probability.shape)
    return truth, probability.astype(np.float32), frequency


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
@pytest.mark.parametrize("full", [pytest.param(False, id="per-feature"), pytest.param(True, id="per-entry")])
def test_agrees_with_sklearn(container, full, small_blocks):
    truth, probability, frequency = _data()
    opened, reference = truth > 0, np.broadcast_to(frequency, truth.shape)
    given = np.array(reference) if full else frequency
    exact = probability.astype(np.float64)
    expected = 1 - brier_score_loss(opened.ravel(), exact.ravel()) / brier_score_loss(opened.ravel(), reference.ravel())
    assert brier_skill(container(truth), probability, given) == pytest.approx(expected, abs=1e-12)
    by_feature = [
        1 - brier_score_loss(opened[:, j], exact[:, j]) / brier_score_loss(opened[:, j], reference[:, j])
        for j in range(truth.shape[1])
    ]
    np.testing.assert_allclose(
        brier_skill(container(truth), probability, given, axis="feature", min_positives=1), by_feature, atol=1e-12
    )


def test_the_reference_scores_exactly_zero_and_the_truth_one():
    truth, _, frequency = _data()
    frequency = frequency.astype(np.float32)
    prediction = np.broadcast_to(frequency, truth.shape)
    assert brier_skill(truth, prediction, frequency) == 0
    assert set(brier_skill(truth, prediction, frequency, axis="feature")) == {0.0}
    assert brier_skill(truth, (truth > 0) * 1.0, frequency) == 1


def test_what_is_not_a_probability_is_clipped():
    truth, probability, frequency = _data()
    stretched = probability * 3 - 1
    expected = brier_skill(truth, np.clip(stretched, 0, 1), frequency)
    assert brier_skill(truth, stretched, frequency) == expected


def test_features_without_a_score():
    truth = np.zeros((10, 3))
    truth[:5, 0] = truth[:4, 1] = 1
    reference = np.array([0.5, 0.5, 0.0])
    result = brier_skill(truth, np.full(truth.shape, 0.5), reference, axis="feature")
    np.testing.assert_array_equal(result, [0, np.nan, np.nan])
    # The reference of the last feature makes no error.
    assert np.isnan(brier_skill(truth[:, 2:], np.full((10, 1), 0.5), reference[2:]))


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        pytest.param({"reference": np.ones(3)}, ValueError, r"shape \(2,\), one probability", id="reference"),
        pytest.param({"reference": np.array([0.1, np.nan])}, ValueError, "reference must hold finite", id="nan"),
        pytest.param({"reference": np.array(["a", "b"])}, ValueError, "reference must hold finite", id="strings"),
        pytest.param({"probability": np.full((2, 2), np.inf)}, ValueError, "probability contains inf", id="inf"),
        pytest.param({"probability": sparse.eye(2, format="csr")}, TypeError, "probability must be", id="sparse"),
        pytest.param({"truth": np.ones((3, 2))}, ValueError, "truth and probability", id="shapes"),
        pytest.param({"axis": "cell"}, ValueError, "axis must be one of", id="axis"),
        pytest.param({"min_positives": 0}, ValueError, "min_positives", id="minimum"),
    ],
)
def test_refuses(changes, error, match):
    arguments = {"truth": np.eye(2), "probability": np.full((2, 2), 0.5), "reference": np.full(2, 0.5)}
    with pytest.raises(error, match=match):
        brier_skill(**(arguments | changes))
