"""Bring a query into the feature space of a model."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog._constants import SCMOG_KEYS, is_generated
from scmog._modalities import MODALITIES

logger = logging.getLogger(__name__)

_LEAST_SHARE, _GOOD_SHARE = 0.5, 0.8


def align_features(query: MuData | AnnData, model: Any, *, modality: str | None = None) -> MuData | AnnData:
    """Return the query with the model's features, by name; writes nothing into ``query``.

    Features are put in the order of the training data, features that the model does not know are dropped, and features
    that the query lacks are added without counts and marked in ``.var["scmog_missing"]``, so that the model takes them
    as average instead of absent.

    Parameters
    ----------
    query
        MuData with some of the model's modalities, or the AnnData of one of them.
    model
        A :class:`scmog.model.SCMOG`.
    modality
        Which modality an AnnData is (``"rna"``, ``"atac"`` or ``"protein"``); needed unless the model has one source.

    Returns
    -------
    A new object of the same kind, with the annotation of cells (obs, obsm, obsp), uns and var; of the matrices only the
    one that the model reads. Of a MuData the model's measured modalities are aligned, and the others kept as they are.

    Raises
    ------
    ValueError
        If fewer than half of the model's features are found, names of the query are not unique, the query has none of
        the model's modalities, or it is not clear which modality an AnnData is.

    Warns
    -----
    UserWarning
        If fewer than 80 % of the model's features are found.
    """
    registry = model.training_registry
    if isinstance(query, AnnData):
        name = _only_modality(modality, model)
        return _align(query, name, registry.var_names[name], registry.layers[name])
    aligned = dict(query.mod)
    found = False
    for name, key in registry.names.items():
        keys = [k for k in (key, *MODALITIES[name].aliases) if k in query.mod and not is_generated(query.mod[k])]
        if keys and modality in (None, name):
            aligned[keys[0]] = _align(query.mod[keys[0]], name, registry.var_names[name], registry.layers[name])
            found = True
    if not found:
        message = f"the query has none of the model's modalities {registry.names}; it has {list(query.mod)}."
        raise ValueError(message)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
        warnings.filterwarnings("ignore", message=".*not unique.*")
        result = MuData(aligned)
    result.obs = query.obs.copy()
    result.uns = dict(query.uns)
    for key in query.obsm:
        if key not in query.mod:  # under the modalities' names mudata keeps which cells they hold
            result.obsm[key] = query.obsm[key]
    return result


def _only_modality(modality: str | None, model: Any) -> str:
    sources = sorted({source for source, _ in model.directions})
    if modality is None and len(sources) == 1:
        return sources[0]
    known = list(model.training_registry.names)
    if modality not in known:
        message = f"say with modality= which of {known} the AnnData is, got {modality!r}."
        raise ValueError(message)
    return str(modality)


def _align(adata: AnnData, modality: str, names: Any, layer: str | None) -> AnnData:
    trained, features = pd.Index(names).astype(str), MODALITIES[modality].features
    if not adata.var_names.is_unique:
        message = f"the {features} of the query's {modality!r} have duplicate names; sum or rename them first."
        raise ValueError(message)
    position = adata.var_names.astype(str).get_indexer(trained)
    missing = position < 0
    share = 1 - missing.mean()
    report = (
        f"{modality}: {int((~missing).sum())} of the model's {len(trained)} {features} found ({share:.0%}), "
        f"{int(missing.sum())} missing (taken as average), {adata.n_vars - int((~missing).sum())} others dropped"
    )
    if share < _LEAST_SHARE:
        message = (
            f"{report}. At least {_LEAST_SHARE:.0%} are needed; are the names of the same kind? The model has "
            f"{list(trained[:3])}, the query {list(adata.var_names[:3])}."
        )
        raise ValueError(message)
    if share < _GOOD_SHARE:
        warnings.warn(f"{report}. Predictions get worse with missing features.", UserWarning, stacklevel=3)
    logger.info(report)
    matrix = _take_columns(adata.X if layer is None else adata.layers[layer], position)
    var = _nullable(adata.var).set_axis(adata.var_names.astype(str)).reindex(trained)
    var[SCMOG_KEYS.MISSING_VAR] = missing
    matrices = {"X": matrix} if layer is None else {"layers": {layer: matrix}}
    kept = {"obsm": dict(adata.obsm), "obsp": dict(adata.obsp), "uns": dict(adata.uns)}
    return AnnData(**matrices, obs=adata.obs.copy(), var=var, **kept)


def _nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with booleans and whole numbers of the kinds that can be missing, and can be written so."""
    kinds = {"b": "boolean", "i": "Int64", "u": "Int64"}
    return frame.astype({name: kinds[dtype.kind] for name, dtype in frame.dtypes.items() if dtype.kind in kinds})


def _take_columns(matrix: Any, position: np.ndarray) -> sp.csr_matrix:
    """Columns at ``position``, ``(n_cells, len(position))``; empty columns where it is negative."""
    present = np.flatnonzero(position >= 0)
    selector = sp.csr_matrix(
        (np.ones(len(present), dtype=np.float32), (position[present], present)),
        shape=(matrix.shape[1], len(position)),
    )
    return sp.csr_matrix(sp.csr_matrix(matrix[:]) @ selector)
