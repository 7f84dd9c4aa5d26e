"""Every way in which a query differs from the training data; the same cells must give the same prediction."""

from __future__ import annotations

import logging
import re
from functools import partial
from importlib.metadata import version

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData
from packaging.version import Version

import scmog
from scmog.model import SCMOG

_PANDAS_3 = Version(version("pandas")) >= Version("3")
# Other block sizes may round differently in the last bit.
same = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7)


def probabilities(model, query, **kwargs):
    return model.get_generated(query, target="atac", threshold=None, **kwargs).X


@pytest.fixture(scope="module")
def expected(trained):
    return probabilities(trained, trained.adata)


@pytest.fixture(scope="module")
def expected_batch(trained_batch):
    return probabilities(trained_batch, trained_batch.adata)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda paired: MuData({"rna": paired["rna"].copy()}), id="rna-only MuData"),
        pytest.param(lambda paired: paired["rna"].copy(), id="AnnData"),
        pytest.param(lambda paired: paired["rna"][np.arange(120)], id="AnnData view"),
        pytest.param(lambda paired: paired[np.arange(120)], id="MuData view"),
        pytest.param(lambda paired: paired.copy().copy(), id="copy of a copy"),
        pytest.param(lambda p: MuData({m: p[m].copy() for m in ("protein", "atac", "rna")}), id="other order"),
        pytest.param(lambda paired: MuData({"gex": paired["rna"].copy()}), id="called gex"),
        pytest.param(lambda paired: MuData({"RNA": paired["rna"].copy()}), id="called RNA"),
        pytest.param(lambda p: MuData({"hto": p["protein"].copy(), "rna": p["rna"].copy()}), id="alien modality"),
    ],
)
def test_query_forms_give_the_training_object_s_prediction(trained, paired, expected, change):
    same(probabilities(trained, change(paired)), expected)


def test_partial_cells_of_a_view_give_their_rows(trained, paired, expected):
    rows = [7, 3, 50]
    generated = trained.get_generated(paired[rows], target="atac", threshold=None)
    # mudata keeps the asked order of a view
    same(generated.X, expected[rows])
    assert list(generated.obs_names) == list(paired.obs_names[rows])


@pytest.mark.filterwarnings("ignore:Observation names are not unique")  # anndata, where a cell is asked for twice
@pytest.mark.parametrize(
    "indices",
    [
        pytest.param([5, 2, 9], id="list in any order"),
        pytest.param(np.arange(120)[::-1], id="all, reversed"),
        pytest.param([4, 4, 1], id="repeated"),
        pytest.param(np.arange(120) % 3 == 0, id="mask"),
        pytest.param([-1], id="from the end"),
    ],
)
def test_indices_choose_cells_in_their_order(trained, paired, expected, indices):
    generated = trained.get_generated(paired, target="atac", threshold=None, indices=indices)
    same(generated.X, expected[indices])
    assert list(generated.obs_names) == list(paired.obs_names[indices])


def test_modalities_of_different_cells_are_fine_for_a_query(trained, paired, expected):
    query = MuData({"rna": paired["rna"][:70].copy(), "atac": paired["atac"][50:].copy()})
    trained.generate(query, target="atac")
    assert list(query["atac_generated"].obs_names) == list(paired.obs_names[:70])
    same(probabilities(trained, query), expected[:70])


def test_rows_are_those_of_the_mudata_whatever_the_order_of_the_modality(trained, paired, expected):
    query = MuData({"protein": paired["protein"].copy(), "rna": paired["rna"][::-1].copy()})
    assert list(query.obs_names) == list(paired.obs_names)
    same(probabilities(trained, query), expected)
    generated = trained.get_generated(query, target="atac", threshold=None, indices=[5, 2])
    assert list(generated.obs_names) == list(query.obs_names[[5, 2]])
    same(generated.X, expected[[5, 2]])
    latent = trained.get_latent_representation(paired, source="rna", target="atac")
    same(trained.get_latent_representation(query, source="rna", target="atac"), latent)
    trained.generate(query, target="atac")
    assert list(query["atac_generated"].obs_names) == list(query.obs_names)


def test_indices_count_in_a_mudata_of_which_the_modality_has_a_part(trained, paired, expected):
    query = MuData({"protein": paired["protein"][:90].copy(), "rna": paired["rna"][40:].copy()})
    generated = trained.get_generated(query, target="atac", threshold=None, indices=[100, 41])
    assert list(generated.obs_names) == list(query.obs_names[[100, 41]])
    same(generated.X, expected[[100, 41]])
    same(probabilities(trained, query), expected[40:])
    with pytest.raises(ValueError, match="2 of the cells that indices choose lack the modality"):
        trained.get_generated(query, target="atac", indices=[39, 3, 40])


def test_cells_that_the_mudata_does_not_know_are_no_silent_loss(trained, paired):
    query = MuData({"rna": paired["rna"][:50].copy()})
    query.mod["rna"] = paired["rna"].copy()
    with pytest.raises(ValueError, match=r"cells that the MuData does not know; call mdata.update\(\)"):
        trained.get_generated(query, source="rna", target="atac")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of anndata and mudata: names are not unique
def test_cells_of_one_name_in_another_order_are_refused(trained, paired):
    rna, protein = paired["rna"].copy(), paired["protein"].copy()
    rna.obs_names = ["same", *rna.obs_names[1:-1], "same"]
    same(probabilities(trained, rna), probabilities(trained, paired["rna"]))
    query = MuData({"protein": protein, "rna": rna})
    with pytest.raises(ValueError, match="cells have the same name"):
        trained.get_generated(query, source="rna", target="atac")


def test_open_peaks_and_their_probabilities_can_be_changed_one_by_one(trained, paired):
    generated = trained.get_generated(paired, source="rna", target="atac")
    before = generated.layers["probability"].copy()
    generated.X.data[::2] = 0
    generated.X.eliminate_zeros()
    assert (generated.layers["probability"] != before).nnz == 0


def test_modalities_that_share_features_are_refused(trained, paired):
    halves = MuData({"rna": paired["rna"][:60].copy(), "other": paired["rna"][60:].copy()}, axis=1)
    with pytest.raises(ValueError, match="share features"):
        trained.generate(halves)


@pytest.mark.parametrize("key", ["a/b", "", 5])
def test_names_that_no_file_could_hold_are_refused(trained, paired, key):
    query = MuData({"rna": paired["rna"].copy()})
    with pytest.raises(ValueError, match="key_added must be a name"):
        trained.generate(query, target="atac", key_added=key)
    assert list(query.mod) == ["rna"]


def test_missing_features_that_lost_their_mark_are_noticed(trained, paired, caplog):
    query = scmog.pp.align_features(paired["rna"][:, :25].copy(), trained, modality="rna", warn_below=0.6)
    trained.get_generated(query, source="rna", target="atac")
    assert "are 0 in all cells" not in caplog.text
    joined = anndata.concat([query[:50], query[50:]])  # drops .var
    trained.get_generated(joined, source="rna", target="atac")
    assert re.search(r"1\d genes with \d\d % of the counts of the training cells are 0 in all cells", caplog.text)
    caplog.clear()
    trained.get_generated(anndata.concat([query[:50], query[50:]], merge="same"), source="rna", target="atac")
    trained.get_generated(paired["rna"][0].copy(), source="rna", target="atac")  # of one cell nothing is known
    assert "are 0 in all cells" not in caplog.text


def test_one_new_cell_can_be_translated(trained, paired, expected):
    np.testing.assert_allclose(probabilities(trained, paired["rna"][42].copy()), expected[[42]], rtol=1e-5)


def test_query_again_after_the_modality_was_added(trained, query, expected):
    trained.generate(query, source="rna")
    first = query["atac_generated"].layers["probability"].copy()
    trained.generate(query, source="rna")
    assert (query["atac_generated"].layers["probability"] != first).nnz == 0
    same(probabilities(trained, query), expected)


# ------------------------------------------------------------------ batch covariate
def _set_batch(query, values):
    query["rna"].obs["batch"] = values
    query.obs = query.obs.drop(columns=[column for column in query.obs if "batch" in column])
    return query


def test_batch_matters_and_is_found_in_the_modality(trained_batch, batched, expected_batch):
    swapped = batched["rna"].copy()
    swapped.obs["batch"] = np.where(swapped.obs["batch"] == "batch_1", "batch_2", "batch_1")
    assert np.abs(probabilities(trained_batch, swapped) - expected_batch).max() > 1e-4
    global_column = MuData({"rna": batched["rna"].copy()})
    _set_batch(global_column, "batch_1")
    global_column.obs["batch"] = batched["rna"].obs["batch"].to_numpy()  # the global obs goes first
    same(probabilities(trained_batch, global_column), expected_batch)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(None, "no column 'batch'", id="absent"),
        pytest.param("batch_9", "'batch_9'.*not seen in training", id="unseen"),
        pytest.param(
            np.nan,
            "batch",
            id="NaN",
        ),
    ],
)
def test_unknown_batches_mean_the_average_batch_with_a_warning(trained_batch, batched, caplog, values, words):
    average = batched["rna"].copy()
    del average.obs["batch"]
    expected = probabilities(trained_batch, average)
    assert np.abs(expected - probabilities(trained_batch, batched)).max() > 1e-4
    caplog.clear()
    query = MuData({"rna": average.copy()}) if values is None else _set_batch(MuData({"rna": average}), values)
    with caplog.at_level(logging.WARNING):
        same(probabilities(trained_batch, query), expected)
    assert pd.Series(caplog.messages).str.contains(words).any()


@pytest.mark.parametrize("other", ["hto", "atac_generated"])
def test_the_batch_is_that_of_the_source(trained_batch, batched, expected_batch, other):
    """Not that of a modality which comes before it, be it of other cells or generated."""
    swapped = batched["rna"].copy()
    swapped.obs["batch"] = np.where(swapped.obs["batch"] == "batch_1", "batch_2", "batch_1")
    if other == "atac_generated":
        swapped.uns["scmog"] = {"generated": True}
    swapped.var_names = "other_" + swapped.var_names
    query = MuData({other: swapped, "rna": batched["rna"].copy()})
    assert "batch" not in query.obs
    same(probabilities(trained_batch, query), expected_batch)
    parts = MuData({other: swapped[:50].copy(), "rna": batched["rna"][50:].copy()})
    same(probabilities(trained_batch, parts), expected_batch[50:])


def test_unseen_missing_and_known_batches_in_one_query(trained_batch, batched, expected_batch):
    absent = batched["rna"].copy()
    del absent.obs["batch"]
    average = probabilities(trained_batch, absent)
    known = batched["rna"].obs["batch"].astype(object).to_numpy()
    values = np.array([np.nan] * 20 + ["new"] * 20 + list(known[40:]), dtype=object)
    query = _set_batch(MuData({"rna": batched["rna"].copy()}), values)
    result = probabilities(trained_batch, query)
    same(result[40:], expected_batch[40:])
    same(result[:40], average[:40])


def test_average_batch_is_the_training_mix(trained_batch, batched):
    train = batched["rna"].obs["batch"].to_numpy()[trained_batch.train_indices_]
    shares = [np.mean(train == "batch_1"), np.mean(train == "batch_2")]
    np.testing.assert_allclose(trained_batch.module.batch_proportions.numpy(), shares, rtol=1e-6)


def test_atac_query_whose_batch_lived_in_rna(trained_batch, batched):
    query = MuData({"atac": batched["atac"].copy()})
    generated = trained_batch.get_generated(query, target="rna")
    assert generated.shape == (120, 40)
    query["atac"].obs["batch"] = batched["rna"].obs["batch"]
    expected = trained_batch.get_generated(batched, target="rna").X
    same(trained_batch.get_generated(query, target="rna").X, expected)
    assert np.abs(generated.X - expected).max() > 1e-4


def test_whole_number_batches_survive_a_missing_value(batched, make_model):
    batched.obs["run"] = np.arange(120) % 2
    model = make_model(batched, setup={"batch_key": "run"}, train={"lr": 0.02})
    expected = probabilities(model, batched)
    query = MuData({"rna": batched["rna"].copy()})
    query.obs["run"] = [*(np.arange(119) % 2), np.nan]
    same(probabilities(model, query)[:119], expected[:119])


# ------------------------------------------------------------------ matrices
@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(lambda x: x.toarray(), id="dense"),
        pytest.param(lambda x: np.asfortranarray(x.toarray()), id="dense by column"),
        pytest.param(sp.csr_array, id="csr_array"),
        pytest.param(lambda x: x.tocsc(), id="CSC"),
        pytest.param(lambda x: sp.csc_array(x), id="csc_array"),
        pytest.param(lambda x: x.astype(np.int64), id="int64"),
        pytest.param(lambda x: x.astype(np.uint16), id="uint16"),
        pytest.param(lambda x: x.astype(np.float64), id="float64"),
    ],
)
@pytest.mark.parametrize("direction", [("rna", "atac"), ("atac", "rna"), ("rna", "protein")], ids="-".join)
def test_matrix_kinds_give_equal_output(trained, paired, convert, direction):
    source, target = direction
    expected = trained.get_generated(paired, source=source, target=target).X
    adata = paired[source].copy()
    adata.X = convert(adata.X)
    kind = type(adata.X)
    generated = trained.get_generated(adata, source=source, target=target).X
    assert abs(generated - expected).max() < 1e-5
    assert type(adata.X) is kind


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
@pytest.mark.parametrize("kind", ["h5ad", "h5mu"])
def test_backed_queries_give_equal_output(trained, paired, expected, tmp_path, kind, dense):
    if dense:
        paired["rna"].X = paired["rna"].X.toarray()
    path = tmp_path / f"query.{kind}"
    if kind == "h5ad":
        paired["rna"].write_h5ad(path)
        query = anndata.read_h5ad(path, backed="r")
    else:
        paired.write_h5mu(path)
        query = mudata.read_h5mu(path, backed="r")
    same(probabilities(trained, query), expected)
    (query if isinstance(query, AnnData) else query["rna"]).file.close()


@pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
def test_backed_cells_come_in_the_asked_order(trained, paired, expected, tmp_path, dense):
    if dense:
        paired["rna"].X = paired["rna"].X.toarray()
    paired["rna"].write_h5ad(tmp_path / "query.h5ad")
    query = anndata.read_h5ad(tmp_path / "query.h5ad", backed="r")
    same(probabilities(trained, query, indices=[2, 5, 9]), expected[[2, 5, 9]])
    if dense:
        with pytest.raises(ValueError, match="indices must rise for a dense matrix on disk"):
            probabilities(trained, query, indices=[5, 2, 9])
    else:
        same(probabilities(trained, query, indices=[5, 2, 9]), expected[[5, 2, 9]])


def test_missing_genes_enter_as_average(trained, paired):
    rna = paired["rna"].copy()
    absent = np.arange(40) % 4 == 0
    rna.X = rna.X.multiply(~absent).tocsr()
    rna.var["scmog_missing"] = absent
    marked = probabilities(trained, rna)
    assert np.isfinite(marked).all()
    del rna.var["scmog_missing"]
    assert np.abs(probabilities(trained, rna) - marked).max() > 1e-5


def test_manager_of_a_query_does_not_stay(trained, query):
    before = len(SCMOG._per_instance_manager_store.get(trained.id, {}))
    probabilities(trained, query)
    assert len(SCMOG._per_instance_manager_store.get(trained.id, {})) == before
    assert "_scvi_uuid" not in query.uns
