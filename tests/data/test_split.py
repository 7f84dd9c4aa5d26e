from __future__ import annotations

import numpy as np
import pytest

from scmog.data import split_at_random, split_by_key


@pytest.mark.parametrize("n_cells", [4, 10, 101])
@pytest.mark.parametrize("sizes", [(None, None), (0.5, None), (None, 0.2), (0.6, 0.2), (1.0, None), (1, 0)], ids=str)
def test_every_cell_once(n_cells, sizes):
    split = split_at_random(n_cells, *sizes, seed=0)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(n_cells))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((None, None), (90, 10, 0)),
        ((0.7, None), (70, 30, 0)),
        ((None, 0.2), (80, 20, 0)),
        ((0.6, 0.2), (60, 20, 20)),
        ((1.0, None), (100, 0, 0)),
        ((0.29, 0.57), (29, 57, 14)),  # 0.29 * 100 is a little above 29 in floating point
    ],
)
def test_sizes(sizes, expected):
    assert tuple(map(len, split_at_random(100, *sizes, seed=0))) == expected


def test_seed():
    first, again, other = (split_at_random(50, 0.5, None, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train, again.train)
    assert not np.array_equal(first.train, other.train)


@pytest.mark.parametrize(
    "sizes", [(0, None), (-0.1, None), (1.1, None), (None, 1), (None, -0.1), (0.8, 0.3), (float("nan"), None)], ids=str
)
def test_bad_sizes(sizes):
    with pytest.raises(ValueError, match=r"train_size must lie in \(0, 1\].*got"):
        split_at_random(100, *sizes, seed=0)


def test_too_few_to_train_on():
    with pytest.raises(ValueError, match="at least 2 training cells"):
        split_at_random(3, 0.1, 0.5, seed=0)


@pytest.mark.parametrize("categorical", [False, True])
@pytest.mark.parametrize("place", ["global", "atac"])
def test_labels(paired, place, categorical):
    labels = np.array(["train", "test", "validation", "train"] * 30)
    obs = (paired if place == "global" else paired["atac"]).obs
    obs["fold"] = labels
    if categorical:
        obs["fold"] = obs["fold"].astype("category").cat.add_categories(["unused"])
    split = split_by_key(paired, "fold")
    for indices, label in zip(split, ("train", "validation", "test"), strict=True):
        np.testing.assert_array_equal(indices, np.flatnonzero(labels == label))


def test_global_column_goes_first(paired):
    paired["rna"].obs["fold"] = "test"
    paired.obs["fold"] = "train"
    assert len(split_by_key(paired, "fold").train) == 120


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["train"] * 119 + ["val"], r"'fold' must hold the labels \['train', 'validation', 'test'\].*\['val'\] in 1 "),
        (["train"] * 118 + [None, None], "in 2 cell"),
        ([True] * 120, r"\['True'\] in 120"),
        ([0] * 120, r"\['0'\] in 120"),
        (["Train"] * 120, r"\['Train'\]"),
    ],
)
def test_bad_labels(paired, labels, words):
    paired.obs["fold"] = labels
    with pytest.raises(ValueError, match=words):
        split_by_key(paired, "fold")


def test_no_such_column(paired):
    with pytest.raises(KeyError, match=r"split_key 'fold' is in no obs.*'cell_type'"):
        split_by_key(paired, "fold")
