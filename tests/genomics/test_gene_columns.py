from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmog.genomics import find_gene_columns, guess_species, strip_versions

_IDS = [f"ENSG{i:011d}" for i in range(6)]
_SYMBOLS = ["GAPDH", "HLA-DRB1", "NKX2-1", "MT-ND1", "C1orf112", "TP53"]


def table(index: list[str], **columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=index)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENSG00000141510.17", "ENSG00000141510"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("ENSMUSG00000059552.3", "ENSMUSG00000059552"),
        ("ENSG00000002586.20_PAR_Y", "ENSG00000002586_PAR_Y"),
        ("AL627309.1", "AL627309.1"),
        ("HSPA14.1", "HSPA14.1"),
        ("", ""),
    ],
)
def test_strip_versions(name: str, expected: str) -> None:
    assert strip_versions([name]).tolist() == [expected]


def test_names_and_columns_are_told_apart() -> None:
    versioned = [f"{one}.{i}" for i, one in enumerate(_IDS)]
    found = find_gene_columns(table(_SYMBOLS, anything=versioned, kind=["gene"] * 6, n=range(6)))
    assert [one.tolist() for one in found["symbols"]] == [_SYMBOLS]
    assert [one.tolist() for one in found["ids"]] == [_IDS]
    assert found["others"] == []
    found = find_gene_columns(table(versioned, feature_name=pd.Categorical(_SYMBOLS), note=list("abcdef")))
    assert [one.tolist() for one in found["ids"]] == [_IDS]
    assert [one.tolist() for one in found["symbols"]] == [_SYMBOLS]
    assert [one.tolist() for one in found["others"]] == [list("abcdef")]


def test_missing_values_are_empty() -> None:
    found = find_gene_columns(table(_SYMBOLS, gene_ids=[*_IDS[:3], None, np.nan, "nan"]))
    assert found["ids"][0].tolist() == [*_IDS[:3], "", "", ""]


def test_a_column_called_ids_that_holds_symbols() -> None:
    found = find_gene_columns(table([f"g{i}" for i in range(6)], gene_ids=_SYMBOLS))
    assert found["ids"][0].tolist() == found["others"][0].tolist() == _SYMBOLS


@pytest.mark.parametrize(
    ("frame", "species"),
    [
        pytest.param(table(_SYMBOLS), "human", id="capitals"),
        pytest.param(table(["Gapdh", "Trp53", "mt-Nd1", "Actb", "H2-K1", "Nkx2-1"]), "mouse", id="capitalised"),
        pytest.param(table([one.lower() for one in _SYMBOLS]), None, id="lower case"),
        pytest.param(table(["GAPDH"]), None, id="too few"),
        pytest.param(table([f"ENSMUSG{i:011d}.2" for i in range(3)]), "mouse", id="mouse ids"),
        pytest.param(table(["Gapdh"] * 6, gene_ids=_IDS), "human", id="ids count more than symbols"),
        pytest.param(table([f"ENSRNOG{i:011d}" for i in range(3)]), "rat", id="rat ids"),
        pytest.param(table([f"ENSDARG{i:011d}" for i in range(3)]), "DAR", id="another species"),
        pytest.param(table([]), None, id="nothing"),
    ],
)
def test_guess_species(frame: pd.DataFrame, species: str | None) -> None:
    assert guess_species(frame) == species
