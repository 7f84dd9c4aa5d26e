from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import pearsonr

from scmog.metrics import clr, pseudobulk_correlation, variable_features

N_CELLS, N_FEATURES = 120, 40


def _data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0/1, the probabilities behind them, and groups of 60, 35 and 25 cells."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(["B", "T", "NK"], [60, 35, 25]))
    means = pd.DataFrame(rng.uniform(0.02, 0.5, (3, N_FEATURES)), index=["B", "T", "NK"])
    probability = means.loc[groups].to_numpy() * rng.uniform(0.5, 1.5, (N_CELLS, 1))
    return (rng.random(probability.shape) < probability).astype(int), probability.astype(np.float32), groups


def _expected(truth, prediction, groups, *, pseudocount: float | None) -> dict[str, float]:
    """The definition with pandas and SciPy; no pseudo-count for logarithms."""
    changes = []
    for values in (truth, prediction):
        means = pd.DataFrame(np.asarray(values, dtype=np.float64)).groupby(groups).mean()
        if pseudocount is not None:
            means = means.div(means.sum(axis=1), axis=0) * means.sum(axis=1).mean()
            changes.append(np.log((means + pseudocount) / (means.mean() + pseudocount)))
        else:
            changes.append(means - means.mean())
    return {group: pearsonr(changes[0].loc[group], changes[1].loc[group])[0] for group in changes[0].index}


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
@pytest.mark.parametrize("pseudocount", [pytest.param(None, id="default"), pytest.param(0.01, id="given")])
def test_rates_by_definition(container, pseudocount, small_blocks):
    truth, probability, groups = _data()
    result = pseudobulk_correlation(container(truth), probability, groups, pseudocount=pseudocount)
    expected = _expected(truth, probability, groups, pseudocount=pseudocount or 3 / N_CELLS)
    assert list(result.index) == ["B", "NK", "T"]
    assert result.to_dict() == pytest.approx(expected, abs=1e-10)
    assert (result > 0.7).all()


def test_logarithms_by_definition():
    truth, probability, groups = _data()
    rng = np.random.default_rng(1)
    measured = clr(rng.poisson(20 * probability))
    predicted = measured + rng.normal(0, 0.5, measured.shape)
    result = pseudobulk_correlation(measured, predicted, groups, scale="log")
    assert result.to_dict() == pytest.approx(_expected(measured, predicted, groups, pseudocount=None), abs=1e-10)


def test_by_hand():
    # Means 0.5 and 1.5 of the first feature, 1 and 0 of the second; centred (-.5, .5) and (.5, -.5).
    truth = np.array([[0.0, 1.0], [1.0, 1.0], [1.5, 0.0], [1.5, 0.0]])
    result = pseudobulk_correlation(truth, -truth, ["a", "a", "b", "b"], scale="log", min_cells=1)
    assert result.to_dict() == pytest.approx({"a": -1, "b": -1})


@pytest.mark.parametrize("scale", ["rate", "log"])
def test_a_constant_prediction_scores_exactly_zero(scale):
    truth, probability, groups = _data()
    mean = np.broadcast_to(truth.mean(axis=0).astype(np.float32), truth.shape)
    assert set(pseudobulk_correlation(truth, mean, groups, scale=scale)) == {0.0}
    assert set(pseudobulk_correlation(truth, mean * 0, groups, scale=scale)) == {0.0}
    assert pseudobulk_correlation(truth, probability, groups, scale=scale).min() > 0.5


def test_knowing_the_depth_of_a_group_scores_exactly_zero():
    truth, _, groups = _data()
    depth = np.where(groups == "B", 2.0, 0.5)
    prediction = (truth.mean(axis=0) * depth[:, None] * np.random.default_rng(0).uniform(0.9, 1.1, (N_CELLS, 1))) / 3
    deeper = (np.random.default_rng(0).random(truth.shape) < prediction).astype(int)
    assert set(pseudobulk_correlation(deeper, prediction.astype(np.float32), groups)) == {0.0}


def test_cells_without_a_group_and_small_groups_are_left_out():
    truth, probability, groups = _data()
    labels = groups.astype(object)
    labels[groups == "NK"] = None
    few = np.flatnonzero(groups == "T")[:10]
    labels[few] = "few"
    kept = np.isin(labels.astype(str), ["B", "T"])
    result = pseudobulk_correlation(truth, probability, labels)
    expected = pseudobulk_correlation(truth[kept], probability[kept], groups[kept])
    pd.testing.assert_series_equal(result, expected, check_index_type=False)
    categorical = pd.Series(labels).astype("category")
    np.testing.assert_allclose(pseudobulk_correlation(truth, probability, categorical), expected)
    assert list(pseudobulk_correlation(truth, probability, labels, min_cells=10).index) == ["B", "T", "few"]
    assert pseudobulk_correlation(truth, probability, labels, min_cells=60).empty


def test_features_by_index_and_mask():
    truth, probability, groups = _data()
    chosen = np.array([3, 5, 8, 13, 21, 34])
    mask = np.isin(np.arange(N_FEATURES), chosen)
    by_index = pseudobulk_correlation(truth, probability, groups, features=chosen)
    pd.testing.assert_series_equal(pseudobulk_correlation(truth, probability, groups, features=mask), by_index)
    assert not np.allclose(by_index, pseudobulk_correlation(truth, probability, groups))


def test_negative_rates_of_a_linear_predictor_count_as_zero():
    truth, probability, groups = _data()
    low, floor = probability.copy(), probability.copy()
    low[:, 0], floor[:, 0] = -0.1, 0
    np.testing.assert_array_equal(
        pseudobulk_correlation(truth, low, groups), pseudobulk_correlation(truth, floor, groups)
    )


def test_measured_groups_that_do_not_differ_have_no_score():
    _, probability, groups = _data()
    assert pseudobulk_correlation(np.ones((N_CELLS, N_FEATURES)), probability, groups).isna().all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), factor=st.floats(0.1, 3))
def test_invariances(seed, factor):
    truth, probability, groups = _data()
    rng = np.random.default_rng(seed)
    expected = pseudobulk_correlation(truth, probability, groups)
    order, features = rng.permutation(N_CELLS), rng.permutation(N_FEATURES)
    shuffled = pseudobulk_correlation(truth[order][:, features], probability[order][:, features], groups[order])
    np.testing.assert_allclose(shuffled, expected, atol=1e-9)
    # The depth of a group does not matter, and on the log scale nor does what is added to a feature.
    predicted = probability * np.where(groups == "T", factor, 1.0)[:, None]
    counts = rng.poisson(probability * 3) + 1
    scaled = pseudobulk_correlation(
        counts * np.where(groups == "T", 4, 1)[:, None], predicted, groups, pseudocount=1e-9
    )
    np.testing.assert_allclose(scaled, pseudobulk_correlation(counts, probability, groups, pseudocount=1e-9), atol=1e-6)
    shifted = pseudobulk_correlation(truth, probability + rng.normal(size=N_FEATURES), groups, scale="log")
    np.testing.assert_allclose(shifted, pseudobulk_correlation(truth, probability, groups, scale="log"), atol=1e-6)


def test_variable_features_are_those_that_differ_between_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 300)
    rates = np.tile(rng.uniform(0.001, 0.6, 200), (600, 1))
    rates[:300, :20], rates[300:, :20] = 0.05, 0.3
    truth = rng.random(rates.shape) < rates
    np.testing.assert_array_equal(variable_features(sparse.csr_array(truth), groups, n=20), np.arange(20))
    np.testing.assert_array_equal(variable_features(truth, groups, n=20), np.arange(20))
    np.testing.assert_array_equal(variable_features(truth * 1.0, groups, n=20, scale="log")[:15], np.arange(15))
    np.testing.assert_array_equal(variable_features(truth, groups, n=1000), np.arange(200))


def test_variable_features_by_definition():
    truth, _, groups = _data()
    means = pd.DataFrame(truth).groupby(groups).mean()
    means = means.div(means.sum(axis=1), axis=0) * means.sum(axis=1).mean()
    variance = np.log((means + 0.05) / (means.mean() + 0.05)).var()
    chosen = variable_features(truth, groups, n=7, pseudocount=0.05)
    np.testing.assert_array_equal(chosen, np.sort(variance.nlargest(7).index))


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        pytest.param({"groups": ["a"] * 3}, ValueError, "one label for each of the 4 cells", id="groups"),
        pytest.param({"features": [0]}, ValueError, "two or more indices", id="one-feature"),
        pytest.param({"features": [True, False]}, ValueError, "mask of length 3", id="mask"),
        pytest.param({"features": [0, 3]}, ValueError, "from 0 to 2, got 0 to 3", id="index"),
        pytest.param({"features": [0.0, 1.0]}, ValueError, "two or more indices", id="floats"),
        pytest.param({"scale": "counts"}, ValueError, "scale must be one of", id="scale"),
        pytest.param({"truth": -np.ones((4, 3))}, ValueError, 'Pass scale="log"', id="negative"),
        pytest.param({"min_cells": 0}, ValueError, "min_cells", id="min-cells"),
        pytest.param({"pseudocount": 0.0}, ValueError, "pseudocount", id="pseudocount"),
        pytest.param({"prediction": np.ones((4, 2))}, ValueError, "one shape", id="shapes"),
        pytest.param({"prediction": np.full((4, 3), np.nan)}, ValueError, "contains NaN", id="nan"),
        pytest.param({"prediction": sparse.csr_array((4, 3))}, TypeError, "dense", id="sparse"),
    ],
)
def test_correlation_refuses(changes, error, match):
    arguments = {"truth": np.ones((4, 3)), "prediction": np.ones((4, 3)), "groups": list("aabb"), "min_cells": 1}
    with pytest.raises(error, match=match):
        pseudobulk_correlation(**(arguments | changes))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"n": 1}, "n must be at least 2", id="n"),
        pytest.param({"min_cells": 3}, "two or more groups of at least 3 cells, got 0", id="groups"),
        pytest.param({"min_cells": 1, "scale": "counts"}, "scale must be one of", id="scale"),
    ],
)
def test_variable_features_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        variable_features(np.ones((4, 3)), list("aabb"), **options)
