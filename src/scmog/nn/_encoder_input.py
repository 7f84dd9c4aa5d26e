"""What an encoder takes: values that are mostly zero, and the average that is subtracted from them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmog.nn._rows import entries, is_sparse, with_values

# Share of non-zero entries up to which a first layer that runs over them alone is faster than a dense product, forward
# and backward, on a CPU (benchmarks/speed). On a GPU the dense product always is.
_SPARSE_BELOW = 0.1


class EncoderInput(NamedTuple):
    """Input ``values - centre`` of an encoder, not subtracted: the values of most cells are sparse, deviations are not.

    Attributes
    ----------
    values
        Transformed counts, ``(n_cells, n_input)``, dense or CSR.
    centre
        Their average over the training cells, ``(n_input,)``; None stands for zeros.
    """

    values: Tensor
    centre: Tensor | None = None

    def dense(self) -> Tensor:
        """The input itself, ``(n_cells, n_input)``."""
        values = self.values.to_dense() if is_sparse(self.values) else self.values
        return values if self.centre is None else values - self.centre


class InputDropout(nn.Module):
    """Dropout on the entries of an encoder's input that are not zero: what is dropped becomes average.

    The others are scaled up as in ordinary dropout. Zeros stay: they are not far from an average that is small where
    data are sparse, and drawing for each of them would cost more than the layer that follows.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: EncoderInput) -> EncoderInput:
        """Drop entries at random in training; in evaluation nothing happens."""
        if not self.training or self.rate == 0:
            return x
        rows, columns, values = entries(x.values)
        average = 0.0 if x.centre is None else x.centre[columns]
        keep = torch.empty_like(values).bernoulli_(1 - self.rate) / (1 - self.rate)
        dropped = average + (values - average) * keep
        if is_sparse(x.values):
            return EncoderInput(with_values(x.values, dropped), x.centre)
        return EncoderInput(x.values.index_put((rows, columns), dropped), x.centre)

    def extra_repr(self) -> str:
        """Rate, for printing."""
        return f"rate={self.rate}"


class InputLayer(nn.Module):
    """First layer of an encoder or a critic: a linear layer that also takes sparse rows.

    Over sparse rows it adds up the weights of the stored entries only. For that the weights of an input lie side by
    side in memory: they are the transpose of those of :class:`torch.nn.Linear`, from which they are drawn.

    Attributes
    ----------
    weight
        ``(n_input, n_output)``.
    bias
        ``(n_output,)``.
    """

    def __init__(self, n_input: int, n_output: int) -> None:
        super().__init__()
        linear = nn.Linear(n_input, n_output)
        self.in_features, self.out_features = n_input, n_output
        self.weight = nn.Parameter(linear.weight.detach().t().contiguous())
        self.bias = nn.Parameter(linear.bias.detach())

    def forward(self, x: Tensor | EncoderInput) -> Tensor:
        """Linear map of ``x``, ``(n_cells, n_input)``, dense or CSR, to ``(n_cells, n_output)``."""
        values, centre = x if isinstance(x, EncoderInput) else (x, None)
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if centre is not None:
            # Batch norm follows and takes away whatever is the same for all cells, so that no gradient passes through
            # the centre; not asking for it saves a pass over all weights.
            bias = bias - centre @ weight.detach()
        if not is_sparse(values):
            return torch.addmm(bias, values, weight)
        if values.device.type != "cpu" or len(values.values()) > _SPARSE_BELOW * values.shape[0] * values.shape[1]:
            return torch.addmm(bias, values.to_dense(), weight)
        columns, starts = values.col_indices(), values.crow_indices()
        summed = F.embedding_bag(
            columns, weight, starts, mode="sum", per_sample_weights=values.values(), include_last_offset=True
        )
        return summed + bias

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"in_features={self.in_features}, out_features={self.out_features}"
