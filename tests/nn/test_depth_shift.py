"""The shift of a cell's logits: formulas in NumPy, roots from SciPy, and data whose depth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from scmog.nn import DepthShift
from scmog.nn._depth_shift import wanted_shift

N_CELLS, N_SOURCE, N_TARGET = 400, 30, 500


def drawn(effect: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Source counts, logits, and number of open features, whose logits rise by ``effect`` per unit of log total."""
    rng = np.random.default_rng(seed)
    depth = rng.lognormal(0, 0.5, (N_CELLS, 1))
    counts = rng.poisson(depth * rng.gamma(2, 2, N_SOURCE)).astype(np.float32)
    logit = np.broadcast_to(rng.normal(-3, 1, N_TARGET), (N_CELLS, N_TARGET)) + rng.normal(0, 0.1, (N_CELLS, 1))
    log_total = np.log1p(counts.sum(axis=1, keepdims=True))
    is_open = rng.random((N_CELLS, N_TARGET)) < expit(logit + effect * (log_total - log_total.mean()))
    return torch.as_tensor(counts), torch.as_tensor(logit, dtype=torch.float32), torch.as_tensor(is_open.sum(axis=1))


def fitted(effect: float, seed: int = 0) -> tuple[DepthShift, torch.Tensor, torch.Tensor]:
    """The shift, its covariates and the logits."""
    counts, logit, n_open = drawn(effect, seed)
    shift = DepthShift(N_SOURCE)
    covariates = shift.covariates(logit.mean(dim=1), counts)
    shift.fit_shares(counts.split(150))
    assert shift.fit(covariates, n_open, torch.sigmoid(logit))
    return shift, covariates, logit


def test_covariates_by_hand() -> None:
    counts = torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 0.0]])
    batch = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    covariates = DepthShift(3, n_batch=2).covariates(torch.tensor([-1.5, 2.0]), counts, batch)
    expected = [[-1.5, np.log(5), np.log(3), 1, 0], [2, np.log(3), np.log(2), 0.25, 0.75]]
    np.testing.assert_allclose(covariates, expected, rtol=1e-6)
    rows = DepthShift(3, n_batch=2).covariates(torch.tensor([-1.5, 2.0]), counts.to_sparse_csr(), batch)
    torch.testing.assert_close(rows, covariates)


@pytest.mark.parametrize("n_open", [5, 30, 200])
def test_the_wanted_shift_opens_as_many_features_as_measured(n_open: int) -> None:
    logit = np.random.default_rng(0).normal(-3, 1, N_TARGET)
    root = brentq(lambda shift: expit(logit + shift).sum() - n_open, -20, 20)
    # from nearby, where one step is enough: the rest is the half feature that is added
    start = torch.as_tensor(expit(logit + root - 0.05)).unsqueeze(0)
    assert wanted_shift(torch.tensor([n_open]), start).item() == pytest.approx(0.05, abs=0.006)
    assert wanted_shift(torch.tensor([0]), start).isfinite().all()
    assert wanted_shift(torch.tensor([0]), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize("n_cells", [20, 180])
def test_few_cells_are_believed_less(n_cells: int) -> None:
    """The shift is that of scikit-learn's ridge regression, times n / (n + 20)."""
    counts, logit, n_open = (values[:n_cells] for values in drawn(0.6))
    shift = DepthShift(N_SOURCE)
    covariates = shift.covariates(logit.mean(dim=1), counts)
    shift.fit(covariates, n_open, torch.sigmoid(logit))
    x = StandardScaler().fit_transform(covariates.numpy()) * np.sqrt(1 - 1 / n_cells)  # sample standard deviations
    wanted = wanted_shift(n_open, torch.sigmoid(logit)).numpy()
    predicted = RidgeCV(10.0 ** np.arange(-1, 6)).fit(x, wanted).predict(x)
    np.testing.assert_allclose(shift(covariates).squeeze(1), n_cells / (n_cells + 20) * predicted, atol=1e-4)


@pytest.mark.parametrize("effect", [0.0, 0.6])
def test_the_effect_of_depth_is_found(effect: float) -> None:
    shift, covariates, _ = fitted(effect)
    log_total = covariates[:, 1]
    slope, _ = np.polyfit(log_total.numpy(), shift(covariates).squeeze(1).numpy(), 1)
    assert slope == pytest.approx(effect, abs=0.06)
    # other cells, drawn anew: the shift that they would want, on average
    counts, logit, n_open = drawn(effect, seed=1)
    wanted = wanted_shift(n_open, torch.sigmoid(logit))
    error = (wanted - shift(shift.covariates(logit.mean(dim=1), counts)).squeeze(1)).square().mean()
    assert error < wanted.square().mean() * (0.6 if effect else 1.02)


def test_nothing_is_fitted_on_few_cells_or_before() -> None:
    counts, logit, n_open = drawn(0.6)
    shift = DepthShift(N_SOURCE)
    covariates = shift.covariates(logit.mean(dim=1), counts)
    assert (shift(covariates) == 0).all()
    assert not shift.fit(covariates[:9], n_open[:9], torch.sigmoid(logit[:9]))
    assert (shift(covariates) == 0).all()
    shift.fit(covariates, n_open, torch.sigmoid(logit))
    assert (shift(covariates) != 0).any()
    shift.reset()
    assert (shift(covariates) == 0).all()


def test_beyond_the_validation_cells_nothing_grows() -> None:
    shift, covariates, _ = fitted(0.6)
    far = covariates.max(dim=0).values.unsqueeze(0)
    torch.testing.assert_close(shift(far + torch.tensor([0.0, 5.0, 5.0])), shift(far))


def test_missing_features_are_made_up_for() -> None:
    """A cell like the average one has the same covariates whatever is missing."""
    shift, covariates, logit = fitted(0.6)
    counts, _, _ = drawn(0.6)
    average = counts.mean(dim=0, keepdim=True)
    mean_logit = logit.mean(dim=1)[:1]
    missing = torch.arange(N_SOURCE) < 20
    whole = shift.covariates(mean_logit, average)
    part = shift.covariates(mean_logit, torch.where(missing, 0, average), missing=missing)
    torch.testing.assert_close(part[:, 1], whole[:, 1])
    detected = (counts > 0).float().mean(dim=0)
    expected = 10 / (detected[20:].sum() / detected.sum())  # 10 are present, and all of them detected
    torch.testing.assert_close(part[0, 2], torch.log1p(expected))
    # real cells: about as many as with all features, not a third
    torch.testing.assert_close(
        shift.covariates(logit.mean(dim=1), torch.where(missing, 0, counts), missing=missing)[:, 1:].mean(dim=0),
        covariates[:, 1:].mean(dim=0),
        atol=0.05,
        rtol=0,
    )


def test_a_covariate_without_spread_does_no_harm() -> None:
    counts, logit, n_open = drawn(0.6)
    shift = DepthShift(N_SOURCE, n_batch=1)
    covariates = shift.covariates(logit.mean(dim=1), counts, torch.ones(N_CELLS, 1))
    shift.fit(covariates, n_open, torch.sigmoid(logit))
    without, same, _ = fitted(0.6)
    torch.testing.assert_close(shift(covariates), without(same), rtol=1e-3, atol=1e-4)


def test_cells_without_counts_say_nothing_and_are_average() -> None:
    counts, logit, n_open = drawn(0.6)
    expected, covariates, _ = fitted(0.6)
    shift = DepthShift(N_SOURCE)
    # three cells without a source and four without a target, on top of those with both
    with_empty = torch.cat([counts, torch.zeros(3, N_SOURCE), counts[:4]])
    logits = torch.cat([logit, logit[:7]])
    measured = torch.cat([n_open, n_open[:3], torch.zeros(4)])
    shift.fit(shift.covariates(logits.mean(dim=1), with_empty), measured, torch.sigmoid(logits))
    torch.testing.assert_close(shift(covariates), expected(covariates))
    empty = shift.covariates(logit.mean(dim=1)[:1], torch.zeros(1, N_SOURCE))
    torch.testing.assert_close(shift(empty).squeeze(), shift.intercept)
