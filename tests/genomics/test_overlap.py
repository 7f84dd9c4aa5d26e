from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.genomics import merge_intervals, overlap_join, parse_intervals

Rows = list[tuple[str, int, int]]


def _frame(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"]).astype({"start": "int64", "end": "int64"})


# A short genome, so that intervals nest, touch, coincide and cross all the time.
rows = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "chr10", "chrX"]), st.integers(0, 30), st.integers(1, 12)).map(
        lambda item: (item[0], item[1], item[1] + item[2])
    ),
    max_size=15,
)


def _shared_bases(a: tuple[str, int, int], b: tuple[str, int, int]) -> int:
    """Counted base by base, not computed from the ends."""
    return len(set(range(a[1], a[2])) & set(range(b[1], b[2]))) if a[0] == b[0] else 0


def _brute_force(query: Rows, target: Rows) -> list[tuple[int, int, int]]:
    pairs = ((i, j, _shared_bases(q, t)) for i, q in enumerate(query) for j, t in enumerate(target))
    return [pair for pair in pairs if pair[2] > 0]


def _tuples(pairs: pd.DataFrame) -> list[tuple[int, ...]]:
    assert list(pairs.columns) == ["query_index", "target_index", "overlap_bp"]
    return [tuple(row) for row in pairs.to_numpy().tolist()]


@settings(deadline=None, max_examples=60)
@given(query=rows, target=rows)
def test_join_equals_brute_force(query, target):
    assert _tuples(overlap_join(_frame(query), _frame(target))) == _brute_force(query, target)


@settings(deadline=None, max_examples=60)
@given(query=rows, target=rows, least=st.integers(1, 8), tenths=st.integers(0, 10))
def test_limits_equal_brute_force(query, target, least, tenths):
    expected = []
    for i, j, shared in _brute_force(query, target):
        shorter = min(query[i][2] - query[i][1], target[j][2] - target[j][1])
        if shared >= least and shared * 10 >= tenths * shorter:
            expected.append((i, j, shared))
    pairs = overlap_join(_frame(query), _frame(target), min_overlap=least, min_fraction=tenths / 10)
    assert _tuples(pairs) == expected


@settings(deadline=None, max_examples=60)
@given(query=rows, target=rows)
def test_join_is_symmetric(query, target):
    there = overlap_join(_frame(query), _frame(target))
    back = overlap_join(_frame(target), _frame(query))
    swapped = [(j, i, shared) for i, j, shared in _tuples(back)]
    assert sorted(swapped) == _tuples(there)


@pytest.mark.parametrize(
    ("target", "shared"),
    [
        pytest.param("chr1:100-200", 100, id="equal"),
        pytest.param("chr1:50-101", 1, id="one-base-left"),
        pytest.param("chr1:199-250", 1, id="one-base-right"),
        pytest.param("chr1:50-100", 0, id="touches-left"),
        pytest.param("chr1:200-250", 0, id="touches-right"),
        pytest.param("chr1:120-130", 10, id="inside"),
        pytest.param("chr1:0-1000", 100, id="around"),
        pytest.param("chr2:100-200", 0, id="other-chromosome"),
        pytest.param("1-100-150", 50, id="other-spelling"),
    ],
)
def test_half_open_ends(target, shared):
    expected = [(0, 0, shared)] if shared else []
    assert _tuples(overlap_join(["chr1:100-200"], [target])) == expected


def test_fraction_is_of_the_shorter_interval():
    # 60 bases are 60 % of the narrow interval and 6 % of the wide one, whichever of the two is the query.
    narrow, wide = ["chr1:0-100"], ["chr1:40-1040"]
    for query, target in ((narrow, wide), (wide, narrow)):
        assert len(overlap_join(query, target, min_fraction=0.6)) == 1
        assert len(overlap_join(query, target, min_fraction=0.61)) == 0


def test_large_coordinates_do_not_run_into_the_next_chromosome():
    end = 3_000_000_000
    query = _frame([(f"chr{i}", end - 5, end) for i in range(1, 200)])
    target = _frame([(f"chr{i}", 0, 5) for i in range(1, 200)] + [("chr199", end - 1, end)])
    assert _tuples(overlap_join(query, target)) == [(198, 199, 1)]


def test_empty_sets_have_no_pairs():
    pairs = overlap_join([], ["chr1:0-5"])
    assert len(pairs) == len(overlap_join(["chr1:0-5"], [])) == len(overlap_join([], [])) == 0
    assert set(pairs.dtypes) == {np.dtype(np.int64)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"min_overlap": 0}, "min_overlap must be at least 1 base pair, got 0", id="overlap"),
        pytest.param({"min_fraction": 1.1}, "min_fraction must be from 0 to 1, got 1.1", id="fraction"),
        pytest.param({"min_fraction": float("nan")}, "min_fraction must be from 0 to 1, got nan", id="nan"),
    ],
)
def test_refuses_impossible_limits(options, message):
    with pytest.raises(ValueError, match=message):
        overlap_join(["chr1:0-5"], ["chr1:0-5"], **options)


def test_names_invalid_intervals_of_the_target():
    with pytest.raises(ValueError, match="'IL7R'"):
        overlap_join(["chr1:0-5"], ["IL7R"])


def _union(rows: Rows) -> set[tuple[str, int]]:
    return {(chrom, base) for chrom, start, end in rows for base in range(start, end)}


@settings(deadline=None, max_examples=60)
@given(rows=rows)
def test_merged_intervals_are_the_connected_components(rows):
    merged = merge_intervals(_frame(rows))
    as_rows = [tuple(row) for row in merged.to_numpy().tolist()]
    assert _union(as_rows) == _union(rows)
    assert len(_union(as_rows)) == int((merged["end"] - merged["start"]).sum())
    # Every interval lies in exactly one union, and two intervals that overlap lie in the same one.
    home = [[k for k, union in enumerate(as_rows) if _shared_bases(row, union)] for row in rows]
    assert all(len(k) == 1 for k in home)
    assert all(home[i] == home[j] for i, j, _ in _brute_force(rows, rows))
    # No union could be cut: at each inner boundary some interval crosses.
    for chrom, start, end in as_rows:
        for cut in range(start + 1, end):
            assert any(row[0] == chrom and row[1] < cut < row[2] for row in rows)


def test_merged_intervals_are_sorted_and_named():
    merged = merge_intervals(["chrX:1-4", "10:0-10", "2:5-7", "2:6-9", "GL000194.1:0-1", "2:9-12", "MT:0-4", "2:20-30"])
    assert list(merged.index) == [
        "chr2:5-9",
        "chr2:9-12",
        "chr2:20-30",
        "chr10:0-10",
        "GL000194.1:0-1",
        "chrM:0-4",
        "chrX:1-4",
    ]
    pd.testing.assert_frame_equal(merged, parse_intervals(merged.index))


def test_merging_nothing_gives_nothing():
    assert list(merge_intervals([]).columns) == ["chrom", "start", "end"]


@pytest.mark.slow
def test_joins_two_large_peak_sets_in_time_and_memory():
    """The promise is 3 s and 1 GB on one core."""
    rng = np.random.default_rng(0)

    def peaks() -> pd.DataFrame:
        start = rng.integers(0, 150_000_000, size=200_000)
        chrom = np.array([f"chr{i}" for i in range(1, 21)])[rng.integers(20, size=200_000)]
        return pd.DataFrame({"chrom": chrom, "start": start, "end": start + rng.integers(200, 900, size=200_000)})

    query, target = peaks(), peaks()
    begin = time.process_time()
    pairs = overlap_join(query, target)
    assert time.process_time() - begin < 3
    assert len(pairs) > 10_000
    tracemalloc.start()
    overlap_join(query, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e9
