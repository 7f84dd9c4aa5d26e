"""The two output formats of Cell Ranger, as one table of counts."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

GENES = "Gene Expression"
PEAKS = "Peaks"
PROTEINS = "Antibody Capture"

_MATRIX = {"barcodes", "data", "indices", "indptr", "shape"}
_FEATURES = {"id", "name", "feature_type"}
_LEGACY = {*_MATRIX, "genes", "gene_names"}
# The last one is Cell Ranger ATAC's.
_FEATURE_FILES = ("features.tsv", "genes.tsv", "peaks.bed")
_FEATURE_COLUMNS = ["gene_ids", "name", "feature_types", "chrom", "start", "end"]


class CountTable(NamedTuple):
    """Raw counts (cells x features) with names, which need not be unique yet."""

    counts: sp.csr_matrix
    cells: pd.Index
    var: pd.DataFrame


def read_h5(path: Path, *, genome: str | None) -> CountTable:
    """All features of a Cell Ranger ``.h5`` file, of version 2 or of 3 and newer.

    ``.var`` has at least ``gene_ids``, ``feature_types`` and ``genome``, and what else the file says of its features;
    ``""`` where it says nothing.

    Raises
    ------
    ValueError
        If it is no such file, or holds several genomes of which none was chosen.
    """
    import scanpy

    genomes = _check_h5(path)
    if genomes is not None:
        genome = _choose(genomes, genome, path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*names are not unique")
        adata = scanpy.read_10x_h5(path, genome=None if genomes is None else genome, gex_only=False)
    if genomes is not None:
        return CountTable(adata.X, adata.obs_names, adata.var.assign(feature_types=GENES, genome=genome))
    # scanpy's own choice of a genome would drop the antibodies, which have none.
    var = adata.var if "genome" in adata.var else adata.var.assign(genome="")
    there = sorted(set(var["genome"]) - {""})
    if genome is None and not there:
        return CountTable(adata.X, adata.obs_names, var)
    keep = var["genome"].isin([_choose(there, genome, path), ""]).to_numpy()
    return CountTable(adata.X if keep.all() else adata.X[:, keep], adata.obs_names, var[keep])


def _check_h5(path: Path) -> list[str] | None:
    """Genomes of a version 2 file; None for newer ones, which say the genome of each feature."""
    try:
        with h5py.File(path) as file:
            groups: dict[str, Any] = {name: item for name, item in file.items() if isinstance(item, h5py.Group)}
            if "matrix" in groups:
                features = groups["matrix"].get("features", {})
                absent = (_MATRIX - set(groups["matrix"])) | (_FEATURES - set(features))
            else:
                absent = set().union(*(_LEGACY - set(group) for group in groups.values())) if groups else _LEGACY
            found = list(file)
    except OSError as error:
        message = f"{path} is not an HDF5 file ({error}); expected the .h5 output of Cell Ranger."
        raise ValueError(message) from error
    if absent:
        message = (
            f"{path} is not a Cell Ranger .h5 file: it holds {found[:5]} and lacks {sorted(absent)}. Expected the "
            "filtered_feature_bc_matrix.h5 (or filtered_gene_bc_matrices_h5.h5) of an outs directory."
        )
        raise ValueError(message)
    return None if "matrix" in groups else list(groups)


def _choose(genomes: list[str], genome: str | None, path: Path) -> str:
    if genome is None and len(genomes) == 1:
        return genomes[0]
    if genome not in genomes:
        asked = "no genome was chosen" if genome is None else f"genome {genome!r} is not among them"
        message = f"{path} holds the genomes {genomes}, and {asked}; pass genome= with one of them."
        raise ValueError(message)
    return genome


def read_mtx(directory: Path, *, prefix: str | None) -> CountTable:
    """All features of a directory with ``matrix.mtx``, ``barcodes.tsv`` and features, each plain or gzipped.

    ``.var`` has ``gene_ids`` and ``feature_types``, and ``interval`` where the file has positions.

    Raises
    ------
    ValueError
        If a file is missing or unreadable, or the files don't fit each other.
    """
    prefix = _find_prefix(directory) if prefix is None else prefix
    matrix, barcodes = (_find(directory, prefix, name) for name in ("matrix.mtx", "barcodes.tsv"))
    features = _find(directory, prefix, *_FEATURE_FILES)
    counts = read_matrix_market(matrix)
    cells = read_names(barcodes)[0]
    var = _read_features(features)
    check_shape(counts, var.index, cells, matrix)
    return CountTable(counts, pd.Index(cells), var)


def _find_prefix(directory: Path) -> str:
    found = sorted({path.name.removesuffix(".gz") for path in directory.glob("*matrix.mtx*")})
    prefixes = [name.removesuffix("matrix.mtx") for name in found if name.endswith("matrix.mtx")]
    if len(prefixes) == 1:
        return prefixes[0]
    if prefixes:
        message = f"{directory} holds several matrices: {found}. Pass prefix=, one of {prefixes}."
    else:
        files = sorted(path.name for path in directory.iterdir())[:8]
        message = f"{directory} holds no matrix.mtx or matrix.mtx.gz, but {files}; expected an output of Cell Ranger."
    raise ValueError(message)


def _find(directory: Path, prefix: str, *names: str) -> Path:
    candidates = [directory / f"{prefix}{name}{ending}" for name in names for ending in (".gz", "")]
    for path in candidates:
        if path.is_file():
            return path
    message = f"{directory} lacks {' or '.join(path.name for path in candidates)}."
    raise ValueError(message)


def read_matrix_market(path: Path) -> sp.csr_matrix:
    """Sparse matrix of a MatrixMarket file with features in rows, transposed to cells x features, float32.

    Raises
    ------
    ValueError
        If the file is damaged or not sparse.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The default value for `spmatrix`")  # either kind will do
            matrix = scipy.io.mmread(path)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        message = f"{path} could not be read as a MatrixMarket file ({type(error).__name__}: {error})."
        raise ValueError(message) from error
    if not sp.issparse(matrix):
        message = f"{path} is a dense MatrixMarket file; expected coordinates (%%MatrixMarket matrix coordinate)."
        raise ValueError(message)
    return sp.csr_matrix(matrix.T, dtype=np.float32)


def read_names(path: Path, *, comment: str | None = None) -> pd.DataFrame:
    """A table without header, as text, ``""`` where there is nothing; plain or gzipped, ending in ``.gz``.

    Raises
    ------
    ValueError
        If the file is empty or damaged.
    """
    try:
        table = pd.read_csv(path, sep="\t", header=None, dtype=str, quoting=3, keep_default_na=False, comment=comment)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        message = f"{path} could not be read as a table ({type(error).__name__}: {error})."
        raise ValueError(message) from error
    return table.fillna("")  # where a line is short


def check_shape(counts: sp.csr_matrix, features: pd.Index, cells: pd.Series, path: Path) -> None:
    """Raise a ValueError unless the matrix (cells x features) fits its names."""
    if counts.shape != (len(cells), len(features)):
        message = (
            f"{path} has {counts.shape[1]} rows and {counts.shape[0]} columns, but the files beside it name "
            f"{len(features)} features and {len(cells)} cells."
        )
        raise ValueError(message)


def _read_features(path: Path) -> pd.DataFrame:
    if "peaks.bed" in path.name:
        return read_bed(path).assign(feature_types=PEAKS)
    table = read_names(path)
    table = table.iloc[:, : len(_FEATURE_COLUMNS)].set_axis(_FEATURE_COLUMNS[: table.shape[1]], axis="columns")
    names = table["name"] if "name" in table else table["gene_ids"]
    types = table["feature_types"] if "feature_types" in table else GENES
    var = pd.DataFrame({"gene_ids": table["gene_ids"], "feature_types": types})
    if "end" in table:
        known = (table[["chrom", "start", "end"]] != "").all(axis="columns")
        var["interval"] = (table["chrom"] + ":" + table["start"] + "-" + table["end"]).where(known, "")
    return var.set_axis(pd.Index(names))


def read_bed(path: Path) -> pd.DataFrame:
    """Peaks of a BED file, named ``chr1:100-200``, without columns.

    Raises
    ------
    ValueError
        If it has fewer than three columns, is empty or damaged.
    """
    table = read_names(path, comment="#")
    if table.shape[1] < len(("chrom", "start", "end")):
        message = f"{path}: a BED file has chromosome, start and end in three columns; found {table.shape[1]}."
        raise ValueError(message)
    return pd.DataFrame(index=pd.Index(table[0] + ":" + table[1] + "-" + table[2]))
