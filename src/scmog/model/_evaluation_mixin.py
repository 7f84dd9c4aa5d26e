"""Evaluation of the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.data import as_names, find_obs_column
from scmog.metrics import variable_features
from scmog.model._base import RegisteredModel
from scmog.model._baselines import MAX_VALIDATION_ENTRIES, Baselines, TrainingCells, some_cells
from scmog.model._directions import check_mudata
from scmog.model._evaluation import Scoring, applicable, kind_of, score_direction
from scmog.model._evaluation_options import cell_labels, check_ceiling, check_metrics, required_parts
from scmog.model._query import Query
from scmog.model._seen_cells import n_seen
from scmog.model._target_scale import target_values

logger = logging.getLogger(__name__)

_LEAST_GROUP = 20  # cells; smaller groups are no pseudobulk


class EvaluationMixin(RegisteredModel):
    """Scores beside baselines."""

    def evaluate(
        self,
        mdata: MuData | None = None,
        *,
        split: str | None = None,
        directions: Sequence[Sequence[str]] | None = None,
        baselines: bool | Literal["all"] = True,
        metrics: Sequence[str] | Literal["all"] | None = None,
        labels_key: str | None = None,
        ceiling: Mapping[str, Any] | None = None,
        resample: Literal["scores", "cells"] = "scores",
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Score the model beside baselines; nothing is written.

        A warning is logged where the model's predictions have collapsed (all cells get nearly the same profile), where
        it does not beat ridge regression per feature, and where it was trained on cells that are scored as new ones.
        The user guide says what each number means.

        Parameters
        ----------
        mdata
            Other paired cells, all of which are scored; default the cells of ``split`` of the training data.
        split
            ``"train"``, ``"validation"`` or ``"test"`` (default) cells of the training data; not together with
            ``mdata``. Scores of training cells say how well they are remembered, above all those of nearest neighbours
            and kernel ridge, which find the cell itself.
        directions
            Directions to score; default all.
        baselines
            True: those that the model file keeps, with parameters chosen on the validation cells: the mean of the
            training cells, that mean moved by the depth of the source cell, and ridge regression on principal
            components. ``"all"``: also nearest neighbours and kernel ridge, the mean of the cell type (with
            ``labels_key``) and, as a confounder and not a competitor, the mean moved by the measured depth of the
            *target*. They are fitted in the call, on the training cells, so the training data must be attached.
        metrics
            Names of scores, those of :func:`scmog.metrics.summarize`, each for the targets that it applies to;
            ``"all"`` for every score and axis that the inputs allow. Default, with the main one first:

            - ATAC: ``"auroc"``, ``"auprc_normalized"``, ``"brier_skill"`` against the frequencies of the training
              cells, ``"calibration_slope"``, ``"calibration_error"``, ``"variance_share"``;
            - RNA (log1p of size-normalised counts) and protein (centred log-ratio): ``"pearson"``, ``"spearman"``,
              ``"rmse"``, ``"variance_share"``;
            - with ``labels_key``: ``"pseudobulk_lfc"``.
        labels_key
            Column of the global obs, or of a modality's, with the cell types. ``"pseudobulk_lfc"`` takes the 1,000
            features that differ most between those of the training cells where they are attached, else all.
        ceiling
            The best possible predictions of the scored cells by target, ``(n_cells, n_features)`` in the unit of
            :meth:`get_generated`, scored as ``"ceiling"``. Known for simulated data: the layers ``"probability"`` of
            ATAC and ``"mean"`` of RNA (means at the depth of a cell are brought to the median library size).
        resample
            What the intervals of the mean over features are about: ``"scores"``, which features were measured;
            ``"cells"``, which cells, at ten times the cost. See :func:`scmog.metrics.summarize`.
        batch_size
            Cells per block of generation.

        Returns
        -------
        Tidy table with the columns

        - ``direction``, e.g. ``"rna_to_atac"``, and ``model``: ``"scmog"``, ``"training mean"``,
          ``"mean x source depth"``, ``"ridge"``, ``"kNN"``, ``"kernel ridge"``, ``"cell-type mean"``,
          ``"mean x true depth (confounder)"``, ``"ceiling"``;
        - ``metric``, and ``axis``: ``"flat"`` over all entries, the paper's, dominated by how features differ on
          average; ``"feature"``, ``"cell"`` or ``"group"``, mean over the features, cells or cell types of the score of
          each;
        - ``value``, ``ci_low``, ``ci_high`` (95 %; NaN for ``"flat"`` and ``"group"``) and ``n``, the number of
          entries, features, cells or groups scored;
        - with ``ceiling``, ``skill``: the share of the way from the training mean to the ceiling, where the score has
          such a way (NaN else).

        Raises
        ------
        RuntimeError
            If the model is not trained.
        KeyError
            If no obs has ``labels_key``.
        ValueError
            If both ``mdata`` and ``split`` are given, there are no such cells, a modality is missing, an option or
            metric is unknown, no metric applies, the training data that ``baselines="all"`` needs are not attached, or
            a ceiling does not fit.
        """
        self._require_trained()
        chosen = self._chosen_directions(directions)
        if baselines not in (True, False, "all"):
            message = f"baselines must be True, False or 'all', got {baselines!r}."
            raise ValueError(message)
        check_metrics(metrics, chosen, labels_key)
        check_ceiling(ceiling, chosen)
        if mdata is not None and split is not None:
            message = (
                f"split={split!r} chooses cells of the training data, while all of mdata is scored; leave one out. "
                "To score a part of the training data attach them: SCMOG.load(path, adata=mdata)."
            )
            raise ValueError(message)
        split = SPLIT_LABELS.TEST if split is None else split
        indices = self._split_indices(split) if mdata is None else None
        data = self.adata if mdata is None else mdata
        check_mudata(data, views=True, hint="Pass paired cells, with the source and the target of each direction.")
        tables = []
        for direction in chosen:
            target = direction[1]
            if not applicable(metrics, target):
                continue
            query = Query(data, direction, self.training_registry, indices)
            best = (ceiling or {}).get(target)
            parts = self._training_parts(direction, labels_key) if baselines == "all" or labels_key else None
            fitted = None
            if baselines or best is not None:
                fitted = Baselines.from_state(self.baselines_[direction_name(direction)])
            if fitted is not None and baselines == "all":
                fitted.fit_more(*required_parts(parts, labels_key), query.absent(target))
            scoring = Scoring(
                metrics=metrics,
                resample=resample,
                labels=None if labels_key is None else cell_labels(data, labels_key, query.cells),
                features=self._telling_features(direction, parts, query.absent(target)),
                ceiling=best,
                skill=ceiling is not None,
            )
            if mdata is not None or split == SPLIT_LABELS.TEST:
                self._warn_of_seen_cells(query, direction)
            table = score_direction(
                self.module,
                query,
                direction,
                baselines=fitted,
                shown=fitted.names if fitted is not None and baselines else [],
                scoring=scoring,
                batch_size=self._block_size(batch_size),
            )
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def _warn_of_seen_cells(self, query: Query, direction: Direction) -> None:
        n = n_seen(self.seen_cells_, query.ids())
        if n:
            logger.warning(
                "%s: %d of the %d cells to score were trained or validated on by this model, whose scores on them are "
                "better than on new cells. Score cells that it has not seen.",
                direction_name(direction),
                n,
                len(query.indices),
            )

    def _chosen_directions(self, directions: Sequence[Sequence[str]] | None) -> list[Direction]:
        asked = None if directions is None else [tuple(direction) for direction in directions]
        chosen = [direction for direction in self.directions if asked is None or direction in asked]
        if not chosen or (asked is not None and len(chosen) < len(asked)):
            message = f"directions must be some of the model's {list(self.directions)}, got {directions}."
            raise ValueError(message)
        return chosen

    def _split_indices(self, split: str) -> np.ndarray:
        if split not in SPLIT_LABELS:
            message = f"split must be one of {list(SPLIT_LABELS)}, got {split!r}."
            raise ValueError(message)
        before = self._earlier_split
        if before is None:
            message = "the model has not got the data it was trained on; pass the cells to score as mdata."
            raise ValueError(message)
        indices = np.sort(getattr(before, split))
        if not len(indices):
            message = f"the training data have no {split} cells; train with such a split, or pass mdata."
            raise ValueError(message)
        return indices

    def _training_parts(
        self, direction: Direction, labels_key: str | None
    ) -> tuple[TrainingCells, TrainingCells | None] | None:
        """Training and validation cells of one direction; None if the training data are not attached."""
        split = self._earlier_split
        keys = [MODALITIES[modality].registry_key for modality in direction]
        if split is None or not set(keys) <= set(self.adata_manager.data_registry):
            return None
        counts = [self.adata_manager.get_from_registry(key) for key in keys]
        column = None if labels_key is None else find_obs_column(self.adata, labels_key)
        labels = None if column is None else as_names(column).to_numpy(object)

        def part(cells: np.ndarray) -> TrainingCells:
            chosen = None if labels is None else labels[cells]
            return TrainingCells(source=counts[0][cells], target=counts[1][cells], labels=chosen)

        validation = some_cells(split.validation, *counts, max_entries=MAX_VALIDATION_ENTRIES)
        return part(some_cells(split.train, *counts)), part(validation) if len(validation) else None

    def _telling_features(
        self, direction: Direction, parts: tuple[TrainingCells, Any] | None, absent: np.ndarray | None
    ) -> np.ndarray | None:
        """Measured features that differ most between cell types of training cells; None if there is no telling."""
        if parts is None or parts[0].labels is None:
            return None
        train, target = parts[0], direction[1]
        if (pd.Series(train.labels).value_counts() >= _LEAST_GROUP).sum() < 2:
            return None
        counts = train.target if absent is None else train.target[:, ~absent]
        values = target_values(target, counts, self._median_total)
        scale: Literal["rate", "log"] = "rate" if kind_of(target) == "binary" else "log"
        return variable_features(values, train.labels, scale=scale, min_cells=_LEAST_GROUP)
