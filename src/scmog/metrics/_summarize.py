"""One table of scores for one prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from scmog.metrics._arrays import check_choice, check_dense, check_matrix
from scmog.metrics._intervals import bootstrap_interval, jackknife_interval
from scmog.metrics._score_table import AXES, KINDS, METRICS, Inputs, Metric


def summarize(
    truth: Any,
    prediction: Any,
    *,
    kind: Literal["binary", "continuous"] = "binary",
    axes: Sequence[Literal["flat", "feature", "cell"]] = ("flat", "feature"),
    metrics: Sequence[str] | Literal["all"] | None = None,
    reference: Any = None,
    groups: Any = None,
    features: Any = None,
    n_bootstrap: int = 200,
    resample: Literal["scores", "cells"] = "scores",
    seed: int = 0,
) -> pd.DataFrame:
    """Table of the scores of one prediction: AUROC for open/closed truth, Pearson correlation for values, and more.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Probabilities or other scores (binary), or values on the scale of the truth (continuous); dense, shape
        (n_cells, n_features).
    kind
        `"binary"`: entries of the truth above 0 are positive. `"continuous"`: values on a logarithmic scale.
    axes
        One row for each of `"flat"`, `"feature"`, `"cell"`, as far as the metric knows them.
    metrics
        Names in the order of the rows; None for `"auroc"` (binary) or `"pearson"` (continuous), `"all"` for all that
        the inputs allow:

        - binary: `"auroc"` (:func:`auroc`), `"auprc_normalized"` (:func:`auprc`), `"brier_skill"`
          (:func:`brier_skill`, needs `reference`), `"calibration_slope"` (:func:`calibration_slope`),
          `"calibration_error"` (:func:`expected_calibration_error`);
        - continuous: `"pearson"` (:func:`pearson`), `"spearman"` (:func:`spearman`), `"rmse"` (:func:`rmse`);
        - both: `"pseudobulk_lfc"` (:func:`pseudobulk_correlation`, needs `groups`; axis `"group"`), `"cmd"`
          (:func:`correlation_matrix_distance` of features), `"variance_share"` (:func:`variance_share`).

        Metrics with one axis have one row, whatever `axes` says.
    reference
        Probabilities for the Brier skill, shape (n_features,) or (n_cells, n_features): the share of training cells
        in which each feature is open.
    groups
        Label of each cell for the pseudobulk correlation, shape (n_cells,).
    features
        Features for the pseudobulk correlation, chosen on training cells: see :func:`variable_features`.
    n_bootstrap
        Bootstrap resamples behind the intervals; 0 leaves all intervals NaN.
    resample
        What the intervals of `"feature"` rows are about. `"scores"`: the features' scores are resampled, which costs
        nothing and says how much the choice of features matters. `"cells"`: ten recomputations each leave out a
        tenth of the cells (jackknife, with the t distribution), which costs ten times the score and says how far
        other cells of the same kind would move it. Features share their cells, so the second is the honest error of
        a score, and often the wider one.
    seed
        Seed of the resampling.

    Returns
    -------
    Data frame with the columns `metric`, `axis`, `value`, `ci_low`, `ci_high`, `n`. For `"feature"`, `"cell"` and
    `"group"` the value is the mean over the features, cells and groups that have a score, and `n` is their number. The
    interval (95 %) is that of `resample` for `"feature"`, and the bootstrap over the cells for `"cell"`; neither says
    how another training run would score. For `"flat"`, `n` is the number of entries and for `"cmd"` that of features;
    these rows and `"group"` have no interval (NaN): entries of one cell or feature are not independent, and groups
    are few.

    Raises
    ------
    ValueError
        If an option is unknown, a metric lacks what it needs, or as in the functions behind the metrics.
    TypeError
        As in the functions behind the metrics.
    """
    check_choice(kind, name="kind", choices=KINDS)
    check_choice(resample, name="resample", choices=("scores", "cells"))
    for asked in axes:
        check_choice(asked, name="axis", choices=AXES)
    if n_bootstrap < 0:
        message = f"n_bootstrap must be 0 or more, got {n_bootstrap}."
        raise ValueError(message)
    truth, prediction = check_matrix(truth, name="truth"), check_dense(prediction, name="prediction", finite=False)
    inputs = Inputs(truth, prediction, kind, reference, groups, features)
    rows: list[tuple[Any, ...]] = []
    for name in _chosen(metrics, inputs):
        metric = METRICS[name]
        for axis in metric.axes if len(metric.axes) == 1 else [known for known in axes if known in metric.axes]:
            scores = metric.score(inputs, axis)
            if np.ndim(scores) == 0:
                n = prediction.size if axis == "flat" else prediction.shape[1]
                rows.append((name, axis, float(scores), np.nan, np.nan, n))
                continue
            scores = np.asarray(scores)
            kept = scores[~np.isnan(scores)]
            interval = np.nan, np.nan
            if axis == "feature" and resample == "cells" and n_bootstrap:
                interval = _over_cells(metric, inputs, scores, seed=seed)
            elif axis != "group":
                interval = bootstrap_interval(kept, n_bootstrap=n_bootstrap, seed=seed)
            rows.append((name, axis, float(kept.mean()) if kept.size else np.nan, *interval, kept.size))
    return pd.DataFrame(rows, columns=["metric", "axis", "value", "ci_low", "ci_high", "n"])


def _chosen(metrics: Sequence[str] | str | None, inputs: Inputs) -> Sequence[str]:
    """Names of the metrics for the rows."""
    known = [name for name, metric in METRICS.items() if inputs.kind in metric.kinds]
    lacking = [name for name in known if getattr(inputs, METRICS[name].needs) is None]
    if metrics is None:
        return known[:1]
    if isinstance(metrics, str):
        check_choice(metrics, name="metrics", choices=("all",))
        return [name for name in known if name not in lacking]
    for name in metrics:
        check_choice(name, name=f"a metric for {inputs.kind} data", choices=tuple(known))
        if name in lacking:
            message = f"the metric {name!r} needs {METRICS[name].needs}=, got None. Pass it or leave the metric out."
            raise ValueError(message)
    return metrics


def _over_cells(metric: Metric, inputs: Inputs, scores: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Jackknife interval of one metric per feature."""
    if sparse.issparse(inputs.truth):
        inputs = replace(inputs, truth=sparse.csc_array(inputs.truth))

    def score(cells: np.ndarray, features: np.ndarray) -> np.ndarray:
        return metric.score(inputs.part(cells, features), "feature")

    return jackknife_interval(scores, score, n_cells=len(inputs.prediction), seed=seed)
