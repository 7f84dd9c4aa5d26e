"""sciPENN (Lakkis et al. 2022), in an environment of its own."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sciPENN.sciPENN_API import sciPENN_API
from scipy.sparse import csr_matrix


def predict(case, seed, quick):
    """Settings of the package, except that it must not drop cells; as many validation cells as ours, drawn by it."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    fitted, test = case.cells("train", "validation"), case.cells("test")
    genes, query = (_anndata(case.source_counts[cells], case, case.source, cells) for cells in (fitted, test))
    proteins = _anndata(case.target_counts(fitted), case, case.target, fitted)
    counts = proteins.X.toarray()
    api = sciPENN_API(
        [genes], [proteins], query, min_cells=0, min_genes=0, val_split=len(case.cells("validation")) / len(fitted)
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # an absolute path of weights_dir sends it into an endless loop
        api.train(weights_dir="weights", load=False, **({"n_epochs": 2} if quick else {}))
        os.chdir(case.folder)
    predicted = api.predict()
    assert list(predicted.var_names) == list(proteins.var_names)
    # it predicts z-scores of log-normalised proteins; back to the logarithms, with what it scaled by
    totals = counts.sum(axis=1, keepdims=True)
    logs = np.log1p(counts / np.maximum(totals, 1) * np.median(totals[totals > 0]))
    return np.asarray(predicted.X) * logs.std(axis=0, ddof=1) + logs.mean(axis=0), "log1p"


def _anndata(counts, case, modality, cells):
    return AnnData(
        csr_matrix(counts), obs=pd.DataFrame(index=case.obs.index[cells]), var=pd.DataFrame(index=case.names[modality])
    )
