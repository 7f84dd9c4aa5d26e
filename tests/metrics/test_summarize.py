from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scmog.metrics import auroc, pearson, summarize


def _data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.poisson(0.2, (70, 40)) if kind == "binary" else rng.normal(size=(70, 40))
    truth[:, 0] = 0
    return truth, truth + rng.normal(0, 1.5, truth.shape)


@pytest.mark.parametrize(
    ("kind", "metric", "function"),
    [pytest.param("binary", "auroc", auroc, id="binary"), pytest.param("continuous", "pearson", pearson, id="values")],
)
def test_rows_are_the_scores(kind, metric, function):
    truth, prediction = _data(kind)
    table = summarize(truth, prediction, kind=kind, axes=("flat", "feature", "cell"))
    assert list(table.columns) == ["metric", "axis", "value", "ci_low", "ci_high", "n"]
    assert list(table["metric"]) == [metric] * 3
    flat, feature, cell = (row for _, row in table.iterrows())
    assert flat["value"] == function(truth, prediction)
    assert flat["n"] == truth.size
    assert np.isnan(flat["ci_low"]) and np.isnan(flat["ci_high"])
    for row in (feature, cell):
        scores = function(truth, prediction, axis=row["axis"])
        assert row["value"] == pytest.approx(np.nanmean(scores))
        assert row["n"] == np.isfinite(scores).sum()
        assert row["ci_low"] < row["value"] < row["ci_high"]
    assert feature["n"] <= 39  # the first feature has no score and is counted out


def test_interval_agrees_with_scipy_and_depends_on_the_seed_only():
    truth, prediction = _data("continuous")
    table = summarize(truth, prediction, kind="continuous", n_bootstrap=4000, seed=1)
    scores = pearson(truth, prediction, axis="feature")[1:]
    reference = stats.bootstrap((scores,), np.mean, n_resamples=4000, method="percentile").confidence_interval
    width = reference.high - reference.low
    np.testing.assert_allclose(table.loc[1, ["ci_low", "ci_high"]].astype(float), reference, atol=0.1 * width)
    assert table.equals(summarize(truth, prediction, kind="continuous", n_bootstrap=4000, seed=1))
    other = summarize(truth, prediction, kind="continuous", n_bootstrap=4000, seed=2)
    assert other.loc[1, "ci_low"] != table.loc[1, "ci_low"]


def test_global_random_state_is_left_alone():
    state = np.random.get_state()[1].copy()
    summarize(*_data("binary"))
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_nothing_to_resample_gives_no_interval():
    truth, prediction = _data("binary")
    assert summarize(truth, prediction, n_bootstrap=0)[["ci_low", "ci_high"]].isna().all(axis=None)
    table = summarize(sparse.csr_array(truth[:, :1]), prediction[:, :1])
    assert table["value"].isna().all()
    assert list(table["n"]) == [70, 0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"kind": "counts"}, "kind must be one of", id="kind"),
        pytest.param({"axes": ("peaks",)}, "axis must be one of", id="axis"),
        pytest.param({"n_bootstrap": -1}, "n_bootstrap", id="bootstrap"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        summarize(*_data("binary"), **options)
