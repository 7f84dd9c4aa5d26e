"""The encoder: the paper's layers, initialisation, dropout."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scmog.nn import Encoder, EncoderInput, InputDropout, InputLayer


def layers(module: nn.Module) -> list[str]:
    """Layers in order of use, with their sizes; a dropout of rate 0 does nothing and is left out."""
    names = []
    for layer in module.modules():
        if isinstance(layer, nn.Linear | InputLayer):
            names.append(f"Linear {layer.in_features}-{layer.out_features}")
        elif isinstance(layer, nn.LeakyReLU):
            names.append(f"LeakyReLU {layer.negative_slope}")
        elif isinstance(layer, nn.BatchNorm1d):
            names.append(f"BatchNorm {layer.num_features}")
        elif isinstance(layer, nn.Dropout) and layer.p > 0:
            names.append(f"Dropout {layer.p}")
        elif isinstance(layer, InputDropout) and layer.rate > 0:
            names.append(f"InputDropout {layer.rate}")
    return names


def test_defaults_are_the_papers_rna_encoder() -> None:
    """G-256-64-16, batch norm after every linear layer, the latent one included."""
    expected = []
    for n_in, n_out in [(30, 256), (256, 64), (64, 16)]:
        expected += [f"Linear {n_in}-{n_out}", f"BatchNorm {n_out}", "LeakyReLU 0.2"]
    assert layers(Encoder(30)) == expected


def test_dropout_is_on_the_input_and_the_hidden_layers_only() -> None:
    encoder = Encoder(9, n_hidden=(8, 4), n_latent=3, dropout_rate=0.25, input_dropout_rate=0.5)
    expected = ["InputDropout 0.5"]
    for n_in, n_out in [(9, 8), (8, 4)]:
        expected += [f"Linear {n_in}-{n_out}", f"BatchNorm {n_out}", "LeakyReLU 0.2", "Dropout 0.25"]
    assert layers(encoder) == [*expected, "Linear 4-3", "BatchNorm 3", "LeakyReLU 0.2"]


@pytest.mark.parametrize("n_hidden", [(8,), (8, 4), (8, 6, 4)], ids=str)
def test_shape(n_hidden: tuple[int, ...]) -> None:
    assert Encoder(10, n_hidden=n_hidden, n_latent=5)(EncoderInput(torch.randn(7, 10))).shape == (7, 5)


def test_weights_are_xavier() -> None:
    for layer in Encoder(300).modules():
        if isinstance(layer, nn.Linear | InputLayer):
            bound = math.sqrt(6 / (layer.in_features + layer.out_features))
            assert 0.97 * bound < layer.weight.abs().max().item() <= bound


def test_dropout_only_in_training() -> None:
    torch.manual_seed(0)
    encoder, x = Encoder(10, dropout_rate=0.5, input_dropout_rate=0.5), EncoderInput(torch.randn(16, 10))
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


def test_a_cell_does_not_depend_on_the_others_in_evaluation() -> None:
    torch.manual_seed(0)
    encoder, x = Encoder(10), torch.randn(16, 10)
    encoder(EncoderInput(x))  # moves the running statistics
    encoder.eval()
    torch.testing.assert_close(encoder(EncoderInput(x[3:4])), encoder(EncoderInput(x))[3:4])


def test_all_weights_get_gradients() -> None:
    torch.manual_seed(0)
    encoder = Encoder(10, n_hidden=(8, 4), n_latent=3)
    (encoder(EncoderInput(torch.randn(16, 10))) * torch.randn(16, 3)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        if parameter.dim() == 2:  # the bias in front of a batch norm has none to speak of
            assert (parameter.grad.abs().sum(dim=0) > 0).all(), name
            assert (parameter.grad.abs().sum(dim=1) > 0).all(), name
