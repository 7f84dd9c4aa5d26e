"""Genes matched by Ensembl id, name and symbol."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scmog.genomics import find_gene_columns, guess_species
from scmog.pp._match import AlignmentOptions, Match, Pairing
from scmog.pp._match_names import find

_MOSTLY = 0.95  # of the values of a column that nobody calls symbols must be distinct for it to be read as symbols
_SUFFIX = r"^(?P<stem>.+)[-.](?P<number>[1-9]\d?)$"


def match_genes(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> Match:
    """Pair genes; each query gene counts in at most one gene of the model, and several may count in the same.

    In this order: Ensembl ids (without version), names, symbols, names without the ``-1`` of ``var_names_make_unique``,
    and names without regard to case where both sides are of the same species. What an id says is not overruled: a gene
    of the model that was found by its id takes no others of the same symbol.

    Parameters
    ----------
    query, model
        Genes of both sides, names as index, ids and symbols in any column.
    options
        Of these ``ignore_case``.
    """
    theirs, ours = find_gene_columns(query), find_gene_columns(model)
    names, trained = _names(query), _names(model)
    pairing = Pairing(len(query), len(model))
    by_id = np.zeros(len(model), dtype=bool)
    for ids in theirs["ids"]:
        for trained_ids in ours["ids"]:
            found = _open(pairing, *find(ids, trained_ids))
            same = names[found[0]] == trained[found[1]]
            pairing.add("name", found[0][same], found[1][same])
            pairing.add("id", found[0][~same], found[1][~same])
            by_id[found[1]] = True
    pairing.add("name", *_open(pairing, *find(names, trained), closed=by_id))
    for symbols in theirs["symbols"]:
        for trained_symbols in ours["symbols"]:
            pairing.add("symbol", *_open(pairing, *find(symbols, trained_symbols), closed=by_id))
    for values in theirs["others"]:
        if _mostly_distinct(values):
            for trained_symbols in (*ours["ids"], *ours["symbols"]):
                found = find(values, trained_symbols)
                pairing.add("symbol", *_open(pairing, *found, closed=pairing.used_models))
    if theirs["symbols"] and all(np.array_equal(symbols, names) for symbols in theirs["symbols"]):
        pairing.add("suffix removed", *_made_unique(pairing, names, by_id))
    n_ambiguous = _count_ambiguous(pairing, theirs["symbols"], ours["symbols"])
    notes = _ignore_case(pairing, theirs["symbols"], ours["symbols"], (query, model), options.ignore_case)
    return pairing.match(n_ambiguous=n_ambiguous, notes=notes)


def _names(features: pd.DataFrame) -> np.ndarray:
    return features.index.to_numpy(dtype=object)


def _open(
    pairing: Pairing, query: np.ndarray, model: np.ndarray, closed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs whose query gene is not used yet and whose model gene is not closed."""
    keep = ~pairing.used_queries[query]
    if closed is not None:
        keep &= ~closed[model]
    return query[keep], model[keep]


def _mostly_distinct(values: np.ndarray) -> bool:
    there = values[values != ""]
    return len(there) > 0 and len(pd.unique(there)) >= _MOSTLY * len(there)


def _made_unique(pairing: Pairing, names: np.ndarray, by_id: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Genes called ``X-1`` or ``X.1``, ``X-2``, ... by a program that met ``X`` more than once, with the gene of ``X``.

    Only where the model does not know ``X-1`` (``NKX2-1`` is a name), ``X`` itself was found, and all lower numbers are
    there too.
    """
    target = np.full(pairing.n_query, -1, dtype=np.int64)
    match = pairing.match()
    target[match.query] = match.model
    position = {name: place for place, name in reversed(list(enumerate(names)))}
    left = pd.Series(names, dtype=object)[~pairing.used_queries]
    parts = left.str.extract(_SUFFIX).dropna()
    query, model = [], []
    for place, stem, number in zip(parts.index, parts["stem"], parts["number"], strict=True):
        stem_place = position.get(stem)
        if stem_place is None or target[stem_place] < 0 or by_id[target[stem_place]]:
            continue
        separator = names[place][len(stem)]
        if all(f"{stem}{separator}{lower}" in position for lower in range(1, int(number))):
            query.append(place)
            model.append(target[stem_place])
    return np.array(query, dtype=np.int64), np.array(model, dtype=np.int64)


def _count_ambiguous(pairing: Pairing, query: list[np.ndarray], model: list[np.ndarray]) -> int:
    """Genes of the model that share a symbol with each other and with the query, which says no more than that."""
    ambiguous = np.zeros(pairing.n_model, dtype=bool)
    for symbols in model:
        twice = pd.Series(symbols, dtype=object).duplicated(keep=False).to_numpy() & (symbols != "")
        for theirs in query:
            ambiguous |= twice & np.isin(symbols.astype(str), theirs[~pairing.used_queries].astype(str))
    return int((ambiguous & ~pairing.used_models).sum())


def _ignore_case(
    pairing: Pairing,
    query: list[np.ndarray],
    model: list[np.ndarray],
    features: tuple[pd.DataFrame, pd.DataFrame],
    wanted: bool | None,
) -> tuple[str, ...]:
    """Pair what differs in case only, if wanted or if both sides are of one species; else say what could be."""
    species = [guess_species(table) for table in features]
    same = species[0] is not None and species[0] == species[1]
    allowed = same if wanted is None else wanted
    more: set[int] = set()
    for theirs in query:
        for ours in model:
            found = _unambiguous(theirs, ours)
            free = ~pairing.used_queries[found[0]] & ~pairing.used_models[found[1]]
            if allowed:
                pairing.add("case", found[0][free], found[1][free])
            else:
                more.update(found[1][free].tolist())
    notes = []
    if None not in species and not same:
        notes.append(
            f"The query looks like {species[0]}, the model like {species[1]}; genes of another species must first be "
            "replaced by their orthologs."
        )
    if more and wanted is None:
        notes.append(f"{len(more)} more names differ in case only; ignore_case=True would match them.")
    return tuple(notes)


def _unambiguous(query: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that are equal but for case, where that singles out one gene on either side."""
    theirs, ours = (pd.Series(values, dtype=object).str.casefold().to_numpy() for values in (query, model))
    found = find(theirs, ours)
    single = ~pd.Series(found[1]).duplicated(keep=False).to_numpy()
    return found[0][single], found[1][single]
