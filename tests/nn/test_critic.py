"""The critic: the paper's layers, initialisation, one score per cell."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scmog.nn import Critic, InputLayer


def linears(critic: Critic) -> list[nn.Linear | InputLayer]:
    return [layer for layer in critic.modules() if isinstance(layer, nn.Linear | InputLayer)]


def weight_of(layer: nn.Linear | InputLayer) -> torch.Tensor:
    return layer.weight.T if isinstance(layer, InputLayer) else layer.weight


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        pytest.param({}, [40, 1024, 256, 64, 16, 1], id="rna-and-atac"),
        pytest.param({"n_hidden": (256, 64)}, [40, 256, 64, 1], id="protein"),
    ],
)
def test_layers_are_the_papers(options: dict[str, tuple[int, ...]], widths: list[int]) -> None:
    critic = Critic(40, **options)
    assert [(layer.in_features, layer.out_features) for layer in linears(critic)] == list(
        zip(widths[:-1], widths[1:], strict=True)
    )
    leaves = [layer for layer in critic.modules() if not list(layer.children())]
    expected = (
        [InputLayer, nn.LeakyReLU] + [nn.Linear, nn.LeakyReLU] * (len(widths) - 3) + [nn.Linear]
    )  # no batch norm, nothing after the score
    assert [type(layer) for layer in leaves] == expected
    assert {layer.negative_slope for layer in leaves if isinstance(layer, nn.LeakyReLU)} == {0.2}


def test_score_by_hand() -> None:
    torch.manual_seed(0)
    critic, x = Critic(5, n_hidden=(4, 3)), torch.randn(6, 5)
    h = x
    with torch.no_grad():
        for layer in linears(critic):
            h = h @ weight_of(layer).T + layer.bias
            if layer.out_features > 1:
                h = torch.maximum(h, 0.2 * h)
        assert critic(x).shape == (6,)
        torch.testing.assert_close(critic(x), h[:, 0])
        torch.testing.assert_close(critic(x[2:3]), h[2:3, 0])  # one cell has one score, alone as among others


def test_more_profiles_in_the_same_pass() -> None:
    torch.manual_seed(0)
    critic, x, more = Critic(5, n_hidden=(4, 3)), torch.rand(6, 5), torch.rand(2, 5)
    for measured in (x, x.to_sparse_csr()):
        torch.testing.assert_close(critic(measured, more), torch.cat([critic(x), critic(more)]))


def test_xavier() -> None:
    for layer in linears(Critic(200)):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.9 * bound < layer.weight.abs().max().item() <= bound


def test_without_xavier_the_weights_are_torchs() -> None:
    torch.manual_seed(3)
    ours = linears(Critic(20, n_hidden=(8, 4), xavier=False))
    torch.manual_seed(3)
    for layer, (n_in, n_out) in zip(ours, [(20, 8), (8, 4), (4, 1)], strict=True):
        fresh = nn.Linear(n_in, n_out)
        assert torch.equal(weight_of(layer), fresh.weight)
        assert torch.equal(layer.bias, fresh.bias)


def test_all_weights_get_gradients() -> None:
    torch.manual_seed(0)
    critic = Critic(12, n_hidden=(8, 4))
    critic(torch.randn(32, 12)).sum().backward()
    for name, parameter in critic.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
