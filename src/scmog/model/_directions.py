"""Which directions a call runs, and under which names the results go into a MuData."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anndata import AnnData
from mudata import MuData

from scmog._constants import SCMOG_KEYS
from scmog._modalities import Direction
from scmog._mudata import is_generated, measured_keys
from scmog._quiet import quiet_mudata
from scmog.model._registry import TrainingRegistry


def check_mudata(mdata: Any, *, hint: str = "", views: bool = False) -> None:
    """Raise unless ``mdata`` is a MuData that may be written to (or read, with ``views``)."""
    if not isinstance(mdata, MuData):
        message = f"expected a MuData, got {type(mdata).__name__}. {hint}".strip()
        raise TypeError(message)
    if mdata.is_view and not views:
        message = "the MuData is a view of another one; call .copy() on it first."
        raise ValueError(message)
    if mdata.axis == 1:
        message = "the modalities of this MuData share features (axis=1); scmog needs those of the same cells (axis=0)."
        raise ValueError(message)


def directions_for(
    query: MuData | AnnData,
    directions: Sequence[Direction],
    registry: TrainingRegistry,
    *,
    source: str | None,
    target: str | None,
) -> list[Direction]:
    """Directions of the model that fit ``source`` and ``target`` and whose source the query has.

    Raises
    ------
    TypeError
        If the query is neither a MuData nor an AnnData.
    ValueError
        If there is none.
    """
    fitting = [d for d in directions if source in (None, d[0]) and target in (None, d[1])]
    if not fitting:
        message = f"the model has no direction with source={source!r} and target={target!r}; it has {list(directions)}."
        raise ValueError(message)
    if isinstance(query, AnnData):
        if len({s for s, _ in fitting}) > 1:
            message = f"the query is an AnnData: say with source= which modality it is; directions are {fitting}."
            raise ValueError(message)
        return fitting
    check_mudata(query, views=True, hint="Pass a MuData, or the AnnData of a source.")
    present = [d for d in fitting if measured_keys(query, d[0], registry.names[d[0]])]
    if not present:
        measured = [name for name, adata in query.mod.items() if not is_generated(adata)]
        message = (
            f"the source modality is not in the query: the directions {fitting} need a measured modality called "
            f"{sorted({registry.names[s] for s, _ in fitting})}; the query has {list(query.mod)}, of which "
            f"{measured} are measured."
        )
        raise ValueError(message)
    return present


def only_direction(directions: Sequence[Direction]) -> Direction:
    """The one direction; a ValueError names them all if there are several."""
    if len(directions) > 1:
        message = f"several directions are possible: {list(directions)}; choose with source= and target=."
        raise ValueError(message)
    return directions[0]


def output_keys(
    mdata: MuData, directions: Sequence[Direction], *, key_added: str | None, store: str | Path | None
) -> dict[str, Direction]:
    """Name of the new modality for each direction.

    Raises
    ------
    ValueError
        If ``key_added`` is no name, two directions would have one name, or a measured modality would be overwritten.
    """
    if len(directions) > 1 and (key_added is not None or store is not None):
        message = (
            f"key_added and store are for one direction; choose one of {list(directions)} with source= and target=."
        )
        raise ValueError(message)
    if key_added is not None and (not isinstance(key_added, str) or not key_added or "/" in key_added):
        message = f"key_added must be a name without '/', which files use for folders; got {key_added!r}."
        raise ValueError(message)
    keys: dict[str, Direction] = {}
    for direction in directions:
        key = key_added or f"{direction[1]}{SCMOG_KEYS.GENERATED_SUFFIX}"
        if key in keys:
            message = f"two directions lead to {direction[1]!r}: {list(directions)}; choose with source=."
            raise ValueError(message)
        if key in mdata.mod and not is_generated(mdata.mod[key]):
            message = f"mdata.mod[{key!r}] is measured and is not overwritten; choose another name with key_added=."
            raise ValueError(message)
        keys[key] = direction
    return keys


def add_modalities(mdata: MuData, generated: dict[str, AnnData]) -> None:
    """Write modalities into ``mdata.mod``; if one does not fit, all of them are taken out again."""
    before = {key: mdata.mod[key] for key in generated if key in mdata.mod}
    with quiet_mudata():
        try:
            for key, adata in generated.items():
                mdata.mod[key] = adata
            mdata.update()
        except BaseException:
            for key in generated:
                mdata.mod.pop(key, None)
                if key in before:
                    mdata.mod[key] = before[key]
            mdata.update()
            raise
