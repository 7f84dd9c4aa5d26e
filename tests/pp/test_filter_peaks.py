from __future__ import annotations

import logging

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

from scmog.pp import filter_peaks


def _peaks(n_open, n_cells=100):
    """Peaks open in the given numbers of cells; counts of 1 and 2."""
    matrix = np.zeros((n_cells, len(n_open)), dtype=np.float32)
    for j, n in enumerate(n_open):
        matrix[:n, j] = 1 + j % 2
    return AnnData(sp.csr_matrix(matrix))


def _kept(adata):
    return [int(name) for name in adata.var_names]


@pytest.mark.parametrize(
    ("n_open", "options", "kept"),
    [
        pytest.param([0, 4, 5, 9, 10, 11, 50], {}, [2, 3, 4], id="the paper, bounds included"),
        pytest.param([4, 5, 8, 9, 80], {"relative_to": "most_frequent_peak"}, [1, 2], id="the authors' code"),
        pytest.param([0, 1, 100], {"min_cells": 1, "max_share": None}, [1, 2], id="no upper bound"),
        pytest.param([28, 29, 30], {"max_share": 0.29}, [0, 1], id="0.29 * 100 is below 29 in floating point"),
        pytest.param([0, 6, 100], {"min_cells": 0, "max_share": 1}, [0, 1, 2], id="nothing to drop"),
    ],
)
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_bounds(n_open, options, kept, kind):
    adata = _peaks(n_open)
    adata.X = adata.X.asformat(kind)
    before = adata.X.toarray()
    assert filter_peaks(adata, **options) is None
    assert _kept(adata) == kept
    assert adata.X.format == kind
    np.testing.assert_array_equal(adata.X.toarray(), before[:, kept])


def test_equals_scanpy(annotated):
    expected = annotated["atac"].copy()
    sc.pp.filter_genes(expected, min_cells=5)
    sc.pp.filter_genes(expected, max_cells=6)
    filter_peaks(annotated)
    assert 0 < annotated["atac"].n_vars < 80
    assert list(annotated["atac"].var_names) == list(expected.var_names)
    assert annotated["rna"].n_vars == 50
    assert annotated.shape == (60, 50 + expected.n_vars)


def test_log_names_the_bound(caplog):
    with caplog.at_level(logging.INFO, logger="scmog"):
        filter_peaks(_peaks([4, 5, 8, 9, 80]), relative_to="most_frequent_peak")
    assert "kept 2 of 5 peaks; dropped 1 in fewer than 5 cells, 2 in more than 8 cells (10% of the 80" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"max_share": 0.01}, "no peak is left of 80: .* more than 0 cells", id="nothing left"),
        pytest.param({"max_share": 10}, r"max_share in \(0, 1\]", id="per cent instead of a share"),
        pytest.param({"min_cells": -1}, "min_cells must be at least 0", id="negative"),
        pytest.param({"relative_to": "peaks"}, "got 'peaks'", id="reference"),
    ],
)
def test_errors_leave_the_data_unchanged(annotated, snapshot, assert_same, options, message):
    before = snapshot(annotated)
    with pytest.raises(ValueError, match=message):
        filter_peaks(annotated, **options)
    assert_same(annotated, before)
