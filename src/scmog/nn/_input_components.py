"""Principal components of an encoder's input: what cells differ in, with little of the noise of single features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scmog.nn._encoder_input import EncoderInput
from scmog.nn._rows import times


class InputComponents(nn.Module):
    """Scores of a cell on principal axes that were found in the training cells, each with a variance of 1 there.

    The axes are not trained. Until :meth:`set_axes` all scores are zero.

    Parameters
    ----------
    n_input
        Number of inputs.
    n_components
        Number of components.

    Attributes
    ----------
    axes
        Axes over the standard deviation of their scores, ``(n_input, n_components)``.
    offset
        Mean of the training cells on them, from the input's centre, ``(n_components,)``.
    """

    axes: Tensor
    offset: Tensor

    def __init__(self, n_input: int, n_components: int) -> None:
        super().__init__()
        self.n_components = n_components
        self.register_buffer("axes", torch.zeros(n_input, n_components))
        self.register_buffer("offset", torch.zeros(n_components))

    @torch.no_grad()
    def set_axes(self, axes: Tensor, mean: Tensor, sd: Tensor) -> None:
        """Take axes from a decomposition of the training cells, in place.

        Parameters
        ----------
        axes
            Directions, ``(k, n_input)``, largest first. Of more than ``n_components`` the first are taken; where there
            are fewer, since cells or features were few, the other scores stay zero.
        mean
            Mean of the decomposed cells, as a deviation from the input's centre, ``(n_input,)``.
        sd
            Standard deviation of their scores, ``(k,)``.
        """
        k = min(len(axes), self.n_components)
        scaled = axes[:k].double() / torch.where(sd[:k] > 0, sd[:k], torch.ones_like(sd[:k])).double().unsqueeze(1)
        self.axes.zero_()
        self.offset.zero_()
        self.axes[:, :k] = scaled.t().to(self.axes)
        self.offset[:k] = (scaled @ mean.double()).to(self.offset)

    def forward(self, x: EncoderInput) -> Tensor:
        """Scores of the cells, ``(n_cells, n_components)``."""
        axes = self.axes
        # In full precision: products of sparse rows come in no other, and what is subtracted is large.
        with torch.autocast(axes.device.type, enabled=False):
            scores = times(x.values.to(axes.dtype), axes) - self.offset
            return scores if x.centre is None else scores - x.centre.to(axes.dtype) @ axes

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"n_input={len(self.axes)}, n_components={self.n_components}"
