"""From focal scores to probabilities and back.

A network trained with the focal loss does not return probabilities: the score ``p`` at which the expected loss of a
peak is smallest differs from the peak's probability ``q`` to be open. The relation is known in closed form.
Setting the derivative of ``q w1 FL(1, p) + (1 - q) w0 FL(0, p)`` to zero gives

    logit(q) = log(w0 / w1) + (g - 1) l + log(exp(l) + g softplus(l)) - log(exp(-l) + g softplus(-l)),

where ``l`` is the logit of ``p``, ``g`` the focusing parameter and ``w1``, ``w0`` the weights of open and closed.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_BISECTION_STEPS = 60  # halves a bracket of width 200 to below float64 resolution
_BRACKET = 100.0


def _log_softplus(x: Tensor) -> Tensor:
    # softplus(x) tends to exp(x) on the left, where its logarithm would underflow
    return torch.where(x < -20, x, torch.log(F.softplus(x.clamp_min(-20))))


def calibrated_logit(logit: Tensor, *, weight_open: float, weight_closed: float, gamma: float) -> Tensor:
    """Logit of the probability whose focal minimiser is ``logit``; strictly increasing, finite for finite input.

    Parameters
    ----------
    logit
        Logit of the raw score, any shape.
    weight_open, weight_closed, gamma
        As in :func:`scmog.nn.focal_loss`.

    Returns
    -------
    Logit of the calibrated probability, same shape.
    """
    shift = math.log(weight_closed / weight_open)
    if gamma == 0:
        return logit + shift
    log_gamma = math.log(gamma)
    right = torch.logaddexp(logit, log_gamma + _log_softplus(logit))
    left = torch.logaddexp(-logit, log_gamma + _log_softplus(-logit))
    return shift + (gamma - 1) * logit + right - left


def focal_minimiser_logit(
    logit_probability: Tensor, *, weight_open: float, weight_closed: float, gamma: float
) -> Tensor:
    """Inverse of :func:`calibrated_logit`: the raw logit that minimises the focal loss at a given probability.

    Found by bisection; used once, for the initial output biases.
    """
    goal = logit_probability.double()
    low, high = torch.full_like(goal, -_BRACKET), torch.full_like(goal, _BRACKET)
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        below = calibrated_logit(middle, weight_open=weight_open, weight_closed=weight_closed, gamma=gamma) < goal
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return ((low + high) / 2).to(logit_probability.dtype)
