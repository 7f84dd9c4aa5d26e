"""What an encoder takes: values that are mostly zero, and the average that is subtracted from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scmog.nn._rows import by_column, column_blocks, entries, is_sparse, sums_of_rows, with_values

# Both from benchmarks/speed/block_sizes.py. Share of non-zero entries up to which a first layer that runs over them
# alone is faster than a dense product, forward and backward, on a CPU; on a GPU the dense product is taken, unmeasured.
_SPARSE_BELOW = 0.25
_BLOCK_WEIGHTS = 1 << 21  # 8 MiB of float32: fits the last level of cache


class EncoderInput(NamedTuple):
    """Input ``values - centre`` of an encoder, not subtracted: the values of most cells are sparse, deviations are not.

    Parameters
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

    The others are scaled up as in ordinary dropout. Where the input has no centre, zero stands for the average. Zeros
    stay: they are not far from an average that is small where data are sparse, and drawing for each of them would cost
    more than the layer that follows.
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

    def forward(self, x: Tensor | EncoderInput, *more: Tensor) -> Tensor:
        """Linear map of ``x``, ``(n_cells, n_input)``, dense or CSR, to ``(n_cells, n_output)``.

        With ``more`` cells, dense, the output is that of all of them, one below the other. Their product with the
        weights is the same as in a call of its own, but the gradient of the weights is made once.
        """
        values, centre = x if isinstance(x, EncoderInput) else (x, None)
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        values = values.to(weight.dtype)  # a module in double precision is given single-precision counts
        if centre is not None:
            # Batch norm follows and takes away whatever is the same for all cells, so that no gradient passes through
            # the centre; not asking for it saves a pass over all weights.
            bias = bias - centre @ weight.detach()
        if is_sparse(values) and not self._is_faster_sparse(values):
            values = values.to_dense()
        if not is_sparse(values):
            return torch.addmm(bias, torch.cat([values, *more]) if more else values, weight)
        rows = (values.crow_indices(), values.col_indices(), values.values())
        with torch.autocast(values.device.type, enabled=False):  # sums of stored entries come in full precision only
            dense = torch.cat(more).to(weight.dtype) if more else None
            product: Tensor = _RowsTimesMatrix.apply(weight, *rows, dense)
        return product + bias

    @staticmethod
    def _is_faster_sparse(values: Tensor) -> bool:
        return values.device.type == "cpu" and len(values.values()) <= _SPARSE_BELOW * values.shape[0] * values.shape[1]

    def extra_repr(self) -> str:
        """Sizes, for printing."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


class _RowsTimesMatrix(torch.autograd.Function):
    """Sparse rows, and dense ones below them, times a matrix of weights.

    Both directions are sums of weighted rows, for which PyTorch has ``embedding_bag``. Forward, rows of the weights: in
    blocks, or each would be fetched from main memory anew for every cell that needs it. Backward, rows of the gradient,
    which are in cache anyway: column by column, so that the result is written once, from front to back.
    """

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, starts: Tensor, columns: Tensor, values: Tensor, dense: Tensor | None
    ) -> Tensor:
        rows = torch.sparse_csr_tensor(starts, columns, values, (len(starts) - 1, len(weight)))
        ctx.save_for_backward(rows, dense, weight)
        product = weight.new_zeros(rows.shape[0], weight.shape[1])
        cells = torch.arange(rows.shape[0] + 1)
        for _, places, cell in column_blocks(rows, max(1, _BLOCK_WEIGHTS // weight.shape[1])):
            starts_in_block = torch.searchsorted(cell, cells.to(cell.dtype))
            product += sums_of_rows(weight, columns[places], starts_in_block, values[places])
        return product if dense is None else torch.cat([product, dense @ weight])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, None, None, Tensor | None]:
        rows, dense, weight = ctx.saved_tensors
        of_rows, of_dense = grad_outputs[0].tensor_split([rows.shape[0]])
        gradient = None
        if ctx.needs_input_grad[0]:
            starts, cells, values = by_column(rows)
            gradient = sums_of_rows(of_rows.contiguous(), cells, starts, values)
            if dense is not None:
                gradient.addmm_(dense.t(), of_dense)
        return gradient, None, None, None, of_dense @ weight.t() if ctx.needs_input_grad[4] else None
