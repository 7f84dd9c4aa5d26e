"""The relation between focal scores and probabilities, against the formula in probability space and a minimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression

from scmog.nn import LogitRecalibration, calibrated_logit, focal_minimiser_logit

SETTINGS = [
    pytest.param(0.93, 0.07, 2.0, id="paper"),
    pytest.param(0.07, 0.93, 2.0, id="authors"),
    pytest.param(0.5, 0.5, 1.0, id="plain-gamma-1"),
    pytest.param(0.2, 0.6, 0.3, id="gamma-below-1"),
    pytest.param(0.4, 0.6, 5.0, id="gamma-5"),
    pytest.param(0.25, 0.75, 0.0, id="cross-entropy"),
]


def probability_of_score(p: np.ndarray, w1: float, w0: float, g: float) -> np.ndarray:
    """Closed form in probability space: the expected focal loss of a peak open with this probability is least at p."""
    a = (1 - p) ** g / p - g * (1 - p) ** (g - 1) * np.log(p)
    b = p**g / (1 - p) - g * p ** (g - 1) * np.log(1 - p)
    return w0 * b / (w1 * a + w0 * b)


@pytest.mark.parametrize(("w1", "w0", "gamma"), SETTINGS)
def test_closed_form(w1: float, w0: float, gamma: float) -> None:
    p = np.linspace(1e-4, 1 - 1e-4, 999)
    logit = calibrated_logit(torch.as_tensor(special.logit(p)), weight_open=w1, weight_closed=w0, gamma=gamma)
    np.testing.assert_allclose(special.expit(logit.numpy()), probability_of_score(p, w1, w0, gamma), rtol=1e-9)


@pytest.mark.parametrize(("w1", "w0", "gamma"), SETTINGS)
@pytest.mark.parametrize("q", [0.001, 0.05, 0.5, 0.9])
def test_the_expected_focal_loss_is_least_there(w1: float, w0: float, gamma: float, q: float) -> None:
    def expected_loss(logit: float) -> float:
        p = special.expit(logit)
        return -q * w1 * (1 - p) ** gamma * np.log(p) - (1 - q) * w0 * p**gamma * np.log(1 - p)

    best = optimize.minimize_scalar(expected_loss, bounds=(-15, 15), method="bounded", options={"xatol": 1e-9}).x
    options = {"weight_open": w1, "weight_closed": w0, "gamma": gamma}
    logit_q = torch.tensor([special.logit(q)], dtype=torch.float64)
    assert focal_minimiser_logit(logit_q, **options).item() == pytest.approx(best, abs=1e-5)
    back = calibrated_logit(torch.tensor([best], dtype=torch.float64), **options)
    assert special.expit(back.item()) == pytest.approx(q, rel=1e-4)


@pytest.mark.parametrize(
    ("q", "score"), [(0.005, 0.053), (0.01, 0.066), (0.02, 0.084), (0.05, 0.114), (0.1, 0.145)], ids=str
)
def test_scores_of_the_authors_weights(q: float, score: float) -> None:
    """Minimisers of the authors' loss, worked out for the threshold of 0.1."""
    logit = focal_minimiser_logit(torch.logit(torch.tensor(q)), weight_open=0.07, weight_closed=0.93, gamma=2.0)
    assert torch.sigmoid(logit).item() == pytest.approx(score, abs=6e-4)


@pytest.mark.parametrize(
    ("q", "score"), [(0.005, 0.27), (0.01, 0.32), (0.02, 0.38), (0.05, 0.47), (0.1, 0.54)], ids=str
)
def test_scores_of_the_papers_weights(q: float, score: float) -> None:
    logit = focal_minimiser_logit(torch.logit(torch.tensor(q)), weight_open=0.93, weight_closed=0.07, gamma=2.0)
    assert torch.sigmoid(logit).item() == pytest.approx(score, abs=6e-3)


@pytest.mark.parametrize(("w1", "w0", "gamma"), SETTINGS)
def test_monotone_and_finite(w1: float, w0: float, gamma: float) -> None:
    options = {"weight_open": w1, "weight_closed": w0, "gamma": gamma}
    logit = torch.linspace(-80, 80, 4001, dtype=torch.float64)
    double = calibrated_logit(logit, **options)
    assert double.isfinite().all()
    assert (double.diff() > 0).all()
    single = calibrated_logit(logit.float(), **options)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-4)
    assert calibrated_logit(torch.tensor([-1e4, 1e4]), **options).isfinite().all()


@pytest.mark.parametrize(("w1", "w0", "gamma"), SETTINGS)
def test_round_trip(w1: float, w0: float, gamma: float) -> None:
    options = {"weight_open": w1, "weight_closed": w0, "gamma": gamma}
    goal = torch.linspace(-40, 40, 161, dtype=torch.float64).reshape(7, 23)
    score = focal_minimiser_logit(goal, **options)
    assert score.shape == goal.shape
    torch.testing.assert_close(calibrated_logit(score, **options), goal, rtol=1e-9, atol=1e-9)
    assert focal_minimiser_logit(goal.float(), **options).dtype == torch.float32


def test_equal_weights_keep_one_half() -> None:
    logit = calibrated_logit(torch.zeros(1), weight_open=0.3, weight_closed=0.3, gamma=2.0)
    assert logit.item() == pytest.approx(0, abs=1e-6)


def drawn(slope: float, intercept: float, *, n: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of rare events, and events whose true logit is a line of them."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-3.0, 1.5, size=n)
    return logit, rng.random(n) < special.expit(slope * logit + intercept)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.6, -0.4), (2.5, 1.0), (0.05, -3.0)])
def test_recalibration_is_logistic_regression(slope: float, intercept: float) -> None:
    logit, event = drawn(slope, intercept)
    recalibration = LogitRecalibration()
    assert recalibration.fit(torch.as_tensor(logit), torch.as_tensor(event))
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], event)
    assert recalibration.slope.item() == pytest.approx(expected.coef_.item(), abs=1e-2)
    assert recalibration.intercept.item() == pytest.approx(expected.intercept_.item(), abs=2e-2)
    # the mean probability is the observed frequency: what the intercept is for
    probability = torch.sigmoid(recalibration(torch.as_tensor(logit, dtype=torch.float32)))
    assert probability.mean().item() == pytest.approx(event.mean(), rel=5e-3)


def test_recalibration_starts_as_the_identity_and_resets() -> None:
    recalibration, logit = LogitRecalibration(), torch.linspace(-30, 30, 7)
    torch.testing.assert_close(recalibration(logit), logit)
    recalibration.fit(*map(torch.as_tensor, drawn(0.5, 0.0)))
    assert not torch.allclose(recalibration(logit), logit)
    recalibration.reset()
    torch.testing.assert_close(recalibration(logit), logit)


def test_scores_that_point_the_wrong_way_are_left_alone() -> None:
    logit, event = drawn(-1.0, -5.0)
    recalibration = LogitRecalibration()
    assert not recalibration.fit(torch.as_tensor(logit), torch.as_tensor(event))
    assert (recalibration.slope.item(), recalibration.intercept.item()) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("logit", "event"),
    [
        pytest.param([-2.0] * 50, [0.0] * 50, id="constant score, no event"),
        pytest.param([-2.0] * 50, [0.0, 1.0] * 25, id="constant score"),
        pytest.param([-40.0, 40.0] * 20, [0.0, 1.0] * 20, id="separable"),
        pytest.param([1e6, -1e6, 0.0], [1.0, 0.0, 1.0], id="huge logits"),
    ],
)
def test_recalibration_stays_finite(logit: list[float], event: list[float]) -> None:
    recalibration = LogitRecalibration()
    recalibration.fit(torch.tensor(logit), torch.tensor(event))
    assert recalibration.slope.item() > 0
    assert np.isfinite([recalibration.slope.item(), recalibration.intercept.item()]).all()


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    logit, event = map(torch.as_tensor, drawn(0.7, 0.3, n=5000))
    whole, parts = LogitRecalibration(), LogitRecalibration()
    whole.fit(logit.reshape(50, 100), event.reshape(50, 100))
    monkeypatch.setattr("scmog.nn._calibration._NEWTON_BLOCK", 777)
    parts.fit(logit, event)
    torch.testing.assert_close(parts.slope, whole.slope)
    torch.testing.assert_close(parts.intercept, whole.intercept)
