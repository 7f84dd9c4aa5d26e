"""The two pictures of ``scmog demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mudata import MuData

from scmog.metrics import TrainingMean
from scmog.model import SCMOG
from scmog.pl import roc_curve, training_curves

_DPI = 120


def save_training_curves(model: SCMOG, path: Path) -> None:
    """Write the losses of both stages as a picture."""
    _use_file_backend()
    _save(training_curves(model.history)[0], path)


def save_roc(training: MuData, cells: MuData, model: SCMOG, path: Path) -> None:
    """Write the ROC curves of RNA -> ATAC as a picture: model, training mean and truth.

    Parameters
    ----------
    training
        Data that the model was trained on.
    cells
        Test cells, with the true probabilities.
    """
    _use_file_backend()
    train = np.sort(model.train_indices_)
    rna, atac = training["rna"].X, training["atac"].X
    mean = TrainingMean().fit(rna[train], (atac[train] > 0).astype(np.float32))
    curves = {
        "scmog": model.get_generated(cells, source="rna", target="atac", threshold=None, show_progress=False).X,
        "training mean": mean.predict(cells["rna"].X),
        "oracle": cells["atac"].layers["probability"],
    }
    ax = roc_curve(cells["atac"].X, curves)
    ax.set_title("RNA \N{RIGHTWARDS ARROW} ATAC, test cells", fontsize="medium")
    _save(ax, path)


def _use_file_backend() -> None:
    """The command shows no windows, and must not fail where there is no display."""
    import matplotlib

    matplotlib.use("agg")


def _save(ax: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    ax.figure.savefig(path, dpi=_DPI)
    plt.close(ax.figure)
