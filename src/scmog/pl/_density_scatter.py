"""Predicted against measured values as a density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scmog.metrics import pearson
from scmog.pl._axes import REFERENCE, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 100
_CELLS_AT_A_TIME = 512


def density_scatter(truth: Any, prediction: Any, *, ax: Axes | None = None, log: bool = True) -> Axes:
    """Draw predicted against measured values of all entries as a density (paper, Fig. 2C), with Pearson's r above.

    Parameters
    ----------
    truth
        Measured values on the scale of comparison (log1p of size-normalised counts for RNA, CLR for proteins), shape
        (n_cells, n_features), dense or sparse.
    prediction
        Predicted values on the same scale, dense, shape (n_cells, n_features).
    ax
        Axes to draw on; a new figure by default. The colour bar takes its room from them.
    log
        Whether colours follow the logarithm of the density. Without it the zeros of sparse data hide all else.

    Returns
    -------
    The axes. Both have one range, and the line marks equal values.

    Raises
    ------
    ValueError
        As in :func:`scmog.metrics.pearson`.
    TypeError
        As in :func:`scmog.metrics.pearson`.
    """
    from matplotlib.colors import LogNorm, Normalize

    correlation = pearson(truth, prediction)  # checks both arrays as well
    counts, edges = _histogram(truth, np.asarray(prediction))
    if ax is None:
        (ax,) = new_axes(width=4.2, height=3.6)
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 2)) if log else Normalize(vmin=0, vmax=counts.max())
    # Bins without entries stay white; pixels instead of 10,000 rectangles keep vector files small.
    shown = np.ma.masked_equal(counts.T, 0)
    mesh = ax.pcolormesh(edges, edges, shown, norm=norm, cmap="viridis", rasterized=True)
    limits = (edges[0], edges[-1])
    ax.plot(limits, limits, color=REFERENCE, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.set(xlabel="Measured", ylabel="Predicted", xlim=limits, ylim=limits, aspect="equal")
    ax.set_title(f"Pearson r = {correlation:.3f}", fontsize="medium")
    ax.figure.colorbar(mesh, ax=ax, label="Entries", shrink=0.8)
    tidy(ax)
    return ax


def _histogram(truth: Any, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts (bins of truth, bins of prediction) and the edges common to both, a few cells at a time."""
    truth = sparse.csr_array(truth) if sparse.issparse(truth) else np.asarray(truth)
    low, high = (float(edge) for edge in (min(truth.min(), prediction.min()), max(truth.max(), prediction.max())))
    margin = 0.5 if low == high else 0.01 * (high - low)
    edges = np.linspace(low - margin, high + margin, _N_BINS + 1)
    counts = np.zeros((_N_BINS, _N_BINS))
    for start in range(0, prediction.shape[0], _CELLS_AT_A_TIME):
        rows = slice(start, start + _CELLS_AT_A_TIME)
        measured = truth[rows].toarray() if sparse.issparse(truth) else truth[rows]
        counts += np.histogram2d(measured.ravel(), prediction[rows].ravel(), bins=(edges, edges))[0]
    return counts, edges
