"""The one-cycle schedule of the learning rate."""

from __future__ import annotations

import math

WARM_UP, _START = 0.25, 1 / 25  # share of the steps, and of the largest rate


def one_cycle(progress: float) -> float:
    """Share of the largest learning rate at ``progress`` (0 to 1) of the training: up for a quarter, then down to 0.

    Both by a cosine, from 1/25 of it (Smith and Topin 2017).
    """
    if progress < WARM_UP:
        return _START + (1 - _START) * (1 - math.cos(math.pi * progress / WARM_UP)) / 2
    return (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP)))) / 2


def one_cycle_at(step: int, *, n_steps: int) -> float:
    """Share of the largest learning rate at a step out of ``n_steps``."""
    return one_cycle(step / n_steps)
