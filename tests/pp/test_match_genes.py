from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.pp._match import AlignmentOptions, Match
from scmog.pp._match_genes import match_genes

HUMAN = ["GAPDH", "ACTB", "CD3E", "MS4A1", "LYZ", "NKG7", "C1orf112", "NKX2-1", "HLA-DRB1", "MT-ND1"]
MOUSE = ["Gapdh", "Actb", "Cd3e", "Ms4a1", "Lyz2", "Nkg7", "mt-Nd1", "Nkx2-1", "H2-K1", "Trp53"]


def ids(n: int, start: int = 0) -> list[str]:
    return [f"ENSG{i:011d}" for i in range(start, start + n)]


def table(index: list[str], **columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=index)


def run(query: pd.DataFrame, model: pd.DataFrame, **options: bool) -> tuple[Match, dict[int, list[int]]]:
    """The match, and the query genes of each gene of the model."""
    match = match_genes(query, model, AlignmentOptions(**options))
    members: dict[int, list[int]] = defaultdict(list)
    for i, j in zip(match.query, match.model, strict=True):
        members[int(j)].append(int(i))
    assert (match.models_per_query <= 1).all()
    return match, {j: sorted(members[j]) for j in sorted(members)}


@pytest.mark.parametrize(
    ("query", "model", "by"),
    [
        pytest.param(table(HUMAN), table(HUMAN), {"name": 10}, id="names"),
        pytest.param(table(ids(10)), table(HUMAN, gene_ids=ids(10)), {"id": 10}, id="ids in names, model in column"),
        pytest.param(
            table([f"{one}.7" for one in ids(10)]), table([f"{one}.12" for one in ids(10)]), {"id": 10}, id="versions"
        ),
        pytest.param(table(HUMAN, anything=ids(10)), table(ids(10)), {"id": 10}, id="ids in any column"),
        pytest.param(table(ids(10), feature_name=HUMAN), table(HUMAN), {"symbol": 10}, id="symbols in column"),
        pytest.param(table(HUMAN), table(ids(10), gene_symbol=HUMAN), {"symbol": 10}, id="symbols of the model"),
        pytest.param(table(list("abcdefghij"), odd_name=HUMAN), table(HUMAN), {"symbol": 10}, id="unnamed symbols"),
        pytest.param(
            table(HUMAN, gene_ids=ids(10)),
            table(HUMAN, gene_id=[f"{one}.1" for one in ids(10)]),
            {"name": 10},
            id="both",
        ),
    ],
)
def test_all_found_one_to_one(query: pd.DataFrame, model: pd.DataFrame, by: dict[str, int]) -> None:
    order = np.random.default_rng(0).permutation(10)
    match, members = run(query.iloc[order], model)
    assert members == {j: [int(np.flatnonzero(order == j)[0])] for j in range(10)}
    assert match.by == by and not match.notes


def test_a_gene_on_y_is_another_one() -> None:
    match, members = run(
        table(["ENSG00000002586.20", "ENSG00000002586.20_PAR_Y"]), table(["CD99"], gene_ids=["ENSG00000002586"])
    )
    assert members == {0: [0]} and match.by == {"id": 1}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            table(ids(3), gene_symbols=["TBCE", "LYZ", "TBCE"]), {0: [0, 2], 1: [1]}, id="two ids of one symbol"
        ),
        pytest.param(table(["TBCE", "LYZ", "TBCE"]), {0: [0, 2], 1: [1]}, id="names twice"),
        pytest.param(table(["TBCE-1", "LYZ", "TBCE"]), {0: [0, 2], 1: [1]}, id="made unique"),
        pytest.param(table(["TBCE.1", "LYZ", "TBCE", "TBCE.2"]), {0: [0, 2, 3], 1: [1]}, id="made unique by R"),
        pytest.param(table(["TBCE-2", "LYZ", "TBCE"]), {0: [2], 1: [1]}, id="no -1, so -2 is a name"),
        pytest.param(table(["TBCE-1", "LYZ"]), {1: [1]}, id="no TBCE, so TBCE-1 is a name"),
        pytest.param(
            table(["TBCE", "LYZ", "TBCE-1"], gene_symbols=["TBCE", "LYZ", "SNORD1-1"]),
            {0: [0], 1: [1]},
            id="symbols know",
        ),
        pytest.param(
            table(["TBCE", "LYZ", "TBCE-1"], gene_symbols=["TBCE", "LYZ", "TBCE"]),
            {0: [0, 2], 1: [1]},
            id="symbols agree",
        ),
        pytest.param(table(["MT-ND1", "NKX2-1", "HLA-DRB1"]), {3: [0], 2: [1]}, id="real names"),
    ],
)
def test_duplicates_are_summed(query: pd.DataFrame, expected: dict[int, list[int]]) -> None:
    assert run(query, table(["TBCE", "LYZ", "NKX2-1", "MT-ND1"]))[1] == expected


def test_a_known_name_is_no_duplicate() -> None:
    _, members = run(table(["NKX2", "NKX2-1"]), table(["NKX2", "NKX2-1"]))
    assert members == {0: [0], 1: [1]}


def test_ids_tell_genes_of_one_symbol_apart() -> None:
    query = table(["TBCE", "TBCE-1"], gene_ids=ids(2, start=5), gene_symbols=["TBCE", "TBCE"])
    both = table(["TBCE", "TBCE-1"], gene_ids=ids(2, start=5)[::-1])  # numbered the other way round
    assert run(query, both)[1] == {0: [1], 1: [0]}
    one = table(["TBCE"], gene_ids=ids(1, start=6))
    assert run(query, one)[1] == {0: [1]}
    neither = table(["TBCE"], gene_ids=ids(1, start=99))  # ids change between annotations
    assert run(query, neither)[1] == {0: [0, 1]}


def test_symbols_that_the_model_has_twice_are_ambiguous() -> None:
    model = table(ids(3), gene_symbol=["TBCE", "TBCE", "LYZ"])
    match, members = run(table(["TBCE", "LYZ"]), model)
    assert members == {2: [1]} and match.n_ambiguous == 2


def test_a_column_with_repeated_symbols_is_no_column_of_symbols() -> None:
    query = table(list("abcdefgh"), family=["GAPDH", "GAPDH", "ACTB", "CD3E", "LYZ", "NKG7", "MS4A1", "X"])
    assert run(query, table(HUMAN))[1] == {}


@pytest.mark.parametrize(
    ("query", "model", "ignore_case", "by"),
    [
        pytest.param([*HUMAN[:6], "C1ORF112"], HUMAN, None, {"name": 6, "case": 1}, id="human"),
        pytest.param([*MOUSE[:6], "Mt-nd1"], MOUSE, None, {"name": 6, "case": 1}, id="mouse"),
        pytest.param([*HUMAN[:6], "C1ORF112"], HUMAN, False, {"name": 6}, id="never"),
        pytest.param(MOUSE[:7], HUMAN, None, {}, id="mouse for human"),
        pytest.param(MOUSE[:7], HUMAN, True, {"case": 6}, id="mouse for human, asked for"),
        pytest.param([one.lower() for one in HUMAN], HUMAN, None, {}, id="unknown species"),
        pytest.param([*HUMAN[:6], "C1ORF112", "c1ORF112"], HUMAN, None, {"name": 6}, id="ambiguous in the query"),
        pytest.param([*HUMAN[:6], "c1orf112"], [*HUMAN, "C1ORF112"], None, {"name": 6}, id="ambiguous in the model"),
    ],
)
def test_case(query: list[str], model: list[str], ignore_case: bool | None, by: dict[str, int]) -> None:
    assert run(table(query), table(model), ignore_case=ignore_case)[0].by == by


def test_species_are_named() -> None:
    match, _ = run(table(MOUSE), table(HUMAN))
    assert not match.by
    assert "The query looks like mouse, the model like human" in match.notes[0]
    assert "7 more names differ in case only; ignore_case=True" in match.notes[1]
    match, _ = run(table(["a", "b"], ids=["ENSMUSG00000000001", "ENSMUSG00000000002"]), table(ids(3)))
    assert "mouse, the model like human" in match.notes[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_renamed_and_split_genes_find_back(seed: int, n: int) -> None:
    """Each gene is cut into up to three rows, called by name, id with a version, or symbol, in any order."""
    rng = random.Random(seed)
    symbols, numbers = [f"SYM{i}" for i in range(n)], ids(n)
    model = table(symbols, gene_ids=numbers)
    truth, names, columns = [], [], []
    for i in range(n):
        for _ in range(rng.randint(0, 3)):
            truth.append(i)
            names.append(f"{numbers[i]}.{rng.randint(1, 30)}")
            columns.append(symbols[i])
    order = rng.sample(range(len(truth)), len(truth))
    query = pd.DataFrame({"gene_name": columns}, index=names).iloc[order]
    match, members = run(query, model)
    expected: dict[int, list[int]] = defaultdict(list)
    for row, place in enumerate(order):
        expected[truth[place]].append(row)
    assert members == {j: sorted(expected[j]) for j in sorted(expected)}
    _, without_ids = run(query, model.drop(columns="gene_ids"))
    assert without_ids == members
    assert sum(match.by.values()) == len(expected)
