"""Generation to disk equals generation in memory."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pytest
import scipy.sparse as sp
import zarr

import scmog.model._store as store_module

_ATAC = {"source": "rna", "target": "atac"}

# anndata 0.12 announces another default format
pytestmark = pytest.mark.filterwarnings("ignore:Writing zarr v2 data")


def dense(matrix):
    matrix = matrix if sp.issparse(matrix) or isinstance(matrix, np.ndarray) else matrix[:]
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def read(path: Path):
    return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)


@pytest.mark.parametrize("batch_size", [50, 1000], ids=["blocks", "one block"])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_sparse_store_equals_memory(trained, query, tmp_path, suffix, batch_size):
    path = tmp_path / f"generated{suffix}"
    expected = trained.get_generated(query, **_ATAC, batch_size=batch_size)
    trained.generate(query, **_ATAC, store=path, batch_size=batch_size)
    for adata in (query["atac_generated"], read(path)):
        np.testing.assert_array_equal(dense(adata.X), expected.X.toarray())
        np.testing.assert_array_equal(dense(adata.layers["probability"]), expected.layers["probability"].toarray())
        assert list(adata.obs_names) == list(expected.obs_names)
        assert list(adata.var_names) == list(expected.var_names)
        assert adata.obs["scmog_zero_counts"].tolist() == expected.obs["scmog_zero_counts"].tolist()
        assert adata.uns["scmog"]["unit"] == expected.uns["scmog"]["unit"]
        assert adata.uns["scmog"]["cut"] == pytest.approx(expected.uns["scmog"]["cut"])
        assert adata.X.dtype == np.float32
    on_disk = query["atac_generated"]
    assert not isinstance(on_disk.X, np.ndarray | sp.spmatrix | sp.sparray)
    assert on_disk[:3].X.shape == (3, 60)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("target", ["protein", "atac"])
def test_dense_store_equals_memory(trained, query, tmp_path, suffix, target):
    path = tmp_path / f"generated{suffix}"
    options = {"source": "rna", "target": target, "batch_size": 50}
    options |= {"threshold": None} if target == "atac" else {}
    expected = trained.get_generated(query, **options).X
    trained.generate(query, **options, store=str(path))
    for adata in (query[f"{target}_generated"], read(path)):
        np.testing.assert_allclose(dense(adata.X), expected, rtol=1e-6)
        assert adata.X.dtype == np.float32
        assert adata.X.shape == expected.shape


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_row_pointers_have_64_bits(trained, query, tmp_path, suffix):
    path = tmp_path / f"generated{suffix}"
    trained.generate(query, **_ATAC, store=path, batch_size=50)
    group = h5py.File(path, "r") if suffix == ".h5ad" else zarr.open_group(str(path), mode="r")
    assert group["X/indptr"].dtype == np.int64
    assert group["layers/probability/indptr"].dtype == np.int64


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_an_existing_path_is_refused(trained, query, tmp_path, suffix, snapshot):
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(b"important")
    before = snapshot(query)
    with pytest.raises(FileExistsError, match=rf"mine\{suffix}' exists; remove it or choose another name"):
        trained.generate(query, **_ATAC, store=path)
    assert path.read_bytes() == b"important"
    assert snapshot(query) == before


@pytest.mark.parametrize("name", ["x.h5mu", "x", "x.csv"])
def test_other_endings_are_refused(trained, query, tmp_path, name):
    with pytest.raises(ValueError, match=rf"store must end in \.h5ad or \.zarr, got .*{name}"):
        trained.generate(query, **_ATAC, store=tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_failing_generation_leaves_no_file(trained, query, tmp_path, suffix, snapshot, monkeypatch):
    def fail(*args, **kwargs):
        message = "disk full"
        raise OSError(message)

    monkeypatch.setattr(store_module, "_append", fail)  # before any cell is there
    before = snapshot(query)
    with pytest.raises(OSError, match="disk full"):
        trained.generate(query, **_ATAC, store=tmp_path / f"generated{suffix}")
    assert not list(tmp_path.iterdir())
    assert snapshot(query) == before


def test_a_bad_query_makes_no_file(trained, query, tmp_path, snapshot):
    query["rna"].X.data[3] = np.nan
    before = snapshot(query)
    with pytest.raises(ValueError, match="NaN"):
        trained.generate(query, **_ATAC, store=tmp_path / "generated.h5ad")
    assert not list(tmp_path.iterdir())
    assert snapshot(query) == before


def test_a_mudata_with_a_stored_modality_can_be_written(trained, query, tmp_path):
    trained.generate(query, **_ATAC, store=tmp_path / "generated.h5ad")
    expected = trained.get_generated(query, **_ATAC).X.toarray()
    query.write_h5mu(tmp_path / "query.h5mu")
    again = mudata.read_h5mu(tmp_path / "query.h5mu")
    np.testing.assert_array_equal(dense(again["atac_generated"].X), expected)
