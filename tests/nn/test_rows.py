"""Operations on sparse rows against the same ones on dense tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from scmog.nn import _rows


def dense() -> Tensor:
    """Five rows of four columns, among them an empty row and an empty column."""
    x = torch.tensor([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 4, 0, 5], [0, 0, 0, 6], [7, 0, 0, 0]])
    assert not x[1].any()
    assert not x[:, 2].any()
    return x


ROW_FACTORS, COLUMN_FACTORS = torch.arange(1.0, 6).unsqueeze(1), torch.arange(1.0, 5)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: _rows.map_values(x, torch.log1p), id="map_values"),
        pytest.param(lambda x: _rows.scale_rows(x, ROW_FACTORS), id="scale_rows"),
        pytest.param(lambda x: _rows.scale_columns(x, COLUMN_FACTORS), id="scale_columns"),
        pytest.param(_rows.row_sums, id="row_sums"),
        pytest.param(_rows.column_sums, id="column_sums"),
        pytest.param(lambda x: _rows.append_column(x, ROW_FACTORS), id="append_column"),
    ],
)
@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_same_as_dense(function: Callable[[Tensor], Tensor], index_type: torch.dtype) -> None:
    x = dense()
    csr = x.to_sparse_csr()
    rows = torch.sparse_csr_tensor(
        csr.crow_indices().to(index_type), csr.col_indices().to(index_type), csr.values(), csr.shape
    )
    ours = function(rows)
    torch.testing.assert_close(ours.to_dense() if _rows.is_sparse(ours) else ours, function(x))
    torch.testing.assert_close(rows.to_dense(), dense())  # the input is as it was


def test_entries() -> None:
    x = dense()
    for one, other in zip(_rows.entries(x.to_sparse_csr()), _rows.entries(x), strict=True):
        torch.testing.assert_close(one, other)
    rows, columns, values = _rows.entries(x)
    torch.testing.assert_close(torch.zeros(5, 4).index_put((rows, columns), values), x)


def test_append_column_stays_canonical() -> None:
    appended = _rows.append_column(dense().to_sparse_csr(), torch.zeros(5, 1))
    assert appended.crow_indices().tolist() == [0, 3, 4, 8, 10, 12]  # a zero is stored like any other value
    assert appended.col_indices().tolist() == [1, 3, 4, 4, 0, 1, 3, 4, 3, 4, 0, 4]


@pytest.mark.parametrize("size", [1, 3, 4, 100])
@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_column_blocks_hold_each_entry_once(size: int, index_type: torch.dtype) -> None:
    x = dense()
    csr = x.to_sparse_csr()
    rows = torch.sparse_csr_tensor(
        csr.crow_indices().to(index_type), csr.col_indices().to(index_type), csr.values(), csr.shape
    )
    seen = torch.zeros_like(x)
    for columns, places, row in _rows.column_blocks(rows, size):
        assert columns.stop - columns.start <= size
        assert (row.diff() >= 0).all()
        at = rows.col_indices()[places].long()
        assert ((at >= columns.start) & (at < columns.stop)).all()
        seen[row.long(), at] += rows.values()[places]
    torch.testing.assert_close(seen, x)


def test_by_column_is_the_transpose() -> None:
    starts, rows, values = _rows.by_column(dense().to_sparse_csr())
    transposed = torch.sparse_csr_tensor(starts, rows, values, (4, 5))
    torch.testing.assert_close(transposed.to_dense(), dense().T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_a_matrix(dtype: torch.dtype) -> None:
    x = torch.rand(7, 9, dtype=dtype).masked_fill(torch.rand(7, 9) < 0.6, 0)
    x[3] = 0  # a row without entries
    matrix = torch.randn(9, 4, dtype=dtype)
    torch.testing.assert_close(_rows.times(x.to_sparse_csr(), matrix), x @ matrix)
    torch.testing.assert_close(_rows.times(x, matrix), x @ matrix)


def test_to_scipy() -> None:
    x = torch.rand(5, 6).masked_fill(torch.rand(5, 6) < 0.5, 0)
    for given in (x, x.to_sparse_csr()):
        np.testing.assert_array_equal(_rows.to_scipy(given).toarray(), x.numpy())
