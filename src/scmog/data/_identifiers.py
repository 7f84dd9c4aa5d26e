"""What a model keeps of its features besides their names, so that queries with other names can be matched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from scmog.genomics import find_gene_columns, find_intervals, interval_names, parse_intervals, strip_versions


def feature_identifiers(modality: str, features: pd.DataFrame) -> dict[str, np.ndarray]:
    """Other identifiers of the features of a modality.

    Parameters
    ----------
    modality
        Canonical name of the modality.
    features
        Table with n features, such as ``adata.var``.

    Returns
    -------
    Arrays of text, shape (n,), empty text where there is none. Of genes ``"gene_id"`` and ``"gene_symbol"``, as far as
    the columns hold what the names do not; of peaks ``"interval"`` (``chrom:start-end``, 0-based, half-open), if the
    names do not say it.
    """
    find = _FINDERS.get(modality)
    return {} if find is None else {key: np.asarray(values, dtype=str) for key, values in find(features).items()}


def _of_genes(features: pd.DataFrame) -> dict[str, np.ndarray]:
    names = strip_versions(features.index)
    columns = find_gene_columns(features)
    kept = {}
    for key, kind in (("gene_id", "ids"), ("gene_symbol", "symbols")):
        others = [values for values in columns[kind] if not np.array_equal(values, names)]
        # ids in the names make those in the columns needless; symbols do not: the names may have been made unique
        if others and (kind == "symbols" or len(others) == len(columns[kind])):
            kept[key] = others[0]
    return kept


def _of_peaks(features: pd.DataFrame) -> dict[str, np.ndarray]:
    try:
        parse_intervals(features.index.astype(str))
    except ValueError:
        table = find_intervals(features)
        return {} if table is None else {"interval": interval_names(table).to_numpy()}
    return {}


_FINDERS: dict[str, Callable[[pd.DataFrame], dict[str, np.ndarray]]] = {"rna": _of_genes, "atac": _of_peaks}
"""How to find them, by modality; the names of proteins say all there is."""
