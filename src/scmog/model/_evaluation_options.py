"""Checks of what :meth:`scmog.model.SCMOG.evaluate` is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mudata import MuData

from scmog._modalities import Direction
from scmog._mudata import obs_columns
from scmog.data import as_names, find_obs_column
from scmog.metrics import METRICS
from scmog.model._baselines import TrainingCells
from scmog.model._evaluation import applicable


def check_metrics(metrics: Sequence[str] | str | None, directions: Sequence[Direction], labels_key: str | None) -> None:
    """Raise ValueError unless each metric is known and has what it needs, and one applies."""
    if metrics is None or metrics == "all":
        return
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [name for name in names if name not in METRICS]
    if isinstance(metrics, str) or unknown or not names:
        message = f"metrics must be None, 'all' or a list of names out of {list(METRICS)}, got {metrics!r}."
        raise ValueError(message)
    if len(set(names)) < len(names):
        message = f"metrics must name each score once, got {names}."
        raise ValueError(message)
    if labels_key is None and any(METRICS[name].needs == "groups" for name in names):
        message = "the metric 'pseudobulk_lfc' needs the cell types: name their column with labels_key=."
        raise ValueError(message)
    if not any(applicable(names, target) for _, target in directions):
        message = f"none of the metrics {names} applies to the targets of {list(directions)}."
        raise ValueError(message)


def check_ceiling(ceiling: Mapping[str, Any] | None, directions: Sequence[Direction]) -> None:
    """Raise ValueError if a ceiling is of no target."""
    targets = {target for _, target in directions}
    strange = sorted(set(ceiling or ()) - targets)
    if strange:
        message = f"ceiling has {strange}, but the targets to score are {sorted(targets)}; name it by target."
        raise ValueError(message)


def required_parts(
    parts: tuple[TrainingCells, TrainingCells | None] | None, labels_key: str | None
) -> tuple[TrainingCells, TrainingCells | None]:
    """The training cells, with labels if those are asked for."""
    if parts is None:
        message = (
            "baselines='all' fits nearest neighbours and kernel ridge on the training cells, which the model has not "
            "got: load it with SCMOG.load(path, adata=training_data), or take baselines=True."
        )
        raise ValueError(message)
    if labels_key is not None and (parts[0].labels is None or pd.isna(parts[0].labels).all()):
        message = f"no obs of the training data has labels in {labels_key!r}, which the cell-type mean is taken from."
        raise KeyError(message)
    return parts


def cell_labels(data: MuData, labels_key: str, cells: pd.Index) -> np.ndarray:
    """Cell types of the scored cells, ``(n_cells,)``."""
    column = find_obs_column(data, labels_key)
    if column is None:
        message = f"labels_key {labels_key!r} is in no obs; columns are {obs_columns(data)}."
        raise KeyError(message)
    if not column.index.is_unique:
        message = f"cells have the same name, so that {labels_key!r} can't be told; call mdata.obs_names_make_unique()."
        raise ValueError(message)
    labels: np.ndarray = as_names(column).reindex(cells).to_numpy(object)
    return labels
