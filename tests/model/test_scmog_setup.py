"""Set-up and construction: what is found, what is registered, what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from mudata import MuData

from scmog.model import SCMOG


def renamed(mdata, **names):
    return MuData({names.get(name, name): mdata[name].copy() for name in mdata.mod})


@pytest.mark.parametrize(
    ("names", "modalities"),
    [
        pytest.param({}, None, id="canonical"),
        pytest.param({"rna": "gex", "atac": "peaks", "protein": "adt"}, None, id="10x"),
        pytest.param({"rna": "RNA", "atac": "ATAC", "protein": "ADT"}, None, id="capitals"),
        pytest.param({"protein": "prot"}, None, id="muon"),
        pytest.param({"rna": "mrna"}, {"rna": "mrna"}, id="named"),
        pytest.param({"rna": "a", "atac": "b"}, {"rna_layer": "a", "atac_layer": "b"}, id="scvi-tools' form"),
        pytest.param({"rna": "a"}, {"rna": "a", "batch_key": "a"}, id="with scvi-tools' batch_key"),
    ],
)
def test_modality_names(paired, small, quick, names, modalities):
    mdata = renamed(paired, **names)
    SCMOG.setup_mudata(mdata, modalities=modalities)
    model = SCMOG(mdata, **small)
    assert model.directions == (("rna", "atac"), ("atac", "rna"), ("rna", "protein"))
    assert model.training_registry.names == {name: names.get(name, name) for name in ("rna", "atac", "protein")}
    assert {key: len(value) for key, value in model.get_var_names().items()} == {
        names.get("rna", "rna"): 40,
        names.get("atac", "atac"): 60,
        names.get("protein", "protein"): 6,
    }
    model.train(**{**quick, "max_epochs": 1})
    model.generate(mdata)
    assert {"rna_generated", "atac_generated", "protein_generated"} < set(mdata.mod)
    # whatever they were called in training, the query may use a usual name
    assert model.get_generated(MuData({"gex": paired["rna"].copy()}), target="atac").shape == (120, 60)


def test_modality_order_does_not_matter(paired, make_model, trained):
    reordered = MuData({name: paired[name].copy() for name in ("protein", "atac", "rna")})
    reordered.obs["split"] = trained.adata.obs["split"]
    model = make_model(reordered, train={"n_epochs_pretrain": 1, "split_key": "split", "seed": 1})
    for name, value in trained.module.state_dict().items():
        np.testing.assert_array_equal(model.module.state_dict()[name].numpy(), value.numpy(), err_msg=name)


def test_other_modalities_are_left_alone(paired, caplog, small):
    hashtags = paired["protein"].copy()
    hashtags.var_names = [f"tag_{i}" for i in range(6)]
    paired = MuData({**{name: paired[name] for name in paired.mod}, "hto": hashtags})
    with caplog.at_level(logging.INFO):
        SCMOG.setup_mudata(paired)
    assert "hto" in caplog.text
    assert "hto" not in SCMOG(paired, **small).get_var_names()


def test_a_modality_that_is_left_alone_may_be_unpaired(paired):
    parts = {name: paired[name].copy() for name in paired.mod}
    hashtags = paired["protein"][:50].copy()
    hashtags.var_names = [f"tag_{i}" for i in range(6)]
    SCMOG.setup_mudata(MuData({**parts, "hto": hashtags}))


def test_setup_again_after_generation(paired, trained, small):
    trained.generate(paired)
    SCMOG.setup_mudata(paired)
    assert list(SCMOG(paired, **small).training_registry.names.values()) == ["rna", "atac", "protein"]


def test_layers(paired, make_model, trained):
    for name in ("rna", "atac", "protein"):
        adata = paired[name]
        adata.layers["counts"] = adata.X.copy()
        adata.X = adata.X.log1p()
    paired.obs["split"] = trained.adata.obs["split"]
    keys = {f"{name}_layer": "counts" for name in ("rna", "atac", "protein")}
    model = make_model(paired, setup=keys, train={"n_epochs_pretrain": 1, "split_key": "split", "seed": 1})
    expected = trained.get_generated(target="atac", threshold=None).X
    np.testing.assert_array_equal(model.get_generated(target="atac", threshold=None).X, expected)
    query = paired["rna"].copy()
    np.testing.assert_allclose(
        model.get_generated(query, target="atac", threshold=None).X, expected, rtol=1e-5, atol=1e-7
    )
    del query.layers["counts"]
    with pytest.raises(KeyError, match=r"layer 'counts'.*the query lacks"):
        model.get_generated(query, target="atac")


@pytest.mark.parametrize(
    ("names", "directions"),
    [
        pytest.param(("rna", "atac"), (("rna", "atac"), ("atac", "rna")), id="multiome"),
        pytest.param(("rna", "protein"), (("rna", "protein"),), id="CITE-seq"),
    ],
)
def test_default_directions_are_those_of_the_paper(paired, small, names, directions):
    mdata = MuData({name: paired[name].copy() for name in names})
    SCMOG.setup_mudata(mdata)
    assert SCMOG(mdata, **small).directions == directions


def test_any_pair_may_be_a_direction(paired, make_model):
    directions = [("protein", "rna"), ("atac", "protein"), ("protein", "atac")]
    model = make_model(paired, directions=directions, train={"n_epochs_pretrain": 1})
    assert model.directions == tuple(directions)
    assert model.get_generated(paired["protein"].copy(), target="rna").shape == (120, 40)
    assert model.get_generated(paired["protein"].copy(), target="atac").shape == (120, 60)
    assert model.get_generated(paired["atac"].copy(), source="atac").shape == (120, 6)


@pytest.mark.parametrize(
    ("directions", "words"),
    [
        pytest.param([("rna", "morphology")], r"one or more of .*got \[\('rna', 'morphology'\)\]", id="unknown"),
        pytest.param([("rna", "rna")], "distinct pairs", id="onto itself"),
        pytest.param([("rna", "atac")] * 2, "distinct pairs", id="twice"),
        pytest.param(("rna", "atac"), r"pairs \(source, target\)", id="not a list of pairs"),
        pytest.param([], "one or more of", id="none"),
    ],
)
def test_bad_directions(paired, directions, words):
    SCMOG.setup_mudata(paired)
    with pytest.raises(ValueError, match=words):
        SCMOG(paired, directions=directions)


def test_no_direction_of_the_paper_names_those_possible(paired):
    mdata = MuData({name: paired[name].copy() for name in ("atac", "protein")})
    SCMOG.setup_mudata(mdata)
    with pytest.raises(ValueError, match=r"\('atac', 'protein'\), \('protein', 'atac'\)"):
        SCMOG(mdata)


@pytest.mark.parametrize("preset", ["best", None, "PAPER"])
def test_unknown_preset(paired, preset):
    SCMOG.setup_mudata(paired)
    with pytest.raises(ValueError, match=r"preset must be one of \['default', 'paper', 'authors'\], got"):
        SCMOG(paired, preset=preset)


@pytest.mark.parametrize(
    ("option", "error", "words"),
    [
        pytest.param({"n_latents": 3}, TypeError, r"unknown option\(s\) \['n_latents'\].*'n_latent'", id="typo"),
        pytest.param({"n_latent": 0}, ValueError, "n_latent must be at least 1, got 0", id="no latent"),
        pytest.param({"dropout_rate": 1.0}, ValueError, r"dropout_rate must lie in \[0, 1\), got 1.0", id="dropout"),
        pytest.param({"n_hidden_rna": ()}, ValueError, "n_hidden_rna must hold at least one", id="no widths"),
        pytest.param({"rna_input": "raw"}, ValueError, r"rna_input must be one of .*'zscore'.*got 'raw'", id="input"),
    ],
)
def test_bad_module_settings(paired, option, error, words):
    SCMOG.setup_mudata(paired)
    with pytest.raises(error, match=words):
        SCMOG(paired, **option)


def test_setup_writes_only_the_marks_of_scvi_tools(batched, snapshot):
    before = snapshot(batched)
    SCMOG.setup_mudata(batched, batch_key="batch")
    after = snapshot(batched)
    assert after["mod"] == before["mod"]
    assert set(batched.uns) - set(before["uns"]) == {"_scvi_uuid", "_scvi_manager_uuid"}
    assert list(batched.obs.columns) == [*before["obs"][0], "_scvi_batch"]


def test_views_for_people(trained, capsys):
    trained.view_anndata_setup()
    shown = capsys.readouterr().out
    assert "n_proteins" in shown
    assert "120" in shown
    for words in ("rna -> atac", "atac -> rna", "rna -> protein", "40 genes", "60 peaks", "'default'", "trained", "1"):
        assert words in repr(trained)


def test_repr_before_training(batched, small):
    SCMOG.setup_mudata(batched, batch_key="batch")
    shown = repr(SCMOG(batched, preset="paper", **small))
    assert "not trained" in shown
    assert "2 batches" in shown
    assert "'paper'" in shown


def test_setup_anndata_points_to_mudata(paired):
    with pytest.raises(NotImplementedError, match=r"SCMOG.setup_mudata\(mdata\)"):
        SCMOG.setup_anndata(paired["rna"])
