from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scmog.model._output import Thresholding, assemble, entries_to_csr, ones_like, provenance, resolve_threshold


@pytest.mark.parametrize(
    ("threshold", "score", "expected"),
    [
        ("density", "probability", (0.3, "probability", "density")),
        ("paper", "probability", (0.1, "raw", "paper")),
        ("paper", "raw", (0.1, "raw", "paper")),
        (0.4, "probability", (0.4, "probability", "number")),
        (0.4, "raw", (0.4, "raw", "number")),
        (None, "raw", (None, "raw", "none")),
    ],
)
def test_resolve_threshold(threshold, score, expected):
    result = resolve_threshold("atac", threshold, score, density_cut=0.3)
    assert (result.cut, result.scale, result.label) == expected
    assert result.layer == expected[1]


def test_entries_become_rows():
    expected = np.array([[0, 0, 0.7], [0, 0, 0], [0.2, 0, 0.4]], dtype=np.float32)
    matrix = entries_to_csr(np.array([2, 6, 8]), np.array([0.7, 0.2, 0.4], dtype=np.float32), (3, 3))
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert matrix.nnz == 3
    assert matrix.dtype == np.float32
    assert ones_like(matrix, copy=True).sum() == 3


@pytest.mark.parametrize("cut", [0.2, None])
def test_assemble_joins_blocks_in_order(cut):
    values = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    obs = pd.DataFrame(index=[f"c{i}" for i in range(7)])
    var = pd.DataFrame(index=[f"p{i}" for i in range(5)])
    thresholding = Thresholding(cut=cut, scale="raw", layer="raw", label="number")
    blocks = np.split(values if cut is None else np.where(values > cut, values, 0), [3, 4])
    blocks = blocks if cut is None else [sp.csr_matrix(block) for block in blocks]
    adata = assemble(iter(blocks), thresholding, obs=obs, var=var)
    if cut is None:
        np.testing.assert_array_equal(adata.X, values)
        assert "raw" not in adata.layers
    else:
        np.testing.assert_array_equal(adata.X.toarray(), values > cut)
        np.testing.assert_array_equal(adata.layers["raw"].toarray(), np.where(values > cut, values, 0))
    assert list(adata.obs_names) == list(obs.index)


def test_assemble_where_nothing_is_open():
    obs, var = pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["p"])
    thresholding = Thresholding(cut=1.0, scale="raw", layer="raw", label="number")
    adata = assemble(iter([sp.csr_matrix((2, 1), dtype=np.float32)]), thresholding, obs=obs, var=var)
    assert adata.X.nnz == 0
    assert adata.X.shape == (2, 1)


def test_provenance_is_plain_and_complete():
    note = provenance(("atac", "rna"), None, model_id="m", seed=3)
    assert note["generated"] is True
    assert (note["source"], note["target"], note["model_id"], note["seed"]) == ("atac", "rna", "m", 3)
    assert {"unit", "scmog_version", "scvi_tools_version"} <= set(note)
    assert all(isinstance(value, str | int | float | bool) for value in note.values())  # so that any format takes it
