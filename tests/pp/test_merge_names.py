from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmog.pp._merge_names import join_by_name


def _join(tables, *, join="inner", key=None, min_shared=0.0, kind="genes", sum_equal=True):
    return join_by_name(tables, kind=kind, join=join, key=key, min_shared=min_shared, sum_equal=sum_equal)


def _var(names, **columns):
    return pd.DataFrame(columns, index=list(names))


@pytest.mark.parametrize(
    ("join", "names", "targets", "measured"),
    [
        pytest.param("inner", ["b", "d"], [[-1, 0, -1, 1], [1, 0, -1]], [[1, 1], [1, 1]], id="inner"),
        pytest.param(
            "outer",
            ["a", "b", "c", "d", "e"],
            [[0, 1, 2, 3], [3, 1, 4]],
            [[1, 0], [1, 1], [1, 0], [1, 1], [0, 1]],
            id="outer",
        ),
    ],
)
def test_by_hand(join, names, targets, measured):
    found = _join({"x": _var("abcd"), "y": _var("dbe")}, join=join)
    assert list(found.var.index) == names
    assert [target.tolist() for target in found.targets] == targets
    np.testing.assert_array_equal(found.measured, np.array(measured, dtype=bool))


def test_equal_names_have_one_target_or_are_refused():
    tables = {"x": _var("aba"), "y": _var("ba")}
    assert [target.tolist() for target in _join(tables).targets] == [[0, 1, 0], [1, 0]]
    with pytest.raises(ValueError, match=r"names of proteins must be unique, \['a'\] of data set 'x'"):
        _join(tables, kind="proteins", sum_equal=False)


def test_by_column_with_gaps():
    tables = {"x": _var("abc", id=["1", None, "3"]), "y": _var("pqr", id=["3", "1", "9"])}
    found = _join(tables, key="id")
    assert list(found.var.index) == ["1", "3"]
    assert [target.tolist() for target in found.targets] == [[0, -1, 1], [1, 0, -1]]
    with pytest.raises(KeyError, match="gene_key 'nope' is not in the var columns of data set 'x'"):
        _join(tables, key="nope")


def test_features_that_an_alignment_filled_in_do_not_count():
    tables = {"x": _var("abc", scmog_missing=[False, True, False]), "y": _var("abc")}
    found = _join(tables)
    assert list(found.var.index) == ["a", "c"]
    assert found.targets[0].tolist() == [0, -1, 1]
    assert "scmog_missing" not in found.var
    assert _join(tables, join="outer").measured.tolist() == [[True, True], [True, True], [False, True]]


def test_columns_in_which_the_data_sets_agree():
    one = _var("abc", kind=["g", "g", "g"], ids=["1", "2", "3"], n_cells=[5, 6, 7], length=[10, 20, 30], flag=True)
    two = _var("cba", kind=["g", "g", "g"], ids=["3", "other", "1"], n_cells=[7, 6, 4], length=[30, 20, 10])
    var = _join({"x": one, "y": two}).var
    assert list(var) == ["kind", "ids", "length", "flag"]
    assert list(var["kind"]) == ["g", "g", "g"]
    assert [None if pd.isna(name) else name for name in var["ids"]] == ["1", None, "3"]
    assert list(var["length"]) == [10, 20, 30]
    wide = _join({"x": one, "y": _var("cbad")}, join="outer").var
    assert wide["flag"].dtype == "boolean"
    assert wide["flag"].isna().tolist() == [False, False, False, True]


def test_too_few_shared_features_name_the_remedy():
    tables = {
        "x": _var("abcd", gene_ids=["E1", "E2", "E3", "E4"]),
        "y": _var("wxya", gene_ids=["E1", "E2", "E3", "E9"]),
    }
    with pytest.raises(
        ValueError, match=r"only 1 genes are in all.* of 4 in the smallest.*share 3: pass gene_key='gene_ids'"
    ):
        _join(tables, min_shared=0.5)
    assert list(_join(tables, min_shared=0.25).var.index) == ["a"]
    with pytest.raises(ValueError, match=r"only 0 genes .*'y': \['e', 'f'\].* or pass gene_key="):
        _join({"x": _var("ab"), "y": _var("ef")}, join="outer")
