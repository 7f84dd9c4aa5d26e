"""Predictions published with Hu et al., Nat Methods 2024, for the cells of REAP-seq run s4."""

from __future__ import annotations

import os
from pathlib import Path

import anndata


def predict(case, *, seed: int, quick: bool, layer: str):
    """Read one layer. Each is on a scale of its own, which a correlation per protein does not mind."""
    adata = anndata.read_h5ad(Path(os.environ["SCMOG_DATA"]) / "reapseq_s4_published_predictions.h5ad")
    cells = case.obs.index[case.cells("test")]
    return adata[cells, case.names["protein"]].layers[layer], "truth"
