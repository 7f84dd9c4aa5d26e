"""Generated modalities on disk, written block by block."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
import zarr
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset, write_elem

from scmog.model._output import Thresholding, binarise, ones_like

_ROWS_PER_CHUNK = 256  # of a dense matrix on disk


def write_blocks(
    path: str | Path, blocks: Iterator[np.ndarray], thresholding: Thresholding | None, skeleton: AnnData
) -> AnnData:
    """Write blocks of cells as they come, and return an AnnData whose matrices stay on disk.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr``; must not exist. Removed again if a block fails.
    blocks
        Generated values, each ``(n_cells, n_features)``, together all cells of ``skeleton`` in order.
    thresholding
        Where it has a cut, ``.X`` and one layer are written as CSR with 64-bit row pointers.
    skeleton
        Cells, features and notes; no matrix.

    Raises
    ------
    ValueError
        If the ending is another one.
    FileExistsError
        If the path exists.
    """
    path = Path(path)
    check_store(path)
    try:
        if path.suffix == ".h5ad":
            with h5py.File(path, "w") as file:
                _write(file, blocks, thresholding, skeleton)
        else:
            _write(zarr.open_group(str(path), mode="w"), blocks, thresholding, skeleton)
    except BaseException:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise
    return open_store(path)


def check_store(path: Path) -> None:
    """Raise unless ``path`` can be written to."""
    if path.suffix not in (".h5ad", ".zarr"):
        message = f"store must end in .h5ad or .zarr, got {str(path)!r}."
        raise ValueError(message)
    if path.exists():
        message = f"store {str(path)!r} exists; remove it or choose another name."
        raise FileExistsError(message)


def open_store(path: str | Path) -> AnnData:
    """AnnData whose ``.X`` and layers are read from disk when they are asked for."""
    path = Path(path)
    group: Any = h5py.File(path, "r") if path.suffix == ".h5ad" else zarr.open_group(str(path), mode="r")
    layers = {name: _lazy(group["layers"][name]) for name in group["layers"]}
    frames = {name: read_elem(group[name]) for name in ("obs", "var", "uns")}
    return AnnData(_lazy(group["X"]), **frames, layers=layers)


def _lazy(element: Any) -> Any:
    return sparse_dataset(element) if "indptr" in getattr(element, "keys", list)() else element


@contextmanager
def _quiet_zarr() -> Iterator[None]:
    """Notes of anndata on the zarr formats of its next releases."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*zarr v", category=UserWarning)
        yield


@_quiet_zarr()
def _write(group: Any, blocks: Iterator[np.ndarray], thresholding: Thresholding | None, skeleton: AnnData) -> None:
    write_elem(group, "/", skeleton)
    row = 0
    for block in blocks:
        if thresholding is None or thresholding.cut is None:
            _write_rows(group, block.astype(np.float32, copy=False), row, skeleton.shape)
        else:
            scores = binarise(block, thresholding.cut)
            _append(group, "X", ones_like(scores), first=row == 0)
            _append(group["layers"], thresholding.layer, scores, first=row == 0)
        row += len(block)


def _append(group: Any, name: str, matrix: sp.csr_matrix, *, first: bool) -> None:
    if not first:
        sparse_dataset(group[name]).append(matrix)
        return
    # 64 bits from the start: the whole may have more entries than the row pointers of one block can count
    matrix = matrix.copy()
    matrix.indptr = matrix.indptr.astype(np.int64)
    write_elem(group, name, matrix)


def _write_rows(group: Any, block: np.ndarray, row: int, shape: tuple[int, int]) -> None:
    if row == 0:
        if "X" in group:
            del group["X"]
        make = group.create_array if isinstance(group, zarr.Group) else group.create_dataset
        array = make("X", shape=shape, dtype=np.float32, chunks=(min(_ROWS_PER_CHUNK, shape[0]), shape[1]))
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    group["X"][row : row + len(block)] = block
