"""One direction: encoders of the source and decoders of the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scmog._modalities import MODALITIES, Direction
from scmog.module._config import ModuleConfig
from scmog.nn import (
    DECODERS,
    BernoulliDecoder,
    Decoder,
    DepthShift,
    Encoder,
    EncoderInput,
    LogitRecalibration,
    NegativeBinomialDecoder,
)

Parameters = tuple[Tensor, ...]
"""Parameters of a likelihood, each ``(n_cells, n_features)``."""

_RAREST = 1e-6  # frequency at which a logit is still worth something
_ROUNDING, _MARGIN = 1e-4, 0.01  # far more than single precision loses between a logit and its score


class Member(nn.Module):
    """An encoder and a decoder: the translator of the paper."""

    def __init__(
        self,
        direction: Direction,
        *,
        n_input: int,
        n_output: int,
        config: ModuleConfig,
        n_batch: int = 0,
        n_components: int = 0,
    ) -> None:
        super().__init__()
        source, target = direction
        self.encoder = Encoder(
            n_input,
            n_hidden=config.n_hidden(source),
            n_latent=config.n_latent,
            dropout_rate=config.dropout(target),
            input_dropout_rate=config.input_dropout_rate,
            n_components=n_components,
        )
        self.decoder = _make_decoder(target, n_output, config, n_batch)


class Translator(nn.Module):
    """Encoders and decoders of one direction; directions share no weights (paper section 4).

    The paper has one encoder and one decoder. With more members each is a network of its own, with weights and dropout
    of its own; all learn from the same mini-batches, and what they return is averaged. Where the configuration says so,
    some see principal components of the source: they err in other cells than the first.

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
    n_source
        Features of the source.
    n_batch
        Number of batch categories of the decoder's covariate, or of the depth shift's where there is one; 0 for none.
    """

    open_cut: Tensor
    member_weights: Tensor
    logit_move: Tensor
    log_scale: Tensor
    log_offset: Tensor

    def __init__(
        self,
        direction: Direction,
        *,
        n_input: int,
        n_output: int,
        config: ModuleConfig,
        n_source: int | None = None,
        n_batch: int = 0,
    ) -> None:
        super().__init__()
        self.source, self.target = direction
        self.input_style = config.input_style(*direction)
        shifted = config.depth_shift and MODALITIES[self.target].binary
        self.depth_shift = DepthShift(n_input if n_source is None else n_source, n_batch) if shifted else None
        # A batch is told once: what a dozen of them do to each peak, decoders learned to the harm of other cells.
        n_batch = 0 if shifted else n_batch
        self.members = nn.ModuleList(
            Member(
                direction,
                n_input=n_input,
                n_output=n_output,
                config=config,
                n_batch=n_batch,
                n_components=config.n_components(*direction, i),
            )
            for i in range(config.n_members)
        )
        # shares of the members in the output; equal, or fitted on validation cells for targets of a squared error
        self.register_buffer("member_weights", torch.full((config.n_members,), 1 / config.n_members))
        # what the closed form leaves of calibration, fitted on validation cells; for on/off targets
        self.recalibration = LogitRecalibration()
        # added to the raw logit of each peak before it is calibrated; fitted at the end of training, for on/off targets
        self.register_buffer("logit_move", torch.zeros(n_output if MODALITIES[self.target].binary else ()))
        # logit of the calibrated probability above which a peak is called open so that training cells have as many
        # open peaks as measured; fitted at the end of training, meaningless for other targets
        self.register_buffer("open_cut", torch.tensor(float("nan")))
        # the line of each gene from log1p of its expected counts to the expected log1p of counts; fitted at the end of
        # training, for RNA
        n_lines = (n_output,) if MODALITIES[self.target].log_scaled else ()
        self.register_buffer("log_scale", torch.ones(n_lines))
        self.register_buffer("log_offset", torch.zeros(n_lines))

    def member(self, index: int = 0) -> Any:
        """Encoder and decoder of one member."""
        return self.members[index]

    @property
    def decoder(self) -> Decoder:
        """Decoder of the first member, for what does not depend on weights: the likelihood and its settings."""
        decoder: Decoder = self.member().decoder
        return decoder

    def encode(self, x: EncoderInput) -> Tensor:
        """Latent representations ``(n_members, n_cells, n_latent)`` of transformed counts, ``(n_cells, n_input)``."""
        return torch.stack([self.member(i).encoder(x) for i in range(len(self.members))])

    def decode(self, z: Tensor, batch: Tensor | None = None) -> list[Tensor]:
        """Last hidden layer of each member's decoder, ``(n_cells, n_trunk)``, for ``z`` of all members.

        From there :meth:`parameters_at` or :meth:`loss` go on: the output of training, with a number for each cell and
        feature, is too large to be made in between.
        """
        batch = None if self.depth_shift is not None else batch
        return [self.member(i).decoder.trunk(latent, batch) for i, latent in enumerate(z)]

    def parameters_at(self, hidden: Sequence[Tensor]) -> list[Parameters]:
        """Parameters of the target's likelihood from each member."""
        return [self.member(i).decoder.parameters_at(h) for i, h in enumerate(hidden)]

    def average(self, parameters: Sequence[Parameters]) -> Parameters:
        """Weighted average over members of each parameter: of logits for on/off targets, else of means, dispersions."""
        if len(parameters) == 1:
            return parameters[0]
        shares = self.member_weights.tolist()
        return tuple(_weighted_sum(same, shares) for same in zip(*parameters, strict=True))

    def calibrated_logit(self, logit: Tensor, shift: Tensor | None = None) -> Tensor:
        """Logit of the probability to be open for the ``logit`` that the focal loss trained plus ``logit_move``.

        ``shift`` is that of the cells, of a shape that goes with that of ``logit``; None for none.
        """
        decoder: Any = self.decoder
        calibrated: Tensor = decoder.calibrated_logit(logit)
        recalibrated: Tensor = self.recalibration(calibrated if shift is None else calibrated + shift)
        return recalibrated

    def logit_under(self, cut: float, score: str, shift: Tensor | None = None) -> Tensor:
        """Logit that every entry of an on/off target exceeds whose score, as users get it, is above ``cut``.

        A little lower than need be, for rounding: the scores of what exceeds it are still to be compared. Scalar, or of
        the shape of ``shift``.
        """
        cut *= 1 - _ROUNDING  # where scores come close to 1, their last digits are far apart on the scale of logits
        if not 0 < cut < 1:
            return torch.tensor(-math.inf)
        logit = torch.logit(torch.tensor(cut, dtype=torch.float64))
        if score == "raw":
            return (logit - _MARGIN).float()
        decoder: Any = self.decoder
        calibrated = self._before_recalibration(logit)
        raw: Tensor = decoder.raw_logit(calibrated if shift is None else calibrated - shift.double())
        return (raw - _MARGIN).float()

    def loss(self, hidden: Sequence[Tensor], target: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Loss of each cell, ``(n_cells,)``: the mean of the members' own losses, so that each learns by itself."""
        losses = [self.member(i).decoder.loss(h, target, exposure) for i, h in enumerate(hidden)]
        return torch.stack(losses).mean(dim=0)

    def forget_calibration(self) -> None:
        """Undo what validation cells have said about the calibrated logits, in place."""
        self.logit_move.zero_()
        self.recalibration.reset()
        if self.depth_shift is not None:
            self.depth_shift.reset()

    def move_average(self, old: Tensor, new: Tensor) -> None:
        """Let the average probabilities of an on/off target go from ``old`` to ``new``, in place.

        Both ``(n_features,)``, and as :meth:`calibrated_logit` is now. Weights and raw scores stay as they are.
        """
        decoder: Any = self.decoder
        wanted, given = (
            decoder.raw_logit(self._before_recalibration(torch.logit(p.clamp(_RAREST, 1 - _RAREST))))
            for p in (new, old)
        )
        self.logit_move.copy_(wanted - given)

    def expected_log1p(self, expected: Tensor) -> Tensor:
        """Expected log1p of counts from the ``expected`` counts of RNA, both ``(n_cells, n_features)``."""
        return torch.addcmul(self.log_offset, expected.log1p(), self.log_scale).clamp_min_(0)

    def set_log_scale(self, scale: Tensor, average: Tensor | None = None, slope: float = 1.0) -> None:
        """Let :meth:`expected_log1p` be ``scale`` times log1p of the expected counts, in place.

        With ``slope`` its deviations from its ``average`` over cells are so many times as large. Both tensors are
        ``(n_features,)``.
        """
        self.log_scale.copy_(slope * scale)
        self.log_offset.copy_(torch.zeros_like(scale) if average is None else (1 - slope) * average)

    def _before_recalibration(self, logit: Tensor) -> Tensor:
        return (logit - float(self.recalibration.intercept)) / float(self.recalibration.slope)

    def start_at(self, average: Tensor) -> None:
        """Set the output biases to an ``average`` profile, ``(n_output,)``, in place."""
        for i in range(len(self.members)):
            self.member(i).decoder.start_at(average)


def _weighted_sum(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """One value after the other into the same memory: a third of the time that stacking them takes."""
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total.add_(value, alpha=weight)
    return total


def _make_decoder(target: str, n_output: int, config: ModuleConfig, n_batch: int) -> Decoder:
    decoder = DECODERS[MODALITIES[target].likelihood]
    own: dict[str, Any] = {}
    if decoder is BernoulliDecoder:
        names = ("focal_weight_open", "focal_weight_closed", "focal_gamma", "shared_offset")
        own = {name: getattr(config, name) for name in names}
    elif decoder is NegativeBinomialDecoder:
        own = {"dispersion": config.dispersion}
    return decoder(
        n_output,
        n_latent=config.n_latent,
        n_hidden=config.n_hidden_decoder(target),
        n_batch=n_batch,
        dropout_rate=config.dropout(target),
        **own,
    )
