"""Cells as sparse rows (CSR), or dense: the few operations that statistics, inputs and losses need of both.

PyTorch's CSR tensors hold the three arrays but offer hardly any operation on them. Every function here takes either
layout and returns the same one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

with warnings.catch_warnings():  # PyTorch warns once that CSR tensors are in beta; of them we use the three arrays only
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0], [], [], (0, 0))


def is_sparse(x: Tensor) -> bool:
    """Whether a tensor holds sparse rows."""
    return x.layout == torch.sparse_csr


def to_scipy(x: Tensor) -> sp.csr_matrix:
    """The same rows as a SciPy matrix, with the zeros left out."""
    if not is_sparse(x):
        return sp.csr_matrix(x.cpu().numpy())
    return sp.csr_matrix(tuple(part.cpu().numpy() for part in (x.values(), x.col_indices(), x.crow_indices())), x.shape)


def with_values(x: Tensor, values: Tensor) -> Tensor:
    """Sparse rows with the entries of ``x`` at other ``values``."""
    return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), values, x.shape)


def entries(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row, column and value of each stored entry of sparse rows, of each non-zero one of a dense tensor."""
    if is_sparse(x):
        crow = x.crow_indices()
        rows = torch.repeat_interleave(torch.arange(len(crow) - 1, device=crow.device), crow.diff())
        return rows, x.col_indices(), x.values()
    rows, columns = x.nonzero(as_tuple=True)
    return rows, columns, x[rows, columns]


def map_values(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a function with ``function(0) = 0`` to each entry."""
    return with_values(x, function(x.values())) if is_sparse(x) else function(x)


def scale_rows(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply each row by its factor, ``(n_rows, 1)``."""
    if not is_sparse(x):
        return x * factors
    return with_values(x, x.values() * torch.repeat_interleave(factors.squeeze(1), x.crow_indices().diff()))


def scale_columns(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply each column by its factor, ``(n_columns,)``."""
    return with_values(x, x.values() * factors[x.col_indices()]) if is_sparse(x) else x * factors


def row_sums(x: Tensor) -> Tensor:
    """Sum of each row, ``(n_rows, 1)``."""
    if not is_sparse(x):
        return x.sum(dim=1, keepdim=True)
    rows, _, values = entries(x)
    return values.new_zeros(len(x)).index_add_(0, rows, values).unsqueeze(1)


def column_sums(x: Tensor) -> Tensor:
    """Sum of each column, ``(n_columns,)``."""
    if not is_sparse(x):
        return x.sum(dim=0)
    return x.values().new_zeros(x.shape[1]).index_add_(0, x.col_indices(), x.values())


def append_column(x: Tensor, column: Tensor) -> Tensor:
    """Rows with one more entry at their end, ``column`` of ``(n_rows, 1)``."""
    if not is_sparse(x):
        return torch.cat([x, column], dim=1)
    crow, n_columns = x.crow_indices(), x.shape[1]
    n_before = torch.arange(len(crow), dtype=crow.dtype, device=crow.device)  # entries put in front of each row
    new_crow = crow + n_before
    is_old = torch.ones(len(x.values()) + len(x), dtype=torch.bool, device=crow.device)
    is_old[new_crow[1:].long() - 1] = False
    columns, values = x.col_indices().new_full(is_old.shape, n_columns), x.values().new_empty(is_old.shape)
    columns[is_old], values[is_old], values[~is_old] = x.col_indices(), x.values(), column.squeeze(1)
    return torch.sparse_csr_tensor(new_crow, columns, values, (len(x), n_columns + 1))


def column_blocks(x: Tensor, size: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Sparse rows cut into blocks of ``size`` columns: the columns, and place and row of the entries in each block.

    Within a block the entries are in the order of the rows. What works block by block finds the weights of a block in
    the processor's cache each time that one of its many rows needs them.
    """
    n_rows, n_columns = x.shape
    if size >= n_columns:
        rows, _, values = entries(x)
        yield slice(0, n_columns), torch.arange(len(values), device=values.device), rows
        return
    blocks = x.col_indices().numpy() // size
    # SciPy's change from rows to columns is a counting sort, ten times as fast as sorting by block
    arrays = (np.arange(len(blocks), dtype=np.int32), blocks, x.crow_indices().numpy())
    by_block = sp.csr_matrix(arrays, (n_rows, -(-n_columns // size))).tocsc()
    places, rows = torch.from_numpy(by_block.data), torch.from_numpy(by_block.indices)
    for j, (first, end) in enumerate(zip(by_block.indptr[:-1], by_block.indptr[1:], strict=True)):
        columns = slice(j * size, min((j + 1) * size, n_columns))
        yield columns, places[first:end], rows[first:end]


def by_column(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sparse rows as columns (CSC): where each column starts, and row and value of its entries."""
    arrays = (x.values().numpy(), x.col_indices().numpy(), x.crow_indices().numpy())
    columns = sp.csr_matrix(arrays, x.shape).tocsc()
    starts, rows, values = (torch.from_numpy(a) for a in (columns.indptr, columns.indices, columns.data))
    return starts, rows, values


def sums_of_rows(matrix: Tensor, rows: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of rows of a matrix, one for each stretch of ``rows``, ``(len(starts) - 1, n_columns)``."""
    return F.embedding_bag(
        rows.to(starts.dtype), matrix, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def times(x: Tensor, matrix: Tensor) -> Tensor:
    """Rows times a narrow matrix ``(n_columns, n)``; PyTorch itself multiplies sparse rows on some processors only."""
    return sums_of_rows(matrix, x.col_indices(), x.crow_indices(), x.values()) if is_sparse(x) else x @ matrix
