"""The decoders: one class per likelihood.

Each decoder maps a latent representation (and a batch covariate) through its trunk to the parameters of its
likelihood, and knows three things about them: the loss against a target, the expected value of the target (what a
critic sees and what a user gets), and how to start at the average profile of the training cells.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmog.nn._calibration import calibrated_logit, focal_minimiser_logit
from scmog.nn._layers import fully_connected, xavier_
from scmog.nn._linear_focal import Focal, linear_focal_loss
from scmog.nn._losses import mse_loss, negative_binomial_loss
from scmog.nn._pointwise import pointwise
from scmog.nn._rows import scale_rows

_MIN_MEAN, _MAX_MEAN = 1e-5, 1e6  # bounds of the negative binomial mean, as in the authors' code
_MIN_DISPERSION, _MAX_DISPERSION = 1e-4, 1e3


class Decoder(nn.Module, ABC):
    """Shared trunk of the decoders.

    Parameters
    ----------
    n_output
        Number of features of the target.
    n_latent
        Number of latent dimensions.
    n_hidden
        Widths of the hidden layers, from the latent space outwards: the encoder's of that modality, reversed. Without
        any the output layers lie on the latent space.
    n_batch
        Number of batch categories; 0 means no batch covariate.
    dropout_rate
        Dropout after each hidden layer.
    """

    def __init__(
        self,
        n_output: int,
        *,
        n_latent: int = 16,
        n_hidden: Sequence[int] = (64, 256),
        n_batch: int = 0,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_output = n_output
        self.hidden = fully_connected(n_latent + n_batch, n_hidden, dropout_rate=dropout_rate)
        self.n_trunk = n_hidden[-1] if n_hidden else n_latent + n_batch

    def trunk(self, z: Tensor, batch: Tensor | None) -> Tensor:
        """Hidden representation, ``(n_cells, n_trunk)``, of latent ``z`` and one-hot (or average) ``batch``."""
        h: torch.Tensor = self.hidden(z if batch is None else torch.cat([z, batch], dim=1))
        return h

    def forward(self, z: Tensor, batch: Tensor | None = None) -> tuple[Tensor, ...]:
        """Parameters of the likelihood, each ``(n_cells, n_output)``."""
        return self.parameters_at(self.trunk(z, batch))

    @abstractmethod
    def parameters_at(self, h: Tensor) -> tuple[Tensor, ...]:
        """Parameters of the likelihood, each ``(n_cells, n_output)``, for the trunk's ``h``, ``(n_cells, n_trunk)``."""

    @abstractmethod
    def loss(self, h: Tensor, target: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Loss of each cell, ``(n_cells,)``, for the trunk's ``h``, ``(n_cells, n_trunk)``.

        ``target`` may be CSR. With an ``exposure``, ``(n_cells, 1)``, a count target is compared as it was counted,
        times the exposure; other likelihoods have no use for it.
        """

    @abstractmethod
    def expected(self, parameters: tuple[Tensor, ...]) -> Tensor:
        """The profile that the decoder stands for, ``(n_cells, n_output)``: what the critic judges."""

    @abstractmethod
    def start_at(self, average: Tensor) -> None:
        """Set the output biases to ``average``, ``(n_output,)``: the output where the weights add nothing."""


class BernoulliDecoder(Decoder):
    """Open or closed: logits, trained with the focal loss (paper section 4, equations 2 to 4).

    Parameters
    ----------
    focal_weight_open, focal_weight_closed
        Weights of open (1) and closed (0) entries; alpha and 1 - alpha in equation 4.
    focal_gamma
        Focusing parameter; 0 gives weighted cross-entropy.
    output_bias
        Initial bias of the last layer; -2 in the paper.
    shared_offset
        Add one number per cell to all of its logits, a linear function of the last hidden layer: how deeply the cell is
        sequenced moves all peaks alike, which otherwise each peak has to learn for itself.
    """

    def __init__(
        self,
        n_output: int,
        *,
        focal_weight_open: float = 0.93,
        focal_weight_closed: float = 0.07,
        focal_gamma: float = 2.0,
        output_bias: float = -2.0,
        shared_offset: bool = False,
        n_latent: int = 16,
        n_hidden: Sequence[int] = (64, 512),
        n_batch: int = 0,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__(n_output, n_latent=n_latent, n_hidden=n_hidden, n_batch=n_batch, dropout_rate=dropout_rate)
        self.focal = Focal(focal_weight_open, focal_weight_closed, focal_gamma)
        self.logit = nn.Linear(self.n_trunk, n_output)
        self.offset = nn.Linear(self.n_trunk, 1, bias=False) if shared_offset else None
        xavier_(self)
        nn.init.constant_(self.logit.bias, output_bias)
        if self.offset is not None:
            nn.init.zeros_(self.offset.weight)

    def parameters_at(self, h: Tensor) -> tuple[Tensor]:
        """Logits, ``(n_cells, n_output)``."""
        logit: Tensor = self.logit(h)
        return (logit if self.offset is None else logit + self.offset(h),)

    def loss(self, h: Tensor, target: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Focal loss of each cell, summed over the features, ``(n_cells,)``."""
        offset = None if self.offset is None else self.offset(h)
        return linear_focal_loss(h, self.logit.weight, self.logit.bias, offset, target, self.focal)

    def expected(self, parameters: tuple[Tensor, ...]) -> Tensor:
        """Raw scores (sigmoid of the logits), ``(n_cells, n_output)``; these are what the critic sees."""
        return torch.sigmoid(parameters[0])

    def calibrated_logit(self, logit: Tensor) -> Tensor:
        """Logit of the probability to be open at which the focal loss is minimised by ``logit``."""
        return calibrated_logit(logit, **self.focal._asdict())

    def raw_logit(self, calibrated: Tensor) -> Tensor:
        """Logit whose :meth:`calibrated_logit` is ``calibrated``, between -100 and 100."""
        return focal_minimiser_logit(calibrated, **self.focal._asdict())

    @torch.no_grad()
    def start_at(self, average: Tensor) -> None:
        """Set the biases to the focal minimiser of the peak frequencies ``average``, ``(n_output,)``."""
        # peaks that are closed (or open) in every training cell have no finite logit
        frequency = average.clamp(1e-5, 1 - 1e-5)
        self.logit.bias.copy_(self.raw_logit(torch.logit(frequency)))


class NegativeBinomialDecoder(Decoder):
    """Size-normalised counts: mean and dispersion of a negative binomial (paper section 4, equations 5 and 6).

    In the paper both parameters belong to a gene *and* a cell.

    Parameters
    ----------
    dispersion
        ``"gene-cell"``, the paper's, or ``"gene"``, one dispersion per gene for all cells.
    """

    def __init__(
        self,
        n_output: int,
        *,
        dispersion: Literal["gene-cell", "gene"] = "gene-cell",
        n_latent: int = 16,
        n_hidden: Sequence[int] = (64, 256),
        n_batch: int = 0,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__(n_output, n_latent=n_latent, n_hidden=n_hidden, n_batch=n_batch, dropout_rate=dropout_rate)
        self.log_mean = nn.Linear(self.n_trunk, n_output)
        of_cells = dispersion == "gene-cell"
        self.raw_dispersion = nn.Linear(self.n_trunk, n_output) if of_cells else None
        self.raw_gene_dispersion = None if of_cells else nn.Parameter(torch.zeros(n_output))
        xavier_(self)

    def parameters_at(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and dispersion, both ``(n_cells, n_output)``."""
        mean, dispersion = self._mean_and_dispersion(h)
        return mean, dispersion.expand_as(mean)

    def _mean_and_dispersion(self, h: Tensor) -> tuple[Tensor, Tensor]:
        raw: Any = self.raw_gene_dispersion if self.raw_dispersion is None else self.raw_dispersion(h)
        return _mean(self.log_mean(h)), _dispersion(raw)

    def loss(self, h: Tensor, target: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Negative log-likelihood of each cell, averaged over the genes, ``(n_cells,)``."""
        mean, dispersion = self._mean_and_dispersion(h)
        if exposure is not None:  # raw counts: a shallow cell says less than a deep one
            mean, target = mean * exposure, scale_rows(target, exposure)
        return negative_binomial_loss(mean, dispersion, target, reduction="cell")

    def expected(self, parameters: tuple[Tensor, ...]) -> Tensor:
        """Mean of the negative binomial, ``(n_cells, n_output)``."""
        return parameters[0]

    @torch.no_grad()
    def start_at(self, average: Tensor) -> None:
        """Set the mean's biases to the average normalised expression ``average``, ``(n_output,)``."""
        self.log_mean.bias.copy_(average.clamp_min(_MIN_MEAN).log())


# The lower bounds are added, not clamped: a clamp has no gradient, and a gene that once falls under it could never come
# back.
@pointwise
def _mean(log_mean: Tensor) -> Tensor:
    return log_mean.clamp(max=math.log(_MAX_MEAN)).exp() + _MIN_MEAN


@pointwise
def _dispersion(raw: Tensor) -> Tensor:
    return (F.softplus(raw) + _MIN_DISPERSION).clamp(max=_MAX_DISPERSION)


class GaussianDecoder(Decoder):
    """Continuous values with equal error for all: trained with the mean squared error (paper section 4)."""

    def __init__(
        self,
        n_output: int,
        *,
        n_latent: int = 16,
        n_hidden: Sequence[int] = (64,),
        n_batch: int = 0,
        dropout_rate: float = 0.0,
    ) -> None:
        super().__init__(n_output, n_latent=n_latent, n_hidden=n_hidden, n_batch=n_batch, dropout_rate=dropout_rate)
        self.mean = nn.Linear(self.n_trunk, n_output)
        xavier_(self)

    def parameters_at(self, h: Tensor) -> tuple[Tensor]:
        """Mean, ``(n_cells, n_output)``."""
        return (self.mean(h),)

    def loss(self, h: Tensor, target: Tensor, exposure: Tensor | None = None) -> Tensor:
        """Squared error of each cell, averaged over the features, ``(n_cells,)``."""
        return mse_loss(self.mean(h), target, reduction="cell")

    def expected(self, parameters: tuple[Tensor, ...]) -> Tensor:
        """Mean, ``(n_cells, n_output)``."""
        return parameters[0]

    @torch.no_grad()
    def start_at(self, average: Tensor) -> None:
        """Set the biases to the average profile ``average``, ``(n_output,)``."""
        self.mean.bias.copy_(average)


DECODERS: dict[str, type[Decoder]] = {
    "negative_binomial": NegativeBinomialDecoder,
    "bernoulli": BernoulliDecoder,
    "gaussian": GaussianDecoder,
}
