"""Stacks of fully connected layers, and their initialisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from scmog.nn._encoder_input import InputLayer

LEAKY_SLOPE = 0.2  # slope of every LeakyReLU, as in the authors' networks; the paper does not state it


def fully_connected(
    n_input: int, widths: Sequence[int], *, batch_norm: bool = True, dropout_rate: float = 0.0, features: bool = False
) -> nn.Sequential:
    """Linear, batch norm, LeakyReLU and dropout for each width.

    The paper asks for LeakyReLU in each layer; batch norm is what the authors' networks add. With ``features`` the
    first layer is one for thousands of features, :class:`InputLayer`.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((n_input, *widths)):
        layers.append(InputLayer(n_in, n_out) if features and not layers else nn.Linear(n_in, n_out))
        if batch_norm:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(nn.LeakyReLU(LEAKY_SLOPE))
        if dropout_rate > 0:
            layers.append(nn.Dropout(dropout_rate))
    return nn.Sequential(*layers)


def xavier_(module: nn.Module) -> None:
    """Draw the weights of all linear layers from Xavier's uniform distribution, in place (paper section 4)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | InputLayer):
            nn.init.xavier_uniform_(layer.weight)
