"""The depth shift in a trained model: what it moves, and that it pays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import scmog


@pytest.fixture(scope="module")
def data():
    mdata = scmog.datasets.simulate(600, 150, 300, n_batches=3, batch_shift=0.8, seed=1)
    mdata.obs["split"] = np.resize(["train", "train", "train", "validation", "test"], 600)
    return mdata


def trained(mdata, split=None, **options):
    data = mdata.copy()
    scmog.model.SCMOG.setup_mudata(data, batch_key="batch")
    model = scmog.model.SCMOG(data, directions=[("rna", "atac")], n_members=1, n_hidden_rna=(32,), **options)
    model.train(
        8, **(split or {"split_key": "split"}), n_epochs_pretrain=0, enable_progress_bar=False, accelerator="cpu"
    )
    return model


def probabilities(model, mdata, **options):
    return model.get_generated(mdata, source="rna", target="atac", threshold=None, **options).X


def auroc_per_peak(is_open, scores):
    kept = (is_open.sum(axis=0) >= 5) & (is_open.sum(axis=0) < len(is_open))
    return np.mean([roc_auc_score(is_open[:, peak], scores[:, peak]) for peak in np.flatnonzero(kept)])


def test_depth_makes_better_predictions_of_cells_that_were_not_seen(data, tmp_path):
    model = trained(data)
    test = data[data.obs["split"] == "test"].copy()
    shifted, raw = probabilities(model, test), probabilities(model, test, score="raw")
    model.save(tmp_path / "model")
    loaded = scmog.model.SCMOG.load(tmp_path / "model", adata=model.adata)
    np.testing.assert_array_equal(probabilities(loaded, test), shifted)

    loaded.module.translator("rna_to_atac").depth_shift.reset()
    plain = probabilities(loaded, test)
    np.testing.assert_array_equal(probabilities(loaded, test, score="raw"), raw)
    is_open = test["atac"].X.toarray() > 0
    log_n_open = np.log(is_open.sum(axis=1) + 1)
    correlation = [np.corrcoef(np.log(p.sum(axis=1)), log_n_open)[0, 1] for p in (plain, shifted)]
    assert correlation[1] > correlation[0] + 0.02
    assert auroc_per_peak(is_open, shifted) > auroc_per_peak(is_open, plain) + 0.003


def test_a_batch_that_is_not_known_is_average(data):
    model = trained(data)
    test = data[data.obs["split"] == "test"].copy()
    known = probabilities(model, test)
    rna = test["rna"].copy()
    del rna.obs["batch"]
    average = probabilities(model, rna)
    assert np.isfinite(average).all()
    assert not np.allclose(average, known)


def test_the_batch_enters_where_the_shift_is(data):
    """Not in the decoder, too: a batch that has no shift changes nothing."""
    model = trained(data)
    model.module.translator("rna_to_atac").depth_shift.reset()
    rna = data["rna"].copy()
    before = probabilities(model, rna)
    rna.obs["batch"] = np.roll(rna.obs["batch"].to_numpy(), 1)
    np.testing.assert_array_equal(probabilities(model, rna), before)


def test_probabilities_that_cannot_be_calibrated_are_not_shifted(data, monkeypatch, caplog):
    monkeypatch.setattr(scmog.nn.LogitRecalibration, "fit", lambda *_: False)
    shift = trained(data).module.translator("rna_to_atac").depth_shift
    assert "its probabilities should not be used" in caplog.text
    assert (shift.weight == 0).all()
    assert shift.intercept == 0


def test_the_presets_of_the_paper_shift_nothing(data):
    model = trained(data, preset="paper")
    assert model.module.translator("rna_to_atac").depth_shift is None


@pytest.mark.parametrize(
    ("split", "why"),
    [
        pytest.param({"train_size": 1.0}, "without validation cells", id="none"),
        pytest.param({"train_size": 0.99, "validation_size": 0.01}, "with 6 validation cells", id="few"),
        pytest.param({"train_size": 0.9}, None, id="enough"),
    ],
)
@pytest.mark.filterwarnings("ignore:No validation cells")
def test_a_batch_that_has_no_effect_is_told(data, caplog, split, why):
    model = trained(data, split)
    told = [r.getMessage() for r in caplog.records if "the batch has no effect" in r.getMessage()]
    assert told == (
        [] if why is None else [f"rna_to_atac: {why} there is no correction for depth, and the batch has no effect."]
    )
    rna = data["rna"].copy()
    before = probabilities(model, rna)
    rna.obs["batch"] = np.roll(rna.obs["batch"].to_numpy(), 1)
    assert np.array_equal(probabilities(model, rna), before) == (why is not None)
