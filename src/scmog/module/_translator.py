"""One direction: an encoder of the source and a decoder of the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scmog._modalities import MODALITIES, Direction
from scmog.module._config import ModuleConfig
from scmog.nn import DECODERS, BernoulliDecoder, Decoder, Encoder, LogitRecalibration


class Translator(nn.Module):
    """Encoder and decoder of one direction; directions share no weights (paper section 4).

    Parameters
    ----------
    direction
        Source and target modality.
    n_input
        Inputs of the encoder.
    n_output
        Features of the target.
    config
        Sizes and choices.
    n_batch
        Number of batch categories of the decoder's covariate; 0 for none.
    """

    open_cut: Tensor

    def __init__(
        self, direction: Direction, *, n_input: int, n_output: int, config: ModuleConfig, n_batch: int = 0
    ) -> None:
        super().__init__()
        self.source, self.target = direction
        self.input_style = config.input_style(*direction)
        self.encoder = Encoder(
            n_input,
            n_hidden=config.n_hidden(self.source),
            n_latent=config.n_latent,
            dropout_rate=config.dropout_rate,
            input_dropout_rate=config.input_dropout_rate,
        )
        self.decoder = _make_decoder(self.target, n_output, config, n_batch)
        # what the closed form leaves of calibration, fitted on validation cells; for on/off targets
        self.recalibration = LogitRecalibration()
        # logit of the calibrated probability above which a peak is called open so that training cells have as many
        # open peaks as measured; fitted at the end of training, meaningless for other targets
        self.register_buffer("open_cut", torch.tensor(float("nan")))

    def forward(self, x: Tensor, batch: Tensor | None = None) -> tuple[Tensor, ...]:
        """Parameters of the target's likelihood for transformed input ``x``, ``(n_cells, n_input)``."""
        parameters: tuple[Tensor, ...] = self.decoder(self.encoder(x), batch)
        return parameters


def _make_decoder(target: str, n_output: int, config: ModuleConfig, n_batch: int) -> Decoder:
    decoder = DECODERS[MODALITIES[target].likelihood]
    own = (
        {
            "focal_weight_open": config.focal_weight_open,
            "focal_weight_closed": config.focal_weight_closed,
            "focal_gamma": config.focal_gamma,
        }
        if decoder is BernoulliDecoder
        else {}
    )
    return decoder(
        n_output,
        n_latent=config.n_latent,
        n_hidden=config.n_hidden_decoder(target),
        n_batch=n_batch,
        dropout_rate=config.dropout_rate,
        **own,
    )
