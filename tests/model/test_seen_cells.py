"""Scores of cells that a model was trained on are not passed off as scores of new ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData

import scmog
from scmog.model import SCMOG
from scmog.model._seen_cells import cell_ids

RNA_TO_ATAC = {"directions": [("rna", "atac")], "metrics": ["auroc"]}
WORDS = "of the {} cells to score were trained or validated on"


@pytest.fixture
def split(paired):
    """Column of the global obs with 70 training, 20 validation and 30 test cells."""
    paired.obs["split"] = np.repeat(["train", "validation", "test"], [70, 20, 30])
    return "split"


def test_ids_tell_names_and_totals():
    ids = cell_ids(pd.Index(["a", "a", "b", "a"]), np.array([1.0, 2.0, 1.0, 1.0]))
    assert ids[0] == ids[3]
    assert len(set(ids.tolist())) == 3


def test_test_cells_are_new(paired, make_model, split, caplog):
    make_model(paired, train={"split_key": split}).evaluate(**RNA_TO_ATAC)
    assert "trained or validated on" not in caplog.text


def test_training_data_that_are_passed_as_cells_to_score_are_noticed(paired, make_model, split, tmp_path, caplog):
    make_model(paired, train={"split_key": split}).save(tmp_path / "model")
    model = SCMOG.load(tmp_path / "model", adata=False, accelerator="cpu")
    caplog.clear()
    model.evaluate(paired[90:].copy(), **RNA_TO_ATAC)
    assert "trained or validated on" not in caplog.text
    model.evaluate(paired, **RNA_TO_ATAC)
    assert f"rna_to_atac: 90 {WORDS.format(120)}" in caplog.text


@pytest.mark.parametrize(
    ("lacking", "n"), [(["rna"], 90), (["atac"], 90), (["rna", "atac"], 0)], ids=["genes", "peaks", "both: no telling"]
)
def test_seen_cells_are_known_by_the_modality_that_is_complete(paired, make_model, split, caplog, lacking, n):
    """Totals are of fewer features where some are missing."""
    model = make_model(paired, train={"split_key": split})
    fewer = {name: paired[name][:, (3 if name in lacking else 0) :].copy() for name in ("rna", "atac")}
    caplog.clear()
    model.evaluate(scmog.pp.align_features(MuData(fewer), model), **RNA_TO_ATAC)
    assert (f"rna_to_atac: {n} {WORDS.format(120)}" in caplog.text) == (n > 0)


def test_cells_of_the_same_names_from_elsewhere_are_new(paired, make_model, caplog):
    model = make_model(paired)
    others = scmog.datasets.simulate(n_cells=120, n_genes=40, n_peaks=60, n_proteins=6, seed=1)
    for name in ("rna", "atac", "protein"):
        others[name].var_names = paired[name].var_names
    assert list(others.obs_names) == list(paired.obs_names)
    model.evaluate(others, **RNA_TO_ATAC)
    seen = [record for record in caplog.records if "trained or validated on" in record.getMessage()]
    assert all(int(record.args[1]) < 6 for record in seen)  # of equal name and, by chance, equal total


def test_test_cells_of_another_split_are_no_new_ones(paired, make_model, quick, split, caplog):
    model = make_model(paired, train={"split_key": split})
    paired.obs["other"] = np.repeat(["test", "train", "validation"], [30, 70, 20])
    model.train(**quick, split_key="other", refit=True)
    model.evaluate(**RNA_TO_ATAC)
    assert f"30 {WORDS.format(30)}" in caplog.text


def test_a_failed_training_has_seen_nothing(paired, make_model, quick, split, caplog):
    model = make_model(paired, train={"split_key": split})
    paired.obs["other"] = np.repeat(["test", "train", "validation"], [30, 70, 20])
    with pytest.raises(RuntimeError, match="diverged"):
        model.train(**quick, split_key="other", refit=True, lr=1e30)
    model.evaluate(**RNA_TO_ATAC)
    assert "trained or validated on" not in caplog.text
