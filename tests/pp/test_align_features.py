"""A query in other features is brought into the model's, and the model sees missing ones as average."""

import mudata
import numpy as np
import pytest

import scmog
from scmog.model import SCMOG


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
    x = representation.encoder_input(counts, "log", torch.as_tensor(missing))
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
    rna.obsm["X_pca"], rna.uns["note"] = np.ones((90, 2)), "mine"
    query = mudata.MuData({"rna": rna})
    query.obsm["X_umap"], query.uns["study"] = np.zeros((90, 2)), "ours"
    aligned = scmog.pp.align_features(query, model)
    assert aligned["rna"].obsm["X_pca"].shape == (90, 2) and aligned["rna"].uns["note"] == "mine"
    assert aligned.obsm["X_umap"].shape == (90, 2) and aligned.uns["study"] == "ours"
    assert aligned["rna"].var["variable"].isna().sum() == aligned["rna"].var["rank"].isna().sum() == 3
    aligned.write(tmp_path / "aligned.h5mu")
    assert mudata.read_h5mu(tmp_path / "aligned.h5mu")["rna"].var["scmog_missing"].sum() == 3
