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
    """Focal loss of signed logits ``u`` (positive = wrong): ``sigmoid(u)**gamma * softplus(u)``.

    Written by hand because autograd would keep about nine tensors of the size of the logits; here the backward
    pass needs one, which is computed where its ingredients are at hand.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, weight: Tensor, gamma: float) -> Tensor:
        surprise = F.softplus(u)  # -log of the score given to the truth
        error = torch.sigmoid(u)  # 1 - that score
        modulation = weight if gamma == 0 else weight * error.pow(gamma)
        loss = modulation * surprise
        if ctx.needs_input_grad[0]:
            # d/du [e^g s] = e^g (g (1 - e) s + e), with e = sigmoid(u), s = softplus(u)
            ctx.save_for_backward(modulation * (gamma * (1 - error) * surprise + error))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_outputs[0], None, None


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
    is_open = target > 0
    signed = torch.where(is_open, -logit, logit)
    weight = torch.where(is_open, logit.new_tensor(weight_open), logit.new_tensor(weight_closed))
    return _reduce(_Focal.apply(signed, weight, gamma), reduction, cell="sum")


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
