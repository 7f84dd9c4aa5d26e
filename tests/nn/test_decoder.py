"""The decoders: the paper's layers, bounds, losses, starting points."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from scmog.nn import DECODERS, BernoulliDecoder, Decoder, GaussianDecoder, NegativeBinomialDecoder, focal_loss

ALL = [pytest.param(decoder, id=name) for name, decoder in DECODERS.items()]
HEADS = {
    BernoulliDecoder: ["logit"],
    NegativeBinomialDecoder: ["log_mean", "raw_dispersion"],
    GaussianDecoder: ["mean"],
}


def small(decoder: type[Decoder], **options: object) -> Decoder:
    torch.manual_seed(0)
    return decoder(6, n_latent=3, n_hidden=(5, 8), **options)


def targets(decoder: type[Decoder], n_cells: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if decoder is BernoulliDecoder:
        return torch.bernoulli(torch.full((n_cells, 6), 0.3), generator=generator)
    if decoder is NegativeBinomialDecoder:
        return torch.poisson(torch.full((n_cells, 6), 2.0), generator=generator)
    return torch.randn(n_cells, 6, generator=generator)


@pytest.mark.parametrize(
    ("decoder", "widths"),
    [
        pytest.param(NegativeBinomialDecoder, [16, 64, 256], id="rna"),
        pytest.param(BernoulliDecoder, [16, 64, 512], id="atac"),
        pytest.param(GaussianDecoder, [16, 64], id="protein"),
    ],
)
def test_default_layers_are_the_papers(decoder: type[Decoder], widths: list[int]) -> None:
    module = decoder(11)
    leaves = [layer for layer in module.modules() if not list(layer.children())]
    heads = [getattr(module, name) for name in HEADS[decoder]]
    trunk = leaves[: len(leaves) - len(heads)]
    assert leaves[len(trunk) :] == heads  # nothing comes after the heads, and there is no unused one
    assert [type(layer) for layer in trunk] == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU] * (len(widths) - 1)
    linears = [layer for layer in trunk if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == list(
        zip(widths[:-1], widths[1:], strict=True)
    )
    assert {layer.negative_slope for layer in trunk if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert {(head.in_features, head.out_features) for head in heads} == {(widths[-1], 11)}
    for layer in (*linears, *heads):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.95 * bound < layer.weight.abs().max().item() <= bound


@pytest.mark.parametrize("decoder", ALL)
def test_shapes(decoder: type[Decoder]) -> None:
    module = small(decoder)
    h = module.trunk(torch.randn(7, 3), None)
    assert h.shape == (7, 8)
    parameters = module.parameters_at(h)
    assert [p.shape for p in parameters] == [(7, 6)] * len(HEADS[decoder])
    assert module.expected(parameters).shape == (7, 6)
    assert module.loss(h, targets(decoder, 7)).shape == (7,)


@pytest.mark.parametrize("decoder", ALL)
def test_the_whole_way_is_trunk_and_head(decoder: type[Decoder]) -> None:
    module, z = small(decoder).eval(), torch.randn(7, 3)
    torch.testing.assert_close(module(z), module.parameters_at(module.trunk(z, None)))


def test_atac_output_bias() -> None:
    assert torch.equal(BernoulliDecoder(9).logit.bias, torch.full((9,), -2.0))
    assert torch.equal(BernoulliDecoder(9, output_bias=0.5).logit.bias, torch.full((9,), 0.5))


def test_bernoulli_likelihood() -> None:
    module = small(BernoulliDecoder, focal_weight_open=0.3, focal_weight_closed=0.6, focal_gamma=1.5)
    h = module.trunk(torch.randn(20, 3), None)
    (logit,) = parameters = module.parameters_at(h)
    y = targets(BernoulliDecoder)
    expected = focal_loss(logit, y, weight_open=0.3, weight_closed=0.6, gamma=1.5, reduction="none").sum(dim=1)
    torch.testing.assert_close(module.loss(h, y), expected)
    torch.testing.assert_close(module.expected(parameters), 1 / (1 + torch.exp(-logit)))
    # equation 4 by default
    default = BernoulliDecoder(1, output_bias=0)
    loss = torch.cat([default.loss(torch.zeros(1, default.n_trunk), torch.tensor([[value]])) for value in (1.0, 0.0)])
    torch.testing.assert_close(loss, torch.tensor([0.93, 0.07]) * math.log(2) / 4)


def test_negative_binomial_likelihood() -> None:
    module = small(NegativeBinomialDecoder)
    h = module.trunk(torch.randn(20, 3), None)
    mean, dispersion = parameters = module.parameters_at(h)
    x = targets(NegativeBinomialDecoder)
    mu, theta = (p.detach().double().numpy() for p in parameters)
    per_cell = -stats.nbinom.logpmf(x.numpy(), theta, theta / (theta + mu)).mean(axis=1)
    torch.testing.assert_close(module.loss(h, x).detach().double(), torch.as_tensor(per_cell), rtol=1e-5, atol=0)
    assert module.expected((mean, dispersion)) is mean


def test_gaussian_likelihood() -> None:
    module = small(GaussianDecoder)
    h = module.trunk(torch.randn(20, 3), None)
    (mean,) = parameters = module.parameters_at(h)
    y = targets(GaussianDecoder)
    torch.testing.assert_close(module.loss(h, y).mean(), F.mse_loss(mean, y))
    assert module.expected(parameters) is mean


@pytest.mark.parametrize("bias", [-1e4, -50.0, -5.0, 0.0, 3.0, 50.0, 1e4])
def test_mean_and_dispersion_are_exp_and_softplus_within_bounds(bias: float) -> None:
    module = small(NegativeBinomialDecoder)
    for name in HEADS[NegativeBinomialDecoder]:
        nn.init.zeros_(getattr(module, name).weight)
        nn.init.constant_(getattr(module, name).bias, bias)
    mean, dispersion = module(torch.randn(4, 3))
    assert mean.min() >= 1e-5 * (1 - 1e-6)
    assert mean.max() <= 1e6 * (1 + 1e-6)
    assert dispersion.min() >= 1e-4 * (1 - 1e-6)
    assert dispersion.max() <= 1e3
    inside = torch.tensor(bias, dtype=torch.float64)
    torch.testing.assert_close(mean.double(), inside.exp().clamp(1e-5, 1e6).expand(4, 6), rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(
        dispersion.double(), F.softplus(inside).clamp(1e-4, 1e3).expand(4, 6), rtol=1e-5, atol=2e-4
    )


@pytest.mark.parametrize("decoder", ALL)
@pytest.mark.parametrize("n_batch", [0, 2])
def test_no_dead_head(decoder: type[Decoder], n_batch: int) -> None:
    module = small(decoder, n_batch=n_batch)
    batch = F.one_hot(torch.arange(20) % 2).float() if n_batch else None
    module.loss(module.trunk(torch.randn(20, 3), batch), targets(decoder)).mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        if parameter.dim() == 2 or name.split(".")[0] in HEADS[decoder]:
            assert (parameter.grad.reshape(len(parameter), -1).abs().sum(dim=1) > 0).all(), name


def test_a_gene_with_a_vanishing_mean_can_come_back() -> None:
    module = small(NegativeBinomialDecoder)
    nn.init.constant_(module.log_mean.bias, -20.0)
    module.loss(module.trunk(torch.randn(20, 3), None), targets(NegativeBinomialDecoder)).mean().backward()
    assert (module.log_mean.bias.grad < 0).all()  # more expression lowers the loss


@pytest.mark.parametrize("decoder", ALL)
def test_batch_enters_beside_the_latent_space(decoder: type[Decoder]) -> None:
    module = small(decoder, n_batch=2).eval()
    z = torch.randn(1, 3)
    first, second, average = (
        module.trunk(z, torch.tensor([weights])) for weights in ([1.0, 0.0], [0.0, 1.0], [0.5, 0.5])
    )
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, average)
    linear = module.hidden[0]
    assert linear.in_features == 5
    torch.testing.assert_close(
        module.trunk(z, torch.tensor([[1.0, 0.0]])), module.hidden(torch.cat([z, torch.tensor([[1.0, 0.0]])], 1))
    )


@pytest.mark.parametrize("decoder", ALL)
def test_dropout_follows_each_hidden_layer(decoder: type[Decoder]) -> None:
    module = small(decoder, dropout_rate=0.3)
    assert [type(layer) for layer in module.hidden] == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU, nn.Dropout] * 2
    assert {layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)} == {0.3}


# ---------------------------------------------------------------------- starting point
def without_weights(module: Decoder) -> Decoder:
    """The decoder with output biases only: what it returns then is what `start_at` has set."""
    for name in HEADS[type(module)]:
        nn.init.zeros_(getattr(module, name).weight)
    return module.eval()


def test_gaussian_starts_at_the_average() -> None:
    module, average = without_weights(small(GaussianDecoder)), torch.linspace(-2, 3, 6)
    module.start_at(average)
    torch.testing.assert_close(module.expected(module(torch.randn(4, 3))), average.expand(4, 6))


def test_negative_binomial_starts_at_the_average() -> None:
    module, average = without_weights(small(NegativeBinomialDecoder)), torch.tensor([0.0, 1e-7, 0.01, 0.5, 1, 2e3])
    module.start_at(average)
    expected = module.expected(module(torch.randn(4, 3)))
    assert expected.isfinite().all()
    torch.testing.assert_close(expected, average.expand(4, 6), rtol=1e-5, atol=2.1e-5)


@pytest.mark.parametrize(("w1", "w0", "gamma"), [(0.93, 0.07, 2.0), (0.07, 0.93, 2.0), (0.5, 0.5, 1.0), (0.2, 0.8, 0)])
def test_bernoulli_starts_at_the_average_probability(w1: float, w0: float, gamma: float) -> None:
    """Its calibrated probability is the peak's frequency, and the focal loss of the training cells is least there."""
    module = without_weights(small(BernoulliDecoder, focal_weight_open=w1, focal_weight_closed=w0, focal_gamma=gamma))
    y = targets(BernoulliDecoder, 500)
    y[:, 5] = 0  # closed in every cell
    module.start_at(y.mean(dim=0))
    assert module.logit.bias.isfinite().all()
    h = module.trunk(torch.zeros(500, 3), None)
    (logit,) = module.parameters_at(h)
    probability = torch.sigmoid(module.calibrated_logit(logit))
    torch.testing.assert_close(probability, y.mean(dim=0).expand(500, 6), rtol=1e-4, atol=2e-5)
    module.loss(h, y).mean().backward()
    torch.testing.assert_close(module.logit.bias.grad, torch.zeros(6), rtol=0, atol=1e-4)


@pytest.mark.parametrize("decoder", ALL)
def test_start_at_moves_output_biases_only(decoder: type[Decoder]) -> None:
    module = small(decoder)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.start_at(torch.linspace(0.1, 0.9, 6))
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {f"{HEADS[decoder][0]}.bias"}
    assert getattr(module, HEADS[decoder][0]).bias.requires_grad


def test_shared_offset_moves_all_logits_of_a_cell_alike() -> None:
    decoder = BernoulliDecoder(9, shared_offset=True, n_latent=3, n_hidden=(5,)).eval()
    z = torch.randn(4, 3)
    (start,) = decoder(z)  # the offset starts at zero
    torch.testing.assert_close(start, decoder.logit(decoder.trunk(z, None)))
    torch.nn.init.ones_(decoder.offset.weight)
    moved = decoder(z)[0] - start
    torch.testing.assert_close(moved, decoder.trunk(z, None).sum(dim=1, keepdim=True).expand(4, 9))
    decoder.loss(decoder.trunk(z, None), torch.ones(4, 9)).sum().backward()
    assert decoder.offset.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("decoder", ALL)
@pytest.mark.parametrize("n_batch", [0, 2])
def test_no_hidden_layer(decoder: type[Decoder], n_batch: int) -> None:
    made = decoder(9, n_latent=3, n_hidden=(), n_batch=n_batch)
    assert made.n_trunk == 3 + n_batch
    z, batch = torch.randn(4, 3), torch.eye(2)[[0, 1, 1, 0]] if n_batch else None
    torch.testing.assert_close(made.trunk(z, batch), z if batch is None else torch.cat([z, batch], dim=1))
    assert all(p.shape == (4, 9) for p in made(z, batch))


def test_dispersion_of_a_gene_is_the_same_in_all_cells() -> None:
    decoder = NegativeBinomialDecoder(9, dispersion="gene", n_latent=3, n_hidden=(5,))
    h = decoder.trunk(torch.randn(4, 3), None)
    _, dispersion = decoder.parameters_at(h)
    torch.testing.assert_close(dispersion, torch.full((4, 9), math.log(2) + 1e-4))  # softplus of 0, and the bound
    decoder.loss(h, torch.ones(4, 9)).sum().backward()
    assert decoder.raw_gene_dispersion.grad.abs().min() > 0
