"""What a MuData holds: which modalities were measured, which of them is the RNA, and columns of obs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def is_generated(adata: AnnData) -> bool:
    """Whether scmog wrote this modality; such a modality is never read as input.

    ``.uns`` says so, which :func:`anndata.concat` drops by default; the column that it writes into obs survives.
    """
    mark = adata.uns.get(SCMOG_KEYS.UNS)
    marked = isinstance(mark, Mapping) and bool(mark.get("generated", False))
    return marked or SCMOG_KEYS.GENERATED_OBS in adata.obs


def missing_features(var: pd.DataFrame) -> np.ndarray:
    """Features that an alignment filled in, as they were not measured: boolean ``(n_features,)``.

    Raises
    ------
    ValueError
        If their mark is anything but True or False, as after an outer join of tables.
    """
    column = SCMOG_KEYS.MISSING_VAR
    if column not in var:
        return np.zeros(len(var), dtype=bool)
    values = var[column].astype(object)
    if pd.api.types.infer_dtype(values, skipna=False) not in ("boolean", "empty"):
        message = (
            f".var[{column!r}], the mark of features that were not measured, must be True or False for each feature; "
            f"found {list(values.unique()[:5])}. Align the query anew with scmog.pp.align_features."
        )
        raise ValueError(message)
    return values.to_numpy(dtype=bool)


def obs_columns(data: MuData | AnnData) -> list[str]:
    """Names of the columns among which :func:`find_obs_column` looks, for messages."""
    return sorted({str(column) for part in (data, *getattr(data, "mod", {}).values()) for column in part.obs.columns})


def measured_keys(mdata: MuData, modality: str, name: str | None = None) -> list[str]:
    """Keys in ``mdata.mod`` of what may be a measured modality: ``name`` first, then its usual names, best first."""
    names = dict.fromkeys([*([] if name is None else [name]), *MODALITIES[modality].aliases])
    return [key for key in names if key in mdata.mod and not is_generated(mdata.mod[key])]


def find_obs_column(data: MuData | AnnData, key: str, *, first: str | None = None) -> pd.Series | None:
    """Column ``key`` of the (global) obs, or else of the measured modalities; None if none has it.

    Global obs first; mudata 0.4 no longer copies columns of the modalities up. Where several modalities have it, each
    cell gets the value of the first one in which it is not missing, and the modality ``first`` goes before the others.
    """
    if key in data.obs:
        return data.obs[key]
    mods = getattr(data, "mod", {})
    columns = [
        mods[name].obs[key]
        for name in sorted(mods, key=lambda name: name != first)
        if key in mods[name].obs and not is_generated(mods[name])
    ]
    found: pd.Series | None = None
    for own in columns:
        column = own if own.index.equals(data.obs_names) else own.reindex(data.obs_names)
        found = column if found is None else found.astype(object).where(found.notna(), column.astype(object))
        if not found.isna().any():
            break
    return found
