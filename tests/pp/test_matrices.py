from __future__ import annotations

import tracemalloc
from unittest import mock

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.pp import _matrices
from scmog.pp._matrices import count_nonzero, take_out

KINDS = {
    "csr_matrix": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc_matrix": sp.csc_matrix,
    "csc_array": sp.csc_array,
    "dense": np.asarray,
}


@pytest.fixture(params=[1, 7, 2**24], ids="block of {}".format, autouse=True)
def _block(request, monkeypatch):
    monkeypatch.setattr(_matrices, "_BLOCK_ENTRIES", request.param)


def _random(seed, shape=(23, 17)):
    rng = np.random.default_rng(seed)
    return rng.poisson(0.4, size=shape).astype(np.float32), rng


@pytest.mark.parametrize("kind", KINDS)
def test_counts_equal_numpy(kind):
    dense, rng = _random(0)
    rows, columns = rng.random(23) < 0.5, rng.random(17) < 0.5
    matrix = KINDS[kind](dense)
    for masks in ({}, {"rows": rows}, {"columns": columns}, {"rows": rows, "columns": columns}):
        per_row, per_column = count_nonzero(matrix, "x", **masks)
        np.testing.assert_array_equal(per_row, (dense[:, masks.get("columns", slice(None))] > 0).sum(axis=1))
        np.testing.assert_array_equal(per_column, (dense[masks.get("rows", slice(None))] > 0).sum(axis=0))


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix])
def test_stored_zeros_and_duplicates_count_as_numpy_and_stay(kind):
    # (0, 0) is stored twice, (0, 2) is a stored zero, (1, 1) is stored as 1 twice
    matrix = sp.csr_matrix(
        (np.array([1.0, 2.0, 0.0, 1.0, 1.0]), np.array([0, 0, 2, 1, 1]), np.array([0, 3, 5])), shape=(2, 3)
    )
    matrix = matrix if kind is sp.csr_matrix else matrix.tocsc()
    before = matrix.data.copy(), matrix.indices.copy(), matrix.indptr.copy()
    per_row, per_column = count_nonzero(matrix, "x")
    assert (per_row.tolist(), per_column.tolist()) == ([1, 1], [1, 1, 0])
    for now, then in zip((matrix.data, matrix.indices, matrix.indptr), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_values_that_are_no_counts_are_refused(wrong):
    dense, _ = _random(1)
    dense[3, 4] = wrong
    with pytest.raises(ValueError, match="must hold counts"):
        count_nonzero(sp.csr_matrix(dense), "x")


def test_other_formats_are_refused():
    with pytest.raises(TypeError, match="x must be a CSR, CSC or dense matrix"):
        count_nonzero(sp.coo_matrix((2, 2)), "x")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(list(KINDS)), ordered=st.booleans())
def test_take_equals_numpy(seed, kind, ordered):
    dense, rng = _random(seed)
    rows = rng.choice(23, size=rng.integers(0, 24), replace=False)
    columns = rng.choice(17, size=rng.integers(0, 18), replace=False)
    if ordered:
        rows, columns = np.sort(rows), np.sort(columns)
    matrix = KINDS[kind](dense)
    taken = take_out({"x": matrix}, "x", rows, columns)
    assert type(taken) is type(matrix)
    assert taken.dtype == matrix.dtype
    np.testing.assert_array_equal(taken.toarray() if sp.issparse(taken) else taken, dense[rows][:, columns])


def test_take_copies():
    matrix = sp.csr_matrix(np.eye(3))
    store = {"x": matrix, "y": None}
    taken = take_out(store, "x", np.arange(3), np.arange(3))
    assert list(store) == ["y"]
    taken.data[:] = 7
    np.testing.assert_array_equal(matrix.toarray(), np.eye(3))


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_array])
def test_take_gives_memory_back(kind):
    """Half a matrix more than at the start where all but one row and column stay; two whole ones otherwise."""
    matrix = kind(sp.random_array((1000, 1000), density=0.5, format="csr", rng=np.random.default_rng(0)))
    size = matrix.data.nbytes + matrix.indices.nbytes
    values = matrix.data.nbytes
    store, stay = {"x": matrix}, np.arange(1, 1000)
    del matrix
    tracemalloc.start()
    store["x"] = store["x"].copy()
    with mock.patch.object(_matrices, "_BLOCK_ENTRIES", 1000):
        taken = take_out(store, "x", stay, stay)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now == pytest.approx(size, rel=0.05)
    assert peak < 1.05 * (size + values)
    assert taken.nnz > 0.99 * values / 8
