from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmog.genomics import chance_overlap, exceeds_chance


def _peaks(starts: list[int], width: int = 500, chrom: str = "chr1") -> pd.DataFrame:
    return pd.DataFrame({"chrom": chrom, "start": starts, "end": [start + width for start in starts]})


def test_counts_targets_one_megabase_further() -> None:
    query = _peaks([0, 100, 5_000])
    target = _peaks([1_000_000, 1_000_300, 1_005_400, 2_000_000])
    assert chance_overlap(query, target) == 3
    assert chance_overlap(query, target, min_overlap=200) == 2  # the third shares 100 base pairs
    assert chance_overlap(query, query) == 0


def test_unrelated_sets_overlap_by_chance_and_related_ones_more() -> None:
    rng = np.random.default_rng(0)
    one, other = (_peaks(sorted(rng.integers(0, 50_000_000, 4_000).tolist())) for _ in range(2))
    related = one.assign(start=one["start"] + 50, end=one["end"] + 50).iloc[::3]

    def met(query: pd.DataFrame) -> int:  # brute force
        starts, ends = query["start"].to_numpy(), query["end"].to_numpy()
        return sum(bool(((starts < end) & (ends > start)).any()) for start, end in zip(one.start, one.end, strict=True))

    assert not exceeds_chance(met(other), chance_overlap(other, one))
    assert exceeds_chance(met(related), chance_overlap(related, one))


@pytest.mark.parametrize(
    ("found", "chance", "expected"),
    [
        pytest.param(5, 0, False, id="a-handful"),
        pytest.param(6, 0, True, id="none-by-chance"),
        pytest.param(230, 100, False, id="twice-and-noise"),
        pytest.param(231, 100, True, id="more"),
    ],
)
def test_bound(found: int, chance: int, expected: bool) -> None:
    assert exceeds_chance(found, chance) is expected
