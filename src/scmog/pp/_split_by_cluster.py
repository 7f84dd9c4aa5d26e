"""Split cells by cluster, so that the model is tested on cells of another kind."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog.pp._split_by_obs import select
from scmog.pp._subset import check_writable, matrix_of, positions, require_modality
from scmog.pp._write_split import check_labels, check_splittable, groups_of, labels_of, write_split

logger = logging.getLogger(__name__)

# Exact search is quick up to here, and gives the same clusters on every machine.
_MOST_CELLS_EXACT = 30_000


def split_by_cluster(
    data: MuData | AnnData,
    *,
    resolution: float = 1.5,
    validation_clusters: Sequence[int | str] = (0,),
    test_clusters: Sequence[int | str] = (1,),
    n_pcs: int = 50,
    n_neighbors: int = 15,
    group_key: str | None = None,
    seed: int = 0,
    key_added: str = "split",
    cluster_key: str | None = None,
    modality: str | None = None,
    layer: str | None = None,
) -> None:
    """Write ``.obs[key_added]``: whole Leiden clusters of the RNA validate and test, the others train.

    The paper's split, with the settings of the authors' code: counts scaled to the median size and log-transformed,
    all genes, principal components, neighbours, Leiden. Clusters are numbered by size; the largest validates and the
    second tests. So the number of clusters sets the sizes of the parts: they are logged. Nothing of this stays in
    ``data`` but the column.

    Parameters
    ----------
    data
        MuData, or the AnnData of the RNA; only the (global) obs is changed.
    resolution
        Resolution of Leiden: higher means more and smaller clusters.
    validation_clusters, test_clusters
        Numbers of the clusters, ``0`` being the largest; one of the two may be empty.
    n_pcs
        Number of principal components, fewer where the data are smaller.
    n_neighbors
        Number of neighbours in the graph.
    group_key
        Column of obs whose groups must not be in two parts; a check only.
    seed
        Seed of all steps; the global random state is neither used nor changed.
    key_added
        Column to write; an earlier split under this name is replaced.
    cluster_key
        Column to write the clusters to; None does not.
    modality
        Name of the RNA in ``data.mod``; found by its usual names when None.
    layer
        Layer with the raw counts; None is ``.X``.

    Raises
    ------
    ImportError
        If the Leiden package is not installed.
    KeyError
        If the modality, layer or ``group_key`` does not exist.
    ValueError
        If a cluster does not exist or is in both parts, a part would be empty, a group would be in two parts, a cell
        has no RNA, the counts are not raw, ``key_added`` holds something else than a split, ``cluster_key`` exists with
        other values, or both are one. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=300, n_genes=200, n_peaks=100)
    >>> scmog.pp.split_by_cluster(mdata, cluster_key="leiden")
    """
    check_writable(data)
    check_splittable(data)
    parts = {
        SPLIT_LABELS.VALIDATION: [str(cluster) for cluster in np.atleast_1d(np.asarray(validation_clusters))],
        SPLIT_LABELS.TEST: [str(cluster) for cluster in np.atleast_1d(np.asarray(test_clusters))],
    }
    expected = [label for label, clusters in parts.items() if clusters]
    shared = set(parts[SPLIT_LABELS.VALIDATION]) & set(parts[SPLIT_LABELS.TEST])
    if not expected or shared:
        message = f"validation_clusters and test_clusters must differ and not both be empty, got {parts}."
        raise ValueError(message)
    groups = groups_of(data, group_key)
    counts = _raw_counts(data, modality, layer)
    clusters = _leiden(counts, resolution=resolution, n_pcs=n_pcs, n_neighbors=n_neighbors, seed=seed)
    masks = {
        label: select(clusters, chosen, f"the {clusters.nunique()} clusters (change resolution?)", f"{label}_clusters")
        for label, chosen in parts.items()
    }
    labels = labels_of(data.n_obs, **masks)
    check_labels(labels, expected=expected, groups=groups, group_key=group_key)
    others = {} if cluster_key is None else {cluster_key: pd.Categorical(clusters)}
    logger.info("%d clusters of %s cells", clusters.nunique(), clusters.value_counts().tolist())
    write_split(data, key_added, labels, others)


def _raw_counts(data: MuData | AnnData, modality: str | None, layer: str | None) -> sp.csr_matrix:
    """Raw RNA counts of the cells in the order of the (global) obs, a copy."""
    key, adata = require_modality(data, "rna", modality)
    rows = np.arange(data.n_obs) if isinstance(data, AnnData) else positions(data, key, "obs")
    if (rows < 0).any():
        message = f"{int((rows < 0).sum())} cells have no {key}, so they belong to no cluster; drop them first."
        raise ValueError(message)
    counts = sp.csr_matrix(matrix_of(adata, key, layer)[rows], dtype=np.float32)
    values = counts.data
    if not (np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all()):
        message = f"clustering needs raw counts: {key!r} has negative, fractional or missing values; pass layer=."
        raise ValueError(message)
    empty = int((np.asarray(counts.sum(axis=1)).ravel() == 0).sum())
    if empty:
        message = f"{empty} cells have no {key} counts at all; call scmog.pp.filter_cells first."
        raise ValueError(message)
    return counts


def _leiden(counts: sp.csr_matrix, *, resolution: float, n_pcs: int, n_neighbors: int, seed: int) -> pd.Series:
    """Clusters ``"0"``, ``"1"``, ... from large to small, by position of the cell."""
    if importlib.util.find_spec("igraph") is None:
        message = 'split_by_cluster needs igraph; install it with: pip install "scmog[leiden]"'
        raise ImportError(message)
    import scanpy as sc

    work = AnnData(counts)
    n_components = min(n_pcs, min(work.shape) - 1)
    if n_components < 1 or work.n_obs <= n_neighbors:
        message = f"too small to cluster: {work.shape} cells and genes with n_neighbors={n_neighbors}, n_pcs={n_pcs}."
        raise ValueError(message)
    sc.pp.normalize_total(work)
    sc.pp.log1p(work)
    sc.pp.pca(work, n_comps=n_components, random_state=seed)
    search = "sklearn" if work.n_obs <= _MOST_CELLS_EXACT else "pynndescent"
    sc.pp.neighbors(work, n_neighbors=n_neighbors, n_pcs=n_components, random_state=seed, transformer=search)
    sc.tl.leiden(work, resolution=resolution, random_state=seed, flavor="igraph", n_iterations=2, directed=False)
    codes = work.obs["leiden"].cat.codes.to_numpy()
    by_size = np.argsort(-np.bincount(codes), kind="stable")
    return pd.Series(np.argsort(by_size)[codes].astype(str))
