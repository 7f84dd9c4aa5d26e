from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.genomics import chromosome_sizes
from scmog.pp._match import AlignmentOptions, Match
from scmog.pp._match_peaks import match_peaks


def run(query: pd.DataFrame | list[str], model: pd.DataFrame | list[str], **options: object) -> Match:
    tables = [one if isinstance(one, pd.DataFrame) else pd.DataFrame(index=one) for one in (query, model)]
    return match_peaks(*tables, AlignmentOptions(**options))  # type: ignore[arg-type]


def members(match: Match) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for i, j in zip(match.query, match.model, strict=True):
        found[int(j)].append(int(i))
    return {j: sorted(found[j]) for j in sorted(found)}


def random_peaks(build: str, n: int, seed: int, width: int = 500) -> list[tuple[str, int, int]]:
    """Peaks anywhere on the genome, as many per base on each chromosome, and one at the end of each."""
    rng = np.random.default_rng(seed)
    sizes = chromosome_sizes(build).drop("chrM")
    chroms = rng.choice(sizes.index, size=n, p=sizes / sizes.sum())
    starts = (rng.random(n) * (sizes[chroms].to_numpy() - width)).astype(int)
    ends = [(chrom, int(size) - width, int(size)) for chrom, size in sizes.items()]
    return [*((chrom, int(start), int(start) + width) for chrom, start in zip(chroms, starts, strict=True)), *ends]


def names(peaks: list[tuple[str, int, int]]) -> list[str]:
    return [f"{chrom}:{start}-{end}" for chrom, start, end in peaks]


@pytest.mark.parametrize(
    ("query", "by"),
    [
        pytest.param(["chr2:5-9", "chr1:1-3", "chr1:50-60"], {"name": 2}, id="names"),
        pytest.param(["chr2-5-9", "chr1_1_3"], {"same coordinates": 2}, id="other separators"),
        pytest.param(["2:5-9", "chr1:1-3"], {"name": 1, "same coordinates": 1}, id="no chr"),
        pytest.param(
            pd.DataFrame({"seqnames": ["chr2", "chr1"], "start": [5, 1], "end": [9, 3]}, index=["a", "b"]),
            {"same coordinates": 2},
            id="columns",
        ),
        pytest.param(
            pd.DataFrame({"interval": ["chr2:5-9", "chr1:1-3"]}, index=["a", "b"]),
            {"same coordinates": 2},
            id="interval",
        ),
    ],
)
def test_the_same_peaks_in_other_forms(query: pd.DataFrame | list[str], by: dict[str, int]) -> None:
    match = run(query, ["chr1:1-3", "chr2:5-9"])
    assert members(match) == {0: [1], 1: [0]} and match.by == by and match.outdated == ()


def test_coordinates_of_the_model_may_be_in_its_registry() -> None:
    model = pd.DataFrame({"interval": ["chr1:1-3", "chr2:5-9"]}, index=["peak_0", "peak_1"])
    assert members(run(["chr2-5-9", "chr1-1-3"], model)) == {0: [1], 1: [0]}


def test_a_peak_that_both_sides_have_takes_no_neighbours() -> None:
    """Peaks that overlap each other, as windows do: the same set must come out as it went in."""
    windows = ["chr1:0-500", "chr1:250-750", "chr1:500-1000"]
    assert members(run([one.replace(":", "-") for one in windows], windows)) == {0: [0], 1: [1], 2: [2]}
    # the one that the query lacks takes nothing from those that are peaks of the model themselves
    assert members(run(["chr1-0-500", "chr1-500-1000"], windows)) == {0: [0], 2: [1]}


def test_many_to_many() -> None:
    match = run(
        ["chr1:0-10", "chr1:20-30", "chr1:90-210", "chr2:0-10"],
        ["chr1:5-25", "chr1:80-100", "chr1:200-220", "chr3:0-9"],
    )
    assert members(match) == {0: [0, 1], 1: [2], 2: [2]} and match.by == {"overlap": 3}
    assert list(match.one_to_one) == [-1, -1, -1, -1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, {0: [0, 1], 1: [2]}), ({"min_overlap": 3}, {0: [1]}), ({"min_fraction": 0.5}, {1: [2]})],
    ids=["one base", "three bases", "half"],
)
def test_least_overlap(options: dict[str, float], expected: dict[int, list[int]]) -> None:
    query, model = ["chr1:0-11", "chr1:17-30", "chr2:4-6"], ["chr1:9-20", "chr2:0-100"]
    assert members(run(query, model, **options)) == expected


_INTERVALS = st.lists(st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(1, 25)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(_INTERVALS, _INTERVALS.filter(bool))
def test_against_brute_force(query: list[tuple[str, int, int]], model: list[tuple[str, int, int]]) -> None:
    ours = list(dict.fromkeys((chrom, start, start + width) for chrom, start, width in model))
    theirs = [(chrom, start, start + width) for chrom, start, width in query]
    bases = [({(chrom, base) for base in range(start, end)}) for chrom, start, end in theirs]
    expected: dict[int, list[int]] = {}
    for j, (chrom, start, end) in enumerate(ours):
        equal = [i for i, one in enumerate(theirs) if one == ours[j]]
        meets = [
            i for i, one in enumerate(theirs) if one not in ours and bases[i] & {(chrom, b) for b in range(start, end)}
        ]
        if equal or meets:
            expected[j] = equal or meets
    assert members(run([f"{c}-{s}-{e}" for c, s, e in theirs], names(ours))) == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_halves_find_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.arange(12) * 100 + rng.integers(0, 50, size=12)
    model = [("chr1", int(start), int(start) + int(rng.integers(2, 50))) for start in starts]
    halves = [
        part
        for chrom, start, end in model
        for middle in [int(rng.integers(start + 1, end))]
        for part in ((chrom, start, middle), (chrom, middle, end))
    ]
    order = rng.permutation(24)
    match = run([f"{c}_{s}_{e}" for c, s, e in (halves[i] for i in order)], names(model))
    assert members(match) == {j: sorted(np.flatnonzero(order // 2 == j).tolist()) for j in range(12)}


@pytest.mark.parametrize(
    ("query", "model", "words"),
    [
        pytest.param("mm10", "hg38", r"be \['mm10'\], the model's \['hg38'", id="species"),
        pytest.param("hg19", "hg38", r"be \['hg19'\], the model's \['hg38'", id="build"),
    ],
)
def test_a_wrong_build_is_named(query: str, model: str, words: str) -> None:
    match = run(names(random_peaks(query, 3000, 0)), names(random_peaks(model, 3000, 1)))
    text = " ".join(match.notes)
    assert "no more than by chance" in text and "chain_file=" in text
    assert re.search(words, text)


def test_a_wrong_build_is_found_without_sizes() -> None:
    """Peaks that were moved, all far from the ends of chromosomes."""
    peaks = [(c, s, e) for c, s, e in random_peaks("hg38", 3000, 0) if 20_000_000 < s < 40_000_000]
    match = run(names([(c, s + 5000, e + 5000) for c, s, e in peaks]), names(peaks))
    assert len(match.notes) == 1 and "no more than by chance" in match.notes[0]


def test_other_peaks_of_the_same_build_are_told_from_a_wrong_build() -> None:
    peaks = random_peaks("mm10", 2000, 0)
    match = run(names([(c, s - 100, e - 100) for c, s, e in peaks[:300]]), names(peaks))
    assert match.by == {"overlap": 300}
    assert len(match.notes) == 1 and "the genome build is probably right" in match.notes[0]


def test_enough_overlap_says_nothing() -> None:
    peaks = random_peaks("mm10", 500, 0)
    assert run(names([(c, s - 100, e - 100) for c, s, e in peaks]), names(peaks)).notes == ()


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """From old to new: chr1 gains 1,000 bases in front; of chr2 only the first 500 bases are left."""
    pytest.importorskip("liftover", reason="the extra scmog[liftover] is not installed")
    path = tmp_path / "oldToNew.over.chain"
    path.write_text(
        "chain 100 chr1 5000 + 0 5000 chr1 6000 + 1000 6000 1\n5000\n\n"
        "chain 90 chr2 1000 + 0 500 chr2 500 + 0 500 2\n500\n\n"
    )
    return path


def test_lifted_peaks(chain: Path) -> None:
    query = pd.DataFrame(
        {
            "chrom": ["chr2", "chr1", "chr2", "chr1"],
            "start": [100, 10, 600, 70],
            "end": [200, 60, 700, 90],
            "n": range(4),
        },
        index=["p0", "p1", "p2", "p3"],
    )
    match = run(query, ["chr1:1010-1060", "chr1:1080-1100", "chr2:100-200", "chr2:600-700"], chain_file=chain)
    assert members(match) == {0: [1], 1: [3], 2: [0]}
    assert match.by == {"same coordinates": 2, "overlap": 1}
    assert match.lifted["lifted"] == 3 and match.lifted["unmapped"] == 1
    assert match.outdated == ("chrom", "start", "end")


def test_equal_names_are_lifted_too(chain: Path) -> None:
    assert members(run(["chr1:10-60"], ["chr1:10-60"], chain_file=chain)) == {}


@pytest.mark.parametrize(
    ("query", "model", "words"),
    [
        pytest.param(
            ["chr1:249000000-249250621"], ["chr1:1-2"], r"1 of the 1 peaks of the query lie outside", id="end"
        ),
        pytest.param(["chr1:1-2"], ["chr1:249000000-249250621"], r"of the model lie .*\['hg19'\]\. Lift", id="model"),
        pytest.param(
            ["chr1:1-2", "chr23:1-2"], ["chr1:1-2"], r"\['chr23:1-2'\]; they fit into no human", id="chromosome"
        ),
        pytest.param(["peak_1"], ["chr1:1-2"], r"chain_file and build need the coordinates", id="no coordinates"),
    ],
)
def test_build_is_checked(query: list[str], model: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run(query, model, build="GRCh38")


def test_build_of_a_contig_and_of_the_right_query() -> None:
    match = run(["chr1:1-2", "GL000194.1:5-9"], ["chr1:1-2", "GL000194.1:5-9"], build="hg38")
    assert match.by == {"name": 2}


def test_names_that_are_no_intervals_match_by_name() -> None:
    assert members(run(["peak_2", "peak_1"], ["peak_1", "peak_2"])) == {0: [1], 1: [0]}
    match = run(["peak_2", "peak_1"], ["peak_1", "peak_3"])
    assert members(match) == {0: [1]} and "no intervals such as chr1:100-200" in match.notes[0]
