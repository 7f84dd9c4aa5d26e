"""Failures that must not pass silently: damaged weights, unfinished training, unseen batches, other cells."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from mudata import MuData

import scmog
from scmog.model import SCMOG, _training_mixin

_ATAC = {"source": "rna", "target": "atac"}


def test_a_diverged_continuation_leaves_the_model_as_it_was(paired, make_model, quick):
    model = make_model(paired)
    before = model.get_generated(paired, **_ATAC, threshold=None).X
    with pytest.raises(RuntimeError, match="diverged.*smaller learning rate"):
        model.train(**quick, lr=1e30)
    np.testing.assert_array_equal(model.get_generated(paired, **_ATAC, threshold=None).X, before)
    assert len(model.history["train_loss"]) == quick["max_epochs"]


def test_a_model_whose_first_training_failed_is_not_trained(paired, make_model, quick, monkeypatch):
    model = make_model(paired, train=None)

    def fail(*args):
        message = "out of memory"
        raise MemoryError(message)

    monkeypatch.setattr(_training_mixin, "fit_open_cuts", fail)
    with pytest.raises(MemoryError):
        model.train(**quick)
    assert not model.is_trained
    with pytest.raises(RuntimeError, match="not trained"):
        model.get_generated(paired, **_ATAC)


def test_damaged_weights_are_reported(paired, make_model):
    model = make_model(paired, train={"max_epochs": 1})
    model.module.translator("rna_to_atac").open_cut.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="no density cut"):
        model.get_generated(paired, **_ATAC)
    model.module.translator("rna_to_atac").decoder.logit.bias.data.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="NaN or infinite values"):
        model.get_generated(paired, **_ATAC, threshold=0.5)


def test_a_batch_without_training_cells_is_average(paired, make_model, caplog):
    paired.obs["run"] = np.repeat(["a", "b", "c"], 40)
    paired.obs["split"] = np.repeat(["train", "validation", "test"], 40)
    paired.obs.loc[paired.obs_names[20:40], "run"] = "b"
    model = make_model(paired, setup={"batch_key": "run"}, train={"split_key": "split"})
    assert "1 batch(es) have no training cell" in caplog.text
    unseen = paired[80:].copy()
    expected = model.get_generated(unseen["rna"], source="rna", target="atac", threshold=None).X
    del unseen.obs["run"]
    np.testing.assert_allclose(model.get_generated(unseen, **_ATAC, threshold=None).X, expected, rtol=1e-6)


@pytest.mark.parametrize(("convert", "kind"), [("toarray", "dense"), ("tocsc", r"CSC \(stored by column\)")])
@pytest.mark.filterwarnings("ignore::UserWarning")  # of the data's being stored by column
def test_a_matrix_on_disk_without_rows_is_refused_for_training(paired, tmp_path, small, quick, convert, kind):
    paired["rna"].X = getattr(paired["rna"].X, convert)()
    for name in ("rna", "atac"):
        paired[name].write_h5ad(tmp_path / f"{name}.h5ad")
    backed = MuData({name: anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r") for name in ("rna", "atac")})
    SCMOG.setup_mudata(backed)
    with pytest.raises(ValueError, match=f"'rna' is a {kind} matrix on disk.*CSR"):
        SCMOG(backed, **small).train(**quick)


def test_other_cells_need_refit(paired, make_model, quick):
    model = make_model(paired)
    cells = scmog.datasets.simulate(n_cells=80, n_genes=40, n_peaks=60, n_proteins=6, seed=5, peak_density=0.3)
    other = MuData(
        {name: anndata.AnnData(a.X, a.obs, a.var.set_index(paired[name].var_names)) for name, a in cells.mod.items()}
    )
    model.adata = other
    with pytest.raises(ValueError, match="other cells.*refit=True"):
        model.train(**quick)
    model.train(**quick, refit=True)
    generated = model.get_generated(other, **_ATAC)
    assert generated.X.mean() == pytest.approx((other["atac"].X > 0).mean(), rel=0.2)


@pytest.mark.parametrize("known", [0, 40], ids=["no known batch", "some known batches"])
def test_cells_of_unknown_batches_can_be_trained_on(paired, make_model, quick, known, caplog):
    paired.obs["run"] = np.resize(["a", "b", "b"], 120)
    model = make_model(paired, setup={"batch_key": "run"})
    shares = model.module.batch_proportions.clone()
    other = paired.copy()
    other.obs_names = other.obs_names + "_other"
    for adata in other.mod.values():
        adata.obs_names = other.obs_names
    other.obs["run"] = ["a"] * known + ["new"] * (120 - known)
    other.obs["split"] = np.resize(["train", "train", "validation"], 120)
    model.adata = other
    model.train(**quick, split_key="split", refit=True)
    assert "Batches ['new'] of the query were not seen" in caplog.text
    torch.testing.assert_close(model.module.batch_proportions, torch.tensor([1.0, 0.0]) if known else shares)
    assert np.isfinite(model.get_generated(other, **_ATAC, threshold=None).X).all()


def test_load_with_an_anndata(paired, make_model, tmp_path):
    make_model(paired, train={"max_epochs": 1}).save(str(tmp_path / "model"))
    with pytest.raises(TypeError, match="expected a MuData, got AnnData.*Wrap the modality"):
        SCMOG.load(tmp_path / "model", adata=paired["rna"])


def test_ridge_takes_missing_genes_as_average(paired, make_model):
    """With half of the genes missing, ridge on the training cells is still better than the training mean."""
    model = make_model(paired, train={"max_epochs": 1})
    query = paired.copy()
    missing = np.arange(40) >= 20
    query["rna"].X = sp.csr_matrix(query["rna"].X.multiply(~missing))
    query["rna"].var["scmog_missing"] = missing

    def scores():
        table = model.evaluate(query, directions=[("rna", "protein")], metrics=["pearson"])
        return table.query("axis == 'flat'").set_index("model")["value"]

    table = scores()
    assert table["ridge"] > table["training mean"] + 0.03
    del query["rna"].var["scmog_missing"]  # what comes of zeros that pass for measurements
    assert scores()["ridge"] < table["ridge"]
