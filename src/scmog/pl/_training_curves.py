"""Losses of both training stages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scmog._modalities import MODALITIES
from scmog.pl._axes import COLORS, REFERENCE, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DASHED = (0, (3, 2))
_STAGE_ONE: dict[str, tuple[str, Any]] = {
    "critic": ("critic_loss_train", "-"),
    "generator": ("generator_loss_train", ":"),
}
_STAGE_TWO: dict[str, tuple[str, Any]] = {"train": ("train_loss", _DASHED), "validation": ("validation_loss", "-")}
_SCALES_APART = 3.0
"""Losses whose first values differ by more than this factor are drawn relative to the first value."""

_Curves = dict[str, dict[str, pd.Series]]
"""Losses by direction, then by part of the stage, each indexed by epoch."""


def training_curves(
    history: Mapping[str, pd.DataFrame] | None, *, ax: Axes | Sequence[Axes] | None = None
) -> np.ndarray:
    """Draw the losses of the critic pre-training (left) and of the supervised training (right).

    Colours are directions, in both panels. A point marks the lowest validation loss of each direction. Directions whose
    losses are on different scales are drawn relative to their first validation loss, and the axis says so.

    Parameters
    ----------
    history
        `model.history`: data frames of one column, indexed by an epoch that counts on through both stages, under
        `critic_loss_train_<direction>`, `generator_loss_train_<direction>`, `train_loss_<direction>` and
        `validation_loss_<direction>` with directions such as `rna_to_atac`. Without them the sums over the directions
        are drawn (`train_loss` ...). Other keys are ignored, and a stage without losses gets no panel.
    ax
        Axes to draw on, one for each panel; a new figure by default.

    Returns
    -------
    Array of the axes of the one or two panels drawn.

    Raises
    ------
    ValueError
        If `history` is None or has none of these keys, or `ax` does not have one axes for each panel.
    """
    if history is None:
        message = "there is no history: pass model.history of a trained model."
        raise ValueError(message)
    stage_one, stage_two = _collect(history, _STAGE_ONE), _collect(history, _STAGE_TWO)
    n_panels = bool(stage_one) + bool(stage_two)
    if n_panels == 0:
        message = f"history has no losses to draw; it has the keys {sorted(history)}. Pass model.history after train()."
        raise ValueError(message)
    axes = new_axes(n_panels, width=4.0, height=3.0) if ax is None else list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) != n_panels:
        message = f"ax must hold one axes for each of the {n_panels} panels, got {len(axes)}."
        raise ValueError(message)
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(dict.fromkeys([*stage_one, *stage_two]))}
    if stage_one:
        axes[0].axhline(0, color=REFERENCE, linewidth=0.8, zorder=1)
        _draw(axes[0], stage_one, _STAGE_ONE, colors)
        _finish(axes[0], title="Critic pre-training", ylabel="Wasserstein loss")
    if stage_two:
        relative, ylabel = _common_scale(stage_two)
        _draw(axes[-1], relative, _STAGE_TWO, colors)
        _mark_lowest(axes[-1], relative, colors)
        _finish(axes[-1], title="Supervised training", ylabel=ylabel)
    return np.array(axes, dtype=object)


def _collect(history: Mapping[str, pd.DataFrame], stage: Mapping[str, tuple[str, Any]]) -> _Curves:
    """Losses of each direction of a stage, or their sums where directions are not kept apart."""
    pattern = re.compile(rf"(?:{'|'.join(key for key, _ in stage.values())})_(\w+_to_\w+)")
    names = dict.fromkeys(match[1] for key in history if (match := pattern.fullmatch(key)))
    suffixes = {_label(name): f"_{name}" for name in names} or {"total": ""}
    curves = {label: dict(_parts(history, stage, suffix)) for label, suffix in suffixes.items()}
    return {label: parts for label, parts in curves.items() if parts}


def _parts(
    history: Mapping[str, pd.DataFrame], stage: Mapping[str, tuple[str, Any]], suffix: str
) -> Iterator[tuple[str, pd.Series]]:
    """Yield the parts of a stage that have values; epochs of the other stage hold none."""
    for part, (key, _) in stage.items():
        if key + suffix in history:
            values = history[key + suffix].iloc[:, 0].astype(float).dropna()
            if not values.empty:
                yield part, values


def _label(direction: str) -> str:
    """`rna_to_protein` as `RNA → protein`."""
    return " \N{RIGHTWARDS ARROW} ".join(MODALITIES[modality].title for modality in direction.split("_to_"))


def _common_scale(curves: _Curves) -> tuple[_Curves, str]:
    """Losses divided by the first one where the directions differ in scale, and the label that says so."""
    # The last part is the validation loss, or the training loss without validation cells.
    firsts = {label: abs(next(reversed(parts.values())).iloc[0]) for label, parts in curves.items()}
    low, high = min(firsts.values()), max(firsts.values())
    if low == 0 or high <= _SCALES_APART * low:
        return curves, "Loss"
    divided = {
        label: {part: values / firsts[label] for part, values in parts.items()} for label, parts in curves.items()
    }
    measured = all("validation" in parts for parts in curves.values())
    return divided, "Loss / first validation loss" if measured else "Loss / first loss"


def _draw(ax: Axes, curves: _Curves, stage: Mapping[str, tuple[str, Any]], colors: Mapping[str, str]) -> None:
    """Draw the curves; the legend names colours and line styles apart, a line for each instead of all pairs."""
    for label, parts in curves.items():
        for part, values in parts.items():
            # A line does not show a single point.
            marker = "o" if len(values) == 1 else ""
            ax.plot(values.index, values, color=colors[label], linestyle=stage[part][1], marker=marker, markersize=3)
        ax.plot([], [], color=colors[label], label=label)
    for part, (_, style) in stage.items():
        if any(part in parts for parts in curves.values()):
            ax.plot([], [], color="black", linestyle=style, label=part)


def _mark_lowest(ax: Axes, curves: _Curves, colors: Mapping[str, str]) -> None:
    """Put a point on the lowest validation loss of each direction."""
    lowest = {label: parts["validation"] for label, parts in curves.items() if "validation" in parts}
    for label, values in lowest.items():
        ax.plot(values.idxmin(), values.min(), "o", color=colors[label], markersize=5, zorder=3)
    if lowest:
        ax.plot([], [], "o", color="black", markersize=5, label="lowest validation loss")


def _finish(ax: Axes, *, title: str, ylabel: str) -> None:
    """Labels, whole epochs on the axis, a legend, no needless frame."""
    from matplotlib.ticker import MaxNLocator

    ax.set(xlabel="Epoch", ylabel=ylabel)
    ax.set_title(title, fontsize="medium")
    left, right = ax.get_xlim()
    if right - left < 1:  # a single epoch: matplotlib would show thousandths of it
        ax.set_xlim((left + right) / 2 - 0.6, (left + right) / 2 + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10], min_n_ticks=1))
    ax.legend(fontsize="small", facecolor="white", edgecolor="none", framealpha=0.8)
    tidy(ax)
