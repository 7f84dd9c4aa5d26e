from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scmog.pp import _matrices
from scmog.pp._merge_counts import Part, stack_counts

KINDS = {
    "csr_matrix": sp.csr_matrix,
    "csr_array": sp.csr_array,
    "csc_matrix": sp.csc_matrix,
    "dense": np.asarray,
}


@pytest.fixture(params=[1, 2**24], ids="block of {}".format, autouse=True)
def _block(request, monkeypatch):
    monkeypatch.setattr(_matrices, "_BLOCK_ENTRIES", request.param)


def _part(seed, kind, n_features, dtype=np.float32):
    rng = np.random.default_rng(seed)
    dense = rng.poisson(0.5, size=(rng.integers(1, 6), rng.integers(1, 7))).astype(dtype)
    target = rng.integers(-1, n_features, size=dense.shape[1])
    rows = rng.permutation(len(dense))
    return dense, Part(name="x", counts=KINDS[kind](dense), rows=rows, target=target)


def _expected(dense, part, n_features):
    result = np.zeros((len(dense), n_features))
    for new, cell in enumerate(part.rows):
        for feature, target in enumerate(part.target):
            if target >= 0:
                result[new, target] += dense[cell, feature]
    return result


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), kinds=st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=3))
def test_equals_a_loop(seed, kinds):
    parts = [_part([seed, number], kind, 4) for number, kind in enumerate(kinds)]
    stacked = stack_counts([part for _, part in parts], 4)
    expected = np.concatenate([_expected(dense, part, 4) for dense, part in parts])
    assert sp.issparse(stacked) != all(kind == "dense" for kind in kinds)
    if sp.issparse(stacked):
        assert stacked.format == "csr"
        assert stacked.has_canonical_format
        assert (stacked.data != 0).all()
        assert stacked.data.base is None or stacked.data.base.size == stacked.nnz  # nothing is kept in reserve
        stacked = stacked.toarray()
    np.testing.assert_array_equal(stacked, expected)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        pytest.param((np.uint8, np.uint8), np.int32, id="small integers are widened"),
        pytest.param((np.uint8, np.float32), np.float32, id="mixed"),
        pytest.param((np.int64, np.int32), np.int64, id="wider stays"),
        pytest.param((bool, bool), np.int32, id="truth values"),
        pytest.param((np.float64, np.float32), np.float64, id="doubles"),
    ],
)
def test_sums_do_not_overflow(dtypes, expected):
    counts = [sp.csr_matrix(np.full((1, 3), 200).astype(dtype)) for dtype in dtypes]
    parts = [Part(name="x", counts=c, rows=np.array([0]), target=np.zeros(3, dtype=int)) for c in counts]
    stacked = stack_counts(parts, 1)
    assert stacked.dtype == expected
    assert stacked.toarray().tolist() == [[3.0 if dtype is bool else 600.0] for dtype in dtypes]


@pytest.mark.parametrize("wrong", [-1.0, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_no_counts_are_refused(wrong, kind):
    dense, part = np.array([[1.0, wrong]]), np.array([0])
    with pytest.raises(ValueError, match="'rna' of data set 'a' must hold raw counts"):
        stack_counts(
            [Part(name="'rna' of data set 'a'", counts=KINDS[kind](dense), rows=part, target=np.array([0, 1]))], 2
        )


def test_other_matrices_are_refused():
    part = Part(name="x of 'a'", counts=sp.coo_matrix((2, 2)), rows=np.arange(2), target=np.arange(2))
    with pytest.raises(TypeError, match="x of 'a' must be a CSR, CSC or dense matrix in memory"):
        stack_counts([part], 2)
