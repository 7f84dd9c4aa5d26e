"""Generated modalities on disk, written block by block; a run that was killed is taken up again."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import scipy.sparse as sp
import zarr
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset, write_elem

from scmog.model._growing import GrowingCSR, GrowingDense, copy_to_hdf5
from scmog.model._output import Thresholding, ones_like
from scmog.model._unfinished import UnfinishedStore, UnfinishedStoreError

logger = logging.getLogger(__name__)

Block: TypeAlias = np.ndarray | sp.csr_matrix  # generated values of some cells: all of them, or those above the cut

# What has been generated is put on disk when it makes some chunks, so that few are written twice, or after this time.
_ENTRIES_PER_COMMIT = 1 << 22
_SECONDS_PER_COMMIT = 30.0


def write_blocks(
    path: str | Path,
    blocks: Callable[[int], Iterable[Block]],
    thresholding: Thresholding | None,
    skeleton: AnnData,
    *,
    request: Mapping[str, Any],
) -> AnnData:
    """Write blocks of cells as they come, and return an AnnData whose matrices stay on disk.

    If the process is killed or interrupted, or an error comes after some cells had been written, the next call with
    the same request goes on after the cells that are complete. After an earlier error nothing is left.

    Parameters
    ----------
    path
        ``.h5ad`` or ``.zarr``; must not exist.
    blocks
        From the number of cells that are there, generated values of the others: blocks ``(n_cells, n_features)``, in
        the order of ``skeleton``; dense or, where ``thresholding`` has a cut, the scores above it.
    thresholding
        Where it has a cut, ``.X`` and one layer are written as CSR with 64-bit row pointers.
    skeleton
        Cells, features and notes; no matrix.
    request
        What determines the blocks, as plain values: by it an unfinished store is recognised.

    Raises
    ------
    ValueError
        If the ending is another one.
    FileExistsError
        If the path exists, or an unfinished store of something else.
    UnfinishedStoreError
        If the unfinished store is damaged, or another process goes on with it.
    """
    path = Path(path)
    check_store(path)
    unfinished = UnfinishedStore(path, request)
    try:
        unfinished.finish(_write(unfinished, blocks, thresholding, skeleton))
    except UnfinishedStoreError:
        raise
    except Exception as error:
        # A full disk or too little memory can be mended, and hours of work are not to be thrown away for it.
        if unfinished.n_rows:
            error.add_note(_kept(unfinished, skeleton.n_obs))
        else:
            unfinished.remove()
        raise
    except BaseException:  # interrupted
        logger.warning(_kept(unfinished, skeleton.n_obs))
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


def _kept(unfinished: UnfinishedStore, n_cells: int) -> str:
    return (
        f"{unfinished.n_rows:,} of {n_cells:,} cells are kept in {str(unfinished.directory)!r}; the same call goes on "
        "after them."
    )


@contextmanager
def _quiet_zarr() -> Iterator[None]:
    """Notes of anndata on the zarr formats of its next releases."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*zarr v", category=UserWarning)
        yield


@_quiet_zarr()
def _write(
    unfinished: UnfinishedStore,
    blocks: Callable[[int], Iterable[Block]],
    thresholding: Thresholding | None,
    skeleton: AnnData,
) -> Path:
    """Make the complete store inside the directory; where it is."""
    matrices = _matrices(unfinished, thresholding, skeleton)
    if unfinished.n_rows:
        logger.info("%s: %d of %d cells are there; going on.", unfinished.path, unfinished.n_rows, skeleton.n_obs)
    if unfinished.n_rows < skeleton.n_obs:
        for ready in _gathered(blocks(unfinished.n_rows)):
            unfinished.check_writer()
            _append(matrices, ready)
            unfinished.commit(unfinished.n_rows + sum(block.shape[0] for block in ready))
    if unfinished.path.suffix == ".zarr":
        return unfinished.group_path
    return _as_h5ad(unfinished, list(matrices), skeleton)


def _matrices(
    unfinished: UnfinishedStore, thresholding: Thresholding | None, skeleton: AnnData
) -> dict[str, GrowingCSR | GrowingDense]:
    """The matrices of the store by their place, with the complete rows and no others."""
    sparse = thresholding is not None and thresholding.cut is not None
    places = ["X", f"layers/{thresholding.layer}"] if thresholding is not None and sparse else ["X"]
    make = GrowingCSR if sparse else GrowingDense
    if not unfinished.n_rows or not unfinished.group_path.exists():
        unfinished.start_again()
        # names first: until all rows are there, no reader takes the group for an AnnData, as their numbers differ
        write_elem(zarr.open_group(str(unfinished.group_path), mode="w"), "/", skeleton)
    try:
        group = zarr.open_group(str(unfinished.group_path), mode="r+")
        if "X" in group and not unfinished.n_rows:
            del group["X"]  # some versions of anndata write that there is none
        matrices = {place: make(group, place, skeleton.n_vars) for place in places}
        for matrix in matrices.values():
            matrix.truncate(unfinished.n_rows)  # also where the rows are right: their parts are written one by one
    except (OSError, KeyError, IndexError, ValueError) as error:
        if not unfinished.n_rows:
            raise
        message = (
            f"{str(unfinished.directory)!r} should hold {unfinished.n_rows:,} complete cells and is damaged "
            f"({type(error).__name__}: {error}); remove it to start again."
        )
        raise UnfinishedStoreError(message) from error
    return matrices


def _gathered(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Blocks, as many together as are to be written at once."""
    ready: list[Block] = []
    n_entries, since = 0, time.monotonic()
    for block in blocks:
        ready.append(block)
        n_entries += block.size  # of CSR: its entries
        if n_entries >= _ENTRIES_PER_COMMIT or time.monotonic() - since > _SECONDS_PER_COMMIT:
            yield ready
            ready, n_entries, since = [], 0, time.monotonic()
    if ready:
        yield ready


def _append(matrices: Mapping[str, Any], ready: list[Block]) -> None:
    for place, matrix in matrices.items():
        ones = place == "X" and isinstance(matrix, GrowingCSR)
        matrix.append([ones_like(block, copy=False) for block in ready] if ones else ready)


def _as_h5ad(unfinished: UnfinishedStore, places: list[str], skeleton: AnnData) -> Path:
    made = unfinished.directory / "store.h5ad"
    group = zarr.open_group(str(unfinished.group_path), mode="r")
    with h5py.File(made, "w") as file:
        write_elem(file, "/", skeleton)
        if "X" in file:
            del file["X"]
        for place in places:
            *parents, name = place.split("/")
            copy_to_hdf5(group[place], file["/".join(parents)] if parents else file, name)
    return made
