"""A query in other features is brought into the model's, and the model sees missing ones as average."""

import logging
import random

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scmog
from scmog.model import SCMOG
from scmog.pp import AlignmentReport
from scmog.pp._align_features import _assemble


@pytest.fixture(scope="module")
def data():
    return scmog.datasets.simulate(n_cells=90, n_genes=30, n_peaks=40, seed=1)


@pytest.fixture(scope="module")
def model(data):
    mdata = data.copy()
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata, n_hidden_rna=(8,), n_hidden_atac=(8,), n_hidden_critic=(8,), n_latent=4)
    model.train(max_epochs=1, n_epochs_pretrain=0, accelerator="cpu", enable_progress_bar=False)
    return model


def test_permuted_query_gives_the_same_prediction(data, model):
    rna = data["rna"].copy()
    order = np.random.default_rng(0).permutation(rna.n_vars)
    aligned = scmog.pp.align_features(rna[:, order].copy(), model, modality="rna")
    expected = model.get_generated(rna, source="rna", threshold=None).X
    np.testing.assert_allclose(model.get_generated(aligned, source="rna", threshold=None).X, expected, rtol=1e-5)


def test_missing_genes_are_marked_and_extra_ones_dropped(data, model):
    rna = data["rna"][:, :27].copy()
    rna.var_names = [*rna.var_names[:26], "not_a_gene"]
    before = rna.copy()
    aligned = scmog.pp.align_features(rna, model, modality="rna")
    assert list(aligned.var_names) == list(data["rna"].var_names)
    np.testing.assert_array_equal(aligned.var["scmog_missing"], np.arange(30) >= 26)
    np.testing.assert_array_equal(aligned.X[:, :26].toarray(), rna.X[:, :26].toarray())
    assert aligned.X[:, 26:].nnz == 0
    assert list(rna.var_names) == list(before.var_names) and "scmog_missing" not in rna.var


def test_missing_gene_is_average_not_absent(data, model):
    """With all but one gene missing, cells differ only by that gene: the encoder input is zero elsewhere."""
    rna = data["rna"].copy()
    missing = np.zeros(30, dtype=bool)
    missing[10:] = True
    import torch

    counts = torch.as_tensor(rna.X.toarray())
    representation = model.module.representation("rna")
    x = representation.encoder_input(counts, "log", torch.as_tensor(missing)).dense()
    assert (x[:, missing] == 0).all() and (x[:, ~missing] != 0).any()


def test_mudata_keeps_other_modalities(data, model):
    query = mudata.MuData({"rna": data["rna"][:, ::-1].copy(), "extra": data["atac"][:, :3].copy()})
    query.obs["donor"] = "a"
    aligned = scmog.pp.align_features(query, model)
    assert list(aligned.mod) == ["rna", "extra"]
    assert (aligned.obs["donor"] == "a").all()
    assert "scmog_missing" not in query["rna"].var
    assert model.get_generated(aligned, source="rna").n_obs == 90


def test_few_features_warn_and_too_few_raise(data, model):
    with pytest.warns(UserWarning, match="21 of the model's 30 genes"):
        scmog.pp.align_features(data["rna"][:, :21].copy(), model, modality="rna")
    with pytest.raises(ValueError, match="At least 50%"):
        scmog.pp.align_features(data["rna"][:, :14].copy(), model, modality="rna")


def test_unclear_modality(data, model):
    with pytest.raises(ValueError, match="modality="):
        scmog.pp.align_features(data["rna"], model)
    with pytest.raises(ValueError, match="none of the model's modalities"):
        scmog.pp.align_features(mudata.MuData({"other": data["rna"].copy()}), model)


def test_annotation_is_kept_and_can_be_written(data, model, tmp_path):
    rna = data["rna"][:, :27].copy()
    rna.var["variable"], rna.var["rank"], rna.var["kind"] = True, range(27), "gene"
    rna.obsm["X_pca"], rna.uns["note"], rna.uns["nested"] = np.ones((90, 2)), "mine", {"colors": ["red"]}
    query = mudata.MuData({"rna": rna})
    query.obsm["X_umap"], query.uns["study"] = np.zeros((90, 2)), "ours"
    aligned = scmog.pp.align_features(query, model)
    assert aligned["rna"].obsm["X_pca"].shape == (90, 2) and aligned["rna"].uns["note"] == "mine"
    assert aligned.obsm["X_umap"].shape == (90, 2) and aligned.uns["study"] == "ours"
    assert aligned["rna"].var["variable"].isna().sum() == aligned["rna"].var["rank"].isna().sum() == 3
    aligned.write(tmp_path / "aligned.h5mu")
    assert mudata.read_h5mu(tmp_path / "aligned.h5mu")["rna"].var["scmog_missing"].sum() == 3
    aligned["rna"].uns["nested"]["colors"].append("blue")
    assert rna.uns["nested"] == {"colors": ["red"]}


def test_missing_stays_missing(data, model):
    """Features that an earlier alignment added were not measured, though the names are there now."""
    aligned = scmog.pp.align_features(data["rna"][:, :27].copy(), model, modality="rna")
    again = scmog.pp.align_features(aligned, model, modality="rna")
    np.testing.assert_array_equal(again.var["scmog_missing"], np.arange(30) >= 27)
    assert AlignmentReport.from_uns(again).modalities[0].matched == 27
    np.testing.assert_array_equal(again.X.toarray(), aligned.X.toarray())


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_sums_have_no_annotation_and_stay_whole(data, model, unique):
    rna = data["rna"].copy()
    doubled = anndata.concat([rna, rna[:, :2]], axis="var", merge="first")
    doubled.var["rank"] = range(32)
    if unique:
        doubled.var_names_make_unique()
    aligned = scmog.pp.align_features(doubled, model, modality="rna")
    np.testing.assert_array_equal(aligned.X[:, :2].toarray(), 2 * rna.X[:, :2].toarray())
    np.testing.assert_array_equal(aligned.X[:, 2:].toarray(), rna.X[:, 2:].toarray())
    assert aligned.var["rank"].isna().tolist() == [True] * 2 + [False] * 28
    assert AlignmentReport.from_uns(aligned).modalities[0].merged == 2


def test_old_coordinates_are_left_out(data, model):
    atac = data["atac"].copy()
    atac.var["start"] += 10
    atac.var["n_cells"] = range(40)
    atac.var_names = [f"peak_{i}" for i in range(40)]
    aligned = scmog.pp.align_features(atac, model, modality="atac")
    assert AlignmentReport.from_uns(aligned).modalities[0].by == {"overlap": 40}
    assert not {"chrom", "start", "end"} & set(aligned.var) and list(aligned.var["n_cells"]) == list(range(40))
    assert "start" in scmog.pp.align_features(data["atac"], model, modality="atac").var


@pytest.mark.parametrize("kind", ["view", "backed", "csc", "int"])
def test_kinds_of_queries_stay_as_they_are(data, model, kind, tmp_path):
    rna = data["rna"][:, ::-1].copy()
    if kind == "backed":
        rna.write_h5ad(tmp_path / "rna.h5ad")
        query = anndata.read_h5ad(tmp_path / "rna.h5ad", backed="r")
    elif kind == "view":
        query = data["rna"][:, ::-1]
    else:
        rna.X = rna.X.tocsc() if kind == "csc" else rna.X.astype(np.int64)
        query = rna
    states = random.getstate(), np.random.get_state()[1].tolist()
    aligned = scmog.pp.align_features(query, model, modality="rna")
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    np.testing.assert_array_equal(aligned.X.toarray(), data["rna"].X.toarray())
    assert aligned.X.dtype == np.float32 and not aligned.is_view and not aligned.isbacked
    assert query.is_view == (kind == "view") and query.isbacked == (kind == "backed")
    assert list(query.var_names) == list(data["rna"].var_names[::-1])
    assert "scmog_missing" not in query.var and "scmog_alignment" not in query.uns


def test_random_states_and_cells_of_a_mudata(data, model):
    """Cells in another order than the modalities list them, and only some of them in each."""
    query = mudata.MuData({"rna": data["rna"][:60].copy(), "extra": data["atac"][30:, :3].copy()})[::-1].copy()
    query.obs["number"] = range(90)
    query.obsm["where"], query.obsp["near"] = np.arange(90)[:, None], sp.csr_matrix(np.diag(np.arange(90)))
    state = random.getstate()
    aligned = scmog.pp.align_features(query, model)
    assert random.getstate() == state
    expected = query.obs.loc[aligned.obs_names, "number"]
    assert set(aligned.obs_names) == set(query.obs_names)
    np.testing.assert_array_equal(aligned.obs["number"], expected)
    np.testing.assert_array_equal(aligned.obsm["where"][:, 0], expected)
    np.testing.assert_array_equal(aligned.obsp["near"].diagonal(), expected)
    np.testing.assert_array_equal(aligned["rna"].X.toarray(), query["rna"].X.toarray())


def test_a_modality_that_is_only_a_target_may_lack_more(data):
    """Generating protein needs no measured protein; scoring it uses what there is."""
    paired = scmog.datasets.simulate(n_cells=90, n_genes=30, n_peaks=40, n_proteins=8, seed=1)
    query = mudata.MuData({"rna": paired["rna"].copy(), "protein": paired["protein"][:, :3].copy()})
    del paired.mod["atac"]
    SCMOG.setup_mudata(paired)
    model = SCMOG(paired, directions=[("rna", "protein")])
    with pytest.warns(UserWarning, match="3 of the model's 8 proteins found.*only generates this modality"):
        aligned = scmog.pp.align_features(query, model)
    assert aligned["protein"].var["scmog_missing"].sum() == 5
    for arguments in ({"modality": "protein"}, {"modality": "rna"}):
        if arguments["modality"] == "protein":
            with pytest.raises(ValueError, match="At least 50%"):
                scmog.pp.align_features(query, model, **arguments)
        else:
            assert scmog.pp.align_features(query, model, **arguments)["protein"].n_vars == 3


def test_thresholds_and_the_report(data, model, caplog):
    few = data["rna"][:, :3].copy()
    with pytest.raises(ValueError, match=r"3 of the model's 30 genes found \(10%\).*At least 50%"):
        scmog.pp.align_features(few, model, modality="rna")
    with caplog.at_level(logging.INFO, logger="scmog"):
        aligned = scmog.pp.align_features(few, model, modality="rna", min_matched=0.1, warn_below=0.1)
    assert "rna: 3 of the model's 30 genes found (10%) [name 3], 27 missing" in caplog.text
    assert AlignmentReport.from_uns(aligned).to_frame().loc["rna", "missing"] == 27
    few.var_names = ["x", "y", "z"]
    with pytest.raises(ValueError, match=r"0 of the model's 30 genes found"):
        scmog.pp.align_features(few, model, modality="rna", min_matched=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_matched": 1.2}, "min_matched must be a share"),
        ({"warn_below": -1}, "warn_below must be a share"),
        ({"min_fraction": 2}, "min_fraction must be a share"),
        ({"min_overlap": 0}, "min_overlap must be at least 1"),
    ],
)
def test_options_out_of_range(data, model, options, words):
    with pytest.raises(ValueError, match=words):
        scmog.pp.align_features(data["rna"], model, modality="rna", **options)


def test_what_is_no_query(data, model):
    with pytest.raises(TypeError, match="MuData, or the AnnData of one modality, got ndarray"):
        scmog.pp.align_features(data["rna"].X.toarray(), model, modality="rna")
    generated = model.get_generated(data["rna"], source="rna")
    with pytest.raises(ValueError, match="generated by scmog"):
        scmog.pp.align_features(generated, model, modality="atac")


def test_a_layer_of_counts():
    """A model on a layer reads that layer of the query, and says so if it is not there."""
    mdata = scmog.datasets.simulate(n_cells=60, n_genes=20, n_peaks=20, seed=2)
    mdata["rna"].layers["counts"] = mdata["rna"].X.copy()
    mdata["rna"].X = np.log1p(mdata["rna"].X)
    SCMOG.setup_mudata(mdata, rna_layer="counts")
    model = SCMOG(mdata, directions=[("rna", "atac")])
    aligned = scmog.pp.align_features(mdata["rna"][:, ::-1].copy(), model)
    np.testing.assert_array_equal(aligned.layers["counts"].toarray(), mdata["rna"].layers["counts"].toarray())
    query = mdata["rna"].copy()
    del query.layers["counts"]
    with pytest.raises(KeyError, match="layer 'counts' is not in the layers"):
        scmog.pp.align_features(query, model)


def test_global_tables_follow_the_cells(data):
    """Also an embedding that is a table, where cells come in another order than in the query."""
    rna, atac = data["rna"][:60].copy(), data["atac"][30:].copy()
    query = mudata.MuData({"rna": rna, "atac": atac})
    values = pd.Series(np.arange(90.0), index=query.obs_names)
    query.obsm["table"], query.obsm["array"] = pd.DataFrame({"x": values}), values.to_numpy()[:, None]
    query.obsp["pairs"] = sp.csr_matrix(np.diag(values))
    assembled = _assemble(query, {"atac": atac, "rna": rna}, AlignmentReport(()))
    assert list(assembled.obs_names) != list(query.obs_names)
    expected = values.loc[assembled.obs_names]
    np.testing.assert_array_equal(assembled.obsm["table"]["x"], expected)
    np.testing.assert_array_equal(assembled.obsm["array"][:, 0], expected)
    np.testing.assert_array_equal(assembled.obsp["pairs"].diagonal(), expected)


def test_a_modality_that_is_not_there(data, model):
    query = mudata.MuData({"rna": data["rna"].copy()})
    with pytest.raises(ValueError, match=r"the query has no atac; it has \['rna'\]"):
        scmog.pp.align_features(query, model, modality="atac")
    with pytest.raises(ValueError, match=r"modality must be one of the model's, \['rna', 'atac'\], got 'peaks'"):
        scmog.pp.align_features(query, model, modality="peaks")


@pytest.mark.parametrize("mark", [[True, None], ["True", "False"], [1.0, 0.0]], ids=["gap", "text", "numbers"])
def test_marks_of_missing_features_must_be_true_or_false(data, model, mark):
    rna = data["rna"].copy()
    rna.var["scmog_missing"] = pd.Series(np.resize(np.array(mark, dtype=object), 30), index=rna.var_names)
    with pytest.raises(ValueError, match=r"'scmog_missing'.*must be True or False for each.*Align the query anew"):
        scmog.pp.align_features(rna, model, modality="rna")
    with pytest.raises(ValueError, match=r"'scmog_missing'.*must be True or False for each"):
        model.get_generated(rna, source="rna")
