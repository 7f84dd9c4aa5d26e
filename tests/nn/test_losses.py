"""The losses against formulas written out in probability space, PyTorch, SciPy and scvi-tools."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import special, stats
from scvi.distributions import NegativeBinomial
from torch import Tensor

from scmog.nn import critic_loss, focal_loss, generator_loss, mse_loss, negative_binomial_loss

PAPER = {"weight_open": 0.93, "weight_closed": 0.07, "gamma": 2.0}  # equation 4 with alpha = 0.93
AUTHORS = {"weight_open": 0.07, "weight_closed": 0.93, "gamma": 2.0}


def scores_and_targets(n_cells: int = 30, n_features: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(1e-4, 1 - 1e-4, (n_cells, n_features)), rng.integers(0, 2, (n_cells, n_features)).astype(float)


def focal_of_probabilities(
    p: np.ndarray, y: np.ndarray, weight_open: float, weight_closed: float, gamma: float
) -> np.ndarray:
    """Equation 4 as printed."""
    p_t = np.where(y == 1, p, 1 - p)
    alpha_t = np.where(y == 1, weight_open, weight_closed)
    return -alpha_t * (1 - p_t) ** gamma * np.log(p_t)


# ---------------------------------------------------------------------- focal loss
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(PAPER, id="paper"),
        pytest.param(AUTHORS, id="authors"),
        pytest.param({"weight_open": 0.5, "weight_closed": 0.5, "gamma": 1.0}, id="gamma-1"),
        pytest.param({"weight_open": 2.0, "weight_closed": 3.0, "gamma": 0.3}, id="gamma-below-1"),
        pytest.param({"weight_open": 0.2, "weight_closed": 0.8, "gamma": 0.0}, id="gamma-0"),
    ],
)
def test_focal_is_equation_4(options: dict[str, float]) -> None:
    p, y = scores_and_targets()
    loss = focal_loss(torch.as_tensor(special.logit(p)), torch.as_tensor(y), **options, reduction="none")
    np.testing.assert_allclose(loss.numpy(), focal_of_probabilities(p, y, **options), rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.5])
def test_focal_gradient(gamma: float) -> None:
    p, y = scores_and_targets(4, 5)
    target = torch.as_tensor(y)
    options = {"weight_open": 0.3, "weight_closed": 0.9, "gamma": gamma}
    logit = torch.as_tensor(special.logit(p)).requires_grad_()

    def by_function(values: Tensor) -> Tensor:
        return focal_loss(values, target, **options, reduction="cell")

    assert torch.autograd.gradcheck(by_function, (logit,))

    upstream = torch.linspace(-1, 2, 4, dtype=torch.float64)
    (ours,) = torch.autograd.grad(by_function(logit), logit, upstream)
    score = torch.sigmoid(logit)
    p_t = torch.where(target == 1, score, 1 - score)
    alpha_t = 0.9 - 0.6 * target  # 0.3 where open
    written_out = -(alpha_t * (1 - p_t) ** gamma * p_t.log()).sum(dim=1)
    (expected,) = torch.autograd.grad(written_out, logit, upstream)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_focal_with_gamma_0_is_weighted_cross_entropy() -> None:
    p, y = (torch.as_tensor(a) for a in scores_and_targets())
    logit = torch.logit(p)
    loss = focal_loss(logit, y, weight_open=0.2, weight_closed=0.7, gamma=0.0, reduction="none")
    weight = torch.where(y == 1, 0.2, 0.7).double()
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logit, y, weight=weight, reduction="none"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_of_extreme_logits(dtype: torch.dtype, gamma: float) -> None:
    logit = torch.tensor([[80.0, -80.0, 80.0, -80.0, 1e4, -1e4, 1e4, -1e4]], dtype=dtype, requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]], dtype=dtype)
    loss = focal_loss(logit, target, weight_open=0.9, weight_closed=0.1, gamma=gamma, reduction="none")
    loss.sum().backward()
    # surely right costs nothing; surely wrong costs weight * |logit|, whatever the focusing
    expected = torch.tensor([[0, 0, 0.1 * 80, 0.9 * 80, 0, 0, 0.1 * 1e4, 0.9 * 1e4]], dtype=dtype)
    slope = torch.tensor([[0, 0, 0.1, -0.9, 0, 0, 0.1, -0.9]], dtype=dtype)
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(logit.grad, slope, rtol=1e-6, atol=1e-12)


def test_equation_4_puts_alpha_on_open_entries() -> None:
    """At a score of one half an open entry costs alpha / 4 * ln 2, a closed one (1 - alpha) / 4 * ln 2."""
    loss = focal_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), **PAPER, reduction="none")
    torch.testing.assert_close(loss, torch.tensor([[0.93, 0.07]]) * np.log(2) / 4)


def test_authors_orientation() -> None:
    """The authors' code: alpha on the closed entries, summed over peaks, averaged over cells, an epsilon inside."""
    p, y = scores_and_targets()
    p, alpha, eps = p * 0.9 + 0.05, 0.93, 1e-5
    entries = (1 - alpha) * y * (1 - p + eps) ** 2 * np.log(p + eps)
    entries += alpha * (1 - y) * (p + eps) ** 2 * np.log(1 - p + eps)
    loss = focal_loss(torch.as_tensor(special.logit(p)), torch.as_tensor(y), **AUTHORS, reduction="cell").mean()
    assert loss.item() == pytest.approx(-entries.sum(axis=1).mean(), rel=1e-3)


def test_focal_does_not_change_its_input() -> None:
    logit, target = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(3, 4)
    before = logit.clone()
    focal_loss(logit, target, **PAPER, reduction="mean")
    assert torch.equal(logit, before)
    assert torch.equal(target, torch.ones(3, 4))


def test_focal_refuses_a_negative_gamma() -> None:
    with pytest.raises(ValueError, match=r"gamma must not be negative, got -0\.5"):
        focal_loss(torch.zeros(1, 1), torch.zeros(1, 1), weight_open=1, weight_closed=1, gamma=-0.5, reduction="mean")


# ---------------------------------------------------------------------- negative binomial
def nb_parameters(n_cells: int = 40, n_genes: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, dispersions and whole counts, among them zeros."""
    rng = np.random.default_rng(1)
    mean = np.exp(rng.normal(0.5, 1.5, (n_cells, n_genes)))
    dispersion = np.exp(rng.normal(0.0, 1.5, (n_cells, n_genes)))
    return mean, dispersion, rng.negative_binomial(dispersion, dispersion / (dispersion + mean)).astype(float)


def equation_6(x: np.ndarray, mean: np.ndarray, dispersion: np.ndarray, eps: float = 1e-10) -> np.ndarray:
    return (
        -dispersion * (np.log(dispersion + eps) - np.log(dispersion + mean))
        - x * (np.log(mean + eps) - np.log(dispersion + mean))
        - special.gammaln(x + dispersion)
        + special.gammaln(x + 1)
        + special.gammaln(dispersion + eps)
    )


def test_nb_of_counts_against_scipy_and_scvi() -> None:
    mean, dispersion, counts = nb_parameters()
    assert (counts == 0).any()
    assert (counts > 5).any()
    mu, theta, x = (torch.as_tensor(a) for a in (mean, dispersion, counts))
    loss = negative_binomial_loss(mu, theta, x, reduction="none")
    by_scipy = -stats.nbinom.logpmf(counts, dispersion, dispersion / (dispersion + mean))
    np.testing.assert_allclose(loss.numpy(), by_scipy, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(loss, -NegativeBinomial(mu=mu, theta=theta).log_prob(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 2e-5)])
def test_nb_of_real_values_is_equation_6(dtype: torch.dtype, tolerance: float) -> None:
    mean, dispersion, counts = nb_parameters()
    values = counts / np.random.default_rng(2).uniform(0.3, 3, (len(counts), 1))  # size-normalised
    loss = negative_binomial_loss(
        *(torch.as_tensor(a, dtype=dtype) for a in (mean, dispersion, values)), reduction="none"
    )
    np.testing.assert_allclose(loss.numpy(), equation_6(values, mean, dispersion), rtol=tolerance, atol=tolerance)


# Counts, mean and dispersion at and beyond the bounds of the decoder.
EXTREMES = [
    pytest.param(0.0, 1e-5, 1e-4, id="0-at-lowest-mean"),
    pytest.param(0.0, 1e6, 1e-4, id="0-at-highest-mean"),
    pytest.param(0.0, 1e6, 1e3, id="0-at-highest-mean-little-spread"),
    pytest.param(1e6, 1e6, 1.0, id="million-at-million"),
    pytest.param(1e6, 3e5, 10.0, id="million-expected-less"),
    pytest.param(1e6, 1e-5, 1e3, id="million-unexpected"),
    pytest.param(1e6, 1.1e6, 1e3, id="million-little-spread"),
]


@pytest.mark.parametrize(("count", "mean", "dispersion"), EXTREMES)
def test_nb_of_extreme_counts_in_double(count: float, mean: float, dispersion: float) -> None:
    loss = negative_binomial_loss(
        *(torch.tensor([[v]], dtype=torch.float64) for v in (mean, dispersion, count)), reduction="sum"
    )
    assert loss.item() == pytest.approx(-stats.nbinom.logpmf(count, dispersion, dispersion / (dispersion + mean)), 1e-5)


@pytest.mark.parametrize(("count", "mean", "dispersion"), EXTREMES)
def test_nb_of_extreme_counts_in_single(count: float, mean: float, dispersion: float) -> None:
    """Finite, with the gradient of the formula in double precision."""
    results = {}
    for dtype in (torch.float32, torch.float64):
        mu, theta = (torch.tensor([[v]], dtype=dtype, requires_grad=True) for v in (mean, dispersion))
        loss = negative_binomial_loss(mu, theta, torch.tensor([[count]], dtype=dtype), reduction="sum")
        loss.backward()
        assert loss.isfinite()
        results[dtype] = [loss.detach().double(), mu.grad.double(), theta.grad.double()]
    scale = max(1.0, count / mean, count / dispersion)  # size of the terms that the gradient is a difference of
    for single, double in zip(results[torch.float32][1:], results[torch.float64][1:], strict=True):
        torch.testing.assert_close(single, double, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("count", "mean", "dispersion"),
    [
        pytest.param(1e6, 1.1e6, 1e3, id="little-spread"),
        pytest.param(1e6, 9.9e5, 1.0, id="much-spread"),
        pytest.param(1e5, 1e5, 1e3, id="1e5"),
    ],
)
def test_nb_of_a_million_counts_is_accurate_in_single(count: float, mean: float, dispersion: float) -> None:
    loss = negative_binomial_loss(
        *(torch.tensor([[v]], dtype=torch.float32) for v in (mean, dispersion, count)), reduction="sum"
    )
    assert loss.item() == pytest.approx(-stats.nbinom.logpmf(count, dispersion, dispersion / (dispersion + mean)), 1e-3)


def test_nb_at_a_mean_and_a_dispersion_of_zero() -> None:
    """What the epsilon of equation 6 is for: no decoder gives a zero, but whoever calls the loss may."""
    mean = torch.tensor([[0.0, 2.0, 0.0]], dtype=torch.float64, requires_grad=True)
    dispersion = torch.tensor([[2.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    loss = negative_binomial_loss(mean, dispersion, torch.full((1, 3), 3.0, dtype=torch.float64), reduction="none")
    np.testing.assert_allclose(loss[0, 0].item(), equation_6(np.float64(3), np.float64(0), np.float64(2)), rtol=1e-9)
    assert loss.isfinite().all()
    for gradient in torch.autograd.grad(loss.sum(), (mean, dispersion)):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_nb_in_half_precision_computes_in_single(dtype: torch.dtype) -> None:
    mean, dispersion, counts = (torch.as_tensor(a, dtype=torch.float32) for a in nb_parameters())
    mean, dispersion = mean.to(dtype), dispersion.to(dtype).clamp_min(1e-2)
    mean.requires_grad_()
    for reduction in ("cell", "none"):
        loss = negative_binomial_loss(mean, dispersion, counts, reduction=reduction)
        expected = negative_binomial_loss(mean.float(), dispersion.float(), counts, reduction=reduction)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, expected)
    loss.sum().backward()
    assert mean.grad is not None
    assert mean.grad.dtype == dtype


def test_nb_gradient() -> None:
    mean, dispersion, counts = (torch.as_tensor(a[:3, :4]) for a in nb_parameters())
    target = counts * 0.7  # real values, zeros among them
    target[0, 0] = 0
    mu, theta = mean.clone().requires_grad_(), dispersion.clone().requires_grad_()

    def by_function(m: Tensor, d: Tensor) -> Tensor:
        return negative_binomial_loss(m, d, target, reduction="cell")

    assert torch.autograd.gradcheck(by_function, (mu, theta))

    ours = torch.autograd.grad(by_function(mu, theta).sum(), (mu, theta))
    eps = 1e-10
    written_out = (
        -theta * (torch.log(theta + eps) - torch.log(theta + mu))
        - target * (torch.log(mu + eps) - torch.log(theta + mu))
        - torch.lgamma(target + theta)
        + torch.lgamma(target + 1)
        + torch.lgamma(theta + eps)
    )
    expected = torch.autograd.grad(written_out.mean(dim=1).sum(), (mu, theta))
    torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-8)


# ---------------------------------------------------------------------- squared error, critics
def test_mse_is_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, 7, 5, generator=generator)
    torch.testing.assert_close(mse_loss(prediction, target, reduction="mean"), F.mse_loss(prediction, target))
    torch.testing.assert_close(
        mse_loss(prediction, target, reduction="sum"), F.mse_loss(prediction, target, reduction="sum")
    )
    per_cell = torch.stack([F.mse_loss(p, t) for p, t in zip(prediction, target, strict=True)])
    torch.testing.assert_close(mse_loss(prediction, target, reduction="cell"), per_cell)


def test_critic_and_generator_loss_by_hand() -> None:
    measured, generated = torch.tensor([1.0, 2.0, 6.0]), torch.tensor([0.5, 1.5], requires_grad=True)
    assert critic_loss(measured, generated).item() == pytest.approx(1.0 - 3.0)
    loss = generator_loss(generated)
    assert loss.item() == pytest.approx(-1.0)
    loss.backward()  # raising the critic's scores lowers the generator's loss
    torch.testing.assert_close(generated.grad, torch.tensor([-0.5, -0.5]))


# ---------------------------------------------------------------------- reductions
def _focal(reduction: str) -> Tensor:
    p, y = scores_and_targets(6, 4)
    return focal_loss(torch.as_tensor(special.logit(p)), torch.as_tensor(y), **PAPER, reduction=reduction)


def _nb(reduction: str) -> Tensor:
    return negative_binomial_loss(*(torch.as_tensor(a[:6, :4]) for a in nb_parameters()), reduction=reduction)


def _mse(reduction: str) -> Tensor:
    p, y = scores_and_targets(6, 4)
    return mse_loss(torch.as_tensor(p), torch.as_tensor(y), reduction=reduction)


@pytest.mark.parametrize(
    ("loss", "per_cell"),
    [pytest.param(_focal, "sum", id="focal"), pytest.param(_nb, "mean", id="nb"), pytest.param(_mse, "mean", id="mse")],
)
def test_reductions(loss: Callable[[str], Tensor], per_cell: str) -> None:
    entries = loss("none")
    assert entries.shape == (6, 4)
    torch.testing.assert_close(loss("cell"), getattr(torch, per_cell)(entries, dim=1))
    torch.testing.assert_close(loss("sum"), entries.sum())
    torch.testing.assert_close(loss("mean"), entries.mean())
    with pytest.raises(ValueError, match=r"reduction must be 'none', 'cell', 'sum' or 'mean', got 'batchmean'"):
        loss("batchmean")
