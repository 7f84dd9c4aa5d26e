"""Random paired cells of a given density, made quickly: for speed only, there is nothing to learn from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

RNA_DENSITY, ATAC_DENSITY = 0.08, 0.03


def random_rows(
    n_cells: int, n_features: int, density: float, rng: np.random.Generator, *, counts: bool
) -> sp.csr_matrix:
    """CSR with the same number of entries in each cell."""
    n_entries = round(n_features * density)
    width = n_features // n_entries  # one entry in each stretch of features: sorted, without duplicates
    starts = np.arange(n_entries, dtype=np.int32) * width
    indices = (starts + rng.integers(0, width, (n_cells, n_entries), dtype=np.int32)).ravel()
    data = rng.geometric(0.6, indices.size).astype(np.float32) if counts else np.ones(indices.size, np.float32)
    return sp.csr_matrix((data, indices, np.arange(n_cells + 1, dtype=np.int64) * n_entries), (n_cells, n_features))


def random_mdata(n_cells: int, n_genes: int, n_peaks: int, seed: int = 0):
    """RNA counts and open peaks of the same cells."""
    import anndata
    import mudata

    rng = np.random.default_rng(seed)
    cells = pd.Index([f"c{i}" for i in range(n_cells)])
    parts = {}
    for name, n, density in (("rna", n_genes, RNA_DENSITY), ("atac", n_peaks, ATAC_DENSITY)):
        var = pd.DataFrame(index=[f"{name}{i}" for i in range(n)])
        x = random_rows(n_cells, n, density, rng, counts=name == "rna")
        parts[name] = anndata.AnnData(x, obs=pd.DataFrame(index=cells), var=var)
    return mudata.MuData(parts)


def random_protein(mdata, seed: int = 0):
    """The same cells with counts of proteins, as many as there are peaks, in the place of peaks."""
    import anndata
    import mudata

    counts = np.random.default_rng(seed).poisson(10, mdata["atac"].shape).astype(np.float32)
    var = pd.DataFrame(index=[f"protein{i}" for i in range(counts.shape[1])])
    protein = anndata.AnnData(counts, obs=mdata["atac"].obs, var=var)
    return mudata.MuData({"rna": mdata["rna"], "protein": protein})
