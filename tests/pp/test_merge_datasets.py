from __future__ import annotations

import logging
import random
import warnings

import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

import scmog
from scmog.model import SCMOG
from scmog.pp import merge_datasets, split_random

GENES = {"x": ["a", "b", "c"], "y": ["c", "d", "b"]}
PEAKS = {
    "x": ["chr1:0-10", "chr1:8-20", "chr2:5-9", "chr1:100-150"],
    "y": ["chr2:0-6", "chr1:120-160", "chr1:140-170", "chr3:1-5"],
}
UNIONS = ["chr1:0-20", "chr1:100-170", "chr2:0-9", "chr3:1-5"]
SOURCES = {"x": [[0, 1], [3], [2], []], "y": [[], [1, 2], [0], [3]]}  # of each union
LOOSE = {"min_shared": 0.0, "check_build": False}


def _mdata(dataset, cells, *, seed=0, matrix=sp.csr_matrix, rna="rna"):
    rng = np.random.default_rng([seed, ord(dataset)])

    def modality(names):
        counts = matrix(rng.poisson(1.0, size=(len(cells), len(names))).astype(np.float32))
        return AnnData(counts, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=names))

    mdata = MuData({rna: modality(GENES[dataset]), "atac": modality(PEAKS[dataset])})
    mdata.obs["cell_type"] = pd.Categorical([f"type {i % 2}" for i in range(len(cells))])
    return mdata


@pytest.fixture
def two():
    return {"x": _mdata("x", ["c1", "c2", "c3"]), "y": _mdata("y", ["k1", "k2"])}


def _dense(adata, layer=None):
    matrix = adata.X if layer is None else adata.layers[layer]
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def test_by_hand(two, snapshot, assert_same):
    before = {name: snapshot(mdata) for name, mdata in two.items()}
    states = random.getstate(), np.random.get_state()[1].copy()
    merged = merge_datasets(two, **LOOSE)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    for name, mdata in two.items():
        assert_same(mdata, before[name])

    assert list(merged.mod) == ["rna", "atac"]
    assert list(merged.obs_names) == ["c1", "c2", "c3", "k1", "k2"]
    assert list(merged.obs["dataset"]) == ["x", "x", "x", "y", "y"]
    assert isinstance(merged.obs["dataset"].dtype, pd.CategoricalDtype)
    assert list(merged.obs["cell_type"]) == ["type 0", "type 1", "type 0", "type 0", "type 1"]
    assert list(merged["rna"].var_names) == ["b", "c"]
    genes = np.concatenate([_dense(two["x"]["rna"])[:, [1, 2]], _dense(two["y"]["rna"])[:, [2, 0]]])
    np.testing.assert_array_equal(_dense(merged["rna"]), genes)
    assert list(merged["atac"].var_names) == UNIONS
    assert list(merged["atac"].var["end"]) == [20, 170, 9, 5]
    peaks = [np.column_stack([_dense(two[name]["atac"])[:, own].sum(axis=1) for own in SOURCES[name]]) for name in two]
    np.testing.assert_array_equal(_dense(merged["atac"]), np.concatenate(peaks))
    assert merged["atac"].varm["measured_in"].tolist() == [[True, False], [True, True], [True, True], [False, True]]
    assert sp.issparse(merged["atac"].X)
    assert merged["atac"].X.format == "csr"


def test_outer_genes_and_inner_peaks(two):
    merged = merge_datasets(two, genes="outer", peaks="inner", **LOOSE)
    assert list(merged["rna"].var_names) == ["a", "b", "c", "d"]
    x, y = _dense(two["x"]["rna"]), _dense(two["y"]["rna"])
    zeros = np.zeros((3, 1)), np.zeros((2, 1))
    expected = np.concatenate([np.hstack([x, zeros[0]]), np.hstack([zeros[1], y[:, [2, 0, 1]]])])
    np.testing.assert_array_equal(_dense(merged["rna"]), expected)
    assert list(merged["atac"].var_names) == ["chr1:100-170", "chr2:0-9"]


def test_order_of_the_data_sets_changes_only_that_of_cells_and_genes(two):
    one = merge_datasets(two, **LOOSE)
    other = merge_datasets({"y": two["y"], "x": two["x"]}, **LOOSE)
    assert list(other.obs_names) == ["k1", "k2", "c1", "c2", "c3"]
    for key in one.mod:
        again = other[key][one[key].obs_names, one[key].var_names]
        np.testing.assert_array_equal(_dense(again), _dense(one[key]))
    pd.testing.assert_frame_equal(one["atac"].var, other["atac"].var)


def test_a_single_data_set_gets_its_own_unions(two):
    merged = merge_datasets([two["x"]])
    assert list(merged.obs["dataset"].unique()) == ["0"]
    assert list(merged["atac"].var_names) == ["chr1:0-20", "chr1:100-150", "chr2:5-9"]
    np.testing.assert_array_equal(_dense(merged["rna"]), _dense(two["x"]["rna"]))
    total = _dense(two["x"]["atac"]).sum(axis=1)
    np.testing.assert_array_equal(_dense(merged["atac"]).sum(axis=1), total)


def test_all_peak_counts_are_conserved_and_merging_again_changes_nothing(two):
    merged = merge_datasets(two, **LOOSE)
    for name, mdata in two.items():
        own = merged["atac"][mdata.obs_names]
        np.testing.assert_array_equal(_dense(own).sum(axis=1), _dense(mdata["atac"]).sum(axis=1), err_msg=name)
    again = merge_datasets([merged], dataset_key="again")
    for key in merged.mod:
        np.testing.assert_array_equal(_dense(again[key]), _dense(merged[key]))
    assert list(again["atac"].var_names) == UNIONS


@pytest.mark.parametrize("matrix", [sp.csc_matrix, sp.csr_array, np.asarray], ids=["csc", "csr_array", "dense"])
def test_other_matrices_give_the_same(two, matrix):
    expected = merge_datasets(two, **LOOSE)
    other = {"x": _mdata("x", ["c1", "c2", "c3"], matrix=matrix), "y": two["y"]}
    merged = merge_datasets(other, **LOOSE)
    for key in merged.mod:
        assert sp.issparse(merged[key].X)
        np.testing.assert_array_equal(_dense(merged[key]), _dense(expected[key]))
    if matrix is np.asarray:
        dense = merge_datasets([other["x"]])
        assert isinstance(dense["rna"].X, np.ndarray)


def test_shared_cell_names_get_the_data_set(two):
    twin = _mdata("y", ["c1", "k9"])
    merged = merge_datasets({"x": two["x"], "y": twin}, **LOOSE)
    assert list(merged.obs_names) == ["c1-x", "c2-x", "c3-x", "c1-y", "k9-y"]
    assert list(merged["atac"].obs_names) == list(merged.obs_names)
    np.testing.assert_array_equal(_dense(merged["rna"])[3], _dense(twin["rna"])[0, [2, 0]])
    clash = {"x": _mdata("x", ["c", "c-y"]), "y-x": _mdata("y", ["c"]), "x-y": _mdata("y", ["c"])}
    with pytest.raises(ValueError, match="two cells would be called 'c-y-x'"):
        merge_datasets(clash, **LOOSE)


def test_views_unordered_and_incomplete_modalities(two):
    x = two["x"]
    mdata = MuData({"rna": x["rna"][["c3", "c1"]].copy(), "atac": x["atac"][["c2", "c3", "c1"]].copy()})
    merged = merge_datasets({"x": mdata, "y": two["y"][["k2"]]}, **LOOSE)
    whole = merge_datasets(two, **LOOSE)
    assert set(merged.obs_names) == {"c1", "c2", "c3", "k2"}
    assert set(merged["rna"].obs_names) == {"c1", "c3", "k2"}
    for key in merged.mod:
        np.testing.assert_array_equal(_dense(merged[key]), _dense(whole[key][merged[key].obs_names]))
    assert merged.obs["dataset"].to_dict() == {"c1": "x", "c2": "x", "c3": "x", "k2": "y"}


def test_obs_has_all_columns_with_their_types(two):
    two["x"].obs["depth"], two["x"].obs["good"] = [1, 2, 3], [True, False, True]
    two["x"].obs["split"] = pd.Categorical(["train", "test", "train"])
    two["y"].obs["split"] = pd.Categorical(["validation", "train"])
    two["y"]["rna"].obs["donor"] = ["d1", "d2"]
    merged = merge_datasets(two, **LOOSE)
    assert list(merged.obs["split"]) == ["train", "test", "train", "validation", "train"]
    assert isinstance(merged.obs["split"].dtype, pd.CategoricalDtype)
    assert merged.obs["depth"].fillna(-1).tolist() == [1, 2, 3, -1, -1]
    assert merged.obs["good"].dtype == "boolean"
    donors = merged["rna"].obs["donor"]
    assert donors[donors.notna()].to_dict() == {"k1": "d1", "k2": "d2"}


def test_result_can_be_written(two, tmp_path):
    two["x"].obs["good"] = True
    two["x"]["rna"].var["flag"] = True
    two["x"]["rna"].var["ids"], two["y"]["rna"].var["ids"] = ["1", "2", "3"], ["3", "4", "5"]
    merged = merge_datasets(two, genes="outer", **LOOSE)
    merged.write(tmp_path / "merged.h5mu")
    back = mudata.read_h5mu(tmp_path / "merged.h5mu")
    np.testing.assert_array_equal(_dense(back["atac"]), _dense(merged["atac"]))
    assert list(back.obs["dataset"]) == list(merged.obs["dataset"])
    np.testing.assert_array_equal(back["rna"].varm["measured_in"], merged["rna"].varm["measured_in"])


def test_layers(two):
    for mdata in two.values():
        mdata["rna"].layers["counts"] = mdata["rna"].X.copy()
        mdata["rna"].layers["other"] = mdata["rna"].X.copy()
        mdata["rna"].X = mdata["rna"].X * 0.5
    with pytest.raises(ValueError, match=r"rna of data set x must hold raw counts.*rna_layer="):
        merge_datasets(two, **LOOSE)
    merged = merge_datasets(two, rna_layer="counts", **LOOSE)
    assert merged["rna"].X is None
    assert [name for name in merged["rna"].layers if name is not None] == ["counts"]
    genes = np.concatenate([_dense(two["x"]["rna"], "counts")[:, [1, 2]], _dense(two["y"]["rna"], "counts")[:, [2, 0]]])
    np.testing.assert_array_equal(_dense(merged["rna"], "counts"), genes)
    with pytest.raises(KeyError, match="layer 'nope' is not in the layers of 'atac of data set x'"):
        merge_datasets(two, rna_layer="counts", atac_layer="nope", **LOOSE)


def test_modalities_by_other_names(two, caplog):
    other = _mdata("x", ["c1", "c2", "c3"], rna="gex")
    assert list(merge_datasets({"x": other, "y": two["y"]}, **LOOSE).mod) == ["rna", "atac"]
    assert list(merge_datasets([other]).mod) == ["gex", "atac"]
    strange = MuData({"mine": two["x"]["rna"], "atac": two["x"]["atac"]})
    assert list(merge_datasets([strange], modalities={"rna": "mine"}).mod) == ["mine", "atac"]
    with pytest.raises(KeyError, match="'mine' is not in mdata.mod"):
        merge_datasets({"x": strange, "y": two["y"]}, modalities={"rna": "mine"}, **LOOSE)


def test_modalities_that_not_all_have_are_left_out_with_a_warning(two):
    extra = two["x"]["rna"].copy()
    extra.var_names = ["CD3", "CD4", "CD8"]
    generated = two["x"]["atac"].copy()
    generated.uns["scmog"] = {"generated": True}
    generated.var_names = "generated_" + generated.var_names
    more = MuData({**two["x"].mod, "protein": extra, "atac_generated": generated})
    with pytest.warns(UserWarning, match=r"left out .*\{'x': \['protein'\]\}") as caught:
        merged = merge_datasets({"x": more, "y": two["y"]}, **LOOSE)
    assert list(merged.mod) == ["rna", "atac"]
    assert [warning.filename for warning in caught if "left out" in str(warning.message)] == [__file__]
    both = MuData({**two["y"].mod, "adt": AnnData(np.ones((2, 2)), obs=two["y"].obs[[]], var=extra.var.iloc[1:])})
    merged = merge_datasets({"x": more, "y": both}, **LOOSE)
    assert list(merged["protein"].var_names) == ["CD4", "CD8"]
    assert _dense(merged["protein"])[3:].tolist() == [[1, 1], [1, 1]]


def test_warning_of_few_shared_peaks_points_to_the_caller(two):
    with pytest.warns(UserWarning, match="reads as closed") as caught:
        merge_datasets(two, min_shared=0.6, genes="outer", check_build=False)
    assert [warning.filename for warning in caught if "reads as closed" in str(warning.message)] == [__file__]


def _elsewhere(mdata):
    atac = mdata["atac"].copy()
    atac.var_names = atac.var_names.str.replace("chr", "chr1")
    return MuData({"rna": mdata["rna"], "atac": atac})


def _stale(mdata):
    mdata.mod["rna"] = AnnData(np.ones((1, 3)), obs=pd.DataFrame(index=["zz"]), var=mdata["rna"].var)
    return mdata


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        pytest.param(lambda m: m["x"], {}, TypeError, "list or dict of MuData, got a single MuData", id="one MuData"),
        pytest.param(
            lambda m: [m["x"], m["y"]["rna"]], {}, TypeError, "'1' must be a MuData, got AnnData", id="AnnData"
        ),
        pytest.param(lambda m: [], {}, ValueError, "at least one data set", id="none"),
        pytest.param(lambda m: {1: m["x"], "1": m["y"]}, {}, ValueError, "each with another name", id="equal names"),
        pytest.param(lambda m: m, {"genes": "left"}, ValueError, "genes must be 'inner' or 'outer'", id="join"),
        pytest.param(lambda m: m, {"min_shared": 2}, ValueError, "a share from 0 to 1, got 2", id="share"),
        pytest.param(lambda m: m, {"modalities": {"dna": "x"}}, KeyError, r"names \['dna'\]", id="modalities"),
        pytest.param(lambda m: m, {"dataset_key": "cell_type"}, ValueError, "exists in data set 'x'", id="key"),
        pytest.param(lambda m: m, {}, ValueError, "only 2 genes are in all data sets, of 3", id="genes"),
        pytest.param(lambda m: [m["x"], _elsewhere(m["x"])], {}, ValueError, "0 of the 4 peaks .*build", id="build"),
        pytest.param(lambda m: [_stale(m["x"])], {}, ValueError, r"call mdata.update\(\)", id="stale"),
        pytest.param(
            lambda m: [MuData({"rna": m["x"]["rna"]}), MuData({"atac": m["y"]["atac"]})],
            {},
            ValueError,
            "no modality in common",
            id="nothing in common",
        ),
    ],
)
def test_errors(two, make, options, error, message):
    options = {"min_shared": 0.9 if message.startswith("only 2 genes") else 0.0} | options
    with pytest.raises(error, match=message):
        merge_datasets(make(two), **options)


def test_duplicate_cells_and_backed_data_are_refused(two, tmp_path):
    rna = two["x"]["rna"].copy()
    rna.obs_names = ["c1", "c1", "c2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdata = MuData({"rna": rna})
    with pytest.raises(ValueError, match="obs_names of data set '0' must be unique, 'c1' occurs twice"):
        merge_datasets([mdata])
    two["x"].write(tmp_path / "x.h5mu")
    backed = mudata.read_h5mu(tmp_path / "x.h5mu", backed="r")
    with pytest.raises(TypeError, match="rna of data set 0 must be a CSR, CSC or dense matrix in memory"):
        merge_datasets([backed])
    backed.file.close()


def test_log(two, caplog):
    with caplog.at_level(logging.INFO, logger="scmog"):
        merge_datasets(two, **LOOSE)
    assert "2 genes in all data sets; they have [3, 3]" in caplog.text
    assert "4 unions of overlapping peaks, 2 of them with peaks of all data sets; they have [4, 4]" in caplog.text


def test_a_model_trains_on_the_merged_data():
    whole = scmog.datasets.simulate(n_cells=120, n_genes=60, n_peaks=90, seed=1)
    one = whole[:60].copy()
    rna, atac = whole["rna"][60:].copy(), whole["atac"][60:].copy()
    rna.var_names = [*rna.var_names[:50], *(f"own_{i}" for i in range(10))]
    places = atac.var[["chrom", "start", "end"]].itertuples(index=False)
    atac.var = pd.DataFrame(index=[f"{chrom}-{start + 50}-{end + 50}" for chrom, start, end in places])
    other = MuData({"rna": rna, "atac": atac})
    merged = merge_datasets({"one": one, "other": other})
    assert merged["rna"].n_vars == 50
    assert merged["atac"].varm["measured_in"].all()
    split_random(merged, seed=0)
    SCMOG.setup_mudata(merged, batch_key="dataset")
    model = SCMOG(merged, n_hidden_rna=(16, 8), n_hidden_atac=(16, 8), n_hidden_critic=(16, 8))
    model.train(1, n_epochs_pretrain=1, split_key="split", accelerator="cpu", enable_progress_bar=False, seed=0)
    generated = model.get_generated(merged, source="rna", target="atac")
    assert generated.shape == merged["atac"].shape
