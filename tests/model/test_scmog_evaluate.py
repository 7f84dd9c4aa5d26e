"""Scores of ``evaluate`` against scikit-learn and SciPy on the generated values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

import scmog
from scmog.model import SCMOG

COLUMNS = ["direction", "model", "metric", "axis", "value", "ci_low", "ci_high", "n"]


@pytest.fixture(scope="module")
def table(trained):
    return trained.evaluate(split="test")


def as_dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def value(table, direction, axis, model="scmog", column="value"):
    rows = table[(table.direction == direction) & (table.axis == axis) & (table.model == model)]
    assert len(rows) == 1
    return rows[column].item()


def test_form(table):
    assert list(table.columns) == COLUMNS
    assert set(table.direction) == {"rna_to_atac", "atac_to_rna", "rna_to_protein"}
    assert set(table.model) == {"scmog", "training mean", "ridge"}
    assert set(table.axis) == {"flat", "feature"}
    assert set(table[table.direction == "rna_to_atac"].metric) == {"auroc"}
    assert set(table[table.direction != "rna_to_atac"].metric) == {"pearson"}
    assert len(table) == 3 * 3 * 2
    assert not table.duplicated(["direction", "model", "metric", "axis"]).any()
    features = table[table.axis == "feature"]
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
    scores = np.log1p(trained.get_generated(target="rna", indices=test).X)
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


def test_choices(trained, table):
    one = trained.evaluate(split="test", directions=[("atac", "rna")], baselines=False)
    assert set(one.model) == {"scmog"}
    expected = table[(table.direction == "atac_to_rna") & (table.model == "scmog")].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, expected)
    for split, n in (("train", 80), ("validation", 20)):
        assert value(trained.evaluate(split=split), "rna_to_protein", "flat", column="n") == n * 6
    blocks = trained.evaluate(split="test", batch_size=3)
    np.testing.assert_allclose(blocks.value, table.value, rtol=1e-3)


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
    ],
)
def test_bad_arguments(trained, options, words):
    with pytest.raises(ValueError, match=words):
        trained.evaluate(**options)


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
    generated = np.log1p(trained.get_generated(paired, source="atac", target="rna").X[:, ~absent])
    genes.X = genes.X.multiply(~absent).tocsr()
    genes.var["scmog_missing"] = absent
    scores = trained.evaluate(paired, directions=[("atac", "rna")])
    assert value(scores, "atac_to_rna", "flat") == pytest.approx(
        pearsonr(truth.ravel(), generated.ravel())[0], abs=1e-5
    )
