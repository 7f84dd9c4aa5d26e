"""Scores beside baselines: the table that :meth:`scmog.model.SCMOG.evaluate` returns."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.metrics import METRICS, summarize, variance_share
from scmog.model._baselines import RIDGE, TRAINING_MEAN, Baselines
from scmog.model._generation import generate_blocks, warn_of_unmarked
from scmog.model._predictions import collect
from scmog.model._query import Query
from scmog.model._target_scale import ceiling_values, share_of, target_values, without
from scmog.module import SCMOGModule

logger = logging.getLogger(__name__)

COLUMNS = ["direction", "model", "metric", "axis", "value", "ci_low", "ci_high", "n"]
OURS, CEILING = "scmog", "ceiling"
_ALL_AXES: tuple[Literal["flat", "feature", "cell"], ...] = ("flat", "feature", "cell")
_GRADED = ("auroc", "pearson", "auprc_normalized", "brier_skill", "spearman")  # the training mean is a floor of these
_COLLAPSED = 0.1  # of the variance share of ridge
_NO_VARIANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What one direction is scored on; as in :meth:`scmog.model.SCMOG.evaluate`.

    Attributes
    ----------
    metrics
        Names, ``"all"`` or None.
    resample
        What the intervals are about.
    labels
        Cell types of the scored cells, ``(n_cells,)``.
    features
        Positions of the target's measured features that the pseudobulk correlation takes; None for all.
    ceiling
        Best possible predictions ``(n_cells, n_features)`` as the user gave them.
    skill
        Whether the table gets the column.
    """

    metrics: Sequence[str] | Literal["all"] | None
    resample: Literal["scores", "cells"] = "scores"
    labels: np.ndarray | None = None
    features: np.ndarray | None = None
    ceiling: Any = None
    skill: bool = False


def kind_of(target: str) -> Literal["binary", "continuous"]:
    """Which metrics a target has."""
    return "binary" if MODALITIES[target].binary else "continuous"


def applicable(metrics: Sequence[str] | str | None, target: str) -> Sequence[str] | Literal["default", "all"]:
    """The metrics that apply to a target, as :func:`scmog.metrics.summarize` takes them."""
    if metrics is None:
        return "default"
    if metrics == "all":
        return "all"
    return [name for name in metrics if kind_of(target) in METRICS[name].kinds]


def score_direction(
    module: SCMOGModule,
    query: Query,
    direction: Direction,
    *,
    baselines: Baselines | None,
    shown: Sequence[str],
    scoring: Scoring,
    batch_size: int,
) -> pd.DataFrame:
    """Score one direction on the cells of a query that has both of its modalities.

    One predictor at a time: memory is that of one matrix of predictions ``(n_cells, n_features)``, which lies in a file
    where it is large.

    Parameters
    ----------
    baselines
        Fitted baselines; None scores the model alone.
    shown
        Names of those that the table has.
    """
    (source, target), name = direction, direction_name(direction)
    absent, missing = query.absent(target), query.absent(source)  # what an alignment added has no truth
    warn_of_unmarked(module, query, source)
    average = module.representation(target).average.cpu().numpy()
    counts = query.counts(target)
    size = module.median_total * share_of(average, absent) if target == "rna" else 1.0
    truth = target_values(target, counts if absent is None else counts[:, ~absent], size)
    n_cells = truth.shape[0]
    predictors: dict[str, Callable[[], np.ndarray]] = {
        OURS: partial(_generated, module, query, direction, n_cells=n_cells, batch_size=batch_size)
    }
    if baselines is not None:
        cells = baselines.look(
            query.counts(source), missing=missing, target=counts, absent=absent, labels=scoring.labels
        )
        names = shown if scoring.ceiling is None else dict.fromkeys([TRAINING_MEAN, *shown])
        predictors |= {key: partial(_predicted, baselines, key, cells, absent) for key in names}
    if scoring.ceiling is not None:
        best = checked_ceiling(scoring.ceiling, target, (n_cells, len(average)))
        predictors[CEILING] = lambda: ceiling_values(target, best, module.median_total, truth, absent)
    reference = average if baselines is None else baselines.training_mean
    table, shares = _scored(name, target, truth, predictors, scoring, without(absent, "atac", reference[None])[0])
    _warn(name, target, table, shares, n_cells)
    if scoring.skill:
        table["skill"] = _skill(table)
    return table[table["model"].isin([OURS, *shown, CEILING])].reset_index(drop=True)


def _generated(module: SCMOGModule, query: Query, direction: Direction, *, n_cells: int, batch_size: int) -> np.ndarray:
    target = direction[1]
    score = "log1p" if MODALITIES[target].log_scaled else "probability"
    blocks = generate_blocks(module, query, direction, score=score, batch_size=batch_size)
    values = (without(query.absent(target), target, block) for block in blocks)
    return collect(values, n_cells)


def _predicted(baselines: Baselines, name: str, cells: Any, absent: np.ndarray | None) -> np.ndarray:
    n_cells, target = len(cells.depth), baselines.target
    if name == TRAINING_MEAN:  # one row is enough
        row = without(absent, target, baselines.training_mean[None])
        return np.broadcast_to(row, (n_cells, row.shape[1]))
    return collect((without(absent, target, block) for block in baselines.predict(name, cells)), n_cells)


def checked_ceiling(best: Any, target: str, shape: tuple[int, int]) -> np.ndarray:
    """The ceiling as a dense matrix of the right shape."""
    values: np.ndarray = best.toarray() if sparse.issparse(best) else np.asarray(best)
    if values.shape != shape:
        message = (
            f"ceiling[{target!r}] must have one row per scored cell and one column per feature of the model, {shape}, "
            f"got {values.shape}. Take the rows of the scored cells, in their order."
        )
        raise ValueError(message)
    return values


def _scored(
    direction: str,
    target: str,
    truth: Any,
    predictors: dict[str, Callable[[], np.ndarray]],
    scoring: Scoring,
    reference: np.ndarray,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Scores of each predictor, the main metric's first, and the variance shares of the model and of ridge."""
    kind, tables, shares = kind_of(target), [], {}
    for name, predict in predictors.items():
        prediction = predict()
        table = summarize(
            truth,
            prediction,
            kind=kind,
            axes=_ALL_AXES if scoring.metrics == "all" else None,
            metrics=applicable(scoring.metrics, target),
            reference=reference if kind == "binary" else None,
            groups=scoring.labels,
            features=scoring.features,
            resample=scoring.resample,
        )
        if name in (OURS, RIDGE):
            shares[name] = variance_share(prediction)
        del prediction  # before the next one is made
        tables.append(table.assign(direction=direction, model=name, row=range(len(table))))
    scores = pd.concat(tables, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)
    return scores[COLUMNS], shares


def _warn(direction: str, target: str, table: pd.DataFrame, shares: dict[str, float], n_cells: int) -> None:
    """Log what a user should know before using the predictions."""
    ours, ridge = shares[OURS], shares.get(RIDGE, 0.0)
    alike = n_cells < 2 or (RIDGE in shares and ridge < _NO_VARIANCE)  # e.g. empty cells: nothing tells them apart
    if not alike and ours < max(_COLLAPSED * ridge, _NO_VARIANCE):
        logger.warning(
            "%s: the predictions have collapsed: only %.2g of their variance lies between cells%s, so all cells get "
            "nearly the same profile. Do not use them to compare cells; train anew, longer or with another preset.",
            direction,
            ours,
            f" (ridge: {ridge:.2g})" if RIDGE in shares else "",
        )
    main = next(name for name, metric in METRICS.items() if kind_of(target) in metric.kinds)
    rows = table[(table["metric"] == main) & (table["axis"] == "feature")].set_index("model")["value"]
    if {OURS, RIDGE} <= set(rows.index) and rows[OURS] <= rows[RIDGE]:
        logger.warning(
            "%s: scmog does not beat ridge regression on these cells: %s per %s %.3f, ridge %.3f.",
            direction,
            main,
            MODALITIES[target].feature,
            rows[OURS],
            rows[RIDGE],
        )


def _skill(table: pd.DataFrame) -> pd.Series:
    """Share of the way from the training mean to the ceiling; NaN where there is no ceiling or no such way."""
    if CEILING not in set(table["model"]):
        return pd.Series(np.nan, index=table.index)
    keys = pd.MultiIndex.from_frame(table[["metric", "axis"]])
    floor, top = (
        table[table["model"] == name].set_index(["metric", "axis"])["value"].reindex(keys).to_numpy()
        for name in (TRAINING_MEAN, CEILING)
    )
    meaningful = table["metric"].isin(_GRADED) & (top > floor)
    return ((table["value"] - floor) / (top - floor)).where(meaningful)
