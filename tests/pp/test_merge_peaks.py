from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.pp._merge_peaks import join_by_overlap


def _join(tables, *, join="outer", min_shared=0.0, check_build=False):
    return join_by_overlap(tables, join=join, min_shared=min_shared, check_build=check_build)


def _var(intervals):
    return pd.DataFrame(index=[f"chr{chrom}:{start}-{end}" for chrom, start, end in intervals])


_INTERVAL = st.tuples(st.integers(1, 2), st.integers(0, 25), st.integers(1, 6)).map(lambda i: (i[0], i[1], i[1] + i[2]))
_SETS = st.lists(st.lists(_INTERVAL, min_size=1, max_size=6, unique=True), min_size=1, max_size=3)


def _components(intervals):
    """Unions by brute force: two intervals belong together if a chain of shared bases connects them."""
    bases = [{(chrom, base) for base in range(start, end)} for chrom, start, end in intervals]
    groups: list[set[tuple[int, int]]] = []
    for own in bases:
        met = [group for group in groups if group & own]
        groups = [group for group in groups if not group & own] + [own.union(*met)]
    # The chromosomes and positions that a group covers; a union has no gaps.
    return sorted((min(g)[0], min(g)[1], max(g)[1] + 1) for g in groups)


@settings(max_examples=60, deadline=None)
@given(sets=_SETS, join=st.sampled_from(["outer", "inner"]))
def test_equals_brute_force(sets, join):
    unions = _components([interval for own in sets for interval in own])
    holds = np.array(
        [[any(c == chrom and s < end and start < e for c, s, e in own) for own in sets] for chrom, start, end in unions]
    )
    if join == "inner":
        unions = [union for union, row in zip(unions, holds, strict=True) if row.all()]
        holds = holds[holds.all(axis=1)]
    tables = {str(number): _var(own) for number, own in enumerate(sets)}
    if not unions:
        with pytest.raises(ValueError, match="pass peaks='outer'"):
            _join(tables, join=join)
        return
    found = _join(tables, join=join)
    assert list(found.var.index) == list(_var(unions).index)
    assert list(zip(found.var["start"], found.var["end"], strict=True)) == [(s, e) for _, s, e in unions]
    np.testing.assert_array_equal(found.measured, holds)
    for own, target in zip(sets, found.targets, strict=True):
        for (chrom, start, end), place in zip(own, target, strict=True):
            inside = [n for n, (c, s, e) in enumerate(unions) if c == chrom and s <= start and end <= e]
            assert inside == ([place] if place >= 0 else [])


def test_any_form_of_name_and_columns():
    columns = pd.DataFrame({"chrom": ["1"], "start": [15], "end": [30]}, index=["peak"])
    found = _join({"x": pd.DataFrame(index=["chr1-10-20"]), "y": pd.DataFrame(index=["chr1_5_11"]), "z": columns})
    assert list(found.var.index) == ["chr1:5-30"]
    with pytest.raises(ValueError, match="peaks of data set 'y' cannot be placed"):
        _join({"x": columns, "y": pd.DataFrame(index=["a"])})


def test_peaks_that_an_alignment_filled_in_do_not_count():
    one = _var([(1, 0, 10), (1, 20, 30)]).assign(scmog_missing=[True, False])
    found = _join({"x": one, "y": _var([(1, 5, 10), (1, 25, 40)])})
    assert list(found.var.index) == ["chr1:5-10", "chr1:20-40"]
    assert found.targets[0].tolist() == [-1, 1]
    assert found.measured.tolist() == [[False, True], [True, True]]


def _genome(seed, n=2000):
    """Peaks at random places of a chromosome of 4 Mb, so that about every third meets a random other one."""
    start = np.sort(np.random.default_rng(seed).choice(8000, size=n, replace=False)) * 500
    return pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 400}).set_axis([f"p{i}" for i in range(n)])


def test_peaks_that_overlap_by_chance_are_refused():
    one, other = _genome(0), _genome(1)
    with pytest.raises(
        ValueError, match=r"only \d+ of the 2000 peaks of data set 'x' overlap .*'y', no more than by chance"
    ):
        _join({"x": one, "y": other}, check_build=True)
    assert _join({"x": one, "y": other}).measured.any(axis=1).all()


def test_related_peaks_pass_with_a_warning_where_few_are_shared():
    one, other = _genome(0), _genome(1)
    other = pd.concat([one.iloc[:400], other.iloc[400:].assign(chrom="chr2")])
    tables = {"x": one, "y": other}
    with pytest.warns(UserWarning, match=r"only 400 of the 3600 unions .*reads as closed"):
        found = _join(tables, check_build=True, min_shared=0.5)
    assert found.measured.all(axis=1).sum() == 400
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _join(tables, check_build=True, min_shared=0.1)
        _join(tables, check_build=True, min_shared=0.5, join="inner")


def test_sets_that_cover_the_genome_pass():
    """Tiles overlap after any shift, which says nothing about the build."""
    tiles = pd.DataFrame({"chrom": "chr1", "start": np.arange(3000) * 1000, "end": np.arange(3000) * 1000 + 1000})
    assert len(_join({"x": tiles, "y": tiles}, check_build=True, min_shared=1.0).var) == 3000


@pytest.mark.parametrize(
    ("n_shared", "refused"), [pytest.param(5, True, id="five of twenty"), pytest.param(6, False, id="six of twenty")]
)
def test_a_handful_of_peaks(n_shared, refused):
    one = _var([(1, 1000 * k, 1000 * k + 10) for k in range(20)])
    other = _var(
        [(1, 1000 * k, 1000 * k + 10) for k in range(n_shared)] + [(2, 5000 * k, 5000 * k + 9) for k in range(19)]
    )
    if refused:
        with pytest.raises(ValueError, match=r"only 5 of the 20 peaks .*\(0 after a shift"):
            _join({"x": one, "y": other}, check_build=True)
    else:
        assert _join({"x": one, "y": other}, check_build=True).measured.all(axis=1).sum() == 6


def test_places_are_read_as_an_alignment_reads_them():
    """From a column of names, too, and from the names of peaks before their columns."""
    text = pd.DataFrame({"interval": ["chr1:10-20", "chr2:5-9"]}, index=["p1", "p2"])
    both = pd.DataFrame({"chrom": ["9"], "start": [1], "end": [2]}, index=["chr1:15-30"])
    found = _join({"x": text, "y": both})
    assert list(found.var.index) == ["chr1:10-30", "chr2:5-9"]
