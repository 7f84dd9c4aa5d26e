from __future__ import annotations

import pandas as pd
import pytest

from scmog.genomics import chromosome_sizes, possible_builds

# Total length of the main chromosomes without the mitochondrion, as the assemblies' own statistics give it.
_TOTALS = {
    "hg19": 3_095_677_412,
    "hg38": 3_088_269_832,
    "hs1": 3_117_275_501,
    "mm9": 2_654_895_218,
    "mm10": 2_725_521_370,
    "mm39": 2_723_414_844,
}


@pytest.mark.parametrize("build", _TOTALS)
def test_sizes_add_up(build: str) -> None:
    sizes = chromosome_sizes(build)
    assert sizes.name == build
    assert list(sizes.index[-3:]) == ["chrX", "chrY", "chrM"]
    assert len(sizes) == (25 if build.startswith("h") else 22)
    assert sizes.drop("chrM").sum() == _TOTALS[build]


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("GRCh37", "hg19"),
        ("grch38", "hg38"),
        ("GRCh38.p14", "hg38"),
        ("T2T-CHM13v2.0", "hs1"),
        ("NCBI37", "mm9"),
        ("GRCm38", "mm10"),
        (" mm39 ", "mm39"),
    ],
)
def test_synonyms(name: str, build: str) -> None:
    pd.testing.assert_series_equal(chromosome_sizes(name), chromosome_sizes(build))


def test_unknown_build() -> None:
    with pytest.raises(ValueError, match=r"build must be one of .*'mm39'.*got 'rn7'"):
        chromosome_sizes("rn7")


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        pytest.param(["chr1:100-200"], list(_TOTALS), id="anything"),
        pytest.param(["chr22:100-200"], ["hg19", "hg38", "hs1"], id="only human has it"),
        pytest.param(["1:249000000-249250621"], ["hg19"], id="up to the end of chr1"),
        pytest.param(["chr1:249000000-249250622"], [], id="beyond all of them"),
        pytest.param(["chr19-61430000-61431566", "chrY-91000000-91744698"], ["mm10"], id="mouse"),
        pytest.param(["chr17:83257000-83257441", "chr20:1-2"], ["hg38", "hs1"], id="not hg19"),
        pytest.param(["chr1_KI270706v1_random:1-900000000", "chrX:1-100"], list(_TOTALS), id="contigs are passed over"),
        pytest.param(["chrW:5-10"], [], id="a bird"),
    ],
)
def test_possible_builds(intervals: list[str], expected: list[str]) -> None:
    assert possible_builds(intervals) == expected
