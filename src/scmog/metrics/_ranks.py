"""Ranks of predictions at the few entries that matter, shared by the scores that are made of ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from scmog.metrics._arrays import BLOCK_ENTRIES, blocks, pair_blocks

RANGE_ENTRIES = 2 * BLOCK_ENTRIES
"""Entries of a matrix that are sorted at a time where the order of all of them is needed."""


class Column(NamedTuple):
    """One feature (or cell) with its predictions in order."""

    position: int
    ordered: np.ndarray
    """All predictions, ascending."""
    truth: np.ndarray
    """The entries of the truth that are not 0."""
    prediction: np.ndarray
    """The predictions of these entries."""


def ranked_columns(truth: Any, prediction: np.ndarray) -> Iterator[Column]:
    """Yield every column of (n, m) matrices; dense copies are made of some columns at a time.

    A sparse truth must not store zeros.
    """
    n, m = prediction.shape
    by_column = sparse.csc_array(truth) if sparse.issparse(truth) else truth
    for columns in blocks(m, n):
        ordered = np.array(prediction[:, columns].T, order="C")  # (b, n)
        found = by_column[:, columns].T
        if sparse.issparse(found):
            starts, cell, measured = found.indptr, found.indices, found.data
            predicted = ordered[np.repeat(np.arange(len(ordered)), np.diff(starts)), cell]
        else:
            column, cell = found.nonzero()
            starts = np.searchsorted(column, np.arange(len(ordered) + 1))
            measured, predicted = found[column, cell], ordered[column, cell]
        ordered.sort(axis=1)
        for i, values in enumerate(ordered):
            part = slice(starts[i], starts[i + 1])
            yield Column(columns.start + i, values, measured[part], predicted[part])


def positive_columns(
    truth: Any, score: np.ndarray, *, min_positives: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield index, all scores and scores of the positives, ascending, of the columns that can have a score.

    Columns with fewer than `min_positives` positives or without negatives are passed over.
    """
    for column in ranked_columns(truth, score):
        positives = column.prediction if column.truth.dtype == bool else column.prediction[column.truth > 0]
        if min_positives <= positives.size < column.ordered.size:
            yield column.position, column.ordered, np.sort(positives)


def positive_scores(truth: Any, score: np.ndarray) -> np.ndarray:
    """Scores of all positive entries, ascending."""
    return np.sort(np.concatenate([values[measured > 0] for measured, values in pair_blocks(truth, score)]))


def count_below(ordered: np.ndarray, parts: Iterable[np.ndarray]) -> np.ndarray:
    """How many values of all `parts` lie strictly below each of the ascending `ordered` values, as int64."""
    steps = np.zeros(ordered.size + 1, dtype=np.int64)
    for values in parts:
        # Sorted keys make the search run through memory in order, several times faster than random look-ups.
        positions = np.searchsorted(ordered, np.sort(values, axis=None), side="right")
        starts = np.flatnonzero(np.diff(positions, prepend=-1))
        steps[positions[starts]] += np.diff(starts, append=positions.size)
    return np.cumsum(steps[:-1], out=steps[:-1])


def tie_sum(ordered: np.ndarray) -> float:
    """Sum of t^3 - t over the runs of t equal values in ascending `ordered` ones."""
    equal = ordered[1:] == ordered[:-1]
    if not equal.any():
        return 0.0
    ends = np.flatnonzero(np.diff(equal, prepend=False, append=False))
    return float(tie_term(ends[1::2] - ends[::2] + 1).sum())


def tie_term(length: Any) -> Any:
    """t^3 - t for a run of t equal values, as float64."""
    length = np.asarray(length, dtype=np.float64)
    return length * length * length - length  # not by a power, whose last digit may differ between scalar and array


def value_bounds(matrix: np.ndarray, *, entries: int = RANGE_ENTRIES) -> np.ndarray:
    """Values that cut the entries of a dense matrix into ranges of about `entries` each, ascending.

    Estimated from a sample. A value that fills more than a range is the lower end of one.
    """
    n_ranges, sampled = -(-matrix.size // entries), 1024
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(length, size=n_ranges * sampled) for length in matrix.shape)
    return np.unique(np.sort(matrix[rows, columns])[sampled::sampled])
