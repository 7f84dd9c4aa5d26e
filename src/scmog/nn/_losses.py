"""The losses of scMOG as pure functions.

Every function takes tensors and an explicit ``reduction``: ``"none"`` returns the loss of each entry,
``"cell"`` one value per cell (documented per loss), ``"sum"`` and ``"mean"`` a scalar over all entries.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Reduction = Literal["none", "cell", "sum", "mean"]
_NB_EPS = 1e-10  # epsilon of equation 6
_BLOCK_ENTRIES = 1 << 17  # 512 KiB of float32: fits the cache of a core, large enough to hide Python


def _reduce(loss: Tensor, reduction: str, *, cell: Literal["sum", "mean"]) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "cell":
        return loss.sum(dim=1) if cell == "sum" else loss.mean(dim=1)
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return loss.mean()
    message = f"reduction must be 'none', 'cell', 'sum' or 'mean', got {reduction!r}."
    raise ValueError(message)


class _Focal(torch.autograd.Function):
    """Focal loss of logits, summed over the features of a cell or entry by entry.

    Written by hand because autograd would keep about nine tensors of the size of the logits and run through all of them
    for each operation. Here the gradient is made in the forward pass, where its ingredients are at hand, and the work
    goes through blocks of cells that stay in the processor's cache.
    """

    @staticmethod
    def forward(ctx: Any, logit: Tensor, is_open: Tensor, weights: Tensor, gamma: float, per_cell: bool) -> Tensor:
        weight_closed, weight_open = weights
        loss = logit.new_empty(len(logit)) if per_cell else torch.empty_like(logit)
        gradient = torch.empty_like(logit) if ctx.needs_input_grad[0] else None
        n_rows = max(1, _BLOCK_ENTRIES // max(1, logit.shape[1])) if logit.device.type == "cpu" else max(1, len(logit))
        for start in range(0, len(logit), n_rows):
            rows = slice(start, start + n_rows)
            opened = is_open[rows]
            wrongness = torch.where(opened, -logit[rows], logit[rows])  # logit of the score given to the other state
            surprise = F.softplus(wrongness)  # -log of the score given to the truth
            error = torch.sigmoid(wrongness)  # 1 - that score
            weight = torch.where(opened, weight_open, weight_closed)
            modulation = weight if gamma == 0 else weight * (error if gamma == 1 else error.pow(gamma))
            entries = modulation * surprise
            loss[rows] = entries.sum(dim=1) if per_cell else entries
            if gradient is not None:
                # d/du [e^g s] = e^g (g (1 - e) s + e), with e = sigmoid(u), s = softplus(u)
                slope = surprise.mul_(1 - error).mul_(gamma).add_(error).mul_(modulation)
                torch.where(opened, -slope, slope, out=gradient[rows])
        ctx.per_cell = per_cell
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        upstream = grad_outputs[0].unsqueeze(1) if ctx.per_cell else grad_outputs[0]
        return gradient * upstream, None, None, None, None


def focal_loss(
    logit: Tensor,
    target: Tensor,
    *,
    weight_open: float,
    weight_closed: float,
    gamma: float,
    reduction: Reduction,
) -> Tensor:
    r"""Focal loss on logits (paper equation 4).

    .. math:: FL(p_t) = -\alpha_t (1 - p_t)^\gamma \log p_t

    with :math:`p = \sigma(\text{logit})`, :math:`p_t = p` for open entries and :math:`1 - p` for closed ones.
    Computed from the logits, so it is finite, with a finite gradient, for any finite logit.

    Parameters
    ----------
    logit
        Logits, ``(n_cells, n_features)``.
    target
        1 where open, 0 where closed, ``(n_cells, n_features)``.
    weight_open, weight_closed
        :math:`\alpha_t` of open and closed entries. Equation 4 with alpha = 0.93 is ``(0.93, 0.07)``; the authors'
        code uses ``(0.07, 0.93)``.
    gamma
        Focusing parameter :math:`\gamma \geq 0`; 0 gives weighted cross-entropy.
    reduction
        ``"cell"`` sums over the features of a cell.

    Returns
    -------
    The loss, shaped by ``reduction``.

    Raises
    ------
    ValueError
        If ``gamma`` is negative or ``reduction`` unknown.
    """
    if gamma < 0:
        message = f"gamma must not be negative, got {gamma}."
        raise ValueError(message)
    weights = logit.new_tensor([weight_closed, weight_open])
    per_cell = reduction != "none"
    loss = _Focal.apply(logit, target > 0, weights, gamma, per_cell)
    if reduction in ("none", "cell"):
        return loss
    return _reduce(loss, reduction, cell="sum") / (logit.shape[1] if reduction == "mean" else 1)


def negative_binomial_loss(mean: Tensor, dispersion: Tensor, target: Tensor, *, reduction: Reduction) -> Tensor:
    r"""Negative log-likelihood of a negative binomial (paper equation 6).

    .. math::

        -\theta (\log(\theta + \epsilon) - \log(\theta + \mu)) - x (\log(\mu + \epsilon) - \log(\theta + \mu))
        - \log\Gamma(x + \theta) + \log\Gamma(x + 1) + \log\Gamma(\theta + \epsilon)

    The gamma terms cancel where the target is zero, so they are computed on the non-zero entries only, in double
    precision: their difference loses all digits of single precision at counts of a million.

    Parameters
    ----------
    mean
        :math:`\mu > 0`, ``(n_cells, n_features)``.
    dispersion
        :math:`\theta > 0` (inverse dispersion: the variance is :math:`\mu + \mu^2 / \theta`), same shape.
    target
        Counts :math:`x \geq 0`, not necessarily whole (size-normalised counts), same shape.
    reduction
        ``"cell"`` averages over the features of a cell.

    Returns
    -------
    The loss, shaped by ``reduction``.
    """
    # log(theta + mu) - log(theta) as log1p(mu / theta), and the other way round: differences of logarithms would lose
    # what counts of a million multiply
    loss = dispersion * torch.log1p(mean / (dispersion + _NB_EPS)) + target * torch.log1p(dispersion / (mean + _NB_EPS))
    at = target.nonzero(as_tuple=True)
    x, theta = _precise(target[at]), _precise(dispersion[at])
    gamma_terms = torch.lgamma(x + 1) + torch.lgamma(theta + _NB_EPS) - torch.lgamma(x + theta)
    loss = loss.index_put(at, gamma_terms.to(loss.dtype), accumulate=True)
    return _reduce(loss, reduction, cell="mean")


def _precise(values: Tensor) -> Tensor:
    return values if values.device.type == "mps" else values.double()  # Apple's GPUs have no double precision


def mse_loss(prediction: Tensor, target: Tensor, *, reduction: Reduction) -> Tensor:
    """Squared error; ``"cell"`` averages over the features of a cell (paper section 4, proteomics)."""
    return _reduce((prediction - target).square(), reduction, cell="mean")


def critic_loss(score_measured: Tensor, score_generated: Tensor) -> Tensor:
    r"""What the critic minimises: :math:`E[D(G(x))] - E[D(y)]`, a scalar.

    Its negative estimates the Wasserstein distance between measured and generated profiles (paper equation 1, in its
    dual form). ``score_generated`` must not carry gradients into the generator.
    """
    return score_generated.mean() - score_measured.mean()


def generator_loss(score_generated: Tensor) -> Tensor:
    """What the generator minimises in pre-training: minus the critic's mean score of its profiles, a scalar."""
    return -score_generated.mean()
