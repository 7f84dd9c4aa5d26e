"""Bad data: the message names the field, what was expected, what came and the remedy; and nothing has changed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from mudata import MuData

from scmog.model import SCMOG

NAMES = {"rna": "rna_layer='counts'", "atac": "atac_layer='counts'", "protein": "protein_layer='counts'"}


def with_value(value, name="rna"):
    def change(mdata):
        matrix = mdata[name].X.copy()
        matrix.data[len(matrix.data) // 2] = value
        mdata[name].X = matrix

    return change


def normalised(mdata):
    counts = mdata["rna"].X
    mdata["rna"].X = sp.csr_matrix(counts.multiply(1e4 / np.maximum(counts.sum(axis=1), 1))).log1p()


def permuted(mdata):
    names = list(mdata["rna"].var_names)
    mdata["rna"].var_names = names[::-1]


def duplicated(mdata):
    names = list(mdata["rna"].var_names)
    mdata["rna"].var_names = [names[1], *names[1:]]


def renamed(mdata):
    names = list(mdata["rna"].var_names)
    mdata["rna"].var_names = ["ENSG_new", *names[1:]]


VALUES = [
    pytest.param(with_value(np.nan), r"'rna' \(\.X\) holds 1 NaN or infinite.*finite.*rna_layer=", id="NaN"),
    pytest.param(with_value(np.inf), r"'rna' \(\.X\) holds 1 NaN or infinite.*finite.*rna_layer=", id="inf"),
    pytest.param(with_value(-2), r"'rna' \(\.X\) holds negative.*smallest -2.*not negative.*rna_layer=", id="negative"),
    pytest.param(with_value(0.25), r"'rna' \(\.X\) holds fractional.*0\.25.*whole.*rna_layer=", id="fraction"),
    pytest.param(normalised, r"'rna' \(\.X\) holds fractional.*normalisation or log.*rna_layer=", id="normalised"),
    pytest.param(duplicated, r"'rna'.*1 duplicate feature name.*gene.*unique.*var_names_make_unique", id="duplicates"),
]


@pytest.mark.parametrize(("change", "words"), VALUES)
def test_setup(paired, snapshot, change, words):
    change(paired)
    before = snapshot(paired)
    with pytest.raises(ValueError, match=words):
        SCMOG.setup_mudata(paired)
    assert snapshot(paired) == before


@pytest.mark.parametrize("name", ["atac", "protein"])
@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "NaN or infinite"), (-1, "negative"), (1.5, "fractional")], ids=["NaN", "-1", "1.5"]
)
def test_setup_of_the_other_modalities(paired, snapshot, name, value, words):
    with_value(value, name)(paired)
    before = snapshot(paired)
    with pytest.raises(ValueError, match=rf"{name!r} \(\.X\) holds .*{words}.*{re.escape(NAMES[name])}"):
        SCMOG.setup_mudata(paired, batch_key="batch")
    assert snapshot(paired) == before


def test_a_single_protein_has_no_log_ratio(paired):
    paired.mod["protein"] = paired["protein"][:, :1].copy()
    paired.update()
    with pytest.raises(ValueError, match=r"'protein' \(\.X\) has 1 proteins, but at least 2 are needed"):
        SCMOG.setup_mudata(paired)


@pytest.mark.filterwarnings("ignore:Variable names are not unique")  # anndata says so before we do
@pytest.mark.parametrize(
    ("change", "words"),
    [
        *VALUES[:-1],
        pytest.param(duplicated, r"1 duplicate feature name.*must be unique", id="duplicates"),
        pytest.param(permuted, r"40 trained genes in another order.*align_features\(query, model\)", id="permuted"),
        pytest.param(renamed, r"lacks 1 of the 40 genes.*\(e\.g\. \[.*has 1 others.*align_features", id="renamed"),
    ],
)
def test_query(trained, query, snapshot, change, words):
    change(query)
    before = snapshot(query)
    for call in (trained.generate, trained.get_generated, trained.get_latent_representation):
        with pytest.raises(ValueError, match=words):
            call(query, target="atac")
    assert snapshot(query) == before


def test_missing_features(trained, query, snapshot):
    fewer = query["rna"][:, 3:].copy()
    mdata = MuData({"rna": fewer})
    before = snapshot(mdata)
    with pytest.raises(ValueError, match=r"lacks 3 of the 40 genes.*has 0 others.*align_features"):
        trained.generate(mdata)
    assert snapshot(mdata) == before


def test_no_cells(trained, paired):
    nobody = paired[[]].copy()
    with pytest.raises(ValueError, match=r"'rna' \(\.X\) is empty: 0 cells x 40 genes"):
        SCMOG.setup_mudata(nobody)
    with pytest.raises(ValueError, match=r"'rna' \(\.X\) is empty: 0 cells x 40 genes"):
        trained.generate(nobody)
    assert list(nobody.mod) == ["rna", "atac", "protein"]


def test_missing_source(trained, paired, snapshot):
    query = MuData({"protein": paired["protein"].copy()})
    before = snapshot(query)
    with pytest.raises(ValueError, match=r"source modality is not in the query.*\['atac', 'rna'\].*\['protein'\]"):
        trained.generate(query)
    with pytest.raises(ValueError, match=r"need a measured modality called \['rna'\]"):
        trained.get_generated(query, source="rna", target="atac")
    assert snapshot(query) == before


@pytest.mark.parametrize(
    "direction", [{"source": "protein"}, {"target": "morphology"}, {"source": "rna", "target": "rna"}], ids=str
)
def test_unknown_direction(trained, paired, snapshot, direction):
    before = snapshot(paired)
    for call in (trained.generate, trained.get_generated, trained.get_latent_representation):
        with pytest.raises(ValueError, match=r"no direction with source=.*it has \[\('rna', 'atac'\)"):
            call(paired, **direction)
    assert snapshot(paired) == before


def test_ambiguous_direction(trained, paired):
    with pytest.raises(ValueError, match=r"several directions are possible.*source= and target="):
        trained.get_generated(paired)
    with pytest.raises(ValueError, match=r"the query is an AnnData.*source="):
        trained.get_generated(paired["rna"])


def test_unpaired(paired, snapshot):
    unpaired = MuData({"rna": paired["rna"][:100].copy(), "atac": paired["atac"].copy()})
    before = snapshot(unpaired)
    with pytest.raises(ValueError, match=r"'rna' holds 100 of the 120 cells.*paired.*intersect_obs"):
        SCMOG.setup_mudata(unpaired)
    assert snapshot(unpaired) == before


def test_cells_in_another_order_per_modality(paired, trained):
    order = np.random.default_rng(0).permutation(120)
    mixed = MuData({"rna": paired["rna"].copy(), "atac": paired["atac"][order].copy()})
    with pytest.raises(ValueError, match="order"):
        SCMOG.setup_mudata(mixed)


def test_evaluate_pairs_cells_by_name(paired, trained):
    order = np.random.default_rng(0).permutation(120)
    mixed = MuData({"rna": paired["rna"].copy(), "atac": paired["atac"][order].copy()})
    expected = trained.evaluate(paired, directions=[("rna", "atac")])
    try:
        scores = trained.evaluate(mixed, directions=[("rna", "atac")])
    except ValueError as error:
        assert "order" in str(error)
    else:
        pd.testing.assert_frame_equal(scores, expected)


def test_views(trained, paired, snapshot):
    view = paired[:50]
    before = snapshot(paired)
    for call in (SCMOG.setup_mudata, trained.generate):
        with pytest.raises(ValueError, match=r"view of another one.*\.copy\(\)"):
            call(view)
    assert snapshot(paired) == before


def test_types(trained, paired):
    with pytest.raises(TypeError, match=r"expected a MuData, got AnnData.*get_generated\(adata"):
        trained.generate(paired["rna"])
    with pytest.raises(TypeError, match="expected a MuData, got AnnData"):
        SCMOG.setup_mudata(paired["rna"])
    with pytest.raises(TypeError, match=r"expected a MuData, got ndarray.*AnnData of a source"):
        trained.get_generated(paired["rna"].X.toarray(), target="atac")
    with pytest.raises(TypeError, match="expected a MuData, got AnnData"):
        trained.evaluate(paired["rna"])


def test_a_matrix_that_is_no_matrix(trained, paired):
    paired["rna"].X = paired["rna"].X.toarray().astype(str).astype(object)
    with pytest.raises(ValueError, match=r"'rna' \(\.X\) holds values of type object; expected raw counts"):
        trained.generate(paired, target="atac")
    paired["rna"].X = None
    with pytest.raises(ValueError, match=r"no \.X; put the raw counts there"):
        trained.generate(paired, target="atac")
    with pytest.raises(ValueError, match=r"'rna' \(\.X\) is empty \(None\); put the raw counts there"):
        SCMOG.setup_mudata(paired)


def test_not_trained(paired, small, snapshot):
    SCMOG.setup_mudata(paired)
    model = SCMOG(paired, **small)
    before = snapshot(paired)
    for call in (model.generate, model.get_generated, model.get_latent_representation, model.evaluate):
        with pytest.raises(RuntimeError, match=r"not trained: call model\.train\(\) first"):
            call(paired)
    assert snapshot(paired) == before


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        pytest.param(
            {"modalities": {"dna": "rna"}}, KeyError, r"'dna'; scmog knows \['rna', 'atac'", id="no such kind"
        ),
        pytest.param({"modalities": {"rna": "gex"}}, KeyError, r"'rna' to 'gex'.*not in mdata.mod.*'rna'", id="no mod"),
        pytest.param({"modalities": {"rna": "atac", "atac": "atac"}}, ValueError, "two names to 'atac'", id="twice"),
        pytest.param({"rna_layer": "counts"}, KeyError, r"'rna'.*no layer 'counts'; layers are", id="layer"),
        pytest.param(
            {"batch_key": "donor"}, KeyError, r"batch_key 'donor' is in no obs; columns are.*'batch'", id="key"
        ),
    ],
)
def test_setup_arguments(paired, snapshot, options, error, words):
    before = snapshot(paired)
    with pytest.raises(error, match=words):
        SCMOG.setup_mudata(paired, **options)
    assert snapshot(paired) == before


def test_missing_batch_of_a_training_cell(paired, snapshot):
    paired.obs["donor"] = ["a"] * 119 + [None]
    before = snapshot(paired)
    with pytest.raises(ValueError, match=r"batch_key 'donor' is missing for 1 cell"):
        SCMOG.setup_mudata(paired, batch_key="donor")
    assert snapshot(paired) == before


@pytest.mark.parametrize("names", [("rna",), ()], ids=["one", "unknown only"])
def test_too_few_modalities(paired, names):
    mdata = MuData({**{name: paired[name] for name in names}, "hto": paired["protein"].copy()})
    with pytest.raises(ValueError, match=r"two or more modalities of \['rna', 'atac', 'protein'\].*modalities="):
        SCMOG.setup_mudata(mdata)


@pytest.mark.parametrize("indices", [[1000], []], ids=["out of range", "none"])
def test_bad_indices(trained, paired, indices):
    with pytest.raises(ValueError, match="indices"):
        trained.get_generated(paired, target="atac", indices=indices)
