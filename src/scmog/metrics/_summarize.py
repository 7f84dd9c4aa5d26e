"""One small table of scores for one prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from scmog.metrics._arrays import check_choice
from scmog.metrics._binary import auroc
from scmog.metrics._continuous import pearson

_METRICS: dict[str, tuple[str, Callable[..., Any]]] = {"binary": ("auroc", auroc), "continuous": ("pearson", pearson)}


def summarize(
    truth: Any,
    prediction: Any,
    *,
    kind: Literal["binary", "continuous"] = "binary",
    axes: Sequence[Literal["flat", "feature", "cell"]] = ("flat", "feature"),
    n_bootstrap: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Table of the scores of one prediction: AUROC for open/closed truth, Pearson correlation for values.

    Parameters
    ----------
    truth
        Measured values, shape (n_cells, n_features), dense or sparse.
    prediction
        Scores (binary) or values on the scale of the truth (continuous); dense, shape (n_cells, n_features).
    kind
        `"binary"`: :func:`auroc`. `"continuous"`: :func:`pearson`.
    axes
        One row for each of `"flat"`, `"feature"`, `"cell"`.
    n_bootstrap
        Bootstrap resamples behind the intervals; 0 leaves them NaN.
    seed
        Seed of the bootstrap.

    Returns
    -------
    Data frame with the columns `metric`, `axis`, `value`, `ci_low`, `ci_high`, `n`. For `"feature"` (`"cell"`) the
    value is the mean over the features (cells) that have a score, `n` their number, and the interval the 2.5 and
    97.5 percentiles of that mean over resampled features (cells); it says how much the choice of features matters, not
    how another training run would score. For `"flat"`, `n` is the number of entries and the interval is NaN: entries
    of one cell or feature are not independent.

    Raises
    ------
    ValueError
        If an option is unknown, or as in :func:`auroc` and :func:`pearson`.
    TypeError
        As in :func:`auroc` and :func:`pearson`.
    """
    check_choice(kind, name="kind", choices=tuple(_METRICS))
    if n_bootstrap < 0:
        message = f"n_bootstrap must be 0 or more, got {n_bootstrap}."
        raise ValueError(message)
    metric, function = _METRICS[kind]
    rows = []
    for axis in axes:
        scores = np.atleast_1d(function(truth, prediction, axis=axis))
        kept = scores[~np.isnan(scores)]
        value = kept.mean() if kept.size else np.nan
        if axis == "flat":
            n, (low, high) = int(np.prod(np.shape(prediction))), (np.nan, np.nan)
        else:
            n, (low, high) = kept.size, _interval(kept, n_bootstrap=n_bootstrap, seed=seed)
        rows.append((metric, axis, float(value), low, high, n))
    return pd.DataFrame(rows, columns=["metric", "axis", "value", "ci_low", "ci_high", "n"])


def _interval(values: np.ndarray, *, n_bootstrap: int, seed: int) -> tuple[float, float]:
    """Percentile bootstrap interval (95 %) of the mean; NaN when there is nothing to resample."""
    if values.size < 2 or n_bootstrap == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, values.size).mean() for _ in range(n_bootstrap)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
