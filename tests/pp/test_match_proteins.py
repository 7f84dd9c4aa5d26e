from __future__ import annotations

import pandas as pd
import pytest

from scmog.pp._match import AlignmentOptions, Match
from scmog.pp._match_proteins import match_proteins
from scmog.pp._protein_names import read_protein_name

PBMC10K = [
    *("CD3_TotalSeqB", "CD4_TotalSeqB", "CD8a_TotalSeqB", "CD14_TotalSeqB", "CD15_TotalSeqB", "CD16_TotalSeqB"),
    *("CD56_TotalSeqB", "CD19_TotalSeqB", "CD25_TotalSeqB", "CD45RA_TotalSeqB", "CD45RO_TotalSeqB", "PD-1_TotalSeqB"),
    *("TIGIT_TotalSeqB", "CD127_TotalSeqB"),
]
IN_HOUSE = ["CD154", "CD4", "CD56", "CD3", "CD19", "CD14", "CD11c", "CD8a", "CD16", "CD127"]


def run(query: list[str], model: list[str], **names: str) -> tuple[Match, dict[str, str]]:
    options = AlignmentOptions(protein_names=names.pop("mapping", {}))  # type: ignore[arg-type]
    match = match_proteins(pd.DataFrame(index=query), pd.DataFrame(index=model), options)
    assert (match.models_per_query <= 1).all() and (match.queries_per_model <= 1).all()
    return match, {query[i]: model[j] for i, j in zip(match.query, match.model, strict=True)}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *(
            (name, "cd3")
            for name in ("CD3", "cd3", "CD3_TotalSeqB", "CD3-TotalSeqA", "CD3.TotalSeqC", "CD3 TotalSeq-B")
        ),
        *(
            (name, "cd3")
            for name in ("anti-CD3", "anti_human_CD3", "Anti-Mouse CD3", "anti-human/mouse-CD3", "aCD3"[1:])
        ),
        *((name, "cd3") for name in ("ADT_CD3", "CD3_PROT", "prot_CD3", "CD3-GCTAGATAGATGCAA", "CD3_A0034")),
        *((name, "cd4") for name in ("Hu.CD4_RPA.T4", "HuMs.CD4", "adt-CD4_TotalSeqB")),
        *((name, "il7ra") for name in ("IL7Ralpha", "IL7Rα", "IL-7Ra", "IL-7R-alpha")),
        *((name, "tcrgd") for name in ("TCRγδ", "TCR gamma/delta", "TCR-gd")),
        ("TCR_ab", "tcrab"),
        ("HLA-DR", "hladr"),
        ("HLA-A,B,C", "hlaabc"),
        ("CD31", "cd31"),
        ("CD3-1", "cd3.1"),
        ("4-1BB", "4.1bb"),
        ("TotalSeqB", "totalseqb"),
    ],
)
def test_keys(name: str, key: str) -> None:
    assert read_protein_name(name).key == key


@pytest.mark.parametrize(
    ("name", "control", "species"),
    [
        ("IgG1_control_TotalSeqB", "igg1", None),
        ("IgG2a-isotype", "igg2a", None),
        ("mouse_IgG1k", "igg1", "mouse"),
        ("Control_Mouse_IgG2b", "igg2b", "mouse"),
        ("Rat IgG2b, κ Isotype Ctrl", "igg2b", "rat"),
        ("isotype_control", "", None),
        ("isotypeControl-1", "", None),
        ("Isotype_HTK888", "", None),
        ("IgG2a", "igg2a", None),
        ("IgG4", "igg4", None),
        ("IgG1 MOPC-21", "igg1", None),
        ("Mouse-IgM", "igm", "mouse"),
        ("Rat IgG", "igg", "rat"),
        ("Armenian Hamster IgG", "igg", "hamster"),
        ("Ctl_IgG", "igg", None),
        ("Rat_IgG2b_Ctrl", "igg2b", "rat"),
        ("Controlin", None, None),
        ("CD3_IgG1", None, None),
        ("anti-human IgG1", None, None),
        ("IgA1", None, None),
        ("Mouse IgG Fc", None, None),
        ("IgD", None, None),
        ("anti-human IgM", None, None),
        ("IgG_Fc", None, None),
        ("CTLA-4", None, None),
        ("CD158e1", None, None),
    ],
)
def test_isotype_controls_are_told_from_antigens(name: str, control: str | None, species: str | None) -> None:
    read = read_protein_name(name)
    assert (read.control, read.species) == (control, species)


def test_pbmc10k_and_the_in_house_set() -> None:
    shared = ("CD3", "CD4", "CD8a", "CD14", "CD16", "CD19", "CD56", "CD127")
    match, pairs = run(IN_HOUSE, PBMC10K)
    assert pairs == {name: f"{name}_TotalSeqB" for name in shared} and match.by == {"normalized name": 8}
    assert run(PBMC10K, IN_HOUSE)[1] == {f"{name}_TotalSeqB": name for name in shared}


@pytest.mark.parametrize(
    ("query", "model", "pairs"),
    [
        pytest.param(["CD8", "CD8-1"], ["CD8a"], {}, id="CD8 is not CD8a"),
        pytest.param(["CD8A"], ["CD8", "CD8a"], {"CD8A": "CD8a"}, id="case"),
        pytest.param(["CD3-1"], ["CD31", "CD3"], {"CD3-1": "CD3"}, id="made unique"),
        pytest.param(["CD4"], ["CD4-1"], {"CD4": "CD4-1"}, id="made unique in the model"),
        pytest.param(["CD4", "CD4-1"], ["CD4"], {"CD4": "CD4"}, id="the second is dropped, not summed"),
        pytest.param(["CD4-1"], ["CD4", "CD4-1"], {"CD4-1": "CD4-1"}, id="exact first"),
        pytest.param(["Siglec-8"], ["Siglec-7"], {}, id="numbers are no suffixes on both sides"),
        pytest.param(["CD45.1"], ["CD45"], {}, id="alleles"),
        pytest.param(["CD45-1"], ["CD45"], {"CD45-1": "CD45"}, id="no allele"),
        pytest.param(["PD-1_TotalSeqB"], ["CD279"], {"PD-1_TotalSeqB": "CD279"}, id="alias"),
        pytest.param(["CD127"], ["IL7Ralpha-CD127"], {"CD127": "IL7Ralpha-CD127"}, id="both names"),
        pytest.param(["CD279 (PD-1)"], ["PD-1"], {"CD279 (PD-1)": "PD-1"}, id="both names in brackets"),
        pytest.param(["CD18"], ["CD11a/CD18"], {}, id="a complex"),
        pytest.param(["IgG1_control"], ["CD4", "IgG2a_control"], {}, id="other class"),
        pytest.param(["IgG1_control"], ["Mouse_IgG1"], {"IgG1_control": "Mouse_IgG1"}, id="class without species"),
        pytest.param(["Rat_IgG1"], ["Mouse_IgG1"], {}, id="other species"),
        pytest.param(["IgG1_control"], ["Mouse_IgG1", "Rat_IgG1"], {}, id="two species"),
        pytest.param(["isotype_control"], ["IgG1_control", "Isotype_Ctrl"], {}, id="no class"),
        pytest.param(["IgM"], ["IgM_control"], {}, id="antigen and control"),
    ],
)
def test_pairs(query: list[str], model: list[str], pairs: dict[str, str]) -> None:
    assert run(query, model)[1] == pairs


def test_what_is_not_clear_is_listed() -> None:
    match, pairs = run(["CD3_TotalSeqB", "CD3_TotalSeqC", "CD4"], ["CD3", "CD4"])
    assert pairs == {"CD4": "CD4"} and match.n_ambiguous == 1
    assert match.notes == (
        "Not clear, and not matched: CD3 (CD3_TotalSeqB, CD3_TotalSeqC). Choose with protein_names={query name: model "
        "name}.",
    )
    match, pairs = run(["CD3", "CD3"], ["CD3"])
    assert not pairs and match.n_ambiguous == 1


def test_the_users_mapping_comes_first() -> None:
    match, pairs = run(["CD8", "CD3", "CD4"], ["CD8a", "CD4", "CD3"], mapping={"CD8": "CD8a", "CD3": "CD4"})
    assert pairs == {"CD8": "CD8a", "CD3": "CD4"}
    assert match.by == {"user mapping": 2}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"CD9": "CD3"}, r"the query has no \['CD9'\]"),
        ({"CD3": "CD9"}, r"the model has no \['CD9'\]"),
        ({"CD3": "CD3", "CD4": "CD3"}, r"two or more proteins of the query to \['CD3'\]"),
        ({"CD5": "CD3"}, r"\['CD5'\], which the query has more than once"),
    ],
)
def test_wrong_mappings(mapping: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run(["CD3", "CD4", "CD5", "CD5"], ["CD3", "CD4"], mapping=mapping)
