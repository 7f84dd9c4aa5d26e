"""Counts of one peak set expressed in another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from scmog.genomics._intervals import Intervals, parse_intervals
from scmog.genomics._overlap import overlap_join


@dataclass(frozen=True, kw_only=True, eq=False)
class PeakPooling:
    """How the peaks of a query map onto target peaks, and how well.

    ``counts @ pooling.matrix`` sums, for each cell and target peak, the counts of all query peaks that overlap it; a
    query peak that overlaps several targets counts in each of them. A target without a query peak gets zero, which
    means "not measured": see :attr:`missing_targets`.

    Attributes
    ----------
    matrix
        Ones where a query peak counts in a target peak, CSR float32, shape (n_query, n_target).
    """

    matrix: sparse.csr_matrix

    @property
    def missing_targets(self) -> np.ndarray:
        """Whether no query peak overlaps the target, bool, shape (n_target,)."""
        return self._queries_per_target == 0

    @property
    def dropped_queries(self) -> np.ndarray:
        """Whether the query peak overlaps no target, bool, shape (n_query,)."""
        return self._targets_per_query == 0

    @property
    def counts(self) -> dict[str, int]:
        """Numbers for a report.

        Of the targets: ``matched`` (at least one query peak), ``missing`` (none) and ``merged`` (two or more query
        peaks are summed). Of the query peaks: ``used``, ``dropped`` (no target) and ``split`` (count in two or more
        targets).
        """
        per_target, per_query = self._queries_per_target, self._targets_per_query
        return {
            "matched": int((per_target > 0).sum()),
            "missing": int((per_target == 0).sum()),
            "merged": int((per_target > 1).sum()),
            "used": int((per_query > 0).sum()),
            "dropped": int((per_query == 0).sum()),
            "split": int((per_query > 1).sum()),
        }

    @property
    def _queries_per_target(self) -> np.ndarray:
        return np.bincount(self.matrix.indices, minlength=self.matrix.shape[1])

    @property
    def _targets_per_query(self) -> np.ndarray:
        return np.diff(self.matrix.indptr)


def pool_peaks(query: Intervals, target: Intervals, *, min_overlap: int = 1, min_fraction: float = 0.0) -> PeakPooling:
    """Map query peaks onto target peaks by overlap; the counts of all overlapping query peaks are summed.

    This is the rule of the paper's preprocessing (section 4, taken over from BABEL). Binarise after pooling, not
    before: the sum of two open peaks is 2.

    Parameters
    ----------
    query, target
        Peaks, as :func:`parse_intervals` reads them: the columns of the data at hand, and the peaks that they are to
        have.
    min_overlap
        Least number of base pairs that a pair shares, at least 1.
    min_fraction
        Least share of the shorter peak of a pair that is covered, from 0 to 1.

    Raises
    ------
    ValueError
        As :func:`overlap_join`.
    """
    query, target = parse_intervals(query), parse_intervals(target)
    pairs = overlap_join(query, target, min_overlap=min_overlap, min_fraction=min_fraction)
    position = (pairs["query_index"].to_numpy(), pairs["target_index"].to_numpy())
    ones = np.ones(len(pairs), dtype=np.float32)
    return PeakPooling(matrix=sparse.csr_matrix((ones, position), shape=(len(query), len(target))))
