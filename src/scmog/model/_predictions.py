"""Matrices of predictions, in memory or, where they are large, in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

from scmog.metrics._arrays import blocks

_BLOCK_ENTRIES = 1 << 24  # 64 MiB of float32
_MAX_BYTES = 1 << 30  # in memory


def row_blocks(n_cells: int, n_features: int) -> Iterator[slice]:
    """Consecutive cells, in blocks whose entries fit into memory whatever the number of features."""
    return blocks(n_cells, n_features, entries=_BLOCK_ENTRIES)


def collect(parts: Iterable[np.ndarray], n_cells: int) -> np.ndarray:
    """Put blocks of cells together in float32; above 1 GiB in a file that has no name and goes with the array."""
    matrix: np.ndarray | None = None
    row = 0
    for block in parts:
        if matrix is None:
            matrix = _empty((n_cells, block.shape[1]))
        matrix[row : row + len(block)] = block
        row += len(block)
    if matrix is None or row != n_cells:
        message = f"predictions of {n_cells} cells were expected, got {row}."
        raise RuntimeError(message)
    return matrix


def _empty(shape: tuple[int, int]) -> np.ndarray:
    if 4 * shape[0] * shape[1] <= _MAX_BYTES:
        return np.empty(shape, dtype=np.float32)
    with tempfile.TemporaryFile(prefix="scmog-") as file:  # the memory map keeps it open
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)
