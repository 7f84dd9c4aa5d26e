"""Baselines of one direction: those that a model file keeps, and those that need the training cells at hand."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata.abc import CSCDataset, CSRDataset
from scipy import sparse

from scmog._modalities import MODALITIES
from scmog.metrics import (
    KNN,
    Baseline,
    DepthMean,
    GroupMean,
    KernelRidge,
    StorableBaseline,
    SVDRidge,
    TargetDepthConfounder,
    TrainingMean,
)
from scmog.model._predictions import row_blocks
from scmog.model._source_space import SourceSpace
from scmog.model._target_scale import measured_depth, target_values

logger = logging.getLogger(__name__)

TRAINING_MEAN, RIDGE = "training mean", "ridge"
MAX_CELLS = 50_000  # more training cells do not move 100 components, but cost memory
MAX_ENTRIES = 1 << 26  # stored ones of a matrix, which is copied a few times: half a GB each
MAX_VALIDATION_ENTRIES = MAX_ENTRIES // 4  # enough to choose a few parameters on
_SEED = 0

_SOURCES = {
    TRAINING_MEAN: "components",
    "mean x source depth": "depth",
    RIDGE: "components",
    "kNN": "components",
    "kernel ridge": "components",
    "cell-type mean": "labels",
    "mean x true depth (confounder)": "target_depth",
}
"""What each baseline looks at, in the order of the table: an attribute of :class:`Cells`."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What the baselines may look at of some cells.

    Attributes
    ----------
    components
        In the source space, ``(n_cells, k)``.
    depth, target_depth
        In the source and, for the confounder alone, in the target, ``(n_cells,)``.
    labels
        Their cell types, ``(n_cells,)``.
    """

    components: np.ndarray
    depth: np.ndarray
    target_depth: np.ndarray | None = None
    labels: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingCells:
    """Raw counts of training or validation cells, and their labels.

    Attributes
    ----------
    source, target
        Counts, ``(n_cells, n_features)``.
    labels
        Cell types, ``(n_cells,)``, with gaps where a cell has none; None if there are none.
    """

    source: Any
    target: Any
    labels: np.ndarray | None = None


def some_cells(indices: np.ndarray, *counts: Any, max_entries: int | None = None) -> np.ndarray:
    """Ascending indices of the cells, or of as many as are loaded into memory to fit baselines.

    Those are :data:`MAX_CELLS`, or fewer where these have more than about ``max_entries`` (:data:`MAX_ENTRIES`) entries
    in one of the matrices ``counts``, ``(n_cells, n_features)``, in memory or on disk.
    """
    max_entries = MAX_ENTRIES if max_entries is None else max_entries
    most = min([MAX_CELLS, *(max(1, int(max_entries / entries_per_cell(matrix))) for matrix in counts)])
    if len(indices) > most:
        indices = np.random.default_rng(_SEED).choice(indices, most, replace=False)
    return np.sort(indices)


def entries_per_cell(matrix: Any) -> float:
    """Stored entries of a matrix per cell, at least 1; all of them where it is dense. Nothing is read."""
    if isinstance(matrix, CSRDataset | CSCDataset):
        n_entries = matrix.group["indices"].shape[0]
    else:
        n_entries = matrix.nnz if sparse.issparse(matrix) else np.prod(matrix.shape)
    return max(1.0, float(n_entries) / max(1, matrix.shape[0]))


class Baselines:
    """Training mean, mean moved by the depth of the source, and ridge of one direction.

    Parameters
    ----------
    space
        Space of the source, fitted on the training cells.
    target
        Modality.
    """

    _classes: dict[str, type[StorableBaseline]] = {
        TRAINING_MEAN: TrainingMean,
        "mean x source depth": DepthMean,
        RIDGE: SVDRidge,
    }

    def __init__(self, space: SourceSpace, target: str) -> None:
        self.space, self.target = space, target
        self.fitted: dict[str, Baseline] = {}

    def fit(self, train: TrainingCells, validation: TrainingCells | None = None) -> Self:
        """Fit on the training cells; parameters are those that are best on the validation cells."""
        self.fitted = {TRAINING_MEAN: TrainingMean(), "mean x source depth": DepthMean(self._kind)}
        self.fitted[RIDGE] = SVDRidge(seed=_SEED)
        self._fit(self.fitted, train, validation)
        return self

    def fit_more(self, train: TrainingCells, validation: TrainingCells | None, absent: np.ndarray | None) -> None:
        """Fit, for one evaluation, those that a model file does not keep, in addition.

        ``absent`` features of the target, boolean ``(n_target,)``, are not in the depth that the confounder is told.
        """
        more: dict[str, Baseline] = {"kNN": KNN(seed=_SEED), "kernel ridge": KernelRidge(seed=_SEED)}
        more["mean x true depth (confounder)"] = TargetDepthConfounder(self._kind)
        self._fit(more, train, validation, absent)
        if train.labels is not None:
            more["cell-type mean"] = self._group_mean(train, validation)
        self.fitted |= more

    @property
    def _kind(self) -> Any:
        return "binary" if MODALITIES[self.target].binary else "continuous"

    def _fit(
        self,
        baselines: dict[str, Baseline],
        train: TrainingCells,
        validation: TrainingCells | None,
        absent: np.ndarray | None = None,
    ) -> None:
        parts = [train] if validation is None else [train, validation]
        looks = [self.look(part.source, target=part.target, absent=absent) for part in parts]
        values = [self._values(part.target) for part in parts]
        for name, baseline in baselines.items():
            pairs = [(getattr(cells, _SOURCES[name]), y) for cells, y in zip(looks, values, strict=True)]
            baseline.fit(*(matrix for pair in pairs for matrix in pair))

    def _group_mean(self, train: TrainingCells, validation: TrainingCells | None) -> GroupMean:
        """Mean of the training cells of each label; cells without one are left out."""
        pairs: list[Any] = []
        for cells in (train, validation):
            if cells is not None and cells.labels is not None:
                labelled = np.flatnonzero(pd.notna(cells.labels))
                if len(labelled):
                    pairs += [cells.labels[labelled], self._values(cells.target[labelled])]
        return GroupMean().fit(*pairs)

    def _values(self, counts: Any) -> Any:
        return target_values(self.target, counts, self.space.median_total).astype(np.float32)

    def look(
        self,
        source: Any,
        *,
        missing: np.ndarray | None = None,
        target: Any = None,
        absent: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> Cells:
        """What the baselines see of cells with raw counts ``source``, of which features may be ``missing``."""
        present = target if absent is None or target is None else target[:, ~absent]
        return Cells(
            components=self.space.transform(source, missing),
            depth=self.space.depth(source, missing),
            target_depth=None if present is None else measured_depth(self.target, present),
            labels=labels,
        )

    @property
    def names(self) -> list[str]:
        """Names of the fitted baselines, in the order of the table."""
        return [name for name in _SOURCES if name in self.fitted]

    def predict(self, name: str, cells: Cells) -> Iterator[np.ndarray]:
        """Predictions of one baseline in blocks of cells, each ``(n_cells, n_target)``."""
        source, baseline = getattr(cells, _SOURCES[name]), self.fitted[name]
        if isinstance(baseline, GroupMean):
            absent = np.asarray(pd.isna(source))
            strange = ~np.isin(source.astype(str), baseline.state()["labels"]) | absent
            if strange.any():
                logger.warning(
                    "%d of the scored cells have no label, or one that no training cell has (%s): the cell-type mean "
                    "of these is the mean of all training cells.",
                    int(strange.sum()),
                    ", ".join(sorted({str(label) for label in source[strange & ~absent]})) or "none",
                )
        for rows in row_blocks(len(cells.depth), self.n_target):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*have no label or one that no training cell has")
                block = baseline.predict(source[rows])
            yield block

    @property
    def training_mean(self) -> np.ndarray:
        """Mean of the training cells, ``(n_target,)``."""
        mean = self.fitted[TRAINING_MEAN]
        return mean.state()["target_mean"]  # type: ignore[attr-defined, no-any-return]

    @property
    def n_target(self) -> int:
        """Number of features of the target."""
        return len(self.training_mean)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays from which :meth:`from_state` makes the same predictors."""
        kept = {name: self.fitted[name].state() for name in self._classes}  # type: ignore[attr-defined]
        return {"target": self.target, "space": self.space.state(), "fitted": kept}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Fitted baselines from :meth:`state`."""
        baselines = cls(SourceSpace.from_state(state["space"]), state["target"])
        baselines.fitted = {name: kind.from_state(state["fitted"][name]) for name, kind in cls._classes.items()}
        return baselines
