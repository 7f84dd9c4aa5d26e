from __future__ import annotations

import logging
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from packaging.version import Version

from scmog.data import BatchField, as_names, find_obs_column

_PANDAS_3 = Version(version("pandas")) >= Version("3")


def codes(mdata):
    return mdata.obs["_scvi_batch"].to_numpy()


@pytest.fixture
def registered(paired):
    paired.obs["donor"] = ["b", "a", "c"] * 40
    field = BatchField("donor")
    return field, field.register_field(paired), paired


def test_where_a_column_is_found(paired):
    assert find_obs_column(paired, "nothing") is None
    paired["atac"].obs["x"] = np.arange(120)
    assert find_obs_column(paired, "x").tolist() == list(range(120))
    paired["rna"].obs["x"] = 7  # the first modality goes before the second
    assert set(find_obs_column(paired, "x")) == {7}
    paired.obs["x"] = "global"  # and the global table before both
    assert set(find_obs_column(paired, "x")) == {"global"}


def test_each_cell_has_the_value_of_the_first_modality_that_knows_it(paired):
    rna, atac = paired["rna"][:80].copy(), paired["atac"][40:].copy()
    rna.obs["x"], atac.obs["x"] = 1, 2
    mdata = MuData({"rna": rna, "atac": atac})
    assert as_names(find_obs_column(mdata, "x")).tolist() == ["1"] * 80 + ["2"] * 40
    assert as_names(find_obs_column(mdata, "x", first="atac")).tolist() == ["1"] * 40 + ["2"] * 80
    atac.uns["scmog"] = {"generated": True}
    assert find_obs_column(mdata, "x").isna().sum() == 40


def test_columns_of_modalities_are_matched_by_cell(paired):
    rna = paired["rna"][::-1].copy()
    rna.obs["x"] = np.arange(120)[::-1]
    mdata = MuData({"atac": paired["atac"].copy(), "rna": rna})
    column = find_obs_column(mdata, "x")
    assert list(column.index) == list(mdata.obs_names)
    assert column.loc[paired.obs_names].tolist() == list(range(120))


def test_codes_of_training_cells(registered):
    field, state, mdata = registered
    assert list(state["categorical_mapping"]) == ["a", "b", "c"]
    assert codes(mdata).tolist() == [1, 0, 2] * 40
    assert field.get_summary_stats(state) == {"n_batch": 3}


@pytest.mark.parametrize("dtype", ["object", "category", "int"])
def test_types_of_columns(paired, dtype):
    values = np.array([3, 1, 2] * 40)
    paired.obs["donor"] = (
        values if dtype == "int" else pd.Series(values.astype(str), index=paired.obs_names).astype(dtype)
    )
    state = BatchField("donor").register_field(paired)
    assert [str(c) for c in state["categorical_mapping"]] == ["1", "2", "3"]
    assert codes(paired).tolist() == [2, 0, 1] * 40


@pytest.mark.parametrize(
    ("values", "expected", "message"),
    [
        pytest.param(["a", "b", "c"], [0, 1, 2], None, id="known"),
        pytest.param(["c", "c", "c"], [2, 2, 2], None, id="one of them"),
        pytest.param(["a", "z", "b"], [0, -1, 1], r"\['z'\].*not seen", id="unseen"),
        pytest.param(["a", np.nan, "b"], [0, -1, 1], None, id="NaN"),
        pytest.param(
            ["a", None, "z"],
            [0, -1, -1],
            r"'z'.*not seen",
            id="None and unseen",
        ),
        pytest.param(None, [-1, -1, -1], "no column 'donor'", id="absent"),
    ],
)
@pytest.mark.parametrize("dtype", ["object", "category"])
def test_codes_of_a_query(registered, paired, values, expected, message, dtype, caplog):
    field, state, _ = registered
    query = MuData({"rna": paired["rna"].copy()})
    if values is not None:
        query.obs["donor"] = pd.Series(np.array(values * 40, dtype=object), index=query.obs_names).astype(dtype)
    with caplog.at_level(logging.WARNING):
        field.transfer_field(state, query)
    assert codes(query).tolist() == expected * 40
    if message:
        assert pd.Series(caplog.messages).str.contains(message).any()
        assert "average batch" in caplog.text


def test_no_covariate(paired):
    field = BatchField(None)
    assert field.is_empty
    assert field.register_field(paired) == {}
    assert field.get_summary_stats({}) == {"n_batch": 0}
    assert "_scvi_batch" not in paired.obs


def test_bad_columns(paired):
    with pytest.raises(KeyError, match=r"batch_key 'donor' is in no obs; columns are \[.*'cell_type'"):
        BatchField("donor").validate_field(paired)
    paired.obs["donor"] = ["a"] * 118 + [None, np.nan]
    with pytest.raises(ValueError, match=r"batch_key 'donor' is missing for 2 cell\(s\); fill it"):
        BatchField("donor").validate_field(paired)
