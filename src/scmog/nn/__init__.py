"""PyTorch building blocks: encoder, critic, decoders, losses. They know nothing of AnnData or scvi-tools."""

from scmog.nn._calibration import LogitRecalibration, calibrated_logit, focal_minimiser_logit
from scmog.nn._critic import Critic
from scmog.nn._decoder import DECODERS, BernoulliDecoder, Decoder, GaussianDecoder, NegativeBinomialDecoder
from scmog.nn._depth_shift import DepthShift
from scmog.nn._encoder import Encoder
from scmog.nn._encoder_input import EncoderInput, InputDropout, InputLayer
from scmog.nn._input_components import InputComponents
from scmog.nn._linear_focal import Focal, linear_focal_loss
from scmog.nn._losses import critic_loss, focal_loss, generator_loss, mse_loss, negative_binomial_loss
from scmog.nn._pointwise import fused
from scmog.nn._representations import (
    REPRESENTATIONS,
    BinaryRepresentation,
    CountRepresentation,
    ProportionRepresentation,
    Representation,
    compensate,
)
from scmog.nn._rows import column_sums, entries, map_values, to_scipy
from scmog.nn._shrunken_ratios import shrunken_ratios
from scmog.nn._stacking import stacking_weights

__all__ = [
    "DECODERS",
    "REPRESENTATIONS",
    "BernoulliDecoder",
    "BinaryRepresentation",
    "CountRepresentation",
    "Critic",
    "Decoder",
    "DepthShift",
    "Encoder",
    "EncoderInput",
    "Focal",
    "GaussianDecoder",
    "InputComponents",
    "InputDropout",
    "InputLayer",
    "LogitRecalibration",
    "NegativeBinomialDecoder",
    "ProportionRepresentation",
    "Representation",
    "calibrated_logit",
    "column_sums",
    "compensate",
    "critic_loss",
    "entries",
    "focal_loss",
    "focal_minimiser_logit",
    "fused",
    "generator_loss",
    "linear_focal_loss",
    "map_values",
    "mse_loss",
    "negative_binomial_loss",
    "shrunken_ratios",
    "stacking_weights",
    "to_scipy",
]
