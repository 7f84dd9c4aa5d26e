"""Which cells train, validate and test, as a user asks for it; and runs with few of one kind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmog.model import SCMOG


@pytest.mark.parametrize("place", ["global", "rna", "protein", "categorical"])
def test_split_key(paired, make_model, place):
    labels = np.array(["test", "train", "train", "validation", "train", "train"] * 20)
    if place == "categorical":
        paired.obs["fold"] = labels
        paired.obs["fold"] = paired.obs["fold"].astype("category")
    else:
        (paired if place == "global" else paired[place]).obs["fold"] = labels
    model = make_model(paired, train={"split_key": "fold", "max_epochs": 1})
    np.testing.assert_array_equal(np.sort(model.train_indices_), np.flatnonzero(labels == "train"))
    np.testing.assert_array_equal(np.sort(model.validation_indices_), np.flatnonzero(labels == "validation"))
    np.testing.assert_array_equal(np.sort(model.test_indices_), np.flatnonzero(labels == "test"))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param({}, (108, 12, 0), id="default"),
        pytest.param({"train_size": 0.5}, (60, 60, 0), id="train_size"),
        pytest.param({"train_size": 0.5, "validation_size": 0.25}, (60, 30, 30), id="both"),
        pytest.param({"validation_size": 0.25}, (90, 30, 0), id="validation_size"),
    ],
)
def test_sizes(paired, make_model, sizes, expected):
    model = make_model(paired, train={**sizes, "max_epochs": 1})
    split = model.train_indices_, model.validation_indices_, model.test_indices_
    assert tuple(map(len, split)) == expected
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(120))


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        pytest.param(
            lambda o: o.replace("test", "holdout"),
            {},
            ValueError,
            r"'split'.*'train', 'validation', 'test'.*'holdout'",
            id="other label",
        ),
        pytest.param(
            lambda o: o.where(o != "test", np.nan), {}, ValueError, r"'split'.*every cell.*nan.*20 cell", id="NaN"
        ),
        pytest.param(
            lambda o: o.where(o != "test", None), {}, ValueError, r"'split'.*every cell.*None|nan.*20 cell", id="None"
        ),
        pytest.param(lambda o: o == "train", {}, ValueError, r"'split'.*found \['False', 'True'\]", id="bool"),
        pytest.param(lambda o: o, {"train_size": 0.8}, ValueError, r"split_key and train_size.*exclude", id="+ size"),
        pytest.param(lambda o: o, {"validation_size": 0.1}, ValueError, "exclude each other", id="+ validation_size"),
        pytest.param(lambda o: o, {"split_key": "fold"}, KeyError, r"split_key 'fold' is in no obs.*'split'", id="no"),
        pytest.param(
            lambda o: o.replace("train", "test"), {}, ValueError, "at least 2 training cells.*got 0", id="no training"
        ),
    ],
)
def test_bad_splits(trained, paired, small, quick, change, options, error, words, snapshot):
    paired.obs["split"] = change(trained.adata.obs["split"])
    SCMOG.setup_mudata(paired)
    model = SCMOG(paired, **small)
    before = snapshot(paired)
    with pytest.raises(error, match=words):
        model.train(**{**quick, "split_key": "split", **options})
    assert snapshot(paired) == before
    assert not model.is_trained


@pytest.mark.parametrize(
    "sizes",
    [{"train_size": 0}, {"train_size": 1.5}, {"train_size": 0.9, "validation_size": 0.2}, {"validation_size": 1}],
    ids=str,
)
def test_bad_sizes(paired, make_model, sizes):
    with pytest.raises(ValueError, match=r"train_size must lie in \(0, 1\], validation_size in \[0, 1\)"):
        make_model(paired, train=sizes)


def test_without_validation_cells_a_warning(paired, make_model):
    with pytest.warns(UserWarning, match="No validation cells: all epochs are run"):
        model = make_model(paired, train={"train_size": 1.0, "max_epochs": 3})
    assert len(model.history["train_loss"]) == 3
    assert "validation_loss" not in model.history


def test_one_validation_cell(paired, make_model):
    paired.obs["split"] = ["validation"] + ["train"] * 99 + ["test"] * 20
    model = make_model(paired, train={"split_key": "split", "n_epochs_pretrain": 1})
    assert np.isfinite(model.history["validation_loss"].to_numpy(dtype=float)).all()
    assert model.evaluate(split="test")["value"].notna().any()


@pytest.mark.parametrize("pretrain", [0, 1])
def test_last_batch_of_one_cell(paired, make_model, pretrain):
    paired.obs["split"] = ["train"] * 97 + ["validation"] * 23  # 97 = 3 * 32 + 1
    model = make_model(paired, train={"split_key": "split", "n_epochs_pretrain": pretrain})
    assert all(torch.isfinite(value).all() for value in model.module.parameters())
    assert np.isfinite(model.history["train_loss"].to_numpy(dtype=float)).all()
