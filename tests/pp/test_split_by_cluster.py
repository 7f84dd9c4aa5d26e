from __future__ import annotations

import importlib.util
import random

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from mudata import MuData
from sklearn.metrics import adjusted_rand_score

import scmog
from scmog.data import split_by_key
from scmog.pp import split_by_cluster

pytest.importorskip("igraph")


@pytest.fixture(scope="module")
def _clustered():
    return scmog.datasets.simulate(n_cells=300, n_genes=200, n_peaks=30, n_cell_types=4, rna_depth=2000, seed=1)


@pytest.fixture
def mdata(_clustered) -> MuData:
    return _clustered.copy()


def test_the_largest_clusters_validate_and_test(mdata):
    assert split_by_cluster(mdata, resolution=0.5, cluster_key="leiden") is None
    clusters, split = mdata.obs["leiden"].astype(str), mdata.obs["split"].astype(str)
    sizes = clusters.value_counts()
    assert sizes["0"] >= sizes["1"] >= sizes.drop(["0", "1"]).max()
    assert (split == clusters.map({"0": "validation", "1": "test"}).fillna("train")).all()
    assert [len(part) for part in split_by_key(mdata, "split")] == [300 - sizes["0"] - sizes["1"], *sizes[["0", "1"]]]
    assert adjusted_rand_score(mdata["rna"].obs["cell_type"], clusters) > 0.6  # finds the types that were simulated


def test_equals_scanpy_by_hand(mdata):
    split_by_cluster(mdata, cluster_key="found")
    adata = mdata["rna"].copy()
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    sc.pp.pca(adata, n_comps=50, random_state=0)
    sc.pp.neighbors(adata, n_neighbors=15, n_pcs=50, random_state=0, transformer="sklearn")
    sc.tl.leiden(adata, resolution=1.5, random_state=0, flavor="igraph", n_iterations=2, directed=False)
    assert adjusted_rand_score(adata.obs["leiden"], mdata.obs["found"]) == 1


def test_options_matter(mdata):
    split_by_cluster(mdata, resolution=0.1, cluster_key="few", validation_clusters=["1"], test_clusters=())
    split_by_cluster(mdata, resolution=3, cluster_key="many", key_added="fine", validation_clusters=2)
    assert mdata.obs["few"].nunique() < mdata.obs["many"].nunique()
    assert ((mdata.obs["few"].astype(str) == "1") == (mdata.obs["split"] == "validation")).all()
    assert not (mdata.obs["split"] == "test").any()
    assert ((mdata.obs["many"].astype(str) == "2") == (mdata.obs["fine"] == "validation")).all()


def test_only_the_split_is_written(mdata, snapshot, assert_same):
    before = snapshot(mdata)
    split_by_cluster(mdata)
    mdata.obs = mdata.obs.drop(columns="split")
    assert_same(mdata, before)


def test_seeded_and_leaves_random_states_alone(mdata):
    other = mdata.copy()
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()
    split_by_cluster(mdata, seed=3, cluster_key="leiden")
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state
    np.random.random(5)
    split_by_cluster(other, seed=3, cluster_key="leiden")
    assert (mdata.obs["leiden"] == other.obs["leiden"]).all()


def test_cells_in_another_order_layer_and_name(mdata):
    rna = mdata["rna"][::-1].copy()
    rna.layers["counts"] = rna.X.copy()
    rna.X = rna.X * 0.5
    mixed = MuData({"atac": mdata["atac"], "mine": rna})
    assert list(mixed.obs_names) != list(rna.obs_names)
    split_by_cluster(mixed, modality="mine", layer="counts", resolution=0.5, cluster_key="leiden")
    types = rna.obs["cell_type"].reindex(mixed.obs_names)
    assert adjusted_rand_score(types, mixed.obs["leiden"]) > 0.6


def test_anndata(mdata):
    adata = mdata["rna"].copy()
    split_by_cluster(adata, resolution=0.5)
    split_by_cluster(mdata, resolution=0.5)
    assert (adata.obs["split"].astype(str) == mdata.obs["split"].astype(str)).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({"test_clusters": [0]}, ValueError, "must differ", id="in both"),
        pytest.param({"test_clusters": (), "validation_clusters": ()}, ValueError, "not both be empty", id="none"),
        pytest.param({"test_clusters": [99]}, ValueError, "test_clusters=\\['99'\\] does not occur", id="no such"),
        pytest.param({"resolution": 1e-6}, ValueError, "'train': 0", id="no cluster left to train"),
        pytest.param({"group_key": "donor"}, ValueError, "groups of obs\\['donor'\\] would be in two", id="leak"),
        pytest.param({"layer": "scaled"}, ValueError, "needs raw counts", id="not raw"),
        pytest.param({"modality": "nope"}, KeyError, "'nope' is not in", id="modality"),
        pytest.param({"n_neighbors": 300}, ValueError, "too small to cluster", id="too small"),
        pytest.param({"key_added": "donor"}, ValueError, "exists and is not a split", id="taken"),
        pytest.param({"cluster_key": "mine"}, ValueError, "'mine'\\] exists and holds other values", id="clusters"),
        pytest.param({"cluster_key": "split"}, ValueError, "'split' would name two columns", id="one name"),
    ],
)
def test_refused(mdata, options, error, message):
    mdata["rna"].layers["scaled"] = mdata["rna"].X * 0.3
    mdata.obs["donor"] = pd.Categorical([f"d{i % 3}" for i in range(300)])
    mdata.obs["mine"] = pd.Categorical([str(i % 3) for i in range(300)])
    before = mdata.obs.copy()
    with pytest.raises(error, match=message):
        split_by_cluster(mdata, **options)
    pd.testing.assert_frame_equal(mdata.obs, before)


@pytest.mark.parametrize("name", ["labels", "key", "data"])
def test_the_column_of_clusters_can_have_any_name(mdata, name):
    split_by_cluster(mdata, cluster_key=name)
    assert (mdata.obs.loc[mdata.obs[name] == "1", "split"] == "test").all()


def test_empty_and_missing_cells_are_named(mdata):
    partial = MuData({"rna": mdata["rna"][:200].copy(), "atac": mdata["atac"]})
    with pytest.raises(ValueError, match="100 cells have no rna"):
        split_by_cluster(partial)
    adata = mdata["rna"].copy()
    adata.X = sp.diags((np.arange(300) >= 3).astype(np.float32)).tocsr() @ adata.X
    with pytest.raises(ValueError, match="3 cells have no rna counts"):
        split_by_cluster(adata)


def test_without_igraph_the_extra_is_named(mdata, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *args: None if name == "igraph" else find(name))
    with pytest.raises(ImportError, match=r"scmog\[leiden\]"):
        split_by_cluster(mdata)


@pytest.mark.slow
def test_more_cells_than_exact_search(monkeypatch):
    """The approximate search works on this stack, also above the sizes at which scanpy changes its own."""
    from scmog.pp import _split_by_cluster

    monkeypatch.setattr(_split_by_cluster, "_MOST_CELLS_EXACT", 1000)
    mdata = scmog.datasets.simulate(n_cells=9000, n_genes=200, n_peaks=5, n_cell_types=4, rna_depth=2000, seed=1)
    split_by_cluster(mdata, resolution=0.3, cluster_key="leiden")
    assert adjusted_rand_score(mdata["rna"].obs["cell_type"], mdata.obs["leiden"]) > 0.6
