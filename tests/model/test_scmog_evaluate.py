"""Scores of ``evaluate`` against scikit-learn and SciPy on the generated values."""

from __future__ import annotations

import re

import anndata
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import brier_score_loss, roc_auc_score

import scmog
from scmog.model import SCMOG
from scmog.model._evaluation import _warn

COLUMNS = ["direction", "model", "metric", "axis", "value", "ci_low", "ci_high", "n"]


@pytest.fixture(scope="module")
def table(trained):
    return trained.evaluate(split="test")


def as_dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def value(table, direction, axis, model="scmog", column="value", metric=None):
    """One number; the main metric's unless another is named."""
    metric = metric or ("auroc" if direction.endswith("atac") else "pearson")
    rows = table[
        (table.direction == direction) & (table.axis == axis) & (table.model == model) & (table.metric == metric)
    ]
    assert len(rows) == 1
    return rows[column].item()


KEPT = ["scmog", "training mean", "mean x source depth", "ridge"]
BINARY = {
    "auroc": ["flat", "feature", "cell"],
    "auprc_normalized": ["feature"],
    "brier_skill": ["flat"],
    "calibration_slope": ["flat"],
    "calibration_error": ["flat"],
    "variance_share": ["flat"],
}
CONTINUOUS = {
    "pearson": ["flat", "feature", "cell"],
    "spearman": ["feature"],
    "rmse": ["flat"],
    "variance_share": ["flat"],
}


def test_form(table):
    assert list(table.columns) == COLUMNS
    assert list(table.direction.unique()) == ["rna_to_atac", "atac_to_rna", "rna_to_protein"]
    for direction, part in table.groupby("direction"):
        expected = BINARY if direction == "rna_to_atac" else CONTINUOUS
        rows = [(metric, axis, model) for metric, axes in expected.items() for axis in axes for model in KEPT]
        assert list(zip(part.metric, part.axis, part.model, strict=True)) == rows  # the main metric's rows first
    features = table[table.axis.isin(["feature", "cell"])]
    assert (features.ci_low <= features.value).all()
    assert (features.value <= features.ci_high).all()
    assert table[table.axis == "flat"].ci_low.isna().all()


def test_atac_scores_are_scikit_learn_s(trained, table):
    test = np.sort(trained.test_indices_)
    truth = trained.adata["atac"].X[test].toarray() > 0
    scores = trained.get_generated(target="atac", threshold=None, indices=test).X
    assert value(table, "rna_to_atac", "flat") == pytest.approx(roc_auc_score(truth.ravel(), scores.ravel()), abs=1e-6)
    both = truth.any(axis=0) & ~truth.all(axis=0)
    aucs = [roc_auc_score(truth[:, j], scores[:, j]) for j in np.flatnonzero(both)]
    n = value(table, "rna_to_atac", "feature", column="n")
    assert 0 < n <= len(aucs)
    if n == len(aucs):
        assert value(table, "rna_to_atac", "feature") == pytest.approx(np.mean(aucs), abs=1e-6)


def _columns(truth, scores):
    return [pearsonr(truth[:, j], scores[:, j])[0] for j in range(truth.shape[1]) if truth[:, j].std() > 0]


def test_rna_scores_are_scipy_s(trained, table):
    test, train = np.sort(trained.test_indices_), trained.train_indices_
    totals = np.asarray(trained.adata["rna"].X.sum(axis=1)).ravel()
    counts = trained.adata["rna"].X[test].toarray()
    median = np.median(totals[train][totals[train] > 0])
    truth = np.log1p(counts / np.maximum(totals[test], 1)[:, None] * median)
    scores = trained.get_generated(target="rna", indices=test, log1p=True).X
    expected = pearsonr(truth.ravel(), scores.ravel())[0]
    assert value(table, "atac_to_rna", "flat") == pytest.approx(expected, abs=1e-4)
    assert value(table, "atac_to_rna", "feature") == pytest.approx(np.mean(_columns(truth, scores)), abs=1e-4)


def test_protein_scores_are_scipy_s(trained, table):
    test = np.sort(trained.test_indices_)
    logs = np.log1p(trained.adata["protein"].X[test].toarray())
    truth = logs - logs.mean(axis=1, keepdims=True)
    scores = trained.get_generated(target="protein", indices=test).X
    expected = pearsonr(truth.ravel(), scores.ravel())[0]
    assert value(table, "rna_to_protein", "flat") == pytest.approx(expected, abs=1e-4)
    assert value(table, "rna_to_protein", "feature") == pytest.approx(np.mean(_columns(truth, scores)), abs=1e-4)


def test_training_mean_knows_nothing_of_a_feature_s_cells(table):
    assert value(table, "rna_to_atac", "feature", "training mean") == 0.5
    assert value(table, "atac_to_rna", "feature", "training mean") == 0
    assert value(table, "rna_to_protein", "feature", "training mean") == 0


def test_training_mean_is_that_of_the_training_cells(trained, table):
    test = np.sort(trained.test_indices_)
    frequency = (trained.adata["atac"].X[np.sort(trained.train_indices_)] > 0).toarray().mean(axis=0)
    truth = trained.adata["atac"].X[test].toarray() > 0
    expected = roc_auc_score(truth.ravel(), np.broadcast_to(frequency, truth.shape).ravel())
    assert value(table, "rna_to_atac", "flat", "training mean") == pytest.approx(expected, abs=1e-6)


def test_the_reference_of_the_brier_score_is_the_training_mean(trained, table):
    test = np.sort(trained.test_indices_)
    truth = trained.adata["atac"].X[test].toarray() > 0
    frequency = (trained.adata["atac"].X[np.sort(trained.train_indices_)] > 0).toarray().mean(axis=0)
    scores = trained.get_generated(target="atac", threshold=None, indices=test).X
    ours, reference = (
        brier_score_loss(truth.ravel(), np.broadcast_to(p, truth.shape).ravel()) for p in (scores, frequency)
    )
    assert value(table, "rna_to_atac", "flat", metric="brier_skill") == pytest.approx(1 - ours / reference, abs=1e-5)
    assert value(table, "rna_to_atac", "flat", "training mean", metric="brier_skill") == 0
    alone = trained.evaluate(split="test", directions=[("rna", "atac")], baselines=False, metrics=["brier_skill"])
    assert alone["value"].item() == pytest.approx(1 - ours / reference, abs=1e-5)


def test_other_scores_are_scipy_s_and_scikit_learn_s(trained, table):
    test = np.sort(trained.test_indices_)
    logs = np.log1p(trained.adata["protein"].X[test].toarray())
    truth = logs - logs.mean(axis=1, keepdims=True)
    scores = trained.get_generated(target="protein", indices=test).X
    ranks = [spearmanr(truth[:, j], scores[:, j]).statistic for j in range(truth.shape[1])]
    found = {metric: value(table, "rna_to_protein", axis, metric=metric) for metric, (*_, axis) in CONTINUOUS.items()}
    assert found["spearman"] == pytest.approx(np.mean(ranks), abs=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((truth - scores) ** 2)), rel=1e-5)
    assert found["variance_share"] == pytest.approx(scores.var(axis=0).sum() / scores.shape[1] / scores.var(), rel=1e-3)
    cells = [pearsonr(*pair).statistic for pair in zip(truth, scores, strict=True)]
    assert found["pearson"] == pytest.approx(np.mean(cells), abs=1e-4)


def test_choices(trained, table):
    one = trained.evaluate(split="test", directions=[("atac", "rna")], baselines=False)
    assert set(one.model) == {"scmog"}
    expected = table[(table.direction == "atac_to_rna") & (table.model == "scmog")].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, expected)
    for split, n in (("train", 80), ("validation", 20)):
        assert value(trained.evaluate(split=split), "rna_to_protein", "flat", column="n") == n * 6
    blocks = trained.evaluate(split="test", batch_size=3)
    ranks = table.metric == "spearman"  # of a model that is hardly trained: rounding turns ranks round
    np.testing.assert_allclose(blocks.value[~ranks], table.value[~ranks], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(blocks.value[ranks], table.value[ranks], atol=2e-3)


def test_other_cells(trained, paired, loaded):
    held_out = paired[100:].copy()
    scores = trained.evaluate(held_out)
    assert value(scores, "rna_to_atac", "flat", column="n") == 20 * 60
    pd.testing.assert_frame_equal(scores, trained.evaluate(split="test"))  # the same cells
    pd.testing.assert_frame_equal(loaded.evaluate(held_out), scores)
    pd.testing.assert_frame_equal(loaded.evaluate(paired[100:]), scores)  # a view is fine


def test_generated_modalities_are_not_the_truth(trained, query):
    trained.generate(query, target="atac", key_added="atac")
    with pytest.raises(ValueError, match=r"'atac' is not in the query.*generated and never read"):
        trained.evaluate(query, directions=[("rna", "atac")])


def test_generated_modalities_are_known_without_their_uns(trained, query):
    trained.generate(query, target="atac")
    generated = query["atac_generated"]
    joined = anndata.concat([generated[:50], generated[50:]])
    assert "scmog" not in joined.uns
    with pytest.raises(ValueError, match=r"'atac' is not in the query.*generated and never read"):
        trained.evaluate(MuData({"rna": query["rna"], "atac": joined}), directions=[("rna", "atac")])


def test_the_flag_of_empty_cells_may_be_copied(trained, query):
    """It marks cells, not generated modalities."""
    trained.generate(query, target="atac")
    query["rna"].obs["scmog_zero_counts"] = query["atac_generated"].obs["scmog_zero_counts"]
    before = query["atac_generated"].X.copy()
    trained.generate(query, target="atac")
    assert (query["atac_generated"].X != before).nnz == 0
    assert query["atac_generated"].obs["scmog_generated"].all()


def test_missing_target_features_are_not_scored(trained, paired):
    absent = np.arange(60) < 30
    directions = [("rna", "atac")]
    paired["atac"].X = paired["atac"].X.multiply(~absent).tocsr()
    paired["atac"].var["scmog_missing"] = absent
    scores = trained.evaluate(paired, directions=directions)
    assert value(scores, "rna_to_atac", "flat", column="n") == 120 * 30


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"split": "holdout"}, r"split must be one of \['train', 'validation', 'test'\]", id="split"),
        pytest.param({"directions": [("protein", "rna")]}, "directions must be some of the model's", id="direction"),
        pytest.param({"directions": []}, "directions must be some of the model's", id="none"),
        pytest.param({"directions": ("rna", "atac")}, "directions must be some of the model's", id="no pairs"),
        pytest.param({"baselines": "some"}, "baselines must be True, False or 'all', got 'some'", id="baselines"),
        pytest.param({"metrics": ["auroc", "accuracy"]}, "metrics must be None, 'all' or a list of names", id="metric"),
        pytest.param({"metrics": "auroc"}, "metrics must be None, 'all' or a list of names", id="one metric"),
        pytest.param({"metrics": ["auroc", "auroc"]}, "metrics must name each score once", id="a metric twice"),
        pytest.param({"metrics": []}, "metrics must be None, 'all' or a list of names", id="no metric"),
        pytest.param({"metrics": ["pseudobulk_lfc"]}, "needs the cell types.*labels_key", id="no labels"),
        pytest.param(
            {"metrics": ["rmse"], "directions": [("rna", "atac")]}, "none of the metrics .* applies", id="other kind"
        ),
        pytest.param({"ceiling": {"peaks": np.ones((20, 60))}}, "ceiling has .'peaks'.*by target", id="ceiling name"),
        pytest.param(
            {"ceiling": {"atac": np.ones((20, 59))}}, r"ceiling\['atac'\].*\(20, 60\), got", id="ceiling shape"
        ),
        pytest.param({"resample": "genes"}, "resample must be one of", id="resample"),
    ],
)
def test_bad_arguments(trained, options, words):
    with pytest.raises(ValueError, match=words):
        trained.evaluate(**options)


def test_a_split_is_of_the_training_data(trained, paired):
    with pytest.raises(ValueError, match=r"split='test' chooses cells of the training data.*leave one out"):
        trained.evaluate(paired, split="test")


def test_one_cell_is_not_called_a_collapse(trained, paired, caplog):
    trained.evaluate(paired[100].copy(), directions=[("rna", "atac")])
    assert "collapsed" not in caplog.text


def test_no_such_cells(paired, make_model):
    model = make_model(paired, train={"max_epochs": 1})
    with pytest.raises(ValueError, match=r"no test cells; train with such a split, or pass mdata"):
        model.evaluate()
    assert len(model.evaluate(split="validation"))


def test_other_data_have_no_split(paired, make_model):
    model = make_model(paired, train={"max_epochs": 1})
    model.adata = MuData({name: paired[name][:60].copy() for name in paired.mod})
    with pytest.raises(ValueError, match="pass the cells to score"):
        model.evaluate(split="train")


def test_missing_target(trained, query):
    with pytest.raises(ValueError, match=r"modality 'atac' is not in the query: expected a measured modality"):
        trained.evaluate(query, directions=[("rna", "atac")])


def test_learnable_targets_are_learnt(make_model):
    """Not only the plumbing: on data with strong structure the default recipe beats the training mean per feature."""
    mdata = scmog.datasets.simulate(n_cells=400, n_genes=60, n_peaks=80, n_proteins=6, peak_density=0.2, seed=3)
    mdata.obs["split"] = ["train"] * 300 + ["validation"] * 50 + ["test"] * 50
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata)
    model.train(25, split_key="split", batch_size=64, accelerator="cpu", enable_progress_bar=False, n_epochs_pretrain=1)
    table = model.evaluate(split="test")
    assert value(table, "rna_to_atac", "feature") > 0.55
    assert value(table, "atac_to_rna", "feature") > 0.1
    assert value(table, "rna_to_protein", "feature") > 0.4


def test_measured_proteins_are_scored_on_their_own_scale(trained, paired):
    """The centred log-ratio is over the proteins that were measured; empty columns must not shift it."""
    proteins = paired["protein"]
    absent = np.arange(proteins.n_vars) < 2
    logs = np.log1p(as_dense(proteins.X)[:, ~absent])
    generated = trained.get_generated(paired, target="protein").X[:, ~absent]
    centred = [values - values.mean(axis=1, keepdims=True) for values in (logs, generated)]
    proteins.X = proteins.X * ~absent if isinstance(proteins.X, np.ndarray) else proteins.X.multiply(~absent).tocsr()
    proteins.var["scmog_missing"] = absent
    scores = trained.evaluate(paired, directions=[("rna", "protein")])
    assert value(scores, "rna_to_protein", "flat") == pytest.approx(pearsonr(*map(np.ravel, centred))[0], abs=1e-5)


def test_measured_genes_are_scored_on_the_scale_of_training(trained, paired):
    """The size of a cell is that of its measured genes, of which the median library has its share."""
    genes = paired["rna"]
    absent = np.arange(genes.n_vars) < 10
    average = trained.module.representation("rna").average.numpy()
    size = trained.module.median_total * average[~absent].sum() / average.sum()
    counts = as_dense(genes.X)[:, ~absent]
    truth = np.log1p(counts / counts.sum(axis=1, keepdims=True) * size)
    generated = trained.get_generated(paired, source="atac", target="rna", log1p=True).X[:, ~absent]
    genes.X = genes.X.multiply(~absent).tocsr()
    genes.var["scmog_missing"] = absent
    scores = trained.evaluate(paired, directions=[("atac", "rna")])
    assert value(scores, "atac_to_rna", "flat") == pytest.approx(
        pearsonr(truth.ravel(), generated.ravel())[0], abs=1e-5
    )


# ------------------------------------------------------------------------------------------------ metrics, baselines
def test_named_metrics_are_those_of_the_whole_table(trained, table):
    some = trained.evaluate(split="test", metrics=["rmse", "auroc"])
    assert set(some[some.direction == "rna_to_atac"].metric) == {"auroc"}
    assert set(some[some.direction != "rna_to_atac"].metric) == {"rmse"}
    expected = table[table.metric.isin(["rmse", "auroc"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    only = trained.evaluate(split="test", metrics=["calibration_error"])
    assert set(only.direction) == {"rna_to_atac"}


def test_all_metrics(trained, table):
    everything = trained.evaluate(split="test", metrics="all", labels_key="cell_type")
    keys = ["direction", "model", "metric", "axis"]
    assert not everything.duplicated(keys).any()
    both = everything.merge(table, on=keys, suffixes=("", "_default"))
    assert len(both) == len(table)
    np.testing.assert_array_equal(both.value, both.value_default)
    assert {"cmd", "pseudobulk_lfc"} < set(everything.metric)
    assert "pseudobulk_lfc" not in set(trained.evaluate(split="test", metrics="all", baselines=False).metric)


def test_intervals_over_cells(trained, table):
    cells = trained.evaluate(split="test", metrics=["pearson"], resample="cells", directions=[("rna", "protein")])
    expected = table[(table.direction == "rna_to_protein") & (table.metric == "pearson")].reset_index(drop=True)
    pd.testing.assert_series_equal(cells.value, expected.value)
    feature = (cells.axis == "feature") & (cells.model == "ridge")
    assert (cells.ci_low[feature] < cells.value[feature]).all()
    assert (cells.ci_low[feature] != expected.ci_low[feature]).all()


@pytest.fixture
def typed(trained):
    """The model with cell types that are large enough for pseudobulks; put back at the end."""
    obs = trained.adata.obs
    obs["group"] = pd.Categorical(np.resize(["a", "b"], 120))
    yield trained
    del obs["group"]


def test_all_baselines(typed, table, loaded):
    everything = typed.evaluate(split="test", baselines="all", labels_key="group")
    names = [*KEPT, "kNN", "kernel ridge", "cell-type mean", "mean x true depth (confounder)"]
    assert list(everything[(everything.metric == "pearson") & (everything.axis == "flat")].model[:8]) == names
    keys = ["direction", "model", "metric", "axis"]
    both = everything.merge(table, on=keys, suffixes=("", "_default"))
    assert len(both) == len(table)
    np.testing.assert_array_equal(both.value, both.value_default)
    peeks = value(everything, "rna_to_atac", "feature", "mean x true depth (confounder)")
    assert peeks > 0.55  # depth alone ranks the cells
    without = typed.evaluate(split="test", baselines="all", directions=[("rna", "protein")])
    assert "cell-type mean" not in set(without.model)
    elsewhere = typed.evaluate(typed.adata[100:].copy(), baselines="all", labels_key="group")
    pd.testing.assert_frame_equal(elsewhere, everything)
    with pytest.raises(ValueError, match=r"training cells, which the model has not got.*SCMOG.load\(path, adata="):
        loaded.evaluate(typed.adata[100:].copy(), baselines="all")


def test_whole_numbers_are_the_same_labels_with_and_without_a_point(typed):
    typed.adata.obs["group"] = np.resize([1, 2], 120)
    options = {"baselines": "all", "labels_key": "group", "directions": [("rna", "atac")]}
    expected, others = typed.evaluate(**options), typed.adata[100:].copy()
    others.obs["group"] = others.obs["group"].astype(float)  # as after a merge
    pd.testing.assert_frame_equal(typed.evaluate(others, **options), expected)


@pytest.mark.filterwarnings("ignore:Duplicated obs_names")  # mudata says so before we do
@pytest.mark.filterwarnings("ignore:.*bs_names are not unique", "ignore:Observation names are not unique")
def test_labels_need_names_of_cells(trained, paired):
    paired.obs["group"] = "a"
    for adata in paired.mod.values():
        adata.obs_names = [*adata.obs_names[:-1], adata.obs_names[0]]
    twice = MuData(dict(paired.mod))
    twice["rna"].obs["group"] = "a"
    with pytest.raises(ValueError, match="obs_names_make_unique"):
        trained.evaluate(twice, labels_key="group", directions=[("rna", "atac")])


def test_pseudobulks_take_features_chosen_on_training_cells(typed, loaded, paired):
    held_out = typed.adata[80:].copy()
    options = {"metrics": ["pseudobulk_lfc"], "labels_key": "group", "directions": [("rna", "atac")]}
    table = typed.evaluate(held_out, **options)
    truth = held_out["atac"].X.toarray() > 0
    scores = typed.get_generated(held_out, target="atac", threshold=None).X
    groups = held_out.obs["group"].astype(str).to_numpy()
    found = table[table.model == "scmog"]
    # all 60 peaks are among the 1,000 that may be taken
    assert found["value"].item() == pytest.approx(_fold_change_correlation(truth, scores, groups), abs=1e-4)
    assert found["n"].item() == 2
    assert table[table.model == "training mean"]["value"].item() == 0
    pd.testing.assert_frame_equal(loaded.evaluate(held_out, **options), table)  # all peaks, without training cells


def _fold_change_correlation(truth, scores, groups):
    changes = []
    for values in (truth, scores):
        means = np.array([values[groups == name].mean(axis=0) for name in ("a", "b")])
        totals = means.sum(axis=1, keepdims=True)
        means = means * totals.mean() / totals
        changes.append(np.log(means + 1 / 20) - np.log(means.mean(axis=0) + 1 / 20))
    return np.mean([pearsonr(changes[0][i], changes[1][i]).statistic for i in range(2)])


def test_unknown_labels(typed, paired, loaded):
    with pytest.raises(KeyError, match="labels_key 'type' is in no obs; columns are"):
        typed.evaluate(split="test", labels_key="type")
    paired.obs["lineage"] = "a"
    with pytest.raises(KeyError, match="no obs of the training data has labels in 'lineage'"):
        typed.evaluate(paired, baselines="all", labels_key="lineage")


def test_large_predictions_are_kept_in_a_file(trained, table, monkeypatch):
    monkeypatch.setattr("scmog.model._predictions._MAX_BYTES", 0)
    pd.testing.assert_frame_equal(trained.evaluate(split="test"), table)


def test_missing_source_features_are_made_up_for(trained, paired):
    """Ridge with half of the genes is nearer to ridge with all than the training mean is."""
    full = trained.evaluate(paired, directions=[("rna", "protein")])
    absent = np.arange(40) % 2 == 0
    paired["rna"].X = paired["rna"].X.multiply(~absent).tocsr()
    paired["rna"].var["scmog_missing"] = absent
    half = trained.evaluate(paired, directions=[("rna", "protein")])
    ridge = [value(scores, "rna_to_protein", "flat", "ridge") for scores in (full, half)]
    mean = value(half, "rna_to_protein", "flat", "training mean")
    assert mean + 0.3 * (ridge[0] - mean) < ridge[1] <= ridge[0] + 0.02


# ------------------------------------------------------------------------------------------------ ceiling, warnings
@pytest.fixture(scope="module")
def with_truth(make_model):
    mdata = scmog.datasets.simulate(n_cells=200, n_genes=40, n_peaks=60, n_proteins=6, seed=2, truth=True)
    mdata.obs["split"] = ["train"] * 120 + ["validation"] * 30 + ["test"] * 50
    return make_model(mdata, train={"split_key": "split", "max_epochs": 2})


def test_ceiling_and_skill(with_truth):
    test = with_truth.adata[150:].copy()
    best = {"atac": test["atac"].layers["probability"], "rna": test["rna"].layers["mean"]}
    table = with_truth.evaluate(split="test", ceiling=best)
    assert list(table.columns) == [*COLUMNS, "skill"]
    measured = test["atac"].X.toarray() > 0
    expected = roc_auc_score(measured.ravel(), best["atac"].ravel())
    assert value(table, "rna_to_atac", "flat", "ceiling") == pytest.approx(expected, abs=1e-6)
    median = with_truth.module.median_total
    truth, logs = (np.log1p(x / x.sum(axis=1, keepdims=True) * median) for x in (as_dense(test["rna"].X), best["rna"]))
    average = truth.mean(axis=0)
    deviation = logs * average / logs.mean(axis=0) - average  # the mean of logarithms
    logs = average + np.linalg.lstsq(deviation.reshape(-1, 1), (truth - average).ravel())[0] * deviation
    expected = pearsonr(truth.ravel(), logs.ravel()).statistic
    assert value(table, "atac_to_rna", "flat", "ceiling") == pytest.approx(expected, abs=1e-4)
    for direction, metric in (("rna_to_atac", "auroc"), ("atac_to_rna", "spearman"), ("rna_to_atac", "brier_skill")):
        axis = "flat" if metric == "brier_skill" else "feature"
        floor, ours, top = (
            value(table, direction, axis, m, metric=metric) for m in ("training mean", "scmog", "ceiling")
        )
        skill = [value(table, direction, axis, m, "skill", metric) for m in ("training mean", "scmog", "ceiling")]
        assert skill == [0, pytest.approx((ours - floor) / (top - floor)), 1]
    assert table[table.metric.isin(["rmse", "variance_share", "calibration_slope"])].skill.isna().all()
    assert table[table.direction == "rna_to_protein"].skill.isna().all()
    alone = with_truth.evaluate(split="test", ceiling=best, baselines=False)
    assert set(alone.model) == {"scmog", "ceiling"}
    expected = table[table.model.isin(["scmog", "ceiling"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


def test_a_collapsed_model_is_reported(with_truth, monkeypatch, caplog):
    def one_profile(module, query, direction, **options):
        yield np.tile(np.linspace(0.1, 0.9, 60, dtype=np.float32), (50, 1))

    monkeypatch.setattr("scmog.model._evaluation.generate_blocks", one_profile)
    with_truth.evaluate(split="test", directions=[("rna", "atac")])
    assert "rna_to_atac: the predictions have collapsed: only 0 of their variance" in caplog.text
    assert "(ridge: 0." in caplog.text
    assert (
        "rna_to_atac: scmog does not beat ridge regression on these cells: auroc per peak 0.500, ridge 0."
        in caplog.text
    )
    caplog.clear()
    with_truth.evaluate(split="test", directions=[("rna", "atac")], baselines=False)
    assert "the predictions have collapsed: only 0 of their variance" in caplog.text
    assert "ridge" not in caplog.text


@pytest.mark.parametrize(
    ("ours", "ridge", "shares", "expected"),
    [
        pytest.param(0.7, 0.6, (0.2, 0.3), [], id="good"),
        pytest.param(0.6, 0.6, (0.2, 0.3), ["auroc per peak 0.600, ridge 0.600"], id="tied"),
        pytest.param(0.7, 0.6, (0.029, 0.3), ["collapsed: only 0.029 .* \\(ridge: 0.3\\)"], id="a tenth"),
        pytest.param(0.7, 0.6, (0.031, 0.3), [], id="just more than a tenth"),
        pytest.param(0.7, 0.6, (2e-6, 1e-6), [], id="ridge found nothing"),
        pytest.param(0.7, 0.6, (0.0, 0.0), [], id="cells without counts"),
        pytest.param(float("nan"), 0.6, (0.2, 0.3), [], id="nothing to score"),
    ],
)
def test_warnings(ours, ridge, shares, expected, caplog):
    rows = [("auroc", "feature", "scmog", ours), ("auroc", "feature", "ridge", ridge), ("auroc", "flat", "scmog", 0.1)]
    table = pd.DataFrame(rows, columns=["metric", "axis", "model", "value"])
    _warn("rna_to_atac", "atac", table, dict(zip(("scmog", "ridge"), shares, strict=True)), n_cells=20)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(expected)
    for message, words in zip(messages, expected, strict=True):
        assert re.search(words, message)
