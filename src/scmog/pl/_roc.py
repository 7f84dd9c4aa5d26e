"""ROC curves of predicted accessibility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scmog.metrics import auroc, roc_points
from scmog.pl._axes import COLORS, REFERENCE, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ("-", "--", ":", "-.")


def roc_curve(truth: Any, scores: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the ROC curve over all entries (paper, Fig. 2B), with the AUROC in the legend.

    Read it next to that of the training mean of each peak: most of the area comes from how often a peak is open.

    Parameters
    ----------
    truth
        Measured accessibility, shape (n_cells, n_peaks), dense or sparse; entries above 0 are open.
    scores
        Predicted scores, dense, shape (n_cells, n_peaks); or a dictionary of names and such arrays, one curve each.
    ax
        Axes to draw on; a new figure by default.

    Returns
    -------
    The axes. Each curve has at most 1,000 points.

    Raises
    ------
    ValueError
        If `scores` is an empty dictionary, or as in :func:`scmog.metrics.roc_points`.
    TypeError
        As in :func:`scmog.metrics.roc_points`.
    """
    curves = dict(scores) if isinstance(scores, Mapping) else {"": scores}
    if not curves:
        message = "scores must hold at least one array, got an empty dictionary."
        raise ValueError(message)
    # All is computed before anything is drawn: a refused array leaves no half-made figure.
    points = {name: (*roc_points(truth, score), auroc(truth, score)) for name, score in curves.items()}
    if ax is None:
        (ax,) = new_axes(width=3.6, height=3.6)
    ax.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for i, (name, (false_positive_rate, true_positive_rate, area)) in enumerate(points.items()):
        ax.plot(
            false_positive_rate,
            true_positive_rate,
            color=COLORS[i % len(COLORS)],
            linestyle=_STYLES[i // len(COLORS) % len(_STYLES)],
            linewidth=1.5,
            label=f"{name} ({area:.3f})" if name else f"AUROC {area:.3f}",
        )
    ax.set(xlabel="False positive rate", ylabel="True positive rate", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    title = "AUROC over all entries" if isinstance(scores, Mapping) else None
    ax.legend(loc="lower right", frameon=False, fontsize="small", title=title, title_fontsize="small")
    tidy(ax)
    return ax
