"""From focal scores to probabilities and back.

A network trained with the focal loss does not return probabilities: the score ``p`` at which the expected loss of a
peak is smallest differs from the peak's probability ``q`` to be open. The relation is known in closed form.
Setting the derivative of ``q w1 FL(1, p) + (1 - q) w0 FL(0, p)`` to zero gives

    logit(q) = log(w0 / w1) + (g - 1) l + log(exp(l) + g softplus(l)) - log(exp(-l) + g softplus(-l)),

where ``l`` is the logit of ``p``, ``g`` the focusing parameter and ``w1``, ``w0`` the weights of open and closed.

What that leaves, because a network is surer of what it has seen than of other cells, is measured on validation cells:
:class:`LogitRecalibration`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BISECTION_STEPS = 60  # halves a bracket of width 200 to below float64 resolution
_BRACKET = 100.0
_NEWTON_STEPS, _TOLERANCE = 50, 1e-6
_NEWTON_BLOCK = 1 << 20  # entries in double precision at a time


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

    Found by bisection; for initial output biases and for cuts.
    """
    goal = logit_probability.double()
    low, high = torch.full_like(goal, -_BRACKET), torch.full_like(goal, _BRACKET)
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        below = calibrated_logit(middle, weight_open=weight_open, weight_closed=weight_closed, gamma=gamma) < goal
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return ((low + high) / 2).to(logit_probability.dtype)


class LogitRecalibration(nn.Module):
    """Slope and intercept of the logit that make probabilities right on cells that were not trained on (Platt 1999).

    A slope below 1 takes back what over-fitting overstated; the intercept keeps the density right, which a temperature
    alone would move for events as rare as open peaks. The order of the scores stays as it is.

    Attributes
    ----------
    slope, intercept
        Scalars; 1 and 0 until :meth:`fit`.
    """

    slope: Tensor
    intercept: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("intercept", torch.zeros(()))

    def forward(self, logit: Tensor) -> Tensor:
        """Recalibrated logit, same shape."""
        return self.slope * logit + self.intercept

    def reset(self) -> None:
        """Forget what was fitted, in place."""
        self.slope.fill_(1.0)
        self.intercept.fill_(0.0)

    @torch.no_grad()
    def fit(self, logit: Tensor, target: Tensor) -> bool:
        """Fit slope and intercept by logistic regression of the target on the logit.

        A weak prior, worth one entry, holds them at 1 and 0 where the data say nothing.

        Parameters
        ----------
        logit
            Logits of probabilities on validation cells, any shape.
        target
            1 where open, 0 where closed, same shape.

        Returns
        -------
        Whether the fit was taken. It is not if larger scores mean less open on these cells, which no increasing
        function mends; slope and intercept are then 1 and 0.
        """
        x, y = logit.flatten(), target.flatten()
        coefficients = torch.tensor([1.0, 0.0], dtype=torch.float64, device=x.device)
        prior = coefficients.clone()
        value = _penalised_loss(coefficients, x, y, prior)
        for _ in range(_NEWTON_STEPS):
            step = _newton_step(coefficients, x, y, prior)
            trial = _penalised_loss(coefficients - step, x, y, prior)
            while trial > value and step.abs().max() > _TOLERANCE:  # a full step from far away can overshoot
                step = step / 2
                trial = _penalised_loss(coefficients - step, x, y, prior)
            coefficients, value = coefficients - step, trial
            if step.abs().max() <= _TOLERANCE:
                break
        if not (coefficients.isfinite().all() and coefficients[0] > 0):
            self.reset()
            return False
        self.slope.copy_(coefficients[0])
        self.intercept.copy_(coefficients[1])
        return True


def _penalised_loss(coefficients: Tensor, x: Tensor, y: Tensor, prior: Tensor) -> float:
    slope, intercept = coefficients
    loss = (coefficients - prior).square().sum() / 2
    for x_block, y_block in zip(x.split(_NEWTON_BLOCK), y.split(_NEWTON_BLOCK), strict=True):
        u = slope * x_block.double() + intercept
        loss = loss + (F.softplus(u) - y_block.double() * u).sum()
    return float(loss)


def _newton_step(coefficients: Tensor, x: Tensor, y: Tensor, prior: Tensor) -> Tensor:
    """Inverse Hessian times gradient of the penalised negative log-likelihood, ``(2,)``."""
    slope, intercept = coefficients
    gradient, hessian = coefficients - prior, torch.eye(2, dtype=torch.float64, device=x.device)
    for x_block, y_block in zip(x.split(_NEWTON_BLOCK), y.split(_NEWTON_BLOCK), strict=True):
        x_block = x_block.double()
        p = torch.sigmoid(slope * x_block + intercept)
        residual, weight = p - y_block.double(), p * (1 - p)
        gradient = gradient + torch.stack([(residual * x_block).sum(), residual.sum()])
        cross = (weight * x_block).sum()
        hessian = hessian + torch.stack([(weight * x_block * x_block).sum(), cross, cross, weight.sum()]).reshape(2, 2)
    return torch.linalg.solve(hessian, gradient)
