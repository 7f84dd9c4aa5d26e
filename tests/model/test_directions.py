from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

from scmog.model._directions import add_modalities, only_direction, output_keys

MARK = {"scmog": {"generated": True}}


@pytest.fixture
def mdata(paired):
    return MuData({"rna": paired["rna"].copy()})


def made(mdata, value=1.0):
    adata = AnnData(np.full((mdata.n_obs, 2), value, dtype=np.float32), uns=dict(MARK))
    adata.obs_names, adata.var_names = mdata.obs_names, ["p1", "p2"]
    return adata


def test_only_direction():
    assert only_direction([("rna", "atac")]) == ("rna", "atac")
    with pytest.raises(ValueError, match=r"several.*'rna', 'atac'.*'rna', 'protein'.*source= and target="):
        only_direction([("rna", "atac"), ("rna", "protein")])


def test_output_keys(mdata):
    directions = [("rna", "atac"), ("rna", "protein")]
    keys = output_keys(mdata, directions, key_added=None, store=None)
    assert keys == {"atac_generated": ("rna", "atac"), "protein_generated": ("rna", "protein")}
    assert output_keys(mdata, directions[:1], key_added="x", store="y.h5ad") == {"x": ("rna", "atac")}


def test_add_and_replace(mdata):
    add_modalities(mdata, {"atac_generated": made(mdata)})
    add_modalities(mdata, {"atac_generated": made(mdata, 2.0)})
    assert mdata["atac_generated"].X.max() == 2
    assert mdata.n_vars == mdata["rna"].n_vars + 2
    assert mdata.obsm["atac_generated"].all()
    assert mdata["rna"].X is not None


def test_what_does_not_fit_brings_back_what_was_there(mdata, monkeypatch):
    first = made(mdata)
    add_modalities(mdata, {"old": first})
    update, calls = MuData.update, []

    def fail_once(self):
        calls.append(None)
        if len(calls) == 1:
            message = "no"
            raise KeyboardInterrupt(message)
        return update(self)

    monkeypatch.setattr(MuData, "update", fail_once)
    with pytest.raises(KeyboardInterrupt):
        add_modalities(mdata, {"old": made(mdata, 2.0), "new": made(mdata, 3.0)})
    assert list(mdata.mod) == ["rna", "old"]
    assert mdata["old"] is first
    assert mdata.n_vars == mdata["rna"].n_vars + 2
