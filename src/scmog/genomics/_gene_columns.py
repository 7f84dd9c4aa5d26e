"""Ensembl ids, symbols, and the species they point to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

_ENSEMBL = r"ENS[A-Z]*G\d{6,}(?:\.\d+)?(?:_PAR_Y)?"
_LEAST_SHARE = 0.5

_ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "ensembl_gene_id", "feature_id")
_SYMBOL_COLUMNS = (
    "gene_symbols",
    "gene_symbol",
    "symbol",
    "symbols",
    "gene_names",
    "gene_name",
    "feature_name",
    "gene_short_name",
    "external_gene_name",
    "hgnc_symbol",
    "mgi_symbol",
    "gene",
    "genes",
    "name",
    "features",
)
_SPECIES = {"": "human", "MUS": "mouse", "RNO": "rat"}
_LEAST_SYMBOLS = 5  # fewer than this say nothing about the species
_CLEAR_SHARE = 0.6


def strip_versions(names: pd.Index | np.ndarray | Sequence[str]) -> np.ndarray:
    """Ensembl gene ids without their version, other names as they are.

    ``ENSG00000002586.20_PAR_Y`` becomes ``ENSG00000002586_PAR_Y``: on the Y chromosome it is another gene.

    Parameters
    ----------
    names
        Names, shape (n,).

    Returns
    -------
    Names, shape (n,), of type object.
    """
    series = pd.Series(np.asarray(names, dtype=object), dtype=object).astype(str)
    return series.str.replace(r"^(ENS[A-Z]*G\d{6,})\.\d+(_PAR_Y)?$", r"\1\2", regex=True).to_numpy(dtype=object)


def find_gene_columns(features: pd.DataFrame) -> dict[str, list[np.ndarray]]:
    """Ensembl ids and symbols of genes, from the index and from any column.

    A column holds ids if most of its values are Ensembl gene ids, or if it has a usual name for ids (``gene_ids`` of
    10x, ``ensembl_id``, ...); it holds symbols if it has a usual name for them (``gene_symbols``, ``feature_name`` of
    CELLxGENE, ...). Of the other columns, those whose values are text and nearly all distinct may be either.

    Parameters
    ----------
    features
        Table with n genes, such as ``adata.var``.

    Returns
    -------
    Lists of arrays of text (type object, shape (n,), empty text where there is no value), best first:
    ``"ids"`` (without version), ``"symbols"``, and ``"others"``.
    """
    found: dict[str, list[np.ndarray]] = {"ids": [], "symbols": [], "others": []}
    names = features.index.to_numpy(dtype=object).astype(str).astype(object)
    if _share_of_ids(names) >= _LEAST_SHARE:
        found["ids"].append(strip_versions(names))
    else:
        found["symbols"].append(names)
    for column, values in _text_columns(features):
        if _share_of_ids(values) >= _LEAST_SHARE:
            found["ids"].append(strip_versions(values))
        elif column in _ID_COLUMNS:  # ids of another database, or symbols after all
            found["ids"].append(values)
            found["others"].append(values)
        else:
            found["symbols" if column in _SYMBOL_COLUMNS else "others"].append(values)
    return found


def guess_species(features: pd.DataFrame) -> str | None:
    """Species of a table of genes, from its Ensembl ids or else from how its symbols are written.

    Human symbols are in capitals (``GAPDH``), mouse symbols are not (``Gapdh``). Rat symbols look like those of mouse
    and are called so.

    Parameters
    ----------
    features
        Table with n genes, such as ``adata.var``.

    Returns
    -------
    ``"human"``, ``"mouse"`` or ``"rat"``; of other species the letters of their ids; None if it cannot be told.
    """
    columns = find_gene_columns(features)
    for ids in columns["ids"]:
        code = pd.Series(ids, dtype=object).str.extract(r"^ENS([A-Z]*)G\d{6,}", expand=False).dropna()
        if len(code):
            most = str(code.value_counts().index[0])
            return _SPECIES.get(most, most)
    if not columns["symbols"]:
        return None
    symbols = pd.Series(columns["symbols"][0], dtype=object)
    symbols = symbols[symbols.str.count(r"[A-Za-z]") >= 3]
    if len(symbols) < _LEAST_SYMBOLS:
        return None
    if symbols.str.fullmatch(r"[^a-z]+").mean() >= _CLEAR_SHARE:
        return "human"
    return "mouse" if symbols.str.fullmatch(r"[A-Z][^A-Z]*[a-z][^A-Z]*").mean() >= _CLEAR_SHARE else None


def _share_of_ids(values: np.ndarray) -> float:
    """Share of Ensembl gene ids among the values that are there."""
    there = pd.Series(values[values != ""], dtype=object)
    return float(there.str.fullmatch(_ENSEMBL).mean()) if len(there) else 0.0


def _text_columns(features: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Columns that can tell genes apart, with their names in lower case; those with usual names first."""
    columns = []
    for position, column in enumerate(features.columns):
        series = features.iloc[:, position]
        if pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_datetime64_any_dtype(series.dtype):
            continue
        text = series.astype(object).where(series.notna().to_numpy(), "").astype(str).to_numpy(dtype=object)
        text = np.where(np.isin(np.char.lower(text.astype(str)), ["nan", "none", "na", "<na>"]), "", text)
        known = str(column).lower() in (*_ID_COLUMNS, *_SYMBOL_COLUMNS)
        there = text[text != ""]
        if len(there) and (known or len(pd.unique(there)) > _LEAST_SHARE * len(features)):
            columns.append((str(column).lower(), text.astype(object)))
    usual = [*_ID_COLUMNS, *_SYMBOL_COLUMNS]
    return sorted(columns, key=lambda item: usual.index(item[0]) if item[0] in usual else len(usual))
