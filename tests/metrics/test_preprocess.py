from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from scipy.stats import gmean

from scmog.metrics import clr, inverse_document_frequency, log_normalize, tfidf


def _counts(dtype: type = np.float32) -> np.ndarray:
    counts = np.random.default_rng(0).poisson(0.8, (20, 9)).astype(dtype)
    counts[3] = 0
    counts[:, 4] = 0
    return counts


def _dense(matrix) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else matrix


CONTAINERS = [
    pytest.param(np.asarray, id="dense"),
    pytest.param(sparse.csr_matrix, id="csr-matrix"),
    pytest.param(sparse.csc_array, id="csc-array"),
]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("dtype", [pytest.param(np.float32, id="float32"), pytest.param(np.int64, id="int64")])
@pytest.mark.filterwarnings("ignore:Some cells have zero counts")
def test_log_normalize_agrees_with_scanpy(container, dtype):
    counts = container(_counts(dtype))
    before = _dense(counts).copy()
    result = log_normalize(counts, 12.0)
    oracle = ad.AnnData(_counts())
    sc.pp.normalize_total(oracle, target_sum=12.0)
    sc.pp.log1p(oracle)
    np.testing.assert_allclose(_dense(result), oracle.X, rtol=1e-5)
    assert sparse.issparse(result) == sparse.issparse(counts)
    assert not _dense(result)[3].any()
    np.testing.assert_array_equal(_dense(counts), before)


@pytest.mark.parametrize("container", CONTAINERS)
def test_tfidf_by_formula(container):
    counts = _counts()
    opened = counts > 0
    idf = inverse_document_frequency(container(counts))
    seen = opened.any(axis=0)
    np.testing.assert_allclose(idf[seen], len(counts) / opened.sum(axis=0)[seen])
    assert idf[4] == 0
    result = tfidf(container(counts), idf)
    assert sparse.issparse(result) == (container is not np.asarray)
    for cell in range(len(counts)):
        for peak in range(counts.shape[1]):
            share = opened[cell, peak] / max(opened[cell].sum(), 1)
            assert _dense(result)[cell, peak] == pytest.approx(np.log(1 + share * idf[peak] * 1e4), rel=1e-5)


@pytest.mark.parametrize("container", CONTAINERS)
def test_clr_agrees_with_the_geometric_mean(container):
    counts = _counts(np.float64)
    expected = np.log((counts + 1) / gmean(counts + 1, axis=1)[:, None])
    np.testing.assert_allclose(clr(container(counts)), expected, atol=1e-12)


def test_repeated_entries_are_added_before_the_logarithm():
    counts = sparse.csr_matrix((np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]), np.array([0, 3])), shape=(1, 2))
    np.testing.assert_allclose(log_normalize(counts, 6.0).toarray(), np.log1p([[3.0, 3.0]]))
    assert counts.nnz == 3


@pytest.mark.parametrize(
    ("call", "match"),
    [
        pytest.param(lambda: log_normalize(-np.ones((2, 2)), 10.0), "counts must be 0 or more", id="negative"),
        pytest.param(lambda: log_normalize(np.ones((2, 2)), 0.0), "median_total must be", id="total-zero"),
        pytest.param(lambda: log_normalize(np.ones((2, 2)), np.nan), "median_total must be", id="total-nan"),
        pytest.param(lambda: clr(np.array([[np.nan]])), "counts contains NaN", id="nan"),
        pytest.param(lambda: clr(np.array([[np.inf]])), "infinite", id="infinite"),
        pytest.param(lambda: tfidf(np.ones((2, 2)), np.ones(3)), "2 peaks of binary, got shape", id="idf-length"),
        pytest.param(lambda: tfidf(np.ones((2, 2)), np.array([1, np.inf])), "finite values", id="idf-infinite"),
    ],
)
def test_refuses(call, match):
    with pytest.raises(ValueError, match=match):
        call()
