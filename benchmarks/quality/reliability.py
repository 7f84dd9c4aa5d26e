"""Reliability curves of the predictions that run.py has kept: predicted against observed shares of open peaks.

    python benchmarks/quality/reliability.py     # writes docs/_static/reliability.png

Seed 0 of each method, the ATAC cases of the figure; what has not been run yet is left out. Both axes are logarithmic,
since most peaks are open in a few cells of a hundred or less.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from run import CACHE, prediction_path  # noqa: E402

from scmog.metrics import reliability_curve  # noqa: E402

CASES = {
    "snare-random-rna_to_atac": "SNARE-seq, random",
    "snare-leiden-rna_to_atac": "SNARE-seq, held-out cluster",
    "bmmc-donor-rna_to_atac": "BMMC, donor to donor",
    "simulated-random-rna_to_atac": "simulated, random",
}
METHODS = {"scmog": "C0", "ridge": "C1", "kNN": "C2"}
FIGURE = HERE.parents[1] / "docs" / "_static" / "reliability.png"


def main() -> None:
    """Draw one panel per case."""
    import matplotlib.pyplot as plt  # not at the top: with run.py come processes that need no plots

    figure, axes = plt.subplots(1, len(CASES), figsize=(3.4 * len(CASES), 3.5), constrained_layout=True)
    for axis, (case, title) in zip(axes, CASES.items(), strict=True):
        truth = sp.load_npz(CACHE / "cases" / case / "hidden" / "target.npz") > 0
        for method, color in METHODS.items():
            path = prediction_path(case, method, 0)
            if path.exists():
                curve = reliability_curve(truth, np.load(path, mmap_mode="r"), n_bins=20)
                curve = curve[(curve["observed"] > 0) & (curve["mean_predicted"] > 0)]
                axis.plot(curve["mean_predicted"], curve["observed"], "o-", color=color, ms=3, lw=1, label=method)
        low, high = axis.get_xlim()
        axis.plot([low, high], [low, high], color="0.6", lw=0.8, zorder=0)
        axis.set(xscale="log", yscale="log", title=title, xlabel="predicted")
    axes[0].set_ylabel("observed share of open peaks")
    axes[0].legend(frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
