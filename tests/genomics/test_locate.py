from __future__ import annotations

import pandas as pd
import pytest

from scmog.genomics import find_intervals, interval_columns

_WHERE = [("chr1", 10, 20), ("chrX", 5, 9)]


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(pd.DataFrame(index=["chr1:10-20", "X-5-9"]), id="names"),
        pytest.param(
            pd.DataFrame({"chr": ["1", "X"], "start": [10, 5], "End": [20, 9]}, index=["a", "b"]), id="columns"
        ),
        pytest.param(pd.DataFrame({"interval": ["chr1:10-20", "chrX:5-9"]}, index=["a", "b"]), id="10x"),
        pytest.param(
            pd.DataFrame({"chrom": ["chr7"] * 2, "start": [1, 1], "end": [2, 2]}, index=["chr1:10-20", "chrX:5-9"]),
            id="names come first",
        ),
    ],
)
def test_intervals_are_found(features: pd.DataFrame) -> None:
    found = find_intervals(features)
    assert found is not None
    assert list(found.itertuples(index=False, name=None)) == _WHERE
    assert list(found.index) == list(features.index)


def test_nothing_to_find() -> None:
    assert find_intervals(pd.DataFrame({"interval": ["chr1:1-2", "?"]}, index=["a", "b"])) is None


def test_interval_columns() -> None:
    features = pd.DataFrame(
        {"chrom": ["chr1"], "#Start": [1], "end": [2], "interval": ["chr1:1-2"], "name": ["peak"], "n_cells": [3]}
    )
    assert interval_columns(features) == ["chrom", "#Start", "end", "interval"]
