"""How far the average prediction of each feature is to be moved towards what was measured.

A network that is stopped early, with dropout and weight decay, gives frequent peaks too little and rare ones too much,
and a peak that is open in eight of thousands of cells has no frequency worth more than the network's opinion. Between
the two stands one number, found on cells that were not trained on.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STRENGTHS = torch.logspace(0, 6, 37, dtype=torch.float64)  # in pseudo-events: 1 to a million, steps of 1.47


def shrunken_ratios(observed: Tensor, expected: Tensor, held_out: Tensor, held_out_expected: Tensor) -> Tensor:
    r"""Factor for the expected number of events of each feature, ``(n_features,)``, float64.

    With :math:`n` events where :math:`m` were expected, and gamma-distributed ratios of mean 1, the ratio's posterior
    mean is :math:`(n + k) / (m + k)`. The strength :math:`k` is the one under which the events in held-out cells are
    most likely as Poisson counts; none at all (:math:`k \to \infty`, ratios of 1) where that is more likely still.

    Parameters
    ----------
    observed, expected
        Number of events in the training cells, and the sum of their probabilities, each ``(n_features,)``.
    held_out, held_out_expected
        The same of cells that were not trained on.
    """
    n, m, n_out, m_out = (values.double() for values in (observed, expected, held_out, held_out_expected))
    strengths = _STRENGTHS.to(n.device)
    ratios = [(n + k) / (m + k) for k in strengths]
    likelihoods = torch.stack([(n_out * ratio.log() - m_out * (ratio - 1)).sum() for ratio in ratios])
    best = int(likelihoods.argmax())
    return ratios[best] if likelihoods[best] > 0 else torch.ones_like(n)
