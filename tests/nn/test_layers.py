"""The stack of layers and its initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scmog.nn._layers import fully_connected, xavier_


@pytest.mark.parametrize(
    ("options", "block"),
    [
        pytest.param({}, ["Linear", "BatchNorm1d", "LeakyReLU"], id="default"),
        pytest.param({"batch_norm": False}, ["Linear", "LeakyReLU"], id="without-batch-norm"),
        pytest.param({"dropout_rate": 0.2}, ["Linear", "BatchNorm1d", "LeakyReLU", "Dropout"], id="dropout"),
    ],
)
def test_order_of_layers(options: dict[str, float], block: list[str]) -> None:
    stack = fully_connected(5, (7, 3), **options)
    assert [type(layer).__name__ for layer in stack] == block * 2
    linears = [layer for layer in stack if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == [(5, 7), (7, 3)]


def test_batch_norm_then_leaky_relu_by_hand() -> None:
    stack = fully_connected(4, (3,))
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        h = x @ stack[0].weight.T + stack[0].bias
        h = (h - h.mean(dim=0)) / (h.var(dim=0, unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(stack(x), torch.where(h > 0, h, 0.2 * h), rtol=1e-4, atol=1e-5)


def test_xavier_has_its_bound_and_spread_and_spares_biases() -> None:
    module = nn.Sequential(nn.Linear(200, 100), nn.Sequential(nn.Linear(100, 50)))
    biases = [layer.bias.clone() for layer in (module[0], module[1][0])]
    xavier_(module)
    for layer, bias in zip((module[0], module[1][0]), biases, strict=True):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)  # uniform on [-bound, bound]
        assert torch.equal(layer.bias, bias)
