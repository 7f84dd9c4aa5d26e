"""Members that see principal components: found in the training cells, kept with the model, there for every query."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import scmog

FEW = {"n_hidden_rna": (32,), "n_hidden_atac": (32,), "n_members": 2, "n_components_rna": (0, 6)}


@pytest.fixture(scope="module")
def data():
    mdata = scmog.datasets.simulate(400, 120, 200, 8, seed=2)
    mdata.obs["split"] = np.resize(["train", "train", "train", "validation", "test"], 400)
    return mdata


def trained(mdata, direction=("rna", "atac"), **options):
    data = mdata.copy()
    scmog.model.SCMOG.setup_mudata(data)
    model = scmog.model.SCMOG(data, directions=[direction], **{**FEW, **options})
    model.train(4, split_key="split", enable_progress_bar=False, accelerator="cpu")
    return model


def layer(model, member=1):
    return next(iter(model.module.translators.values())).member(member).encoder.components


def inputs(mdata):
    """What the default's encoder sees of RNA, by hand."""
    counts = mdata["rna"].X.toarray()
    train = (mdata.obs["split"] == "train").to_numpy()
    logs = np.log1p(counts.sum(axis=1))
    depth = (logs - logs[train].mean()) / logs[train].std(ddof=1)
    return np.column_stack([np.log1p(counts), depth]).astype(float), train


def test_axes_are_those_of_the_training_cells(data):
    model = trained(data)
    assert layer(model, 0) is None
    x, train = inputs(data)
    pca = PCA(6, svd_solver="full").fit(x[train])
    expected = pca.components_ / pca.transform(x[train]).std(axis=0)[:, None]
    axes = layer(model).axes.T.numpy()
    signs = np.sign((axes * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(axes, signs * expected, rtol=2e-2, atol=2e-4)


def test_members_see_what_they_are_told_to(data):
    assert layer(trained(data, n_members=1), 0) is None
    assert layer(trained(data, ("atac", "rna")), 1) is None
    components = [layer(trained(data, n_members=4), i) for i in range(4)]
    assert [c is None for c in components] == [True, False, True, False]
    torch.testing.assert_close(components[1].axes, components[3].axes)
    of_protein = trained(data, ("rna", "protein"), n_components_rna_for_protein=(4, 6))
    few, more = layer(of_protein, 0), layer(of_protein, 1)
    assert [few.n_components, more.n_components] == [4, 6]
    torch.testing.assert_close(few.axes, more.axes[:, :4])  # the first of the same


def test_save_load_and_further_training(data, tmp_path):
    model = trained(data)
    before = layer(model).axes.clone()
    test = data[data.obs["split"] == "test"].copy()
    generated = model.get_generated(test, source="rna", target="atac", threshold=None).X
    model.save(tmp_path / "model")
    loaded = scmog.model.SCMOG.load(tmp_path / "model", adata=model.adata)
    np.testing.assert_array_equal(loaded.get_generated(test, source="rna", target="atac", threshold=None).X, generated)
    other = np.where(data.obs["split"] == "train", "validation", "train")
    loaded.adata.obs["other"] = other
    options = {"enable_progress_bar": False, "accelerator": "cpu"}
    loaded.train(1, split_key="other", refit=True, **options)  # the weights have learned what the axes mean
    torch.testing.assert_close(layer(loaded).axes, before, rtol=0, atol=0)


def test_missing_genes_are_average(data):
    model = trained(data)
    query = data["rna"].copy()
    few = query[:, :80].copy()
    aligned = scmog.pp.align_features(few, model, min_matched=0, warn_below=0)
    missing = torch.zeros(120, dtype=torch.bool)
    missing[80:] = True
    representation = model.module.representation("rna")
    x = representation.encoder_input(torch.as_tensor(aligned.X.toarray()), "log_depth", missing)
    deviation = x.dense()
    assert (deviation[:, :120][:, missing] == 0).all()
    np.testing.assert_allclose(
        layer(model)(x).numpy(), (deviation @ layer(model).axes - layer(model).offset).numpy(), rtol=1e-4, atol=1e-4
    )
    generated = model.get_generated(aligned, source="rna", target="atac", threshold=None).X
    whole = model.get_generated(query, source="rna", target="atac", threshold=None).X
    assert np.corrcoef(generated.ravel(), whole.ravel())[0, 1] > 0.9


def test_fewer_training_cells_than_components(data):
    few = data[:12].copy()
    few.obs["split"] = ["train"] * 9 + ["validation"] * 3
    model = trained(few, n_components_rna=(0, 50))
    assert (layer(model).axes[:, 8:] == 0).all()
    assert np.isfinite(model.get_generated(few, source="rna", target="atac", threshold=None).X).all()
