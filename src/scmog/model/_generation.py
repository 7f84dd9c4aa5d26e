"""Generation in blocks of cells: from a query to a modality."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from anndata import AnnData
from scvi import settings
from scvi.utils import track

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.model._output import Thresholding, assemble, entries_to_csr, provenance
from scmog.model._query import Query
from scmog.model._store import Block, write_blocks
from scmog.module import SCMOGModule

logger = logging.getLogger(__name__)

_SILENT_BLOCKS = 2  # so few need no progress bar
_MANY_COUNTS = 20  # where so many were to be expected and none came, a feature was hardly measured
_LARGE_SHARE = 0.05  # of the counts of the training cells


def generate_blocks(
    module: SCMOGModule, query: Query, direction: Direction, *, score: str, batch_size: int, start: int = 0
) -> Iterator[np.ndarray]:
    """Generated values of consecutive cells from ``start`` on, each block ``(n_cells, n_features)`` float32."""
    module.eval()
    missing = query.missing(module.device)
    for tensors in query.batches(batch_size, start=start):
        values = module.sample(tensors, direction_name(direction), missing=missing, score=score)
        block = values.float().cpu().numpy()
        _check_finite(block, direction)
        yield block


def open_blocks(
    module: SCMOGModule, query: Query, direction: Direction, *, cut: float, score: str, batch_size: int, start: int = 0
) -> Iterator[sp.csr_matrix]:
    """The entries above ``cut`` of :func:`generate_blocks`, for an on/off target; the others are never made."""
    module.eval()
    name, n_features = direction_name(direction), module.representation(direction[1]).n_features
    missing = query.missing(module.device)
    for tensors in query.batches(batch_size, start=start):
        above = module.sample_above(tensors, name, cut=cut, missing=missing, score=score)
        positions, scores = (part.cpu().numpy() for part in above)
        _check_finite(scores, direction)
        n_cells = len(tensors[MODALITIES[direction[0]].registry_key])
        yield entries_to_csr(positions, scores, (n_cells, n_features))


def _check_finite(values: np.ndarray, direction: Direction) -> None:
    if not np.isfinite(values).all():
        message = f"the model generated NaN or infinite values for {direction}; its weights are damaged."
        raise RuntimeError(message)


def generate_modality(
    module: SCMOGModule,
    query: Query,
    direction: Direction,
    *,
    thresholding: Thresholding | None,
    log1p: bool = False,
    features: np.ndarray,
    batch_size: int,
    store: str | Path | None = None,
    show_progress: bool = True,
    **facts: Any,
) -> AnnData:
    """Generate one modality for the cells of a query.

    Parameters
    ----------
    thresholding
        How scores become 0 and 1; None for targets that are not on/off.
    log1p
        Whether to return expected log1p of counts, for RNA.
    features
        Names of the target's features.
    store
        Where to write it, block by block; None keeps it in memory.
    show_progress
        Whether to show a progress bar where there are several blocks.
    **facts
        What else ``.uns`` should say.
    """
    empty = query.zero_counts()
    if empty.any():
        logger.warning(
            "%d cell(s) have no %s counts: what is generated for them does not depend on them; flagged in obs[%r].",
            int(empty.sum()),
            direction[0],
            SCMOG_KEYS.ZERO_COUNTS_OBS,
        )
    warn_of_unmarked(module, query, direction[0])
    obs = pd.DataFrame({SCMOG_KEYS.ZERO_COUNTS_OBS: empty, SCMOG_KEYS.GENERATED_OBS: True}, index=query.cells)
    var = pd.DataFrame(index=pd.Index(features).astype(str))
    note = provenance(direction, thresholding, log1p=log1p, **facts)

    def blocks(start: int = 0) -> Iterable[Block]:
        made = _blocks(module, query, direction, thresholding, log1p, batch_size, start)
        title = f"Generating {direction[1]}"
        return _with_progress(made, title, start // batch_size, math.ceil(len(empty) / batch_size), show=show_progress)

    if store is not None:
        request = {
            **note,
            "weights": _weights_hash(module, direction),
            "batch_size": batch_size,
            "n_cells": len(obs),
            "n_features": len(var),
            "cells": query.fingerprint(),
            "features": hashlib.sha256("\n".join(var.index).encode()).hexdigest(),
        }
        skeleton = AnnData(obs=obs, var=var, uns={SCMOG_KEYS.UNS: note})
        return write_blocks(store, blocks, thresholding, skeleton, request=request)
    generated = assemble(blocks(), thresholding, obs=obs, var=var)
    generated.uns[SCMOG_KEYS.UNS] = note
    return generated


def warn_of_unmarked(module: SCMOGModule, query: Query, source: str) -> None:
    """Log if much of what the source usually has is 0 in all cells of a query, without a mark that it is missing."""
    if query.absent(source) is not None or MODALITIES[source].likelihood == "gaussian":  # of which no zero is rare
        return
    average, counts = module.representation(source).average.cpu().numpy(), query.feature_totals()
    shares = average / max(average.sum(), 1e-12)
    silent = (counts == 0) & (shares * counts.sum() >= _MANY_COUNTS)
    if shares[silent].sum() > _LARGE_SHARE:
        logger.warning(
            "%d %s with %.0f %% of the counts of the training cells are 0 in all cells of the query. If they were not "
            "measured, mark them, or they are taken for absent: scmog.pp.align_features does so in .var[%r], which "
            "anndata.concat drops: generate for each sample, then concatenate.",
            int(silent.sum()),
            MODALITIES[source].features,
            100 * shares[silent].sum(),
            SCMOG_KEYS.MISSING_VAR,
        )


def _weights_hash(module: SCMOGModule, direction: Direction) -> str:
    """Fingerprint of what a direction was trained to: a model keeps its id when it is trained further."""
    found = hashlib.sha256()
    for part in (module.translator(direction_name(direction)), *map(module.representation, direction)):
        for name, value in part.state_dict().items():
            found.update(name.encode())
            found.update(value.detach().cpu().contiguous().numpy().tobytes())
    found.update(module.batch_proportions.cpu().numpy().tobytes())
    return found.hexdigest()


def _blocks(
    module: SCMOGModule,
    query: Query,
    direction: Direction,
    thresholding: Thresholding | None,
    log1p: bool,
    batch_size: int,
    start: int,
) -> Iterator[Block]:
    """Generated values of consecutive cells: all of them or, where there is a cut, the scores above it."""
    score = ("log1p" if log1p else "probability") if thresholding is None else thresholding.scale
    if thresholding is None or thresholding.cut is None:
        return generate_blocks(module, query, direction, score=score, batch_size=batch_size, start=start)
    cut = thresholding.cut
    return open_blocks(module, query, direction, cut=cut, score=score, batch_size=batch_size, start=start)


def _with_progress(blocks: Iterable[Block], title: str, n_done: int, n_blocks: int, *, show: bool) -> Iterable[Block]:
    """The same blocks, with a progress bar in the style of scvi-tools' settings."""
    of_style: dict[str, dict[str, Any]] = {
        "tqdm": {"initial": n_done, "unit": "block"},
        "rich": {"completed": n_done},
    }
    own = of_style[settings.progress_bar_style]
    silent = not show or n_blocks <= _SILENT_BLOCKS
    shown: Iterable[Block] = track(blocks, description=title, disable=silent, total=n_blocks, **own)
    return shown


@torch.inference_mode()
def encode(module: SCMOGModule, query: Query, direction: Direction, *, batch_size: int) -> np.ndarray:
    """Latent representation of the cells of a query, ``(n_cells, n_latent)``; of several members that of the first."""
    module.eval()
    source, name = direction[0], direction_name(direction)
    missing = query.missing(module.device)
    latents = []
    for tensors in query.batches(batch_size):
        counts = {source: tensors[MODALITIES[source].registry_key]}
        latent = module.inference(counts=counts, directions=[name], missing=missing)["z"][name]
        latents.append(latent[0].cpu().numpy())
    return np.concatenate(latents)
