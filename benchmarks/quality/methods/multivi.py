"""MultiVI (Ashuach et al. 2023), scvi-tools: test cells have one modality only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scvi
from accelerator import ACCELERATOR
from anndata import AnnData
from mudata import MuData


def predict(case, *, seed: int, quick: bool):
    """Settings of scvi-tools; the source of test cells is seen in training, our validation cells stop it early."""
    scvi.settings.seed = seed
    counts = {case.source: case.source_counts, case.target: case.target_counts_or_zeros()}  # zeros mean missing
    mdata = MuData(
        {
            name: AnnData(
                counts[name], obs=pd.DataFrame(index=case.obs.index), var=pd.DataFrame(index=case.names[name])
            )
            for name in ("rna", "atac")
        }
    )
    mdata["rna"].obs["batch"] = np.where(case.split == "test", "query", "training")
    modalities = {"rna_layer": "rna", "atac_layer": "atac", "batch_key": "rna"}
    scvi.model.MULTIVI.setup_mudata(mdata, batch_key="batch", modalities=modalities)
    model = scvi.model.MULTIVI(mdata)
    model.train(
        accelerator=ACCELERATOR,
        enable_progress_bar=False,
        datasplitter_kwargs={
            "external_indexing": [case.cells("train", "test"), case.cells("validation"), case.cells("validation")[:0]]
        },
        **({"max_epochs": 2} if quick else {}),
    )
    test = case.cells("test")
    if case.target == "atac":
        # with the factor of each region, without which all peaks are equally open on average; without the factor of the
        # cell, which it would take from the missing counts: a score, not the probability that a peak is measured open
        return model.get_normalized_accessibility(
            indices=test, transform_batch="training", normalize_regions=True, return_numpy=True
        ), "score"
    return model.get_normalized_expression(indices=test, transform_batch="training", return_numpy=True), "share"
