"""How far the average prediction of each feature is to be moved towards what was measured.

A network that is stopped early, with dropout and weight decay, gives frequent peaks too little and rare ones too much,
and a peak that is open in eight of thousands of cells has no frequency worth more than the network's opinion. Between
the two stand two numbers, found on cells that were not trained on.
"""

from __future__ import annotations

import torch
from scipy.special import logit
from torch import Tensor

_STRENGTHS = torch.logspace(0, 6, 37, dtype=torch.float64)  # in pseudo-events: 1 to a million, steps of 1.47
_OF_MISJUDGED = 3.0  # strength for features of which the network has no idea
_SHARES = (0.0, 0.01, 0.03, 0.1, 0.3)  # of them
_TO_SHOW = 3.0  # by which the logarithm of the likelihood must rise to believe in them: 20 to 1


def shrunken_ratios(observed: Tensor, expected: Tensor, held_out: Tensor, held_out_expected: Tensor) -> Tensor:
    r"""Factor for the expected number of events of each feature, ``(n_features,)``, float64.

    With :math:`n` events where :math:`m` were expected, and gamma-distributed ratios of mean 1, the ratio's posterior
    mean is :math:`(n + k) / (m + k)`. A share of the features may be misjudged, their strength :math:`k` being 3
    whatever that of the others: how likely a feature is one of them its own :math:`n` and :math:`m` tell, by the
    negative binomial distribution that gamma-distributed ratios give to :math:`n`, and its factor is the average of
    both. Strength and share are those under which the events in held-out cells are most likely as Poisson counts, a
    share above 0 only where they become 20 times as likely; none at all (ratios of 1) where that is more likely still.

    Parameters
    ----------
    observed, expected
        Number of events in the training cells, and the sum of their probabilities, each ``(n_features,)``.
    held_out, held_out_expected
        The same of cells that were not trained on.
    """
    n, m, n_out, m_out = (values.double() for values in (observed, expected, held_out, held_out_expected))
    best, most = torch.ones_like(n), 0.0
    wide, log_wide = _ratio(n, m, _OF_MISJUDGED), _log_likelihood(n, m, _OF_MISJUDGED)
    for strength in _STRENGTHS.tolist():
        narrow, log_odds = _ratio(n, m, strength), log_wide - _log_likelihood(n, m, strength)
        for share in _SHARES:
            misjudged = torch.sigmoid(log_odds + float(logit(share)))
            ratio = narrow + misjudged * (wide - narrow)
            likelihood = float((n_out * ratio.log() - m_out * (ratio - 1)).sum()) - (_TO_SHOW if share else 0.0)
            if likelihood > most:
                best, most = ratio, likelihood
    return best


def _ratio(n: Tensor, m: Tensor, strength: float) -> Tensor:
    return (n + strength) / (m + strength)


def _log_likelihood(n: Tensor, m: Tensor, strength: float) -> Tensor:
    """Of the negative binomial with mean ``m`` and size ``strength``, up to what the latter has no part in."""
    k = torch.full_like(n, strength)
    return torch.lgamma(n + k) - torch.lgamma(k) + strength * torch.log(k / (m + k)) - n * torch.log(m + k)
