from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmog.metrics import GroupMean

PRIORS = (0.0, 1.0, 3.0, 10.0, 30.0)


def _data(n: int = 150, p: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = rng.choice(12, n, p=np.arange(1, 13) / 78)
    profile = np.clip(rng.normal(0.3, 0.15, (12, p)), 0, 1)
    return np.array([f"type {i}" for i in range(12)])[groups], (rng.random((n, p)) < profile[groups]).astype(np.float32)


CONTAINERS = [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_array, id="csr")]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", [pytest.param(list, id="list"), pytest.param(pd.Categorical, id="categorical")])
def test_means_agree_with_pandas(container, kind):
    labels, target = _data()
    prediction = GroupMean(prior_cells=0).fit(kind(labels), container(target)).predict(kind(labels))
    expected = pd.DataFrame(target.astype(np.float64)).groupby(labels).transform("mean")
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, expected, rtol=1e-5, atol=1e-7)


def test_shrinkage_by_hand():
    # Mean of all 0.5; group a: (2 + 1 * 0.5) / (2 + 1), group b: (0 + 0.5) / 3.
    target = np.array([[1.0], [1.0], [0.0], [0.0]])
    prediction = GroupMean(prior_cells=1).fit(["a", "a", "b", "b"], target).predict(["b", "a"])
    np.testing.assert_allclose(prediction, [[0.5 / 3], [2.5 / 3]], rtol=1e-6)


def _shrunk(labels, target, label, prior: float, mean: np.ndarray) -> np.ndarray:
    members = target[labels == label]
    return (members.sum(axis=0) + prior * mean) / max(len(members) + prior, 1e-300)


@pytest.mark.parametrize("container", CONTAINERS)
def test_prior_minimises_the_validation_error(container):
    labels, target = _data()
    target = target.astype(np.float64)
    parts = (labels[:100], container(target[:100]), labels[100:], container(target[100:]))
    chosen = GroupMean(PRIORS).fit(*parts).parameters["prior_cells"]
    mean = target[:100].mean(axis=0)
    errors = [
        sum(
            np.square(_shrunk(labels[:100], target[:100], label, prior, mean) - truth).sum()
            for label, truth in zip(labels[100:], target[100:], strict=True)
        )
        for prior in PRIORS
    ]
    assert chosen == PRIORS[int(np.argmin(errors))]
    assert 0 < np.argmin(errors) < len(PRIORS) - 1  # a choice that an edge of the grid would not make


@pytest.mark.parametrize("container", CONTAINERS)
def test_prior_without_validation_minimises_the_left_out_error(container):
    labels, target = _data(n=70)
    target = target.astype(np.float64)
    priors = np.linspace(1, 40, 157)  # fine enough to tell an error that also leaves the cell out of the mean
    chosen = GroupMean(priors).fit(labels, container(target)).parameters["prior_cells"]
    mean = target.mean(axis=0)
    errors = []
    for prior in priors:
        left_out = [
            _shrunk(np.delete(labels, i), np.delete(target, i, 0), labels[i], prior, mean) - target[i]
            for i in range(len(labels))
        ]
        errors.append(np.square(left_out).sum())
    assert chosen == pytest.approx(priors[int(np.argmin(errors))])
    assert 0 < np.argmin(errors) < len(priors) - 1


def test_group_of_one_cell_rules_out_means_without_prior():
    labels, target = np.array(["a"] * 20 + ["b"]), np.eye(21, 3)
    assert GroupMean((0, 1)).fit(labels, target).parameters == {"prior_cells": 1.0}


def test_unknown_labels_get_the_mean_of_all_with_a_warning():
    labels, target = _data()
    fitted = GroupMean().fit(labels, target)
    with pytest.warns(UserWarning, match=r"2 cells have no label or .*\['neuron'\]"):
        prediction = fitted.predict(np.array([labels[0], "neuron", None], dtype=object))
    np.testing.assert_allclose(prediction[1:], np.tile(target.mean(axis=0), (2, 1)), rtol=1e-5)
    np.testing.assert_array_equal(prediction[0], fitted.predict(labels[:1])[0])


def test_unknown_validation_labels_count_as_predictions_of_the_mean():
    labels, target = _data()
    with_others = np.append(labels[100:], "neuron"), np.vstack([target[100:], target[:1]])
    first = GroupMean(PRIORS).fit(labels[:100], target[:100], labels[100:], target[100:])
    second = GroupMean(PRIORS).fit(labels[:100], target[:100], *with_others)
    assert first.parameters == second.parameters  # the same error whatever the prior


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        pytest.param(["a", None], "labels_train lacks the label of 1 cells", id="missing"),
        pytest.param([["a"], ["b"]], "labels_train must be", id="matrix"),
        pytest.param([], "labels_train must be", id="empty"),
    ],
)
def test_fit_refuses(labels, match):
    with pytest.raises(ValueError, match=match):
        GroupMean().fit(labels, np.ones((2, 3)))


@pytest.mark.parametrize("prior", [pytest.param(-1, id="negative"), pytest.param([], id="none")])
def test_refuses(prior):
    with pytest.raises(ValueError, match="prior_cells must be"):
        GroupMean(prior)


def test_whole_numbers_are_the_same_labels_with_and_without_a_decimal_point():
    """pandas makes floats of a column of integers in which a label is missing."""
    target = np.array([[1.0], [0.0], [1.0], [0.0]])
    fitted = GroupMean(prior_cells=0).fit(np.array([0, 1, 0, 1]), target)
    with pytest.warns(UserWarning, match="1 cells have no label"):
        prediction = fitted.predict(pd.Series([0, 1, None]))
    assert prediction.ravel().tolist() == [1.0, 0.0, 0.5]
