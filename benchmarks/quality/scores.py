"""Scores of one prediction: same cells, same features, same scale of the truth for every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from prepared import Prepared
from scales import on_truth_scale, target_values

from scmog.metrics import (
    auprc,
    auroc,
    brier_skill,
    calibration_slope,
    expected_calibration_error,
    pearson,
    pseudobulk_correlation,
    rmse,
    spearman,
    variable_features,
)


@dataclass
class Scored:
    """What a metric may look at.

    Attributes
    ----------
    truth, values
        Measured and predicted values of the test cells on the scale of the truth, ``(n_test, n_features)``.
    case
        Cells and features, and the target of training cells.
    """

    truth: Any
    values: np.ndarray
    case: Prepared

    @cached_property
    def training(self) -> Any:
        """Measured values of the training cells on the same scale, ``(n_train, n_features)``."""
        counts = self.case.target_counts(self.case.cells("train"))
        return target_values(self.case.truth, counts, self.case.median_total)

    @cached_property
    def training_mean(self) -> np.ndarray:
        """Their mean, ``(n_features,)``: for 0/1, how often a peak is open."""
        return np.asarray(self.training.mean(axis=0)).ravel()

    def groups(self, part: str) -> np.ndarray:
        """Cell type of the training or test cells, None where it is not known."""
        types = self.case.obs["cell_type"].to_numpy()[self.case.cells(part)]
        return np.where(types == "", None, types)


Metric = tuple[Callable[[Scored, str], Any], tuple[str, ...]]


def _pseudobulk(scored: Scored, scale: str) -> np.ndarray:
    """Correlation of each cell type over the 1,000 features that vary most between types of training cells."""
    groups = scored.groups("train")
    if len(set(groups)) < 2:
        return np.array([np.nan])
    features = variable_features(scored.training, groups, scale=scale)
    return pseudobulk_correlation(
        scored.truth, scored.values, scored.groups("test"), features=features, scale=scale
    ).to_numpy()


# name: function of what is scored and the axis, axes; where more is not better, the best value goes to BEST
METRICS: dict[str, dict[str, Metric]] = {
    "binary": {
        "auroc": (lambda x, axis: auroc(x.truth, x.values, axis=axis), ("feature", "flat", "cell")),
        "normalised auprc": (lambda x, axis: auprc(x.truth, x.values, axis=axis, normalized=True), ("feature", "flat")),
        "brier skill": (
            lambda x, axis: brier_skill(x.truth, x.values, x.training_mean, axis=axis),
            ("feature", "flat"),
        ),
        "calibration slope": (lambda x, axis: calibration_slope(x.truth, x.values)[1], ("flat",)),
        "calibration error": (lambda x, axis: expected_calibration_error(x.truth, x.values), ("flat",)),
        "pseudobulk": (lambda x, axis: _pseudobulk(x, "rate"), ("cell type",)),
    },
    "continuous": {
        "pearson": (lambda x, axis: pearson(x.truth, x.values, axis=axis), ("feature", "flat", "cell")),
        "spearman": (lambda x, axis: spearman(x.truth, x.values, axis=axis), ("feature",)),
        "rmse": (lambda x, axis: rmse(x.truth, x.values, axis=axis), ("flat",)),
        "pseudobulk": (lambda x, axis: _pseudobulk(x, "log"), ("cell type",)),
    },
}
BEST = {"calibration error": 0.0, "calibration slope": 1.0, "rmse": 0.0}
_SCALELESS = ("pearson", "spearman")
_OF_PROBABILITIES = ("brier skill", "calibration slope", "calibration error")


def metrics_of(truth: str) -> dict[str, Metric]:
    """Metrics of a scale of the truth; each of the published predictions has a scale of its own, hence no others."""
    if truth == "log1p_counts":
        return {
            name: (function, ("feature",))
            for name, (function, _) in METRICS["continuous"].items()
            if name in _SCALELESS
        }
    return METRICS["binary" if truth == "binary" else "continuous"]


def score(folder: Path, prediction: Path, scale: str) -> list[dict]:
    """Rows ``metric, axis, value, n`` of a prediction on the test cells of the case in ``folder``.

    Per feature and per cell, the value is the mean over those that have a score and ``n`` is their number: peaks with
    fewer than 5 open test cells, and genes that are constant there, have none. A constant prediction scores .5 or 0.
    """
    case = Prepared(folder)
    counts = sp.csr_matrix(sp.load_npz(folder / "hidden" / "target.npz"))
    truth = target_values(case.truth, counts, case.median_total)
    values = on_truth_scale(np.load(prediction), scale, case.truth, case.median_total)
    scored = Scored(truth, values, case)
    rows = []
    for name, (function, axes) in metrics_of(case.truth).items():
        if scale == "score" and name in _OF_PROBABILITIES:
            continue
        for axis in axes:
            scores = np.atleast_1d(function(scored, axis))
            kept = scores[~np.isnan(scores)]
            if kept.size:
                n = values.size if axis == "flat" else kept.size
                rows.append({"metric": name, "axis": axis, "value": round(float(kept.mean()), 6), "n": n})
    return rows
