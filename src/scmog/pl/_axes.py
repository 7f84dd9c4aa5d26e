"""What all plots share: axes to draw on and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours of Okabe and Ito, which people with a colour-vision deficiency can tell apart; most distinct first."""

REFERENCE = "0.6"
"""Grey of lines that are there for comparison."""


def new_axes(n_panels: int = 1, *, width: float, height: float) -> list[Axes]:
    """Axes of a new figure of `n_panels` panels side by side, each `width` x `height` inches."""
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(1, n_panels, figsize=(width * n_panels, height), squeeze=False, layout="constrained")
    return list(axes[0])


def tidy(ax: Axes) -> None:
    """Remove the frame lines that carry no scale."""
    ax.spines[["top", "right"]].set_visible(False)
