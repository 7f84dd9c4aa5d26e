"""What the names of antibodies have in common, whoever wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GREEK = str.maketrans({"α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "κ": "k", "λ": "l", "μ": "m", "µ": "m"})
_SPELLED = re.compile(r"(?:alpha|beta|gamma|delta|epsilon|kappa|lambda)(?![a-z])")
_SPECIES = r"(?:human|mouse|rat|hu|ms)"

_PREFIXES = re.compile(
    rf"^(?:(?:adt|ab|prot|protein|antibody)[-_.: ]+|anti[-_. ]*(?:{_SPECIES}(?:/{_SPECIES})*[-_. ]+)?|(?:hu|ms|rt)+\.)"
)
_SUFFIXES = re.compile(r"[-_. ]+(?:total[-_ ]?seq[-_ ]?[abcd]?|adt|prot|protein|antibody|[acgt]{8,}|[abcd]\d{4})$")
_CLONE = re.compile(r"^(?:hu|ms|rt)+\.(?P<name>[^_]+)_")  # panels of BioLegend: Hu.CD4_RPA.T4
_MADE_UNIQUE = re.compile(r"^(?P<stem>.*[a-z0-9)])(?P<separator>[-.])[1-9]$")
_CD_NUMBER = re.compile(r"^cd\d+[a-z]{0,2}\d?$")

_CONTROL = re.compile(r"(?<![a-z])(?:(?:isotype)?(?:control|ctrl|ctl)|iso(?:type)?)(?![a-z])")
_CONTROL_CLASS = re.compile(r"(?<![a-z])(?P<kind>ig[gamde])[-_ ]?(?P<subclass>\d[abc]?)?(?![0-9])")
_CONTROL_SPECIES = re.compile(r"(?<![a-z])(mouse|rat|hamster|rabbit|goat)(?![a-z])")
# IgG1, Mouse IgG1 k, Armenian Hamster IgG: an antibody that is called by its own class alone binds nothing
_BARE_CLASS = re.compile(
    r"^(?:(?:armenian|syrian)[-_. ]*)?(?:(?P<species>mouse|rat|hamster|rabbit|goat)[-_. ]*)?"
    r"ig(?:g[-_ ]?(?P<subclass>\d)|[gamde])(?![-_. ]*fc)(?![a-z]{2})"
)

# Alleles of mice (CD45.1) have names of the form that R gives to duplicates.
_ALLELES = frozenset({"cd45", "cd90"})

_ALIASES = {
    "cd16": ("fcgr3a", "fcgriii"),
    "cd25": ("il2ra",),
    "cd31": ("pecam1",),
    "cd56": ("ncam1", "ncam"),
    "cd62l": ("lselectin", "sell"),
    "cd71": ("tfrc",),
    "cd107a": ("lamp1",),
    "cd117": ("ckit",),
    "cd123": ("il3ra",),
    "cd127": ("il7ra", "il7r"),
    "cd134": ("ox40",),
    "cd137": ("41bb", "4.1bb"),
    "cd141": ("bdca3",),
    "cd152": ("ctla4",),
    "cd154": ("cd40l", "cd40lg"),
    "cd155": ("pvr",),
    "cd161": ("klrb1",),
    "cd183": ("cxcr3",),
    "cd184": ("cxcr4",),
    "cd185": ("cxcr5",),
    "cd194": ("ccr4",),
    "cd195": ("ccr5",),
    "cd196": ("ccr6",),
    "cd197": ("ccr7",),
    "cd223": ("lag3",),
    "cd244": ("2b4",),
    "cd269": ("bcma",),
    "cd270": ("hvem",),
    "cd272": ("btla",),
    "cd273": ("pdl2", "pdcd1lg2"),
    "cd274": ("pdl1", "b7h1"),
    "cd278": ("icos",),
    "cd279": ("pd1", "pdcd1"),
    "cd303": ("bdca2",),
    "cd304": ("bdca4", "neuropilin1"),
    "cd314": ("nkg2d",),
    "cd326": ("epcam",),
    "cd335": ("nkp46",),
    "cd336": ("nkp44",),
    "cd337": ("nkp30",),
    "cd357": ("gitr",),
    "cd366": ("tim3", "havcr2"),
}
"""Other names of molecules of the CD nomenclature (HLDA), as keys. No families: CD8 is not CD8a."""
_CD_OF_ALIAS = {alias: cd for cd, aliases in _ALIASES.items() for alias in aliases}


@dataclass(frozen=True)
class ProteinName:
    """The name of an antibody, read.

    Attributes
    ----------
    key
        Name without what manufacturers and programs add, in lower case and without separators.
    stem
        The key without a number at the end that a program may have added to a duplicate; None without one.
    aliases
        Keys of other names of the same molecule: its CD number, also where the name holds both
        (``IL7Ralpha-CD127``).
    control
        Class of an isotype control, e.g. ``"igg2a"``; None for other antibodies. An empty text is a control of no
        stated class.
    species
        Species of an isotype control, if stated.
    """

    key: str
    stem: str | None
    aliases: frozenset[str]
    control: str | None = None
    species: str | None = None


def read_protein_name(name: str) -> ProteinName:
    """Read the name of an antibody: ``CD3_TotalSeqB``, ``anti-human CD3``, ``CD3-1``, ``ADT_CD3``, ``IgG1_control``."""
    text = _without_additions(name)
    control, species = _control(text, of_antigen=str(name).casefold().lstrip().startswith("anti"))
    if control is not None:
        words = sorted(re.findall(r"[a-z]+|\d+[a-z]?", text))
        return ProteinName("control " + " ".join(words), None, frozenset(), control, species)
    key, stem = _key(text), _stem(text)
    names = {key}
    if stem is None and "/" not in text:  # a complex of several molecules (CD11a/CD18) is none of them
        parts = {part for part in map(_key, re.split(r"[-_() ]+", text)) if _CD_NUMBER.match(part)}
        names |= parts if len(parts) == 1 else set()
    return ProteinName(key, stem, frozenset(_CD_OF_ALIAS.get(one, one) for one in names))


def _without_additions(name: str) -> str:
    text = " ".join(str(name).casefold().translate(_GREEK).split())
    text = _SPELLED.sub(lambda match: match[0][0], text)
    clone = _CLONE.match(text)
    text = clone["name"] if clone else text
    before = None
    while text != before:
        before = text
        text = _SUFFIXES.sub("", _PREFIXES.sub("", text)).strip(" -_.") or text
    return text


def _key(text: str) -> str:
    # CD3-1 must not become CD31: between two digits a separator stays
    separated = re.sub(r"(?<=\d)[^a-z0-9]+(?=\d)", ".", text)
    return re.sub(r"(?<!\d)\.|\.(?!\d)|[^a-z0-9.]", "", separated)


def _stem(text: str) -> str | None:
    duplicate = _MADE_UNIQUE.match(text)
    if duplicate is None:
        return None
    stem = _key(duplicate["stem"])
    return None if duplicate["separator"] == "." and stem in _ALLELES else stem


def _control(text: str, *, of_antigen: bool) -> tuple[str | None, str | None]:
    """Class and species of an isotype control; IgD, IgM, IgG Fc, and what an "anti" comes before, are antigens."""
    named, kind, species = _CONTROL.search(text), _CONTROL_CLASS.search(text), _CONTROL_SPECIES.search(text)
    bare = None if of_antigen else _BARE_CLASS.match(text)
    if not named and not (bare and (bare["species"] or bare["subclass"])):
        return None, None
    if kind is None:
        return "", species[1] if species else None
    return kind["kind"] + (kind["subclass"] or ""), species[1] if species else None
