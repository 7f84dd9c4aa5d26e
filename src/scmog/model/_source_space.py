"""Where the baselines look at a cell: principal components of its source, and its depth."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from scmog.metrics import PrincipalComponents, clr, inverse_document_frequency, log_normalize, tfidf, with_log_depth
from scmog.model._predictions import row_blocks
from scmog.model._target_scale import measured_depth, share_of
from scmog.nn._representations import MAX_COMPENSATION

_SEED = 0


class SourceSpace:
    """Principal components of a source, fitted on the training cells.

    Of log-normalised RNA, of TF-IDF for ATAC and of centred log-ratios for protein, each with the log depth of the cell
    as one more feature: normalising takes it out, and simple predictors of peaks are better with it.

    Parameters
    ----------
    source
        Modality.
    median_total
        Library size to which RNA is normalised, the model's.
    """

    def __init__(self, source: str, median_total: float) -> None:
        self.source, self.median_total = source, median_total
        self.idf = np.zeros(0)
        self.average = np.zeros(0)
        self.components = PrincipalComponents(seed=_SEED)

    def fit(self, counts: Any) -> Self:
        """Fit on the raw counts ``(n_cells, n_source)`` of the training cells."""
        counted = counts > 0 if self.source == "atac" else counts
        self.average = np.asarray(counted.mean(axis=0, dtype=np.float64)).ravel()
        if self.source == "atac":
            self.idf = inverse_document_frequency(counts)
        self.components.fit(self._features(counts, None))
        return self

    def depth(self, counts: Any, missing: np.ndarray | None = None) -> np.ndarray:
        """Depth ``(n_cells,)`` that cells have, or would have if no feature were missing."""
        depth = measured_depth(self.source, counts)
        if missing is None:
            return depth
        # of cells without counts in the present features there is no telling: average, as in the model
        return np.where(depth > 0, depth / share_of(self.average, missing), self.average.sum())

    def transform(self, counts: Any, missing: np.ndarray | None = None) -> np.ndarray:
        """Components ``(n_cells, k)`` of cells with raw ``counts``, in which features may be ``missing``."""
        projection = self.components if missing is None else self._compensated(missing)
        scores = [projection.transform(self._features(counts[rows], missing)) for rows in row_blocks(*counts.shape[:2])]
        z = np.concatenate(scores)
        return z if z.shape[1] else np.zeros((len(z), 1), dtype=np.float32)  # a source without information

    def _features(self, counts: Any, missing: np.ndarray | None) -> Any:
        share = share_of(self.average, missing)
        if self.source == "rna":
            features = log_normalize(counts, self.median_total * share)
        elif self.source == "atac":
            features = tfidf(counts, self.idf * share)
        elif missing is None:
            features = clr(counts)
        else:  # the centre is that of the present proteins, not of the empty columns
            present = ~missing
            average = self.components.state()["source_mean"][:-1]
            features = np.tile(average, (counts.shape[0], 1))
            features[:, present] = clr(counts[:, present]) + average[present].mean()
        return with_log_depth(features, self.depth(counts, missing))

    def _compensated(self, missing: np.ndarray) -> PrincipalComponents:
        """Components for cells in which features are ``missing``."""
        state = self.components.state()
        loadings = state["components"][:, :-1]
        squares = np.square(loadings).sum(axis=0)
        # The model scales up what the present features say, so it would be unfair to let ridge go without. Missing
        # features are at their mean and add nothing; the deviations of the others are divided by the share of the
        # squared loadings that they hold, so that scores keep their size. One share for all components: with a share
        # of its own each, those of which hardly a feature is left would be noise blown up (PBMC, 250 of 1,000 genes:
        # .63 per protein against .59). The depth, the last column, is never missing.
        factor = min(float(squares.sum() / max(squares[~missing].sum(), 1e-12)), MAX_COMPENSATION)
        loadings *= factor * ~missing
        return PrincipalComponents.from_state(state)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays from which :meth:`from_state` makes the same space."""
        plain = {name: getattr(self, name) for name in ("source", "median_total", "idf", "average")}
        return {**plain, "components": self.components.state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Fitted space from :meth:`state`."""
        space = cls(state["source"], state["median_total"])
        space.idf, space.average = state["idf"], state["average"]
        space.components = PrincipalComponents.from_state(state["components"])
        return space
