"""Evaluation of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog._modalities import direction_name
from scmog.model._base import RegisteredModel
from scmog.model._directions import check_mudata
from scmog.model._evaluation import score_direction
from scmog.model._query import Query


class EvaluationMixin(RegisteredModel):
    """Scores beside baselines."""

    def evaluate(
        self,
        mdata: MuData | None = None,
        *,
        split: str = SPLIT_LABELS.TEST,
        directions: Sequence[Sequence[str]] | None = None,
        baselines: bool = True,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Score the model beside baselines; nothing is written.

        Parameters
        ----------
        mdata
            Other paired cells, all of which are scored; default the cells of ``split`` of the training data.
        split
            ``"train"``, ``"validation"`` or ``"test"``; ignored where ``mdata`` is given.
        directions
            Directions to score; default all.
        baselines
            Also score the mean of the training cells and a ridge regression on 50 components of the source, its penalty
            tuned on the validation cells.
        batch_size
            Cells per block of generation.

        Returns
        -------
        Tidy table with the columns

        - ``direction``, e.g. ``"rna_to_atac"``, and ``model``: ``"scmog"``, ``"training mean"`` or ``"ridge"``;
        - ``metric``: ``"auroc"`` for ATAC, ``"pearson"`` for RNA (log1p of size-normalised counts) and protein (centred
          log-ratio);
        - ``axis``: ``"flat"`` over all entries, the paper's, dominated by how features differ on average;
          ``"feature"``, mean over the features of the score across cells;
        - ``value``, ``ci_low``, ``ci_high`` (95 % bootstrap over features; NaN for ``"flat"``) and ``n``, the number of
          entries or features scored.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there are no such cells, or a modality is missing.
        """
        self._require_trained()
        asked = None if directions is None else [tuple(direction) for direction in directions]
        chosen = [direction for direction in self.directions if asked is None or direction in asked]
        if not chosen or (asked is not None and len(chosen) < len(asked)):
            message = f"directions must be some of the model's {list(self.directions)}, got {directions}."
            raise ValueError(message)
        indices = self._split_indices(split) if mdata is None else None
        data = self.adata if mdata is None else mdata
        check_mudata(data, views=True, hint="Pass paired cells, with the source and the target of each direction.")
        tables = [
            score_direction(
                self.module,
                Query(data, direction, self.training_registry, indices),
                direction,
                baselines=self.baselines_[direction_name(direction)] if baselines else None,
                batch_size=self._block_size(batch_size),
            )
            for direction in chosen
        ]
        return pd.concat(tables, ignore_index=True)

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
