"""The first layer and the dropout in front of it, on sparse rows as on dense ones."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scmog.nn import EncoderInput, InputDropout, InputLayer

N_CELLS, N_INPUT, N_OUTPUT = 40, 50, 7


def values(density: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    is_zero = torch.rand(N_CELLS, N_INPUT, generator=generator) > density
    return torch.rand(N_CELLS, N_INPUT, generator=generator).add(0.5).masked_fill(is_zero, 0)


@pytest.mark.parametrize("density", [0.0, 0.04, 0.6])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("block", [1, 3 * N_OUTPUT, 10_000], ids="{}-weights".format)
def test_linear_map(density: float, sparse: bool, centred: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the layout and however the weights are cut into blocks (the last of three inputs is shorter)."""
    monkeypatch.setattr("scmog.nn._encoder_input._BLOCK_WEIGHTS", block)
    torch.manual_seed(0)
    layer, x = InputLayer(N_INPUT, N_OUTPUT), values(density)
    centre = torch.rand(N_INPUT) if centred else None
    given = EncoderInput(x.to_sparse_csr() if sparse else x, centre)
    y = layer(given)
    torch.testing.assert_close(y, F.linear(given.dense(), layer.weight.T, layer.bias))
    # batch norm follows: the gradients of all its cells sum to zero
    upstream = torch.randn(N_CELLS, N_OUTPUT)
    upstream -= upstream.mean(dim=0)
    y.backward(upstream)
    torch.testing.assert_close(layer.weight.grad, given.dense().T @ upstream, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_single_precision_counts_in_a_module_in_double_precision(sparse: bool) -> None:
    layer, x = InputLayer(N_INPUT, N_OUTPUT).double(), values(0.05)
    assert layer(x.to_sparse_csr() if sparse else x).dtype == torch.float64


def test_mixed_precision() -> None:
    """One pass of measured and generated profiles, the latter in half precision as the decoder made them."""
    layer, x = InputLayer(N_INPUT, N_OUTPUT), values(0.05)
    more = torch.randn(9, N_INPUT).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x.to_sparse_csr(), more)
        y.sum().backward()
    torch.testing.assert_close(y[:N_CELLS], layer(x))
    torch.testing.assert_close(more.grad.float(), layer.weight.sum(dim=1).expand(9, N_INPUT), rtol=1e-2, atol=1e-2)


def test_a_tensor_is_an_input_around_zero() -> None:
    layer, x = InputLayer(N_INPUT, N_OUTPUT), values(0.05)
    torch.testing.assert_close(layer(x), layer(EncoderInput(x)))
    torch.testing.assert_close(layer(x.to_sparse_csr()), layer(x))


@pytest.mark.parametrize("sparse", [False, True])
def test_more_cells_in_the_same_pass(sparse: bool) -> None:
    """Values and gradients are those of separate calls, of the further cells, too."""
    torch.manual_seed(0)
    layer, x = InputLayer(N_INPUT, N_OUTPUT), values(0.05)
    more = torch.randn(9, N_INPUT, requires_grad=True)
    upstream = torch.randn(N_CELLS + 9, N_OUTPUT)
    together = layer(x.to_sparse_csr() if sparse else x, more)
    together.backward(upstream)
    gradients = [layer.weight.grad, layer.bias.grad, more.grad]
    layer.zero_grad()
    alone = more.detach().requires_grad_()
    separate = torch.cat([F.linear(rows, layer.weight.T, layer.bias) for rows in (x, alone)])
    separate.backward(upstream)
    torch.testing.assert_close(together, separate)
    torch.testing.assert_close(gradients, [layer.weight.grad, layer.bias.grad, alone.grad])


def test_gradient_of_a_dense_input() -> None:
    """Generated profiles are one, and the generator learns through the critic's first layer."""
    layer, x = InputLayer(N_INPUT, N_OUTPUT), values(0.5).requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(dim=1).expand(N_CELLS, N_INPUT))


def test_weights_are_drawn_as_those_of_linear() -> None:
    torch.manual_seed(1)
    layer = InputLayer(N_INPUT, N_OUTPUT)
    torch.manual_seed(1)
    linear = torch.nn.Linear(N_INPUT, N_OUTPUT)
    assert torch.equal(layer.weight.T, linear.weight)
    assert torch.equal(layer.bias, linear.bias)
    assert layer.weight.is_contiguous()
    assert copy.deepcopy(layer).weight.is_contiguous()


# ---------------------------------------------------------------------- dropout
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("centred", [False, True])
def test_dropped_entries_are_average_and_the_others_scaled(sparse: bool, centred: bool) -> None:
    torch.manual_seed(0)
    x, centre = values(0.6), torch.rand(N_INPUT) if centred else None
    given = EncoderInput(x.to_sparse_csr() if sparse else x, centre)
    deviation = InputDropout(0.25).train()(given).dense()
    before = given.dense()
    dropped = (deviation == 0) & (x != 0)
    torch.testing.assert_close(deviation[(x != 0) & ~dropped], before[(x != 0) & ~dropped] / 0.75)
    torch.testing.assert_close(deviation[x == 0], before[x == 0])
    assert dropped[x != 0].float().mean().item() == pytest.approx(0.25, abs=0.04)  # 4 standard errors of 1,200
    torch.testing.assert_close(given.dense(), before)


@pytest.mark.parametrize("sparse", [False, True])
def test_dropout_keeps_the_expected_input(sparse: bool) -> None:
    torch.manual_seed(0)
    x, centre = values(0.3), torch.rand(N_INPUT)
    dropout = InputDropout(0.5).train()
    given = EncoderInput(x.to_sparse_csr() if sparse else x, centre)
    mean = torch.stack([dropout(given).dense() for _ in range(2000)]).mean(dim=0)
    assert (mean - given.dense()).abs().max() < 0.15  # 5 standard errors


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_no_dropout(rate: float, training: bool) -> None:
    given = EncoderInput(values(0.3), None)
    assert InputDropout(rate).train(training)(given) is given
