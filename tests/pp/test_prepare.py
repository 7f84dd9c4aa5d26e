from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData

from scmog.pp import filter_cells, filter_peaks, prepare, remove_sex_chromosomes

BOUNDS = {"min_genes": 12, "max_genes": 30}
PEAKS = {"min_cells": 2, "max_share": 0.4}


def _one_by_one(mdata, *, autosomes_only=False, relative_to="cells"):
    filter_cells(mdata, **BOUNDS)
    remove_sex_chromosomes(mdata, autosomes_only=autosomes_only)
    filter_peaks(mdata, **PEAKS, relative_to=relative_to)


@pytest.mark.parametrize(
    "options",
    [{}, {"autosomes_only": True}, {"relative_to": "most_frequent_peak"}],
    ids=["paper", "autosomes", "authors' bound"],
)
def test_equals_the_three_filters(annotated, assert_same, options):
    expected = annotated.copy()
    _one_by_one(expected, **options)
    assert prepare(annotated, **BOUNDS, **PEAKS, **options) is None
    assert 0 < annotated.n_obs < 60
    assert 0 < annotated["atac"].n_vars < 70
    assert_same(annotated, expected)


def test_unordered_and_incomplete_modalities(annotated):
    rna, atac = annotated["rna"][5:].copy(), annotated["atac"][::-1][10:].copy()
    mdata, expected = MuData({"rna": rna.copy(), "atac": atac.copy()}), MuData({"rna": rna, "atac": atac})
    _one_by_one(expected)
    prepare(mdata, **BOUNDS, **PEAKS)
    assert list(mdata.obs_names) == list(expected.obs_names)
    for key in mdata.mod:
        assert list(mdata[key].obs_names) == list(expected[key].obs_names)
        assert list(mdata[key].var_names) == list(expected[key].var_names)
        np.testing.assert_array_equal(mdata[key].X.toarray(), expected[key].X.toarray())


def test_without_sex_chromosomes_no_position_is_needed(annotated):
    del annotated["rna"].var["chrom"]
    prepare(annotated, **BOUNDS, **PEAKS, remove_sex=False)
    assert annotated["rna"].n_vars == 50
    assert (annotated["atac"].var["chrom"] == "chrX").any()


def test_without_atac(paired):
    mdata = MuData({"rna": paired["rna"], "protein": paired["protein"]})
    n_genes = (paired["rna"].X.toarray() > 0).sum(axis=1)
    prepare(mdata, **BOUNDS)
    assert mdata["protein"].shape == (((n_genes >= 12) & (n_genes <= 30)).sum(), 6)


def test_an_error_of_the_last_step_leaves_all_unchanged(annotated, snapshot, assert_same):
    before = snapshot(annotated)
    with pytest.raises(ValueError, match="no peak is left"):
        prepare(annotated, **BOUNDS, max_share=0.001)
    assert_same(annotated, before)


def test_anndata_is_refused(annotated):
    with pytest.raises(TypeError, match="takes a MuData"):
        prepare(annotated["rna"])
