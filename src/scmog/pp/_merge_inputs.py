"""Data sets to merge: checked, and what they have in common."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._modalities import MODALITIES
from scmog._mudata import is_generated
from scmog.pp._subset import find_modality


def check_choices(joins: Mapping[str, str], min_shared: float, modalities: Mapping[str, str] | None) -> None:
    """Refuse options that are out of range."""
    for argument, join in joins.items():
        if join not in ("inner", "outer"):
            message = f"{argument} must be 'inner' or 'outer', got {join!r}."
            raise ValueError(message)
    if not 0 <= min_shared <= 1:
        message = f"min_shared must be a share from 0 to 1, got {min_shared}."
        raise ValueError(message)
    unknown = [name for name in modalities or {} if name not in MODALITIES]
    if unknown:
        message = f"modalities names {unknown}; scmog knows {list(MODALITIES)}."
        raise KeyError(message)


def named_datasets(mdatas: Sequence[MuData] | Mapping[str, MuData]) -> dict[str, MuData]:
    """Data sets by name; those of a list are numbered."""
    if isinstance(mdatas, MuData | AnnData):
        message = f"mdatas must be a list or dict of MuData, got a single {type(mdatas).__name__}."
        raise TypeError(message)
    if isinstance(mdatas, Mapping):
        datasets = {str(name): mdata for name, mdata in mdatas.items()}
    else:
        datasets = {str(number): mdata for number, mdata in enumerate(mdatas)}
    if not datasets or len(datasets) < len(mdatas):
        message = f"mdatas must hold at least one data set, each with another name; got {list(mdatas)}."
        raise ValueError(message)
    return datasets


def check_dataset(mdata: Any, dataset: str, dataset_key: str) -> None:
    """Refuse what cannot be merged."""
    if not isinstance(mdata, MuData):
        message = f"data set {dataset!r} must be a MuData, got {type(mdata).__name__}."
        raise TypeError(message)
    if mdata.axis != 0:
        message = f"the modalities of data set {dataset!r} must share cells (axis=0), got axis={mdata.axis}."
        raise ValueError(message)
    if not mdata.obs_names.is_unique:
        twice = str(mdata.obs_names[mdata.obs_names.duplicated()][0])
        message = f"obs_names of data set {dataset!r} must be unique, {twice!r} occurs twice; make them unique first."
        raise ValueError(message)
    if dataset_key in mdata.obs:
        message = f"obs[{dataset_key!r}] exists in data set {dataset!r}; choose another dataset_key."
        raise ValueError(message)
    for key, adata in mdata.mod.items():
        if not adata.obs_names.isin(mdata.obs_names).all() or not adata.obs_names.is_unique:
            message = f"modality {key!r} of data set {dataset!r} has other cells than the MuData; call mdata.update()."
            raise ValueError(message)


def common_modalities(datasets: Mapping[str, MuData], given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``{canonical name: {data set: name in its .mod}}`` of the modalities that all data sets have."""
    found = {
        name: {
            dataset: key
            for dataset, mdata in datasets.items()
            if (key := find_modality(mdata, name, given.get(name))) is not None
        }
        for name in MODALITIES
    }
    common = {name: keys for name, keys in found.items() if len(keys) == len(datasets)}
    if not common:
        names = {dataset: list(mdata.mod) for dataset, mdata in datasets.items()}
        message = f"the data sets have no modality in common: {names}. Name them with modalities={{'rna': ...}}."
        raise ValueError(message)
    left = {
        dataset: [
            key
            for key, adata in mdata.mod.items()
            if not is_generated(adata) and key not in [keys[dataset] for keys in common.values()]
        ]
        for dataset, mdata in datasets.items()
    }
    left = {dataset: keys for dataset, keys in left.items() if keys}
    if left:
        message = f"left out are modalities that not all data sets have, or that scmog does not know: {left}."
        warnings.warn(message, UserWarning, stacklevel=3)
    return common


def cell_names(datasets: Mapping[str, MuData]) -> list[pd.Index]:
    """Names of the cells of each data set, unique over all."""
    names = [mdata.obs_names.astype(str) for mdata in datasets.values()]
    if not pd.Index(np.concatenate(names)).is_unique:
        names = [own + f"-{dataset}" for own, dataset in zip(names, datasets, strict=True)]
    everything = pd.Index(np.concatenate(names))
    if not everything.is_unique:
        twice = str(everything[everything.duplicated()][0])
        message = f"two cells would be called {twice!r}; choose other names of the data sets."
        raise ValueError(message)
    return names
