"""The losses of scMOG as pure functions.

Every function takes tensors and an explicit ``reduction``: ``"none"`` returns the loss of each entry,
``"cell"`` one value per cell (documented per loss), ``"sum"`` and ``"mean"`` a scalar over all entries.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scmog.nn._pointwise import pointwise
from scmog.nn._rows import entries

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
    wrongness = torch.where(is_open, -logit, logit)  # logit of the score given to the other state
    weight = torch.where(is_open, logit.new_tensor(weight_open), logit.new_tensor(weight_closed))
    # the power as an exponential: that of a score which has become 0 would have no finite gradient
    loss = weight * torch.exp(gamma * F.logsigmoid(wrongness)) * F.softplus(wrongness)
    return _reduce(loss, reduction, cell="sum")


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
        :math:`\theta > 0` (inverse dispersion: the variance is :math:`\mu + \mu^2 / \theta`), same shape, or
        ``(n_features,)`` where it is the same for all cells.
    target
        Counts :math:`x \geq 0`, not necessarily whole (size-normalised counts), shape of ``mean``, dense or CSR.
    reduction
        ``"cell"`` averages over the features of a cell.

    Returns
    -------
    The loss, shaped by ``reduction``.
    """
    if mean.dtype.itemsize < 4:  # half precision: counts beyond a few hundred would be rounded
        mean, dispersion = mean.float(), dispersion.float()
    loss = _of_no_counts(mean, dispersion)
    rows, columns, x = entries(target)
    mu = mean[rows, columns]
    theta = dispersion[columns] if dispersion.dim() == 1 else dispersion[rows, columns]
    of_counts = x * torch.log1p(theta / (mu + _NB_EPS))  # again no difference of logarithms
    x, theta = x.double(), theta.double()
    of_counts = of_counts + (torch.lgamma(x + 1) + torch.lgamma(theta + _NB_EPS) - torch.lgamma(x + theta)).to(mu)
    if reduction == "cell":  # without a pass over all entries to add to a few of them
        return loss.sum(dim=1).index_add(0, rows, of_counts) / loss.shape[1]
    return _reduce(loss.index_put((rows, columns), of_counts, accumulate=True), reduction, cell="mean")


@pointwise
def _of_no_counts(mean: Tensor, dispersion: Tensor) -> Tensor:
    # log(theta + mu) - log(theta) as log1p(mu / theta): a difference of logarithms would lose what is then multiplied
    return dispersion * torch.log1p(mean / (dispersion + _NB_EPS))


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
