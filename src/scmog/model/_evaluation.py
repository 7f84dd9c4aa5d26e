"""Scores beside baselines: the table that :meth:`scmog.model.SCMOG.evaluate` returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.metrics import (
    SVDRidge,
    TrainingMean,
    clr,
    inverse_document_frequency,
    log_normalize,
    summarize,
    tfidf,
)
from scmog.model._generation import generate_blocks
from scmog.model._query import Query
from scmog.module import SCMOGModule

COLUMNS = ["direction", "model", "metric", "axis", "value", "ci_low", "ci_high", "n"]
_MAX_RIDGE_CELLS = 50_000  # more cells do not move 50 components, but cost memory
_SEED = 0


def target_values(modality: str, counts: Any, median_total: float) -> Any:
    """Measured counts on the scale on which predictions are scored.

    ATAC: 0/1. RNA: log1p of size-normalised counts (the paper's "log-scaled expression"). Protein: centred log-ratio.
    """
    if modality == "rna":
        return log_normalize(counts, median_total)
    if modality == "atac":
        return counts > 0
    return clr(counts)


def predicted_values(modality: str, generated: np.ndarray) -> np.ndarray:
    """Generated values on the same scale."""
    return np.log1p(generated) if modality == "rna" else generated


def without(absent: np.ndarray | None, modality: str, values: np.ndarray) -> np.ndarray:
    """Predictions of the features that were measured; those of proteins are centred over them, as the truth is."""
    if absent is None:
        return values
    values = values[:, ~absent]
    return values - values.mean(axis=1, keepdims=True) if modality == "protein" else values


def library_share(average: np.ndarray, missing: np.ndarray | None) -> float:
    """Share of the average library, ``(n_features,)``, that the features that are not missing make up."""
    return 1.0 if missing is None else float(average[~missing].sum() / average.sum())


class Baselines:
    """Training mean and ridge of one direction, fitted on the training cells and kept in the model file.

    Parameters
    ----------
    source, target
        Modalities of the direction.
    median_total
        Library size to which RNA is normalised, the model's.
    """

    def __init__(self, source: str, target: str, median_total: float) -> None:
        self.source, self.target, self.median_total = source, target, median_total
        self.idf = np.zeros(0)
        self.mean, self.ridge = TrainingMean(), SVDRidge(seed=_SEED)

    def _features(self, counts: Any, share: float = 1.0) -> Any:
        if self.source == "rna":
            return log_normalize(counts, self.median_total * share)
        if self.source == "atac":
            return tfidf(counts, self.idf)
        return clr(counts)

    def fit(self, source: Any, target: Any, train: np.ndarray, validation: np.ndarray) -> Baselines:
        """Fit on the rows ``train`` of the raw counts; ridge tunes its penalty on the rows ``validation``."""
        if len(train) > _MAX_RIDGE_CELLS:
            train = np.sort(np.random.default_rng(_SEED).choice(train, _MAX_RIDGE_CELLS, replace=False))
        if self.source == "atac":
            self.idf = inverse_document_frequency(source[train])
        x, y = self._features(source[train]), self._values(target[train])
        self.mean.fit(x, y)
        tuned = (self._features(source[validation]), self._values(target[validation])) if len(validation) else ()
        self.ridge.fit(x, y, *tuned)
        return self

    def _values(self, counts: Any) -> Any:
        values = target_values(self.target, counts, self.median_total)
        return values.astype(np.float32)

    def predict(self, source: Any, missing: np.ndarray | None = None, share: float = 1.0) -> dict[str, np.ndarray]:
        """Predictions ``(n_cells, n_features)`` of each baseline for raw source counts.

        Features that are ``missing``, boolean ``(n_source,)``, enter as average, as they do in the model; ``share`` is
        that of the library size which the others make up in training.
        """
        if missing is None:
            x = self._features(source)
        else:
            average = self.ridge.state()["source_mean"]
            measured = self._features(source, share)
            x = np.where(missing, average, measured.toarray() if sparse.issparse(measured) else measured)
            if self.source == "protein":  # the centre is that of the measured proteins, not of the empty columns
                x[:, ~missing] = clr(source[:, ~missing]) + average[~missing].mean()
            x = x.astype(np.float32)
        return {"training mean": self.mean.predict(x), "ridge": self.ridge.predict(x)}

    def state(self) -> dict[str, Any]:
        """Plain arrays from which :meth:`from_state` makes the same predictors."""
        return {
            "source": self.source,
            "target": self.target,
            "median_total": self.median_total,
            "idf": self.idf,
            "mean": self.mean.state(),
            "ridge": self.ridge.state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Baselines:
        """Fitted baselines from :meth:`state`."""
        baselines = cls(state["source"], state["target"], state["median_total"])
        baselines.idf = state["idf"]
        baselines.mean, baselines.ridge = TrainingMean.from_state(state["mean"]), SVDRidge.from_state(state["ridge"])
        return baselines


def score_direction(
    module: SCMOGModule,
    query: Query,
    direction: Direction,
    *,
    baselines: dict[str, Any] | None,
    batch_size: int,
) -> pd.DataFrame:
    """Score one direction on the cells of a query that has both of its modalities.

    Holds the predictions of all cells in memory, ``(n_cells, n_features)`` for the model and each baseline.

    Parameters
    ----------
    baselines
        State of the fitted baselines; None scores the model alone.
    """
    (source, target), name = direction, direction_name(direction)
    blocks = generate_blocks(module, query, direction, score="probability", batch_size=batch_size)
    predictions = {"scmog": predicted_values(target, np.concatenate(list(blocks)))}
    if baselines is not None:
        absent = query.absent(source)
        share = library_share(module.representation(source).average.cpu().numpy(), absent)
        predictions |= Baselines.from_state(baselines).predict(query.counts(source), absent, share)
    absent = query.absent(target)  # what an alignment added has no truth
    share = library_share(module.representation(target).average.cpu().numpy(), absent)
    counts = query.counts(target) if absent is None else query.counts(target)[:, ~absent]
    truth = target_values(target, counts, module.median_total * share)
    return score_table(name, target, truth, {key: without(absent, target, x) for key, x in predictions.items()})


def score_table(
    direction: str,
    target: str,
    truth: Any,
    predictions: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Score each prediction of one direction; rows as documented in :meth:`scmog.model.SCMOG.evaluate`."""
    kind = "binary" if MODALITIES[target].binary else "continuous"
    tables = [
        summarize(truth, values, kind=kind).assign(direction=direction, model=name)  # type: ignore[arg-type]
        for name, values in predictions.items()
    ]
    return pd.concat(tables, ignore_index=True)[COLUMNS]
