"""The last layer of an ATAC decoder and its focal loss in one: logits of all cells and peaks never exist at once.

At 100,000 peaks the logits of a mini-batch are the largest thing in training, and autograd would keep several tensors
of their size. Here the peaks go through in blocks that stay in the processor's cache: logits, loss, gradient and the
gradient's two products with the layer, then the next block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmog.nn._pointwise import pointwise
from scmog.nn._rows import column_blocks, is_sparse

_BLOCK_ENTRIES = 1 << 18  # of logits: 1 MiB of float32, from benchmarks/speed/block_sizes.py


class Focal(NamedTuple):
    """Weights of open and closed entries, and focusing parameter, of the focal loss (paper equation 4)."""

    weight_open: float
    weight_closed: float
    gamma: float


def linear_focal_loss(
    h: Tensor, weight: Tensor, bias: Tensor, offset: Tensor | None, target: Tensor, focal: Focal
) -> Tensor:
    """Focal loss of the logits ``h @ weight.T + bias + offset``, summed over the features of a cell, ``(n_cells,)``.

    Equal to :func:`scmog.nn.focal_loss` of these logits, value and gradient.

    Parameters
    ----------
    h
        Last hidden layer, ``(n_cells, n_hidden)``.
    weight, bias
        Of the output layer, ``(n_features, n_hidden)`` and ``(n_features,)``.
    offset
        Added to all logits of a cell, ``(n_cells, 1)``; None for none.
    target
        Non-zero where open, ``(n_cells, n_features)``; CSR with sorted columns and without stored zeros, or dense.
    focal
        Weights and focusing parameter.
    """
    rows = target if is_sparse(target) else target.to_sparse_csr()
    with torch.autocast(h.device.type, enabled=False):  # of 100,000 small terms half precision would lose most
        h, offset = h.to(weight.dtype), None if offset is None else offset.to(weight.dtype)
        loss: Tensor = _LinearFocal.apply(h, weight, bias, offset, rows, focal, torch.is_grad_enabled())
    return loss


class _LinearFocal(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        weight: Tensor,
        bias: Tensor,
        offset: Tensor | None,
        target: Tensor,
        focal: Focal,
        grad_enabled: bool,
    ) -> Tensor:
        # Under the sum or mean over cells that training takes, all cells have the same weight, so the gradient can be
        # made here, where its ingredients are in cache, and scaled later.
        with_gradient = grad_enabled and any(ctx.needs_input_grad[:4])
        loss, ctx.gradients = _run(h, weight, bias, offset, target, focal, None, with_gradient=with_gradient)
        if with_gradient:
            ctx.focal = focal
            ctx.save_for_backward(h, weight, bias, offset, target)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        upstream, gradients, ctx.gradients = grad_outputs[0], ctx.gradients, None
        if gradients and bool((upstream == upstream[0]).all()):
            for gradient in gradients:  # in place: they are as large as the weights, and handed out once
                if gradient is not None:
                    gradient.mul_(upstream[0])
        else:
            h, weight, bias, offset, target = ctx.saved_tensors
            _, gradients = _run(h, weight, bias, offset, target, ctx.focal, upstream, with_gradient=True)
        return (*gradients, None, None, None)


def _run(
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    offset: Tensor | None,
    target: Tensor,
    focal: Focal,
    cell_weights: Tensor | None,
    *,
    with_gradient: bool,
) -> tuple[Tensor, list[Tensor | None]]:
    """Loss of each cell, and the gradients of its (weighted) sum for ``h``, ``weight``, ``bias`` and ``offset``."""
    loss = h.new_zeros(len(h))
    gradients: list[Tensor | None] = []
    if with_gradient:
        of_h, of_weight, of_bias = torch.zeros_like(h), torch.empty_like(weight), torch.empty_like(bias)
        of_offset = None if offset is None else torch.zeros_like(offset)
        gradients = [of_h, of_weight, of_bias, of_offset]
    columns = target.col_indices()
    size = max(1, _BLOCK_ENTRIES // max(1, len(h))) if h.device.type == "cpu" else len(weight)
    for block, places, rows in column_blocks(target, size):
        logit = torch.addmm(bias[block], h, weight[block].t())  # (n_cells, size)
        if offset is not None:
            logit += offset
        is_open = rows.long() * logit.shape[1] + (columns[places] - block.start)  # in the flattened block
        logit_open = logit.view(-1)[is_open]
        entry, slope = focal_terms(logit, focal.weight_closed, focal.gamma)
        entry_open, slope_open = focal_terms(-logit_open, focal.weight_open, focal.gamma)
        entry.view(-1)[is_open] = entry_open
        loss += entry.sum(dim=1)
        if not with_gradient:
            continue
        slope.view(-1)[is_open] = -slope_open
        if cell_weights is not None:
            slope *= cell_weights.unsqueeze(1)
        torch.mm(slope.t(), h, out=of_weight[block])
        torch.sum(slope, dim=0, out=of_bias[block])
        of_h.addmm_(slope, weight[block])
        if of_offset is not None:
            of_offset += slope.sum(dim=1, keepdim=True)
    return loss, gradients


@pointwise
def focal_terms(wrongness: Tensor, weight: float, gamma: float) -> tuple[Tensor, Tensor]:
    """Focal loss of entries, and its derivative, for the logit ``wrongness`` of the score given to the wrong state."""
    surprise = F.softplus(wrongness)  # -log of the score given to the truth
    error = torch.sigmoid(wrongness)  # 1 - that score
    if gamma == 0:
        return surprise * weight, error * weight
    focus = error * weight if gamma == 1 else (error.square() if gamma == 2 else error.pow(gamma)) * weight
    loss = focus * surprise
    # d/du [e^g s] = e^g (g (1 - e) s + e), with e = sigmoid(u), s = softplus(u)
    slope = surprise.addcmul_(surprise, error, value=-1).mul_(gamma).add_(error).mul_(focus)
    return loss, slope
