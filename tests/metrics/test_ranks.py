from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scmog.metrics._ranks import count_below, tie_sum, tie_term, value_bounds

_values = hnp.arrays(np.float64, st.integers(0, 30), elements=st.integers(-3, 3).map(float))


@settings(max_examples=60, deadline=None)
@given(ordered=_values.map(np.sort), parts=st.lists(_values, max_size=3))
def test_count_below_counts(ordered, parts):
    expected = [sum(int((part < value).sum()) for part in parts) for value in ordered]
    np.testing.assert_array_equal(count_below(ordered, parts), expected)


@settings(max_examples=60, deadline=None)
@given(ordered=_values.map(np.sort))
def test_tie_sum(ordered):
    assert tie_sum(ordered) == sum(t**3 - t for t in Counter(ordered.tolist()).values())


def test_ties_of_constants_cancel_exactly():
    n = 10**6 + 3
    assert tie_term(n) - tie_sum(np.full(n, 0.1, dtype=np.float32)) == 0


def test_ranges_hold_about_as_many_entries_as_asked_for():
    matrix = np.random.default_rng(0).gamma(0.3, size=(300, 400)).astype(np.float32)
    bounds = value_bounds(matrix, entries=10_000)
    sizes = np.histogram(matrix, bins=[-np.inf, *bounds, np.inf])[0]
    assert len(sizes) == 12
    assert sizes.max() < 12_500
    assert value_bounds(matrix, entries=matrix.size).size == 0
    # A value that fills half of the matrix is a bound, so that it can be counted instead of gathered.
    matrix[:150] = 0.5
    assert 0.5 in value_bounds(matrix, entries=10_000)
