from __future__ import annotations

import logging

import numpy as np
import pytest
import scanpy as sc
from mudata import MuData

from scmog.pp import filter_cells


def _bounds(adata):
    n_genes = (adata.X.toarray() > 0).sum(axis=1)
    return n_genes, int(np.quantile(n_genes, 0.2)), int(np.quantile(n_genes, 0.8))


def test_equals_scanpy(annotated):
    adata = annotated["rna"].copy()
    _, low, high = _bounds(adata)
    expected = adata.copy()
    sc.pp.filter_cells(expected, min_genes=low)
    sc.pp.filter_cells(expected, max_genes=high)
    assert filter_cells(adata, min_genes=low, max_genes=high) is None
    assert 0 < adata.n_obs < 60
    assert list(adata.obs_names) == list(expected.obs_names)
    np.testing.assert_array_equal(adata.X.toarray(), expected.X.toarray())


def test_bounds_are_inclusive_and_all_modalities_follow(annotated):
    n_genes, low, high = _bounds(annotated["rna"])
    expected = annotated.obs_names[(n_genes >= low) & (n_genes <= high)]
    filter_cells(annotated, min_genes=low, max_genes=high)
    assert (low in n_genes) and (high in n_genes)
    for adata in (annotated, *annotated.mod.values()):
        assert list(adata.obs_names) == list(expected)


def test_no_upper_bound(annotated):
    n_genes, low, _ = _bounds(annotated["rna"])
    filter_cells(annotated, min_genes=low, max_genes=None)
    assert annotated.n_obs == (n_genes >= low).sum()


def test_layer_and_name(annotated):
    adata = annotated["rna"].copy()
    adata.X = adata.X * 0
    mdata = MuData({"mine": adata, "atac": annotated["atac"]})
    n_genes, low, high = _bounds(annotated["rna"])
    filter_cells(mdata, min_genes=low, max_genes=high, modality="mine", layer="counts")
    assert mdata.n_obs == ((n_genes >= low) & (n_genes <= high)).sum()


def test_cells_without_rna_stay(annotated):
    n_genes, low, high = _bounds(annotated["rna"])
    mdata = MuData({"rna": annotated["rna"][:30].copy(), "atac": annotated["atac"][10:].copy()})
    only_atac = set(annotated.obs_names[30:])
    good = set(annotated.obs_names[:30][((n_genes >= low) & (n_genes <= high))[:30]])
    filter_cells(mdata, min_genes=low, max_genes=high)
    assert set(mdata.obs_names) == only_atac | good


def test_log(annotated, caplog):
    n_genes, low, high = _bounds(annotated["rna"])
    with caplog.at_level(logging.INFO, logger="scmog"):
        filter_cells(annotated, min_genes=low, max_genes=high)
    dropped = f"dropped {(n_genes < low).sum()} with fewer than {low} genes, {(n_genes > high).sum()} with more"
    assert f"kept {annotated.n_obs} of 60 cells; {dropped}" in caplog.text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({}, ValueError, "no cell is left of 60: 60 with fewer than 200", id="nothing left"),
        pytest.param({"min_genes": 9, "max_genes": 3}, ValueError, "got 9 and 3", id="contradiction"),
        pytest.param({"min_genes": -1}, ValueError, "0 <= min_genes", id="negative"),
        pytest.param({"layer": "nope"}, KeyError, "'nope' is not in the layers", id="layer"),
        pytest.param({"modality": "nope"}, KeyError, "'nope' is not in mdata.mod", id="modality"),
        pytest.param({"layer": "dense", "min_genes": 1}, ValueError, "must hold counts", id="scaled values"),
    ],
)
def test_errors_leave_the_data_unchanged(annotated, snapshot, assert_same, options, error, message):
    before = snapshot(annotated)
    with pytest.raises(error, match=message):
        filter_cells(annotated, **options)
    assert_same(annotated, before)
