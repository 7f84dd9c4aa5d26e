"""Proteins matched by the names of their antibodies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from scmog.pp._match import AlignmentOptions, Match, Pairing
from scmog.pp._match_names import match_names
from scmog.pp._protein_names import ProteinName, read_protein_name

_SHOWN = 5


def match_proteins(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> Match:
    """Pair proteins one to one; nothing is summed, as two antibodies against one protein are two measurements.

    In this order: the user's mapping, equal names, names without what manufacturers and programs add, isotype controls
    of the same class, other names of the same molecule, names without the number of a duplicate on one side. Each step
    pairs what is left where it singles out one protein on either side.

    Parameters
    ----------
    query, model
        Proteins of both sides, names as index.
    options
        Of these ``protein_names``.

    Raises
    ------
    ValueError
        If the user's mapping names a protein that is not there, or one of the model twice.
    """
    theirs, ours = list(query.index), list(model.index)
    pairing = Pairing(len(theirs), len(ours))
    _check_mapping(options.protein_names, theirs, ours)
    for name, target in options.protein_names.items():
        pairing.add("user mapping", np.array([theirs.index(name)]), np.array([ours.index(target)]))
    exact = match_names(query, model, options)
    keep = ~pairing.used_queries[exact.query] & ~pairing.used_models[exact.model] & (exact.one_to_one >= 0)[exact.model]
    pairing.add("name", exact.query[keep], exact.model[keep])
    read = [read_protein_name(name) for name in theirs], [read_protein_name(name) for name in ours]
    ambiguous: dict[int, set[int]] = defaultdict(set)
    for kind, one, other in _STEPS:
        _pair(pairing, kind, [one(name) for name in read[0]], [other(name) for name in read[1]], ambiguous)
    left = {j: queries for j, queries in ambiguous.items() if not pairing.used_models[j]}
    return pairing.match(n_ambiguous=len(left), notes=_notes(left, theirs, ours))


def _normalized(name: ProteinName) -> Iterable[Hashable]:
    return [name.key]


def _control_of_query(name: ProteinName) -> Iterable[Hashable]:
    """Keys that meet those of a model's control of the same class, unless both name a species and they differ."""
    if not name.control:  # no control, or one that does not say its class
        return []
    return [(name.control, "any query"), (name.control, name.species or "any model")]


def _control_of_model(name: ProteinName) -> Iterable[Hashable]:
    if not name.control:
        return []
    return [(name.control, "any model"), (name.control, name.species or "any query")]


def _aliases(name: ProteinName) -> Iterable[Hashable]:
    return name.aliases


def _stem(name: ProteinName) -> Iterable[Hashable]:
    return [] if name.stem is None else [name.stem]


# A number is dropped on one side only: Siglec-7 and Siglec-8 are not the same.
_STEPS = (
    ("normalized name", _normalized, _normalized),
    ("isotype class", _control_of_query, _control_of_model),
    ("alias", _aliases, _aliases),
    ("suffix removed", _stem, _normalized),
    ("suffix removed", _normalized, _stem),
)


def _pair(
    pairing: Pairing,
    kind: str,
    query: Sequence[Iterable[Hashable]],
    model: Sequence[Iterable[Hashable]],
    ambiguous: dict[int, set[int]],
) -> None:
    """Pair what shares a key, among what is left, where there is one on either side; note the rest."""
    holders: dict[Hashable, set[int]] = defaultdict(set)
    for i, keys in enumerate(query):
        if not pairing.used_queries[i]:
            for key in keys:
                holders[key].add(i)
    pairs = {
        (i, j)
        for j, keys in enumerate(model)
        if not pairing.used_models[j]
        for key in keys
        for i in holders.get(key, ())
    }
    per_query, per_model = Counter(i for i, _ in pairs), Counter(j for _, j in pairs)
    for i, j in sorted(pairs):
        if per_query[i] == per_model[j] == 1:
            pairing.add(kind, np.array([i]), np.array([j]))
        else:
            ambiguous[j].add(i)


def _check_mapping(mapping: Mapping[str, str], query: list[str], model: list[str]) -> None:
    for side, names, wanted in (("query", query, list(mapping)), ("model", model, list(mapping.values()))):
        unknown = [name for name in wanted if name not in names]
        if unknown:
            message = (
                f"protein_names maps names of the query to names of the model; the {side} has no {unknown}. Its "
                f"proteins are {names[:30]}."
            )
            raise ValueError(message)
    shared = [name for name in mapping if query.count(name) > 1]
    if shared:
        message = f"protein_names maps {shared}, which the query has more than once; make its names unique first."
        raise ValueError(message)
    twice = [name for name, count in Counter(mapping.values()).items() if count > 1]
    if twice:
        message = f"protein_names maps two or more proteins of the query to {twice}; one of them is to be chosen."
        raise ValueError(message)


def _notes(ambiguous: Mapping[int, set[int]], query: list[str], model: list[str]) -> tuple[str, ...]:
    if not ambiguous:
        return ()
    shown = [f"{model[j]} ({', '.join(query[i] for i in sorted(ambiguous[j]))})" for j in sorted(ambiguous)]
    more = ", ..." if len(shown) > _SHOWN else ""
    return (
        f"Not clear, and not matched: {'; '.join(shown[:_SHOWN])}{more}. Choose with protein_names={{query name: "
        "model name}.",
    )
