from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scmog.metrics import (
    auprc,
    auroc,
    brier_skill,
    calibration_slope,
    correlation_matrix_distance,
    expected_calibration_error,
    pearson,
    pseudobulk_correlation,
    rmse,
    spearman,
    summarize,
    variance_share,
)


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


def _full(kind: str) -> dict[str, object]:
    """Probabilities or values of 120 cells in two groups, with everything that the metrics may need."""
    rng = np.random.default_rng(5)
    groups = np.repeat(["a", "b"], 60)
    frequency = np.where(groups[:, None] == "a", rng.uniform(0.05, 0.5, 30), rng.uniform(0.05, 0.5, 30))
    truth = rng.random(frequency.shape) < frequency
    prediction = np.clip(frequency + rng.normal(0, 0.05, frequency.shape), 0, 1)
    if kind == "continuous":
        truth = np.log1p(rng.poisson(10 * frequency))
    return {"truth": truth, "prediction": prediction, "kind": kind, "groups": groups, "features": np.arange(20)}


def test_all_metrics_of_probabilities_are_those_of_their_functions():
    data = _full("binary")
    truth, prediction, groups = data["truth"], data["prediction"], data["groups"]
    reference = truth.mean(axis=0)
    counts = sparse.csr_array(truth * 2)
    table = summarize(
        **(data | {"truth": counts}), metrics="all", reference=reference, axes=("flat", "feature", "cell")
    )
    found = {(row.metric, row.axis): (row.value, row.n) for row in table.itertuples()}
    expected = {
        ("auroc", "flat"): (auroc(truth, prediction), truth.size),
        ("auprc_normalized", "flat"): (auprc(truth, prediction, normalized=True), truth.size),
        ("brier_skill", "flat"): (brier_skill(truth, prediction, reference), truth.size),
        ("calibration_slope", "flat"): (calibration_slope(truth, prediction)[1], truth.size),
        ("calibration_error", "flat"): (expected_calibration_error(truth, prediction), truth.size),
        ("cmd", "feature"): (correlation_matrix_distance(truth, prediction), 30),
        ("variance_share", "flat"): (variance_share(prediction), truth.size),
    }
    scores = {
        ("auroc", "feature"): auroc(truth, prediction, axis="feature"),
        ("auroc", "cell"): auroc(truth, prediction, axis="cell"),
        ("auprc_normalized", "feature"): auprc(truth, prediction, axis="feature", normalized=True),
        ("auprc_normalized", "cell"): auprc(truth, prediction, axis="cell", normalized=True),
        ("brier_skill", "feature"): brier_skill(truth, prediction, reference, axis="feature"),
        ("pseudobulk_lfc", "group"): pseudobulk_correlation(truth, prediction, groups, features=data["features"]),
    }
    expected |= {key: (np.nanmean(values), np.isfinite(values).sum()) for key, values in scores.items()}
    assert found == {key: (pytest.approx(value), n) for key, (value, n) in expected.items()}


def test_all_metrics_of_values_are_those_of_their_functions():
    data = _full("continuous")
    truth, prediction = data["truth"], data["prediction"]
    table = summarize(**data, metrics="all", axes=("flat", "feature"))
    assert dict(zip(zip(table["metric"], table["axis"], strict=True), table["value"], strict=True)) == pytest.approx(
        {
            ("pearson", "flat"): pearson(truth, prediction),
            ("pearson", "feature"): pearson(truth, prediction, axis="feature").mean(),
            ("spearman", "flat"): spearman(truth, prediction),
            ("spearman", "feature"): spearman(truth, prediction, axis="feature").mean(),
            ("rmse", "flat"): rmse(truth, prediction),
            ("rmse", "feature"): rmse(truth, prediction, axis="feature").mean(),
            ("pseudobulk_lfc", "group"): pseudobulk_correlation(
                truth, prediction, data["groups"], features=data["features"], scale="log"
            ).mean(),
            ("cmd", "feature"): correlation_matrix_distance(truth, prediction),
            ("variance_share", "flat"): variance_share(prediction),
        }
    )


def test_a_constant_prediction_scores_zero_and_is_kept():
    for kind, none in (("binary", 0.5), ("continuous", 0.0)):
        data = _full(kind)
        mean = np.broadcast_to(data["truth"].mean(axis=0).astype(np.float32), data["truth"].shape)
        reference = mean[0] if kind == "binary" else None
        table = summarize(**(data | {"prediction": mean}), metrics="all", reference=reference, axes=["feature", "cell"])
        scores = table[table["axis"].isin(["feature", "group"]) & ~table["metric"].isin(["rmse", "cmd"])]
        assert set(scores["value"]) == {none, 0.0}
        assert set(scores.loc[scores["axis"] == "feature", "n"]) == {30}
        assert table.set_index("metric").loc[["cmd", "variance_share"], "value"].tolist() == [1, 0]


def test_metrics_without_their_inputs_are_left_out_of_all():
    data = _full("binary")
    names = list(summarize(data["truth"], data["prediction"], metrics="all")["metric"].unique())
    expected = "auroc auprc_normalized calibration_slope calibration_error cmd variance_share"
    assert names == expected.split()
    table = summarize(**_full("continuous"), metrics=["rmse", "cmd"], axes=["cell"])
    assert list(zip(table["metric"], table["axis"], strict=True)) == [("rmse", "cell"), ("cmd", "feature")]


def test_too_small_groups_give_a_row_without_a_value():
    table = summarize(**(_full("binary") | {"groups": np.arange(120)}), metrics=["pseudobulk_lfc"])
    assert table["value"].isna().all()
    assert list(table["n"]) == [0]


@pytest.mark.parametrize("full", [pytest.param(False, id="per-feature"), pytest.param(True, id="per-entry")])
def test_intervals_over_cells(full, small_blocks):
    data = _full("binary")
    reference = np.broadcast_to(data["truth"].mean(axis=0), data["truth"].shape)
    options = {"metrics": ["auroc", "auprc_normalized", "brier_skill"], "axes": ["flat", "feature", "cell"]}
    options["reference"] = reference if full else reference[0]
    by_cells = summarize(**data, **options, resample="cells")
    sparsely = summarize(**(data | {"truth": sparse.csr_array(data["truth"])}), **options, resample="cells")
    by_features = summarize(**data, **options)
    pd.testing.assert_frame_equal(by_cells, sparsely)
    feature = by_cells["axis"] == "feature"
    pd.testing.assert_frame_equal(by_cells[~feature], by_features[~feature])
    inside = by_cells[feature]
    assert ((inside["ci_low"] < inside["value"]) & (inside["value"] < inside["ci_high"])).all()
    assert (inside["ci_low"] != by_features.loc[feature, "ci_low"]).all()
    assert summarize(**data, resample="cells", n_bootstrap=0)["ci_low"].isna().all()


def test_intervals_over_cells_by_definition():
    data = _full("continuous")
    truth, prediction = data["truth"], data["prediction"]
    table = summarize(truth, prediction, kind="continuous", axes=["feature"], resample="cells", seed=4)
    folds = np.random.default_rng(4).permutation(120) % 10
    means = [pearson(truth[folds != k], prediction[folds != k], axis="feature").mean() for k in range(10)]
    error = np.sqrt(0.9 * np.sum((means - np.mean(means)) ** 2))
    expected = table["value"][0] + np.array([-1, 1]) * stats.t.ppf(0.975, 9) * error
    np.testing.assert_allclose(table.loc[0, ["ci_low", "ci_high"]].astype(float), expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"kind": "counts"}, "kind must be one of", id="kind"),
        pytest.param({"axes": ("peaks",)}, "axis must be one of", id="axis"),
        pytest.param({"n_bootstrap": -1}, "n_bootstrap", id="bootstrap"),
        pytest.param({"resample": "genes"}, "resample must be one of", id="resample"),
        pytest.param({"metrics": "auroc"}, "metrics must be one of 'all'", id="one-name"),
        pytest.param({"metrics": ["pearson"]}, "a metric for binary data must be one of 'auroc'", id="other-kind"),
        pytest.param({"metrics": ["brier_skill"]}, "'brier_skill' needs reference=", id="no-reference"),
        pytest.param({"metrics": ["pseudobulk_lfc"]}, "'pseudobulk_lfc' needs groups=", id="no-groups"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        summarize(*_data("binary"), **options)
