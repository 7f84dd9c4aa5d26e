"""A saved model is the same model, with all, some or none of its data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from mudata import MuData

from scmog.model import SCMOG


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "saved"
    trained.save(str(path))
    return path


@pytest.fixture(scope="module")
def expected(trained):
    return trained.get_generated(target="atac").layers["probability"].toarray()


def prediction(model, query):
    return model.get_generated(query, target="atac").layers["probability"].toarray()


def test_bit_equal_without_data(saved, trained, paired, expected):
    model = SCMOG.load(saved, adata=False)
    assert model.adata is None
    for name, value in trained.module.state_dict().items():
        np.testing.assert_array_equal(model.module.state_dict()[name].numpy(), value.numpy(), err_msg=name)
    np.testing.assert_array_equal(prediction(model, paired), expected)
    assert (model.seed_, model.model_id_, model.directions) == (1, trained.model_id_, trained.directions)
    assert repr(model) == repr(trained)
    for key, frame in trained.history.items():
        pd.testing.assert_frame_equal(model.history[key], frame)
    assert {key: list(names) for key, names in model.get_var_names().items()} == {
        key: list(names) for key, names in trained.get_var_names().items()
    }


@pytest.mark.parametrize("names", [("rna",), ("rna", "atac"), ("protein", "atac", "rna")], ids="+".join)
def test_with_partial_data(saved, paired, expected, names):
    mdata = MuData({name: paired[name].copy() for name in names})
    model = SCMOG.load(saved, adata=mdata)
    assert model.adata is mdata
    assert set(model.get_var_names()) == {"rna", "atac", "protein"}
    np.testing.assert_array_equal(prediction(model, None), expected)
    np.testing.assert_array_equal(prediction(model, paired), expected)
    if len(names) < 3:
        with pytest.raises(ValueError, match=r"training needs the measured modalities.*the data lack \["):
            model.train(max_epochs=1)


def test_queries_that_are_partial_in_different_ways(saved, paired, expected):
    model = SCMOG.load(saved, adata=False)
    model.generate(MuData({"atac": paired["atac"].copy()}))
    np.testing.assert_array_equal(prediction(model, MuData({"rna": paired["rna"].copy()})), expected)
    model.generate(paired)
    assert {"atac_generated", "rna_generated", "protein_generated"} < set(paired.mod)


def test_saving_a_loaded_model(saved, paired, expected, tmp_path):
    without = SCMOG.load(saved, adata=False)
    without.save(str(tmp_path / "a"))
    partial = SCMOG.load(saved, adata=MuData({"rna": paired["rna"].copy()}))
    partial.save(str(tmp_path / "b"))
    for name in ("a", "b"):
        model = SCMOG.load(tmp_path / name, adata=False)
        np.testing.assert_array_equal(prediction(model, paired), expected)
        assert set(model.get_var_names()) == {"rna", "atac", "protein"}
        SCMOG.load(tmp_path / name, adata=paired.copy()).evaluate(paired)


def test_with_its_data(trained, tmp_path, expected):
    trained.save(str(tmp_path / "model"), save_anndata=True)
    model = SCMOG.load(tmp_path / "model")
    assert model.adata.n_obs == 120
    np.testing.assert_array_equal(prediction(model, None), expected)
    pd.testing.assert_frame_equal(model.evaluate(split="test"), trained.evaluate(split="test"))


def test_generated_data_attached_to_a_loaded_model(saved, trained, query, expected):
    trained.generate(query)
    # what is generated is no data, whatever it is called
    mixed = MuData({"rna": query["rna"].copy(), "atac": query["atac_generated"].copy()})
    model = SCMOG.load(saved, adata=mixed)
    np.testing.assert_array_equal(prediction(model, None), expected)
    with pytest.raises(ValueError, match="source modality is not in the query"):
        model.get_generated(source="atac", target="rna")


def test_setter(saved, paired, expected, tmp_path):
    model = SCMOG.load(saved, adata=False)
    model.adata = MuData({"rna": paired["rna"].copy()})
    np.testing.assert_array_equal(prediction(model, None), expected)
    assert set(model.get_var_names()) == {"rna", "atac", "protein"}
    model.save(str(tmp_path / "model"))
    np.testing.assert_array_equal(prediction(SCMOG.load(tmp_path / "model", adata=False), paired), expected)
    with pytest.raises(ValueError, match="adata=False"):
        model.adata = None
    with pytest.raises(ValueError, match="align_features"):
        model.adata = MuData({"rna": paired["rna"][:, :30].copy()})


def test_with_batches(trained_batch, batched, tmp_path):
    trained_batch.save(str(tmp_path / "model"))
    expected = prediction(trained_batch, batched)
    for data in (False, batched, MuData({"atac": batched["atac"].copy()})):
        model = SCMOG.load(tmp_path / "model", adata=data)
        np.testing.assert_array_equal(prediction(model, batched), expected)


def test_training_goes_on_after_loading(saved, trained, paired, quick):
    paired.obs["split"] = trained.adata.obs["split"]
    model = SCMOG.load(saved, adata=paired)
    before = {name: value.detach().clone() for name, value in model.module.named_parameters()}
    model.train(**quick, lr=1e-12)
    for name, value in model.module.named_parameters():
        torch.testing.assert_close(value, before[name], atol=1e-6, rtol=1e-6)
    np.testing.assert_array_equal(np.sort(model.train_indices_), np.sort(trained.train_indices_))
    assert len(model.history["train_loss"]) == 4


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_settings_come_back(paired, make_model, preset, tmp_path):
    model = make_model(paired, preset=preset, n_latent=3, directions=[("protein", "rna")], train={"max_epochs": 1})
    model.save(str(tmp_path / "model"))
    again = SCMOG.load(tmp_path / "model", adata=False)
    assert again.preset_name == preset
    assert again.directions == (("protein", "rna"),)
    assert again.module.config == model.module.config


def test_an_untrained_model(paired, small, tmp_path):
    SCMOG.setup_mudata(paired)
    SCMOG(paired, **small).save(str(tmp_path / "model"))
    model = SCMOG.load(tmp_path / "model", adata=False)
    with pytest.raises(RuntimeError, match="not trained"):
        model.get_generated(paired, target="atac")


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda data: data[:-100], id="end missing"),
        pytest.param(lambda data: b"", id="empty file"),
        pytest.param(
            lambda data: b"something else",
            id="other content",
        ),
    ],
)
def test_damaged_file(trained, tmp_path, content):
    trained.save(str(tmp_path / "model"))
    file = tmp_path / "model" / "model.pt"
    file.write_bytes(content(file.read_bytes()))
    with pytest.raises(ValueError, match="does not hold a complete saved model"):
        SCMOG.load(tmp_path / "model", adata=False)


@pytest.mark.parametrize("name", ["", "nowhere"], ids=["empty directory", "no directory"])
def test_no_model(tmp_path, name):
    with pytest.raises(ValueError, match=r"model\.pt"):
        SCMOG.load(tmp_path / name, adata=False)


def test_without_data_a_query_is_needed(loaded, paired, quick):
    with pytest.raises(ValueError, match=r"no data of its own \(loaded with adata=False\); pass the cells"):
        loaded.get_generated(target="atac")
    with pytest.raises(ValueError, match=r"pass the cells to score as mdata"):
        loaded.evaluate()
    with pytest.raises(ValueError, match=r"no data; load it with load\(path, adata=mdata\)"):
        loaded.train(**quick)


def test_generate_without_data_says_what_is_missing(loaded):
    with pytest.raises(ValueError, match="no data"):
        loaded.generate()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda p: MuData({"hto": p["protein"].copy()}), "at least one measured of", id="none of them"),
        pytest.param(lambda p: MuData({"rna": p["rna"][:, ::-1].copy()}), "another order.*align_features", id="order"),
        pytest.param(lambda p: p[:10], r"view.*\.copy\(\)", id="view"),
    ],
)
def test_data_that_do_not_fit(saved, paired, change, words):
    with pytest.raises(ValueError, match=words):
        SCMOG.load(saved, adata=change(paired))
