from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.genomics import interval_names, normalize_chromosomes, parse_intervals


def _table(*rows: tuple[str, int, int]) -> list[list[object]]:
    return [list(row) for row in rows]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("chr1:9790-10675", ("chr1", 9790, 10675), id="10x"),
        pytest.param("chr1-9790-10675", ("chr1", 9790, 10675), id="signac"),
        pytest.param("chr1_9790_10675", ("chr1", 9790, 10675), id="underscores"),
        pytest.param("chr1:9790_10675", ("chr1", 9790, 10675), id="mixed"),
        pytest.param("1:9790-10675", ("chr1", 9790, 10675), id="ensembl"),
        pytest.param("1-9790-10675", ("chr1", 9790, 10675), id="bare-hyphens"),
        pytest.param(" chr1:9790-10675 ", ("chr1", 9790, 10675), id="spaces"),
        pytest.param("chr1:9,790-10,675", ("chr1", 9790, 10675), id="thousands"),
        pytest.param("chr1-1e+05-100675", ("chr1", 100_000, 100_675), id="r-scientific-start"),
        pytest.param("chr1-99675-1e+05", ("chr1", 99_675, 100_000), id="r-scientific-end"),
        pytest.param("X:1-2", ("chrX", 1, 2), id="x"),
        pytest.param("MT-1-2", ("chrM", 1, 2), id="mitochondrion"),
        pytest.param("chr1_KI270706v1_random-5-9", ("chr1_KI270706v1_random", 5, 9), id="ucsc-contig"),
        pytest.param("GL000194.1:5-9", ("GL000194.1", 5, 9), id="ensembl-contig"),
        pytest.param("HLA-A*01:01-5-9", ("HLA-A*01:01", 5, 9), id="separators-in-the-contig"),
        pytest.param("chr2L:0-1", ("chr2L", 0, 1), id="fly"),
    ],
)
def test_reads_the_names_that_tools_write(name, expected):
    parsed = parse_intervals([name])
    assert parsed.to_numpy().tolist() == [list(expected)]
    assert list(parsed.index) == [name]
    assert parsed.dtypes[["start", "end"]].tolist() == [np.int64, np.int64]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame({"chrom": ["1", "X"], "start": [5, 0], "end": [9, 3]}), id="plain"),
        pytest.param(pd.DataFrame({"#Chrom": ["1", "X"], "chromStart": [5, 0], "chromEnd": [9, 3]}), id="bed"),
        pytest.param(pd.DataFrame({"seqnames": ["1", "X"], "start": [5, 0], "stop": [9, 3]}), id="seqnames"),
        pytest.param(pd.DataFrame({"Chromosome": ["1", "X"], "Start": [5, 0], "End": [9, 3]}), id="pyranges"),
        pytest.param(
            pd.DataFrame({"chr": pd.Categorical(["1", "X"]), "start": ["5", "0"], "end": [9.0, 3.0]}), id="types"
        ),
        pytest.param(
            pd.DataFrame({"chrom": ["1", "X"], "start": pd.array([5, 0], dtype="Int64"), "end": [9, 3]}), id="Int64"
        ),
        pytest.param(pd.DataFrame({"n_cells": [1, 2]}, index=["1:5-9", "X:0-3"]), id="names-in-the-index"),
        pytest.param(pd.DataFrame({"chrom": ["7", "7"]}, index=["1:5-9", "X:0-3"]), id="incomplete-columns"),
    ],
)
def test_reads_tables(frame):
    before = frame.copy()
    parsed = parse_intervals(frame)
    assert parsed.to_numpy().tolist() == _table(("chr1", 5, 9), ("chrX", 0, 3))
    assert parsed.index.equals(frame.index)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series], ids=lambda kind: kind.__name__)
def test_reads_any_container_of_names(kind):
    names = ["chr1:5-9", "chr1:5-9", "chr2:0-1"]
    parsed = parse_intervals(kind(names))
    assert parsed.to_numpy().tolist() == _table(("chr1", 5, 9), ("chr1", 5, 9), ("chr2", 0, 1))
    assert list(parsed.index) == names


def test_one_based_coordinates_become_half_open():
    assert parse_intervals(["chr1-1-100", "chr1-7-7"], one_based=True).to_numpy().tolist() == _table(
        ("chr1", 0, 100), ("chr1", 6, 7)
    )


def test_no_intervals_make_an_empty_table():
    parsed = parse_intervals([])
    assert list(parsed.columns) == ["chrom", "start", "end"]
    assert len(parsed) == 0
    assert parsed["start"].dtype == np.int64


def test_parsed_intervals_are_left_as_they_are():
    parsed = parse_intervals(["1:5-9", "scaffold_12:0-3"])
    pd.testing.assert_frame_equal(parse_intervals(parsed), parsed)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        pytest.param(["chr1:1-2", "GAPDH"], r"1 of 2 .*'GAPDH'.*position 1.*chr1:100-200", id="gene"),
        pytest.param(["chr1:1-2", None], "1 of 2 .*(None|nan)", id="missing-name"),
        pytest.param(["1-2"], "'1-2'", id="no-chromosome"),
        pytest.param(["chr1:1"], "'chr1:1'", id="one-number"),
        pytest.param(["chr1--5-10"], "'chr1--5-10'", id="negative-with-hyphens"),
        pytest.param(["chr1:-5-10"], "'chr1:-5-10'", id="negative-name"),
        pytest.param(["chr1:9-5", "chr1:1-2"], "1 of 2 .*reversed.*'chr1:9-5'.*one_based", id="reversed"),
        pytest.param(["chr1:5-5"], "empty.*one_based", id="empty"),
        pytest.param(["chr1:1-9" + "9" * 15], "no valid end.*at most", id="beyond-any-chromosome"),
        pytest.param([f"chr1:{i}-{i}" for i in range(9)], r"9 of 9.*'chr1:4-4'[^']*, \.\.\.", id="many"),
        pytest.param(pd.DataFrame({"chrom": ["1"], "start": [1.5], "end": [3]}), "no valid start.*1.5", id="fraction"),
        pytest.param(pd.DataFrame({"chrom": ["1"], "start": [np.nan], "end": [3]}), "no valid start", id="nan"),
        pytest.param(
            pd.DataFrame({"chrom": ["1"], "start": pd.array([None], dtype="Int64"), "end": [3]}),
            "no valid start",
            id="NA",
        ),
        pytest.param(pd.DataFrame({"chrom": ["1"], "start": [-1], "end": [3]}), "negative start", id="negative"),
        pytest.param(pd.DataFrame({"chrom": [None], "start": [1], "end": [3]}), "no chromosome", id="no-chrom"),
        pytest.param(pd.DataFrame({"chrom": [" "], "start": [1], "end": [3]}), "empty chromosome", id="blank-chrom"),
        pytest.param(pd.DataFrame({"gene": ["A"]}, index=["A"]), r"columns \['gene'\]", id="other-table"),
    ],
)
def test_names_what_cannot_be_read(intervals, message):
    with pytest.raises(ValueError, match=message):
        parse_intervals(intervals)


def test_refuses_a_start_of_zero_where_counting_begins_at_one():
    with pytest.raises(ValueError, match="first base of a chromosome is 1"):
        parse_intervals(["chr1:0-100"], one_based=True)


def test_refuses_a_single_text():
    with pytest.raises(TypeError, match="single text 'chr1:1-2'"):
        parse_intervals("chr1:1-2")


@settings(deadline=None, max_examples=60)
@given(
    chrom=st.sampled_from(["chr1", "chr22", "chrX", "chrM", "chrUn_KI270742v1", "GL000194.1", "HLA-A", "a_1", "b:2"]),
    start=st.integers(0, 2**31),
    width=st.integers(1, 10**6),
    separators=st.sampled_from([":-", "--", "__", ":_"]),
)
def test_names_are_read_back(chrom, start, width, separators):
    name = f"{chrom}{separators[0]}{start}{separators[1]}{start + width}"
    parsed = parse_intervals([name])
    assert parsed.to_numpy().tolist() == [[chrom, start, start + width]]
    assert list(interval_names(parsed)) == [f"{chrom}:{start}-{start + width}"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("1", "chr1", id="number"),
        pytest.param("Chr1", "chr1", id="case"),
        pytest.param(7, "chr7", id="integer"),
        pytest.param(7.0, "chr7", id="float"),
        pytest.param("chrx", "chrX", id="x"),
        pytest.param("MT", "chrM", id="mt"),
        pytest.param("chrMT", "chrM", id="chrMT"),
        pytest.param("III", "chrIII", id="roman"),
        pytest.param("2a", "chr2A", id="chimpanzee"),
        pytest.param("chrUn_GL000218v1", "chrUn_GL000218v1", id="contig"),
        pytest.param("KI270728.1", "KI270728.1", id="accession"),
        pytest.param("GRCh38_1", "GRCh38_1", id="species-prefix"),
    ],
)
def test_chromosomes_get_the_names_of_ucsc(name, expected):
    assert normalize_chromosomes([name]).tolist() == [expected]
    assert normalize_chromosomes([expected]).tolist() == [expected]


def test_refuses_missing_chromosomes():
    with pytest.raises(ValueError, match="missing or empty"):
        normalize_chromosomes(["1", None])
    assert normalize_chromosomes([]).tolist() == []
