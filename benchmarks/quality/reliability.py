"""Reliability of probabilities: a table of calibration errors, and curves of the predictions that run.py has kept.

    python benchmarks/quality/reliability.py     # writes results/calibration.md and docs/_static/reliability.png

The table is made of the scores, mean over seeds, all ATAC cases that have been prepared; its last four columns are
means over those seeds of scmog whose predictions are kept. The figure shows predicted against observed shares of peaks,
seed 0 of each method; what has not been run yet is left out. Both of its axes are logarithmic, since most peaks are
open in a few cells of a hundred or less.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from cases import CASES  # noqa: E402
from method_table import METHODS  # noqa: E402
from prepared import Prepared  # noqa: E402
from run import CACHE, prediction_path  # noqa: E402

from scmog.metrics import expected_calibration_error, reliability_curve  # noqa: E402

PANELS = {
    "snare-random-rna_to_atac": "SNARE-seq, random",
    "snare-leiden-rna_to_atac": "SNARE-seq, held-out cluster",
    "bmmc-donor-rna_to_atac": "BMMC, donor to donor",
    "simulated-random-rna_to_atac": "simulated, random",
}
COLORS = {"scmog": "C0", "ridge": "C1", "kNN": "C2"}
IN_TABLE = ("scmog", "ridge", "kernel ridge", "kNN", "mean x source depth", "training mean")
FEWEST_CELLS = 5
"""Each peak of SNARE-seq and of the kidney is open in so many cells, test cells included."""
TABLE = HERE / "results" / "scores.csv"
FIGURE = HERE.parents[1] / "docs" / "_static" / "reliability.png"


def main() -> None:
    """Write the table and the figure."""
    TABLE.with_name("calibration.md").write_text(calibration_errors())
    draw()


def calibration_errors() -> str:
    """Markdown: how often peaks are open, and calibration errors over all entries as shares of that in test cells."""
    scores = pd.read_csv(TABLE)
    scores = scores[scores["metric"] == "calibration error"].groupby(["case", "method"])["value"].mean()
    columns = ["open: training", "test", *IN_TABLE, "scmog's sum", "right sum", "right sum, so many peaks", "seeds"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, case in CASES.items():
        folder = CACHE / "cases" / name
        if case.truth != "binary" or not folder.exists():
            continue
        prepared = Prepared(folder)
        training = prepared.target_counts(prepared.cells("train")) > 0
        n_open = (prepared.target_counts(prepared.cells("train", "validation")) > 0).sum(axis=0).A1
        truth = sp.load_npz(folder / "hidden" / "target.npz") > 0
        test = truth.mean()
        errors = [f"{scores[name, method] / test:.3f}" for method in IN_TABLE]
        paths = [prediction_path(name, "scmog", seed) for seed in METHODS["scmog"].seeds_of(case)]
        reasons = _reasons(truth, [path for path in paths if path.exists()], n_open >= FEWEST_CELLS)
        cells = [f"{training.mean():.5f}", f"{test:.5f}", *errors, *reasons]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _reasons(truth: sp.spmatrix, predictions: list[Path], kept: np.ndarray) -> list[str]:
    """Means over predictions, and the number of these.

    Sum of the probabilities over that of the open entries; error, as a share, if that were 1; the same on ``kept``
    peaks, boolean ``(n_peaks,)``.
    """
    values = []
    for path in predictions:
        probability = np.load(path)
        errors = [_error_with_right_sum(truth[:, peaks], probability[:, peaks]) for peaks in (slice(None), kept)]
        values.append([probability.mean(dtype=float) / truth.mean(), *errors])
    if not values:
        return ["", "", "", "0"]
    total, all_peaks, kept_peaks = (f"{value:.3f}" for value in np.mean(values, axis=0))
    return [total, all_peaks, f"{kept_peaks} ({kept.sum():,})", str(len(values))]


def _error_with_right_sum(truth: sp.spmatrix, probability: np.ndarray) -> float:
    ratio = probability.mean(dtype=float) / truth.mean()
    return expected_calibration_error(truth, np.clip(probability / ratio, 0, 1)) / truth.mean()


def draw() -> None:
    """Draw one panel per case."""
    import matplotlib.pyplot as plt  # not at the top: with run.py come processes that need no plots

    figure, axes = plt.subplots(1, len(PANELS), figsize=(3.4 * len(PANELS), 3.5), constrained_layout=True)
    for axis, (case, title) in zip(axes, PANELS.items(), strict=True):
        truth = sp.load_npz(CACHE / "cases" / case / "hidden" / "target.npz") > 0
        for method, color in COLORS.items():
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
