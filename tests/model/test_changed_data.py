"""Data that were changed, or set up for another model, between ``setup_mudata`` and ``train``."""

from __future__ import annotations

import numpy as np
import pytest

from scmog.model import SCMOG


def genes_reordered(mdata):
    mdata.mod["rna"] = mdata["rna"][:, ::-1].copy()
    mdata.update()


def genes_filtered(mdata):
    mdata.mod["rna"] = mdata["rna"][:, :-3].copy()
    mdata.update()


def cells_of_one_modality_reordered(mdata):
    mdata.mod["atac"] = mdata["atac"][::-1].copy()


def log_transformed(mdata):
    mdata["rna"].X = mdata["rna"].X.log1p()


def modality_removed(mdata):
    del mdata.mod["atac"]


CHANGES = [
    pytest.param(genes_reordered, "features of modality 'rna' are no longer.*40 then, 40 now", id="genes reordered"),
    pytest.param(genes_filtered, "features of modality 'rna' are no longer.*40 then, 37 now", id="genes filtered"),
    pytest.param(cells_of_one_modality_reordered, "'atac' has its cells in another order", id="cells reordered"),
    pytest.param(log_transformed, "'rna'.*holds fractional", id="log"),
    pytest.param(modality_removed, "modality 'atac' is no longer in the MuData", id="removed"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_training_on_changed_data_is_refused_and_leaves_the_model_as_it_was(paired, make_model, quick, change, words):
    model = make_model(paired)
    original = paired.copy()
    before = model.get_generated(original, source="rna", target="atac", threshold=None).X
    change(paired)
    with pytest.raises((ValueError, KeyError), match=words):
        model.train(**quick)
    assert list(model.training_registry.var_names["rna"]) == list(original["rna"].var_names)
    np.testing.assert_array_equal(model.get_generated(original, source="rna", target="atac", threshold=None).X, before)


def test_training_goes_on_once_the_change_is_taken_back(paired, make_model, quick):
    model, counts = make_model(paired, train=None), paired["rna"].X.copy()
    log_transformed(paired)
    with pytest.raises(ValueError, match="fractional"):
        model.train(**quick)
    paired["rna"].X = counts
    model.train(**quick)
    assert model.is_trained


def test_batches_that_were_renamed_are_refused(paired, make_model, quick):
    paired.obs["run"] = np.repeat(["a", "b"], 60)
    model = make_model(paired, setup={"batch_key": "run"}, train=None)
    paired.obs["run"] = np.repeat(["a", "c"], 60)
    with pytest.raises(ValueError, match="batches in 'run' are no longer those of setup_mudata"):
        model.train(**quick)


def test_a_model_is_trained_with_its_own_batches_after_another_was_set_up(paired, make_model, quick):
    paired.obs["run"], paired.obs["site"] = np.repeat(["a", "b"], 60), np.repeat(["x", "y", "z"], [30, 30, 60])
    expected = make_model(paired, setup={"batch_key": "run"})
    model = make_model(paired, setup={"batch_key": "run"}, train=None)
    SCMOG.setup_mudata(paired, batch_key="site")
    model.train(**quick)
    state = model.module.state_dict()
    for name, value in expected.module.state_dict().items():
        np.testing.assert_array_equal(state[name].numpy(), value.numpy(), err_msg=name)
