from __future__ import annotations

import builtins
import gzip
from pathlib import Path

import numpy as np
import pytest

from scmog.genomics import lift_over

# Two builds of a small genome. From old to new: chr1 gets 1,000 bases in front, loses 20 at 500 and gains 30 at 700;
# chr2 is inverted as a whole (5,000 bases on both sides); half of chr3 moves to chr4.
FORWARD = """\
chain 1000 chr1 2000 + 100 1000 chr1 3010 + 1100 2010 1
400 20 0
180 0 30
300

chain 900 chr2 5000 + 0 5000 chr2 5000 - 0 5000 2
5000

chain 800 chr3 1000 + 0 500 chr3 500 + 0 500 3
500

chain 700 chr3 1000 + 500 1000 chr4 500 + 0 500 4
500
"""
BACKWARD = """\
chain 1000 chr1 3010 + 1100 2010 chr1 2000 + 100 1000 1
400 0 20
180 30 0
300

chain 900 chr2 5000 + 0 5000 chr2 5000 - 0 5000 2
5000

chain 800 chr3 500 + 0 500 chr3 1000 + 0 500 3
500

chain 700 chr4 500 + 0 500 chr3 1000 + 500 1000 4
500
"""


@pytest.fixture
def liftover() -> None:
    pytest.importorskip("liftover", reason="the extra scmog[liftover] is not installed")


@pytest.fixture
def chains(tmp_path: Path, liftover: None) -> tuple[Path, Path]:
    forward, backward = tmp_path / "oldToNew.over.chain", tmp_path / "newToOld.over.chain.gz"
    forward.write_text(FORWARD)
    backward.write_bytes(gzip.compress(BACKWARD.encode()))
    return forward, backward


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("chr1:100-300", ("chr1", 1100, 1300), id="shifted"),
        pytest.param("1-100-300", ("chr1", 1100, 1300), id="other-spelling"),
        pytest.param("chr1:520-600", ("chr1", 1500, 1580), id="behind-a-loss"),
        pytest.param("chr1:700-1000", ("chr1", 1710, 2010), id="behind-a-gain"),
        pytest.param("chr1:100-600", ("chr1", 1100, 1580), id="across-a-loss"),
        pytest.param("chr1:110-505", ("chr1", 1110, 1500), id="end-in-the-gap"),
        pytest.param("chr1:95-195", ("chr1", 1100, 1195), id="start-in-the-gap"),
        pytest.param("chr2:0-100", ("chr2", 4900, 5000), id="inverted"),
        pytest.param("chr2:1234-1235", ("chr2", 3765, 3766), id="inverted-base"),
        pytest.param("chr3:600-700", ("chr4", 100, 200), id="moved"),
    ],
)
def test_lifts(chains, old, new):
    lifted = lift_over([old], chains[0])
    assert lifted.intervals.to_numpy().tolist() == [list(new)]
    assert list(lifted.intervals.index) == [old]
    assert lifted.counts["lifted"] == 1


@pytest.mark.parametrize(
    ("old", "status"),
    [
        pytest.param("chr1:0-50", "unmapped", id="before-the-chain"),
        pytest.param("chr1:50-150", "unmapped", id="half-outside"),
        pytest.param("chr1:505-515", "unmapped", id="in-the-gap"),
        pytest.param("chr7:5-9", "unmapped", id="other-chromosome"),
        pytest.param("chr3:450-550", "split", id="two-chromosomes"),
        pytest.param("chr1:490-530", "resized", id="too-much-lost"),
        pytest.param("chr1:690-710", "resized", id="too-much-gained"),
    ],
)
def test_says_why_an_interval_is_not_lifted(chains, old, status):
    lifted = lift_over([old, "chr1:100-300"], chains[0])
    assert lifted.status.tolist() == [status, "lifted"]
    assert lifted.kept.tolist() == [False, True]
    assert list(lifted.intervals.index) == ["chr1:100-300"]
    assert {name: n for name, n in lifted.counts.items() if n} == {status: 1, "lifted": 1}


def test_refuses_to_choose_between_two_places(tmp_path, liftover):
    path = tmp_path / "double.chain"
    blocks = [f"chain 1000 chr1 1000 + 0 1000 chr{k} 1000 + 0 1000 {k}\n1000\n" for k in (1, 2)]
    path.write_text("\n".join(blocks))
    assert lift_over(["chr1:0-100"], path).status.tolist() == ["ambiguous"]


def test_inner_rearrangements_have_to_keep_the_order(tmp_path, liftover):
    path = tmp_path / "swapped.chain"
    path.write_text(
        "chain 1000 chr1 1000 + 0 500 chr1 1000 + 500 1000 1\n500\n\n"
        "chain 1000 chr1 1000 + 500 1000 chr1 1000 + 0 500 2\n500\n"
    )
    assert lift_over(["chr1:450-550", "chr1:0-10"], path).status.tolist() == ["split", "lifted"]


def test_match_is_a_parameter(chains):
    # 80 bases of which 20 are lost.
    assert lift_over(["chr1:460-540"], chains[0]).counts["resized"] == 1
    assert lift_over(["chr1:460-540"], chains[0], min_match=0.75).intervals.to_numpy().tolist() == [
        ["chr1", 1460, 1520]
    ]


def test_there_and_back_is_the_identity(chains):
    rng = np.random.default_rng(0)
    spans = {"chr1": (100, 1000), "chr2": (0, 5000), "chr3": (0, 1000)}
    names = []
    for chrom, (low, high) in spans.items():
        for start in rng.integers(low, high - 60, size=50):
            names.append(f"{chrom}:{start}-{start + rng.integers(1, 60)}")
    there = lift_over(names, chains[0], min_match=1)
    back = lift_over(there.intervals, chains[1], min_match=1)
    assert there.counts["lifted"] > 130
    assert there.counts["resized"] + there.counts["unmapped"] + there.counts["split"] > 0
    assert back.kept.all()
    coordinates = back.intervals.apply(lambda row: f"{row['chrom']}:{row['start']}-{row['end']}", axis=1)
    assert (
        list(coordinates)
        == list(back.intervals.index)
        == [n for n, kept in zip(names, there.kept, strict=True) if kept]
    )


def test_chains_may_name_chromosomes_as_ensembl_does(tmp_path, liftover):
    path = tmp_path / "ensembl.chain"
    blocks = [f"chain 1000 {name} 1000 + 0 1000 {name} 1000 + 0 1000 1\n1000\n" for name in ("1", "MT")]
    path.write_text("\n".join(blocks))
    assert lift_over(["chr1:5-9", "chrM:5-9"], path).intervals.to_numpy().tolist() == [["chr1", 5, 9], ["chrM", 5, 9]]


def test_nothing_to_lift(chains):
    lifted = lift_over([], chains[0])
    assert len(lifted.intervals) == len(lifted.status) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("these are not chains\n", "cannot be read as a chain file", id="text"),
        pytest.param("", "holds no chain", id="empty"),
        pytest.param(FORWARD.replace("chr", "scaffold_"), "none of .*'chr1'.*'scaffold_1'", id="species"),
    ],
)
def test_refuses_files_that_cannot_lift(tmp_path, liftover, content, message):
    path = tmp_path / "some.chain"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        lift_over(["chr1:5-9"], path)


def test_names_a_missing_file(tmp_path, liftover):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.chain"):
        lift_over(["chr1:5-9"], tmp_path / "nowhere.chain")


@pytest.mark.parametrize("value", [0, -0.1, 1.01, float("nan")])
def test_refuses_an_impossible_match(tmp_path, value):
    with pytest.raises(ValueError, match="min_match must be above 0"):
        lift_over(["chr1:5-9"], tmp_path / "any.chain", min_match=value)


def test_tells_how_to_install_the_extra(monkeypatch, tmp_path):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "liftover":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "scmog\[liftover\]"'):
        lift_over(["chr1:5-9"], tmp_path / "any.chain")
