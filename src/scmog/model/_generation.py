"""Generation in blocks of cells: from a query to a modality."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.model._output import Thresholding, assemble, provenance
from scmog.model._query import Query
from scmog.model._store import write_blocks
from scmog.module import SCMOGModule

logger = logging.getLogger(__name__)


def generate_blocks(
    module: SCMOGModule, query: Query, direction: Direction, *, score: str, batch_size: int
) -> Iterator[np.ndarray]:
    """Generated values of consecutive cells, each block ``(n_cells, n_features)`` float32."""
    module.eval()
    missing = query.missing(module.device)
    for tensors in query.batches(batch_size):
        values = module.sample(tensors, direction_name(direction), missing=missing, score=score)
        block = values.float().cpu().numpy()
        if not np.isfinite(block).all():
            message = f"the model generated NaN or infinite values for {direction}; its weights are damaged."
            raise RuntimeError(message)
        yield block


def generate_modality(
    module: SCMOGModule,
    query: Query,
    direction: Direction,
    *,
    thresholding: Thresholding | None,
    features: np.ndarray,
    batch_size: int,
    store: str | Path | None = None,
    **facts: Any,
) -> AnnData:
    """Generate one modality for the cells of a query.

    Parameters
    ----------
    thresholding
        How scores become 0 and 1; None for targets that are not on/off.
    features
        Names of the target's features.
    store
        Where to write it, block by block; None keeps it in memory.
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
    obs = pd.DataFrame({SCMOG_KEYS.ZERO_COUNTS_OBS: empty}, index=query.cells)
    var = pd.DataFrame(index=pd.Index(features).astype(str))
    note = {SCMOG_KEYS.UNS: provenance(direction, thresholding, **facts)}
    score = "probability" if thresholding is None else thresholding.scale
    blocks = generate_blocks(module, query, direction, score=score, batch_size=batch_size)
    if store is not None:
        return write_blocks(store, blocks, thresholding, AnnData(obs=obs, var=var, uns=note))
    generated = assemble(blocks, thresholding, obs=obs, var=var)
    generated.uns.update(note)
    return generated


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
