"""The file formats of the SNARE-seq and SHARE-seq series on GEO."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from mudata import MuData

from scmog.datasets._assemble import counts_table, new_mudata, with_peak_positions
from scmog.datasets._cell_ranger import check_shape, read_bed, read_matrix_market, read_names

logger = logging.getLogger(__name__)

_GENES_AT_A_TIME = 500  # times some 40,000 cells, dense: 160 MB


def read_snare_seq(files: Mapping[str, Path]) -> MuData:
    """Paired cells of SNARE-seq: for RNA and ATAC each a MatrixMarket file, the cells and the features.

    Parameters
    ----------
    files
        Paths of ``rna_counts``, ``rna_cells``, ``rna_genes``, ``atac_counts``, ``atac_cells`` and ``atac_peaks``.

    Raises
    ------
    ValueError
        If a file is damaged, the files don't fit each other, or no cell has both modalities.
    """
    parts = {}
    for modality, features in (("rna", "genes"), ("atac", "peaks")):
        path = files[f"{modality}_counts"]
        counts, cells = read_matrix_market(path), read_names(files[f"{modality}_cells"])[0]
        names = pd.Index(read_names(files[f"{modality}_{features}"])[0])
        check_shape(counts, names, cells, path)
        parts[modality] = (counts, pd.Index(cells), pd.DataFrame(index=names))
    (rna, rna_cells, genes), (atac, atac_cells, peaks) = parts["rna"], parts["atac"]
    cells, rows, columns = rna_cells.intersection(atac_cells, sort=False), rna_cells, atac_cells
    return _paired(
        rna[rows.get_indexer(cells)], genes, atac[columns.get_indexer(cells)], peaks, cells, len(rows), len(columns)
    )


def read_share_seq(files: Mapping[str, Path]) -> MuData:
    """Paired cells of SHARE-seq: RNA as a dense text table, ATAC as MatrixMarket, and a table that pairs the barcodes.

    Cells are named by their RNA barcode, with dots; ``.obs["cell_type"]`` holds the authors' label. Cells without a
    label are left out, as the authors' filters did not keep them.

    Parameters
    ----------
    files
        Paths of ``rna_counts``, ``atac_counts``, ``atac_cells``, ``atac_peaks`` and ``cell_types``.

    Raises
    ------
    ValueError
        If a file is damaged, the files don't fit each other, or no cell has both modalities.
    """
    rna, genes, rna_cells = _read_dense_text(files["rna_counts"])
    atac, atac_cells = read_matrix_market(files["atac_counts"]), read_names(files["atac_cells"])[0]
    peaks = read_bed(files["atac_peaks"])
    check_shape(atac, peaks.index, atac_cells, files["atac_counts"])
    labels = _read_labels(files["cell_types"])
    rna_cells, atac_cells = _with_dots(rna_cells), _with_dots(pd.Index(atac_cells))
    # The ATAC matrix is labelled with the RNA barcodes of its cells in one set, with its own in another.
    key = max(("rna.bc", "atac.bc"), key=lambda name: int(labels[name].isin(atac_cells).sum()))
    paired = labels[labels["rna.bc"].isin(rna_cells) & labels[key].isin(atac_cells)]
    cells = pd.Index(paired["rna.bc"])
    rows, columns = rna_cells.get_indexer(cells), atac_cells.get_indexer(pd.Index(paired[key]))
    mdata = _paired(rna[rows], genes, atac[columns], peaks, cells, len(rna_cells), len(atac_cells))
    cell_type = pd.Categorical(paired["celltype"])
    for part in (mdata, *mdata.mod.values()):
        part.obs["cell_type"] = cell_type
    return mdata


def _paired(
    rna: sp.csr_matrix,
    genes: pd.DataFrame,
    atac: sp.csr_matrix,
    peaks: pd.DataFrame,
    cells: pd.Index,
    n_rna: int,
    n_atac: int,
) -> MuData:
    if not len(cells):
        message = f"no cell has both modalities: the {n_rna} RNA and {n_atac} ATAC barcodes don't match."
        raise ValueError(message)
    logger.info("%d paired cells of %d with RNA and %d with ATAC", len(cells), n_rna, n_atac)
    return new_mudata(
        {
            "rna": counts_table(rna, cells, genes, "rna"),
            "atac": counts_table(atac, cells, with_peak_positions(peaks), "atac"),
        }
    )


def _with_dots(barcodes: pd.Index) -> pd.Index:
    """``R1.01,R2.09,R3.22,P1.48`` of some files as ``R1.01.R2.09.R3.22.P1.48`` of others."""
    return barcodes.str.replace(",", ".")


def _read_labels(path: Path) -> pd.DataFrame:
    table = read_names(path)
    table = table.iloc[1:].set_axis(table.iloc[0], axis="columns").reset_index(drop=True)
    absent = [name for name in ("atac.bc", "rna.bc", "celltype") if name not in table]
    if absent:
        message = f"{path} lacks the columns {absent}; it has {list(table.columns)}."
        raise ValueError(message)
    return table.assign(**{name: _with_dots(pd.Index(table[name])) for name in ("atac.bc", "rna.bc")})


def _read_dense_text(path: Path) -> tuple[sp.csr_matrix, pd.DataFrame, pd.Index]:
    """Counts (cells x genes), genes and cells of a table with a gene in each row, read some rows at a time."""
    blocks, genes, cells = [], [], pd.Index([])
    try:
        with pd.read_csv(path, sep="\t", index_col=0, chunksize=_GENES_AT_A_TIME, na_filter=False) as reader:
            for block in reader:
                blocks.append(sp.csc_matrix(block.to_numpy(dtype=np.float32).T))
                genes += [str(name) for name in block.index]
                cells = block.columns
    except (EOFError, OSError, ValueError, zlib.error) as error:
        message = f"{path} could not be read as a table of counts ({type(error).__name__}: {error})."
        raise ValueError(message) from error
    if not genes:
        message = f"{path} holds no genes."
        raise ValueError(message)
    return sp.hstack(blocks, format="csr"), pd.DataFrame(index=pd.Index(genes)), cells
