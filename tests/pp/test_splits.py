"""Splits that draw or read: random, by a column, folds."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from scmog.data import find_obs_column, split_by_key
from scmog.pp import split_by_obs, split_kfold, split_random


@pytest.fixture
def donors(paired):
    """120 cells of six donors, in two hospitals."""
    paired.obs["donor"] = pd.Categorical([f"d{i % 6}" for i in range(120)])
    paired.obs["hospital"] = np.where(paired.obs["donor"].isin(["d0", "d1", "d2"]), "north", "south")
    return paired


def _sizes(data, key="split"):
    return data.obs[key].value_counts().to_dict()


def _parts_of(data, group, key="split"):
    return data.obs.groupby(group, observed=True)[key].nunique()


def _run_random(data, **options):
    split_random(data, **options)


def _run_kfold(data, **options):
    split_kfold(data, **options)


class TestRandom:
    def test_sizes_and_labels(self, paired):
        assert split_random(paired) is None
        assert _sizes(paired) == {"train": 84, "validation": 18, "test": 18}
        parts = split_by_key(paired, "split")  # what training reads
        assert [len(part) for part in parts] == [84, 18, 18]

    def test_sizes_are_shares_of_all_cells(self, paired):
        split_random(paired, validation_size=0.1, test_size=0.6)
        assert _sizes(paired) == {"train": 36, "validation": 12, "test": 72}

    def test_one_part_may_be_left_out(self, paired):
        split_random(paired, test_size=0)
        assert _sizes(paired) == {"train": 102, "validation": 18, "test": 0}

    def test_groups_stay_together(self, donors):
        split_random(donors, group_key="donor", validation_size=0.01, test_size=0.3)
        assert (_parts_of(donors, "donor") == 1).all()
        assert _sizes(donors) == {"train": 60, "validation": 20, "test": 40}

    def test_anndata(self, paired):
        adata = paired["rna"].copy()
        split_random(adata, key_added="mine")
        assert _sizes(adata, "mine")["test"] == 18

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param({"validation_size": 0.5, "test_size": 0.5}, "a sum above 0 and below 1", id="no train"),
            pytest.param({"validation_size": 0, "test_size": 0}, "a sum above 0 and below 1", id="only train"),
            pytest.param({"validation_size": -0.1}, "must lie in", id="negative"),
            pytest.param({"test_size": 0.001}, "'test': 0", id="empty part"),
            pytest.param({"group_key": "hospital"}, "'train': 0", id="too few groups"),
        ],
    )
    def test_bad_sizes(self, donors, options, message):
        with pytest.raises(ValueError, match=message):
            split_random(donors, **options)
        assert "split" not in donors.obs


class TestByObs:
    def test_donors(self, donors):
        assert split_by_obs(donors, "donor", validation=["d1"], test=["d3", "d4"]) is None
        expected = donors.obs["donor"].astype(str).map({"d1": "validation", "d3": "test", "d4": "test"}).fillna("train")
        assert (donors.obs["split"].astype(str) == expected).all()

    def test_single_values_and_one_part(self, donors):
        split_by_obs(donors, "hospital", test="south")
        assert _sizes(donors) == {"train": 60, "validation": 0, "test": 60}
        donors.obs["run"] = np.arange(120) // 40
        split_by_obs(donors, "run", validation=2, test=np.array([0]))
        assert _sizes(donors) == {"train": 40, "validation": 40, "test": 40}

    def test_column_of_a_modality_in_another_order(self, paired):
        rna, atac = paired["rna"].copy(), paired["atac"][::-1].copy()
        atac.obs["site"] = ["a"] * 50 + ["b"] * 70
        mdata = MuData({"rna": rna, "atac": atac})
        assert "site" not in mdata.obs
        split_by_obs(mdata, "site", test="a")
        assert set(mdata.obs_names[mdata.obs["split"] == "test"]) == set(atac.obs_names[:50])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param({}, "name the values of obs\\['donor'\\]", id="nothing named"),
            pytest.param({"test": "d9"}, "test=\\['d9'\\] does not occur .*'d0', 'd1'", id="unknown value"),
            pytest.param({"validation": ["d1"], "test": ["d1", "d2"]}, "\\['d1'\\] would be in both", id="leak"),
            pytest.param({"test": [f"d{i}" for i in range(6)]}, "'train': 0", id="no train"),
            pytest.param({"test": "d1", "group_key": "hospital"}, "1 of 2 groups .*a leak", id="leaking group"),
        ],
    )
    def test_refused(self, donors, options, message):
        with pytest.raises(ValueError, match=message):
            split_by_obs(donors, "donor", **options)
        assert "split" not in donors.obs

    def test_group_check_passes_where_groups_are_whole(self, donors):
        split_by_obs(donors, "hospital", test="north", group_key="donor")
        assert (_parts_of(donors, "donor") == 1).all()

    def test_missing_values_and_columns(self, donors):
        donors.obs["gap"] = ["x"] * 119 + [None]
        with pytest.raises(ValueError, match="no value for 1 of 120 cells"):
            split_by_obs(donors, "gap", test="x")
        with pytest.raises(KeyError, match="'nope' is in no obs"):
            split_by_obs(donors, "nope", test="x")


class TestKfold:
    def test_each_cell_tests_once(self, paired):
        assert split_kfold(paired, n_folds=4) is None
        splits = paired.obs[[f"split_{k}" for k in range(4)]].astype(str)
        for label, times in (("test", 1), ("validation", 1), ("train", 2)):
            assert ((splits == label).sum(axis=1) == times).all()
        assert (paired.obs["fold"].to_numpy() == (splits == "test").to_numpy().argmax(axis=1)).all()
        assert (splits == "test").sum().tolist() == [30] * 4
        assert [len(part) for part in split_by_key(paired, "split_3")] == [60, 30, 30]

    def test_uneven_folds_differ_by_one_cell(self, paired):
        split_kfold(paired, n_folds=7)
        assert sorted(paired.obs["fold"].value_counts()) == [17] * 6 + [18]

    def test_groups_stay_together_and_folds_are_balanced(self, donors):
        donors.obs["uneven"] = np.repeat(list("abcdef"), [50, 30, 20, 10, 6, 4])
        split_kfold(donors, n_folds=3, group_key="uneven")
        assert (donors.obs.groupby("uneven")["fold"].nunique() == 1).all()
        assert sorted(donors.obs["fold"].value_counts()) == [34, 36, 50]  # {50} {30, 6} {20, 10, 4}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param({"n_folds": 2}, "at least 3", id="two folds"),
            pytest.param({"n_folds": 121}, "at least as many cells, got 120", id="cells"),
            pytest.param({"n_folds": 7, "group_key": "donor"}, "groups of obs\\['donor'\\], got 6", id="groups"),
        ],
    )
    def test_refused(self, donors, options, message):
        with pytest.raises(ValueError, match=message):
            split_kfold(donors, **options)
        assert not {"fold", "split_0"} & set(donors.obs)


@pytest.mark.parametrize(("run", "key"), [(_run_random, "split"), (_run_kfold, "fold")], ids=["random", "kfold"])
@pytest.mark.parametrize("options", [{}, {"group_key": "donor"}], ids=["cells", "groups"])
def test_seeded(donors, run, key, options):
    other, third = donors.copy(), donors.copy()
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    run(donors, seed=7, **options)
    np.random.random(3)
    run(other, seed=7, **options)
    run(third, seed=8, **options)
    assert (donors.obs[key] == other.obs[key]).all()
    assert (donors.obs[key] != third.obs[key]).any()
    np.random.seed(0)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(
    "run",
    [_run_random, _run_kfold, lambda data: split_by_obs(data, "cell_type", test="type_1")],
    ids=["random", "kfold", "by_obs"],
)
class TestAll:
    def test_only_the_split_is_written(self, paired, run, snapshot, assert_same):
        before = snapshot(paired)
        run(paired)
        written = [column for column in paired.obs if column.startswith(("split", "fold"))]
        assert written
        assert all(find_obs_column(paired, column) is not None for column in written)
        paired.obs = paired.obs.drop(columns=written)
        assert_same(paired, before)

    def test_an_earlier_split_is_replaced_and_nothing_else(self, paired, run):
        run(paired)
        once = paired.obs.copy()
        run(paired)
        pd.testing.assert_frame_equal(paired.obs, once)
        taken = [column for column in paired.obs if column.startswith("split")][-1]
        paired.obs[taken] = "precious"
        before = paired.obs.copy()
        with pytest.raises(ValueError, match="exists and is not a split"):
            run(paired)
        pd.testing.assert_frame_equal(paired.obs, before)

    def test_numbers_of_the_user_are_kept(self, paired, run):
        run(paired)
        taken = [column for column in paired.obs if column.startswith(("split", "fold"))]
        for column in taken:
            data = paired.copy()
            data.obs = data.obs.drop(columns=taken)
            data.obs[column] = np.arange(120) % 4
            before = data.obs.copy()
            with pytest.raises(ValueError, match="exists and"):
                run(data)
            pd.testing.assert_frame_equal(data.obs, before)

    def test_duplicate_cells_and_views_are_refused(self, paired, run):
        adata = AnnData(paired["rna"].X, obs=paired["rna"].obs.copy())
        adata.obs_names = ["same"] * 2 + list(adata.obs_names[2:])
        with pytest.raises(ValueError, match="'same' occurs twice"):
            run(adata)
        with pytest.raises(ValueError, match="is a view"):
            run(paired[:100])

    def test_the_split_survives_a_file(self, paired, run, tmp_path):
        import mudata

        run(paired)
        paired.write(tmp_path / "x.h5mu")
        back = mudata.read_h5mu(tmp_path / "x.h5mu")
        column = next(column for column in paired.obs if column.startswith("split"))
        assert (back.obs[column].astype(str) == paired.obs[column].astype(str)).all()


@pytest.mark.parametrize("name", ["data", "splits", "others", "labels", "key"])
def test_a_column_can_have_any_name(paired, name):
    split_kfold(paired, fold_key=name)
    assert sorted(set(paired.obs[name])) == [0, 1, 2, 3, 4]


def test_one_name_for_two_columns_is_refused(paired):
    before = paired.obs.copy()
    with pytest.raises(ValueError, match="'split_1' would name two columns"):
        split_kfold(paired, fold_key="split_1")
    pd.testing.assert_frame_equal(paired.obs, before)


def test_sizes_are_logged(paired, caplog):
    with caplog.at_level(logging.INFO, logger="scmog"):
        split_random(paired)
    assert "obs['split']: train 84, validation 18, test 18 of 120 cells" in caplog.text
