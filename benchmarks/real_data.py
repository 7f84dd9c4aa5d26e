"""Real data and the splits that all benchmarks share; the folder is found through the variable SCMOG_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

SPLIT_SEED = 0


def load(data: str, split: str):
    """Paired MuData with ``obs["split"]``."""
    import mudata

    folder = Path(os.environ["SCMOG_DATA"])
    if data == "snare":
        mdata = paper_filter(mudata.read_h5mu(folder / "snareseq_mouse_cortex_10309.h5mu"))
    elif data == "kidney":
        mdata = paper_filter(mudata.read_h5mu(folder / "scicar_mouse_kidney_4753.h5mu"))
    elif data == "bmmc":
        mdata = mudata.read_h5mu(folder / "multiome_bmmc_neurips_500.h5mu")
    elif data == "pbmc10k":
        mdata = mudata.read_h5mu(folder / "citeseq_pbmc10k_10x_hvg1000.h5mu")
    else:
        mdata = mudata.read_h5mu(folder / "reapseq_pbmc_7488.h5mu")
    mdata.obs["split"] = split_labels(mdata, split)
    return mdata


def paper_filter(mdata):
    """Cells with 50 genes or more; peaks open in at least 5 of them and at most a tenth (paper section 4)."""
    import mudata

    rna, atac = mdata["rna"], mdata["atac"]
    cells = np.asarray((rna.X > 0).sum(axis=1)).ravel() >= 50
    open_in = np.asarray((atac.X[cells] > 0).sum(axis=0)).ravel()
    peaks = (open_in >= 5) & (open_in <= 0.1 * cells.sum())
    return mudata.MuData({"rna": rna[cells].copy(), "atac": atac[cells][:, peaks].copy()})


def split_labels(mdata, split: str) -> np.ndarray:
    """``train``, ``validation`` or ``test`` for each cell."""
    rng = np.random.default_rng(SPLIT_SEED)
    labels = np.full(mdata.n_obs, "train", dtype=object)
    if split == "random":
        order = rng.permutation(mdata.n_obs)
        tenth = mdata.n_obs // 10
        labels[order[:tenth]], labels[order[tenth : 2 * tenth]] = "test", "validation"
    elif split == "leiden":  # paper section 4: of the larger clusters one validates, one tests; resolution of the code
        clusters = leiden_clusters(mdata["rna"])
        largest = pd.Series(clusters).value_counts().index
        labels[clusters == largest[0]], labels[clusters == largest[1]] = "validation", "test"
    elif split == "s5_to_s4":
        labels = held_out(mdata, "batch", "s4")
    else:  # "column=value", e.g. "cell_type=L6"
        labels = held_out(mdata, *split.split("=", 1))
    return labels.astype(str)


def held_out(mdata, column: str, value: str) -> np.ndarray:
    """The cells with this value of a column of obs test; of the others a tenth, drawn at random, validates."""
    values = mdata["rna"].obs[column].astype(str).to_numpy()
    labels = np.where(values == value, "test", "train").astype(object)
    training = np.random.default_rng(SPLIT_SEED).permutation(np.flatnonzero(labels == "train"))
    labels[training[: len(training) // 10]] = "validation"
    return labels


def leiden_clusters(rna) -> np.ndarray:
    """Leiden clusters of log-normalised RNA: PCA 50, 15 neighbours, resolution 1.5."""
    import scanpy as sc

    copy = rna.copy()
    sc.pp.normalize_total(copy)
    sc.pp.log1p(copy)
    sc.pp.pca(copy, n_comps=50)
    sc.pp.neighbors(copy, n_neighbors=15)
    sc.tl.leiden(copy, resolution=1.5, flavor="igraph", n_iterations=2, random_state=0, directed=False)
    return copy.obs["leiden"].to_numpy()
