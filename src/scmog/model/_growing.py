"""Matrices in a zarr group to which blocks of cells are appended, and their copy into HDF5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
import zarr

ENTRIES_PER_CHUNK = 1 << 20  # 4 MiB of float32
_PARTS = {"data": np.float32, "indices": np.int32, "indptr": np.int64}  # of CSR


class GrowingCSR:
    """CSR in a zarr group.

    Row pointers have 64 bits: the whole may have more entries than 32 bits can count.

    Parameters
    ----------
    group
        Where it is, or will be.
    name
        Of the matrix in ``group``.
    n_features
        Number of columns.
    """

    def __init__(self, group: zarr.Group, name: str, n_features: int) -> None:
        self.n_features = n_features
        if name not in group:
            of_matrix = group.create_group(name, attributes=_csr_attributes((0, n_features)))
            for part, dtype in _PARTS.items():
                of_matrix.create_array(part, shape=(0,), dtype=dtype, chunks=(ENTRIES_PER_CHUNK,))
            _append(of_matrix["indptr"], np.zeros(1, dtype=np.int64))
        self.group: Any = group[name]

    @property
    def n_rows(self) -> int:
        """Rows that are there."""
        return int(self.group["indptr"].shape[0]) - 1

    def append(self, blocks: Sequence[sp.csr_matrix]) -> None:
        """Append blocks of rows."""
        lengths = np.concatenate([np.diff(block.indptr) for block in blocks])
        _append(self.group["data"], np.concatenate([block.data for block in blocks]))
        _append(self.group["indices"], np.concatenate([block.indices for block in blocks]))
        last = self.group["indptr"][-1:]
        _append(self.group["indptr"], last + np.cumsum(lengths, dtype=np.int64))
        self._set_shape()

    def truncate(self, n_rows: int) -> None:
        """Drop all rows after the first ``n_rows``."""
        n_entries = int(self.group["indptr"][n_rows])
        self.group["indptr"].resize((n_rows + 1,))
        for part in ("data", "indices"):
            if self.group[part].shape[0] < n_entries:
                message = f"{part} holds {self.group[part].shape[0]} entries, expected {n_entries}"
                raise IndexError(message)
            self.group[part].resize((n_entries,))
        self._set_shape()

    def _set_shape(self) -> None:
        self.group.attrs["shape"] = [self.n_rows, self.n_features]


class GrowingDense:
    """Dense float32 array in a zarr group; parameters as in :class:`GrowingCSR`."""

    def __init__(self, group: zarr.Group, name: str, n_features: int) -> None:
        if name not in group:
            rows_per_chunk = max(1, ENTRIES_PER_CHUNK // max(1, n_features))
            group.create_array(
                name,
                shape=(0, n_features),
                dtype=np.float32,
                chunks=(rows_per_chunk, max(1, n_features)),
                attributes=dict(_ARRAY_ATTRIBUTES),
            )
        self.array: Any = group[name]

    @property
    def n_rows(self) -> int:
        """Rows that are there."""
        return int(self.array.shape[0])

    def append(self, blocks: Sequence[np.ndarray]) -> None:
        """Append blocks of rows."""
        _append(self.array, np.concatenate(blocks).astype(np.float32, copy=False))

    def truncate(self, n_rows: int) -> None:
        """Drop all rows after the first ``n_rows``."""
        if self.n_rows < n_rows:
            message = f"the array holds {self.n_rows} rows, expected {n_rows}"
            raise IndexError(message)
        self.array.resize((n_rows, self.array.shape[1]))


def copy_to_hdf5(element: Any, target: h5py.Group, name: str) -> None:
    """Copy a matrix that is in a zarr group into one of HDF5, a piece at a time."""
    if isinstance(element, zarr.Array):
        _copy(element, target, name).attrs.update(_ARRAY_ATTRIBUTES)
        return
    of_matrix = target.create_group(name)
    of_matrix.attrs.update(_csr_attributes(tuple(element.attrs["shape"])))
    for part in _PARTS:
        _copy(element[part], of_matrix, part)


_ARRAY_ATTRIBUTES = {"encoding-type": "array", "encoding-version": "0.2.0"}  # of anndata's format


def _csr_attributes(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": list(shape)}


def _append(array: Any, values: np.ndarray) -> None:
    start = array.shape[0]
    array.resize((start + len(values), *array.shape[1:]))
    array[start:] = values


def _copy(array: Any, target: h5py.Group, name: str) -> h5py.Dataset:
    copied = target.create_dataset(name, shape=array.shape, dtype=array.dtype)
    for rows in _pieces(array.shape[0], array.chunks[0]):
        copied[rows] = array[rows]
    return copied


def _pieces(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
