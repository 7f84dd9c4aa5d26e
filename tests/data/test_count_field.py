from __future__ import annotations

import logging

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scmog.data._count_field as module
from scmog.data import CheckedLayerField


@pytest.fixture
def adata():
    counts = np.random.default_rng(0).poisson(0.5, size=(30, 8)).astype(np.float32)
    return AnnData(
        sp.csr_matrix(counts),
        obs=pd.DataFrame(index=[f"c{i}" for i in range(30)]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(8)]),
    )


def validate(adata, modality="rna", layer=None):
    CheckedLayerField(modality, layer).validate_field(adata)


KINDS = [
    pytest.param(lambda x: x.toarray(), id="dense"),
    pytest.param(lambda x: np.asfortranarray(x.toarray()), id="dense by column"),
    pytest.param(lambda x: x, id="csr_matrix"),
    pytest.param(sp.csr_array, id="csr_array"),
    pytest.param(lambda x: x.tocsc(), id="csc_matrix"),
    pytest.param(sp.csc_array, id="csc_array"),
]


@pytest.mark.parametrize("convert", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8, np.int64])
def test_raw_counts_of_any_kind_pass_and_stay(adata, convert, dtype):
    adata.X = convert(adata.X.astype(dtype))
    kept = adata.X
    validate(adata)
    assert adata.X is kept


def test_a_dense_matrix_by_column_is_not_rewritten(adata):
    adata.X = np.asfortranarray(adata.X.toarray())
    field = CheckedLayerField("rna", None)
    field.register_field(adata)
    assert adata.X.flags.f_contiguous


@pytest.mark.parametrize("convert", KINDS)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "1 NaN or infinite"),
        (np.inf, "1 NaN or infinite"),
        (-np.inf, "1 NaN or infinite"),
        (-1, r"negative values \(smallest -1\)"),
        (0.5, r"fractional values such as 0\.5"),
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_bad_value_anywhere_is_found(adata, convert, value, words, place, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", 16)  # many blocks, the last one not full
    dense = adata.X.toarray()
    dense[(0, 0) if place == "first" else (-1, -1)] = value
    adata.X = convert(sp.csr_matrix(dense))
    with pytest.raises(ValueError, match=rf"'rna' \(\.X\) holds {words}.*expected raw counts.*rna_layer='counts'"):
        validate(adata)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("by_column", [True, False])
def test_values_on_disk_are_checked_too(adata, sparse, by_column, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", 16)
    for bad in (False, True):
        dense = adata.X.toarray()
        dense[-1, -1] = np.nan if bad else 1
        matrix = sp.csc_matrix(dense) if by_column else sp.csr_matrix(dense)
        file = AnnData(matrix if sparse else dense, obs=adata.obs, var=adata.var)
        path = tmp_path / f"{bad}.h5ad"
        file.write_h5ad(path)
        backed = anndata.read_h5ad(path, backed="r")
        if bad:
            with pytest.raises(ValueError, match="1 NaN or infinite"):
                validate(backed)
        else:
            validate(backed)
        backed.file.close()


def test_columns_first_is_noted(adata, caplog):
    adata.X = adata.X.tocsc()
    with caplog.at_level(logging.WARNING):
        validate(adata)
    assert "CSC" in caplog.text
    assert ".tocsr()" in caplog.text


def test_layers(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X / 3
    validate(adata, layer="counts")
    with pytest.raises(KeyError, match=r"'rna' \(\.layers\['raw'\]\) has no layer 'raw'; layers are.*'counts'"):
        validate(adata, layer="raw")
    adata.layers["counts"].data[0] = -3
    with pytest.raises(ValueError, match=r"\.layers\['counts'\]\) holds negative"):
        validate(adata, layer="counts")


def test_empty_and_duplicates(adata):
    with pytest.raises(ValueError, match=r"'rna' \(\.X\) is empty: 0 cells x 8 genes"):
        validate(adata[[]].copy())
    with pytest.raises(ValueError, match="30 cells x 0 peaks"):
        validate(adata[:, []].copy(), "atac")
    adata.var_names = ["a", "a", "b", "b", "b", "c", "d", "e"]
    with pytest.raises(ValueError, match=r"2 duplicate feature name\(s\), e\.g\. \['a', 'b'\].*var_names_make_unique"):
        validate(adata)


def test_nothing_stored_is_fine(adata):
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    validate(adata)


def test_text_is_no_count(adata):
    adata.X = adata.X.toarray().astype(object)
    with pytest.raises(ValueError, match="values of type object"):
        validate(adata)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param(lambda n: n[::-1], "has the 8 trained proteins in another order", id="order"),
        pytest.param(lambda n: n[:-1], r"lacks 1 of the 8 proteins.*\['g7'\].*has 0 others", id="fewer"),
        pytest.param(lambda n: [*n, "x"], "lacks 0 of the 8 .*has 1 others", id="more"),
        pytest.param(lambda n: ["x", *n[1:]], r"lacks 1 of the 8.*\['g0'\].*has 1 others", id="renamed"),
    ],
)
def test_names_are_compared_one_by_one(adata, names, words):
    field = CheckedLayerField("protein", None)
    trained = list(adata.var_names)
    field.check_names(pd.Index(trained), adata.var_names)
    with pytest.raises(ValueError, match=words + r".*scmog\.pp\.align_features\(query, model\)"):
        field.check_names(pd.Index(trained), pd.Index(names(trained)))
