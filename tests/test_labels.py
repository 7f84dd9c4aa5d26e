"""Labels as text, whatever pandas made of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmog._labels import as_names


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pd.Series([1, 2, 2]), ["1", "2", "2"], id="whole"),
        pytest.param(pd.Series([1, 2, None]), ["1", "2", None], id="with a gap"),
        pytest.param(pd.Series([1, 2, None]).astype("category"), ["1", "2", None], id="categories with a gap"),
        pytest.param(pd.Series([1, 2, None], dtype="Int64"), ["1", "2", None], id="nullable"),
        pytest.param(pd.Series([1.5, 2, None]), ["1.5", "2", None], id="fractions"),
        pytest.param(pd.Series([1.0, np.inf]), ["1", "inf"], id="infinite"),
        pytest.param(pd.Series([1.0, "2", 3], dtype=object), ["1", "2", "3"], id="numbers and text"),
        pytest.param(pd.Series([1.0, 2.0], dtype=np.float32), ["1", "2"], id="single precision"),
        pytest.param(pd.Series(["a", None, "1.0"], dtype="category"), ["a", None, "1.0"], id="text"),
        pytest.param(pd.Series([None, None], dtype=object), [None, None], id="nothing"),
        pytest.param(pd.Series([], dtype=object), [], id="empty"),
        pytest.param(pd.Series([True, False]), ["True", "False"], id="booleans"),
        pytest.param(pd.Series(["a", None, "b"], index=["x", "x", "x"]), ["a", None, "b"], id="cells of one name"),
    ],
)
def test_names(column: pd.Series, expected: list[str | None]) -> None:
    names = as_names(column)
    assert names.index.equals(column.index)
    assert [None if pd.isna(name) else name for name in names] == expected


def test_a_label_has_one_name_in_every_subset() -> None:
    times = pd.Series([0.5, 1.0, 2.0])
    assert as_names(times)[1:].tolist() == as_names(times[1:]).tolist() == ["1", "2"]
