from __future__ import annotations

import random
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog.pp import _matrices
from scmog.pp._subset import check_writable, drop, find_modality, positions, require_modality


@pytest.fixture
def masks(annotated):
    rng = np.random.default_rng(5)
    return rng.random(60) < 0.6, {"rna": rng.random(50) < 0.7, "atac": rng.random(80) < 0.5}


def test_drop_of_anndata_equals_anndata(annotated, masks, assert_same):
    adata = annotated["rna"].copy()
    expected = adata[masks[0], masks[1]["rna"]].copy()
    drop(adata, cells=masks[0], features={"rna": masks[1]["rna"]})
    assert_same(adata, expected)
    assert not adata.is_view


def test_drop_of_mudata_equals_mudata(annotated, masks, assert_same):
    cells, features = masks
    expected = annotated[cells, np.concatenate(list(features.values()))].copy()
    state = random.getstate()
    drop(annotated, cells=cells, features=features)
    assert random.getstate() == state
    assert not annotated.is_view
    assert_same(annotated, expected)


def test_dropped_object_is_usable(annotated, masks, tmp_path):
    import mudata

    drop(annotated, cells=masks[0], features=masks[1])
    for key in annotated.mod:
        np.testing.assert_array_equal(positions(annotated, key, "obs"), np.arange(masks[0].sum()))
    annotated.write(tmp_path / "x.h5mu")
    back = mudata.read_h5mu(tmp_path / "x.h5mu")
    assert back.shape == annotated.shape
    check_writable(back)
    drop(back, cells=np.arange(back.n_obs) < 5)
    assert [adata.n_obs for adata in back.mod.values()] == [5, 5]


def test_modalities_in_another_order_stay_paired(annotated, masks):
    rna, atac = annotated["rna"].copy(), annotated["atac"][::-1].copy()
    mdata = MuData({"rna": rna, "atac": atac})
    names = mdata.obs_names[masks[0]]
    drop(mdata, cells=masks[0], features={"atac": masks[1]["atac"]})
    assert list(mdata.obs_names) == list(names)
    for key, source in (("rna", rna), ("atac", atac)):
        np.testing.assert_array_equal(
            mdata[key].X.toarray(), source[mdata[key].obs_names, mdata[key].var_names].X.toarray()
        )
        place = positions(mdata, key, "obs")
        assert list(mdata[key].obs_names[place]) == list(names)


def test_cells_without_a_modality(annotated):
    rna, atac = annotated["rna"][:40].copy(), annotated["atac"][20:].copy()
    mdata = MuData({"rna": rna, "atac": atac})
    cells = np.arange(60) % 2 == 0
    names = set(mdata.obs_names[cells])
    drop(mdata, cells=cells)
    assert set(mdata.obs_names) == names
    assert set(mdata["rna"].obs_names) == names & set(rna.obs_names)
    assert set(mdata["atac"].obs_names) == names & set(atac.obs_names)


def test_nothing_to_drop_touches_nothing(annotated, snapshot, assert_same):
    before, rna = snapshot(annotated), annotated["rna"]
    drop(annotated, cells=np.ones(60, dtype=bool), features={"rna": np.ones(50, dtype=bool)})
    assert annotated["rna"] is rna
    assert_same(annotated, before)


def test_untouched_modality_is_the_same_object_and_sources_are_unchanged(annotated, masks, snapshot, assert_same):
    rna, atac = annotated["rna"], annotated["atac"]
    before = snapshot(atac)
    drop(annotated, features={"atac": masks[1]["atac"]})
    assert annotated["rna"] is rna
    assert_same(atac, before)
    assert annotated["atac"].n_vars == masks[1]["atac"].sum()


def test_a_modality_with_the_same_feature_names_is_kept_apart(annotated, masks):
    generated = annotated["atac"].copy()
    generated.uns["scmog"] = {"generated": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdata = MuData({"atac": annotated["atac"], "rna": annotated["rna"], "atac_generated": generated})
    drop(mdata, cells=masks[0], features={"atac": masks[1]["atac"]})
    assert mdata["atac"].shape == (masks[0].sum(), masks[1]["atac"].sum())
    assert mdata["atac_generated"].shape == (masks[0].sum(), 80)


@pytest.mark.parametrize("kind", ["mudata", "anndata"])
def test_views_are_refused(annotated, kind):
    view = annotated[:5] if kind == "mudata" else annotated["rna"][:5]
    with pytest.raises(ValueError, match="is a view"):
        check_writable(view)


def test_backed_and_foreign_objects_are_refused(annotated, tmp_path):
    import anndata

    annotated["atac"].write_h5ad(tmp_path / "x.h5ad")
    backed = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    with pytest.raises(ValueError, match="backed"):
        check_writable(backed)
    backed.file.close()
    with pytest.raises(TypeError, match="got ndarray"):
        check_writable(np.zeros(3))


def test_stale_mudata_is_refused(annotated):
    annotated.mod["rna"] = annotated["rna"][:30].copy()
    with pytest.raises(ValueError, match="call mdata.update"):
        check_writable(annotated)


def test_shared_features_are_refused(annotated):
    annotated["atac"].obs_names = annotated["atac"].obs_names + "_b"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdata = MuData({"a": annotated["rna"], "b": annotated["rna"][:3].copy()}, axis=1)
    with pytest.raises(ValueError, match="axis=1"):
        check_writable(mdata)


def test_modalities_are_found_by_alias_but_never_generated_ones(annotated):
    adata = annotated["rna"].copy()
    adata.uns["scmog"] = {"generated": True}
    adata.var_names = "generated_" + adata.var_names
    mdata = MuData({"rna": adata, "gex": annotated["rna"], "other": annotated["atac"]})
    assert find_modality(mdata, "rna") == "gex"
    assert find_modality(mdata, "atac") is None
    assert require_modality(mdata, "atac", "other")[0] == "other"
    with pytest.raises(ValueError, match="generated"):
        find_modality(mdata, "rna", "rna")
    with pytest.raises(ValueError, match="generated"):
        require_modality(adata, "rna")
    with pytest.raises(KeyError, match="no atac modality found"):
        require_modality(mdata, "atac")
    with pytest.raises(KeyError, match="'nope' is not in"):
        find_modality(mdata, "rna", "nope")


def _large(kind):
    rng = np.random.default_rng(0)
    adata = AnnData(sp.csr_matrix((rng.random((1000, 2000)) < 0.3).astype(np.float32)))
    adata.layers["counts"] = adata.X.copy()
    return MuData({"atac": adata}) if kind == "mudata" else adata


@pytest.mark.parametrize("kind", ["mudata", "anndata"])
def test_memory_where_nearly_all_is_kept(kind, monkeypatch):
    """Of two equal matrices the first is replaced when the second is copied by halves: a quarter more in sum."""
    monkeypatch.setattr(_matrices, "_BLOCK_ENTRIES", 10_000)
    drop(_large(kind), cells=np.arange(1000) > 500)  # what is imported late
    tracemalloc.start()
    data = _large(kind)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    drop(data, cells=np.arange(1000) > 0, features={"atac": np.arange(2000) > 0})
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert data.shape == (999, 1999)
    assert now == pytest.approx(size, rel=0.05)
    assert peak < 1.35 * size


@pytest.mark.parametrize("kind", ["mudata", "anndata"])
def test_what_others_hold_stays(kind):
    data = _large(kind)
    adata = data["atac"] if kind == "mudata" else data
    matrix, layer = adata.X, adata.layers["counts"]
    expected = matrix.toarray()
    drop(data, cells=np.arange(1000) < 3)
    assert data.shape == (3, 2000)
    for held in (matrix, layer, *([adata.X] if kind == "mudata" else [])):
        np.testing.assert_array_equal(held.toarray(), expected)


def test_interruption_says_that_data_are_lost(annotated, masks, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scmog.pp._subset.take_out", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        drop(annotated, cells=masks[0])
    assert "load them again" in caught.value.__notes__[0]
