"""The encoder: one class for every modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scmog.nn._encoder_input import EncoderInput, InputDropout
from scmog.nn._input_components import InputComponents
from scmog.nn._layers import fully_connected, xavier_


class Encoder(nn.Module):
    """Map the transformed features of a cell to its latent representation (paper section 4).

    Parameters
    ----------
    n_input
        Number of inputs (features, plus covariates where the input transform adds some).
    n_hidden
        Widths of the hidden layers; in the paper ``(256, 64)`` for RNA and ``(512, 64)`` for ATAC.
    n_latent
        Number of latent dimensions.
    dropout_rate
        Dropout after each hidden layer.
    input_dropout_rate
        Share of the non-zero inputs that are set to the input's centre at random in training.
    n_components
        Where it is not 0 the layers see this many principal components of the input instead of the input itself, and
        nothing of it is dropped.
    """

    def __init__(
        self,
        n_input: int,
        *,
        n_hidden: Sequence[int] = (256, 64),
        n_latent: int = 16,
        dropout_rate: float = 0.0,
        input_dropout_rate: float = 0.0,
        n_components: int = 0,
    ) -> None:
        super().__init__()
        self.components = InputComponents(n_input, n_components) if n_components else None
        self.input_dropout = InputDropout(0.0 if n_components else input_dropout_rate)
        self.hidden = fully_connected(
            n_components or n_input, n_hidden, dropout_rate=dropout_rate, features=not n_components
        )
        # The latent layer is normalised and activated like the others but never dropped out: 16 numbers are few.
        self.latent = fully_connected(n_hidden[-1], (n_latent,))
        xavier_(self)

    def forward(self, x: EncoderInput) -> Tensor:
        """Encode.

        Parameters
        ----------
        x
            Transformed counts, ``(n_cells, n_input)``.

        Returns
        -------
        Latent representation, ``(n_cells, n_latent)``.
        """
        seen = self.input_dropout(x) if self.components is None else self.components(x)
        z: torch.Tensor = self.latent(self.hidden(seen))  # (n_cells, n_latent)
        return z
