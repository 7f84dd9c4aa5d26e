from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scmog.genomics import pool_peaks

peaks = st.lists(
    st.tuples(st.sampled_from(["chr1", "2"]), st.integers(0, 30), st.integers(1, 12)).map(
        lambda item: f"{item[0]}:{item[1]}-{item[1] + item[2]}"
    ),
    max_size=10,
)


def _overlap(a: str, b: str) -> bool:
    (chrom_a, span_a), (chrom_b, span_b) = a.split(":"), b.split(":")
    return chrom_a == chrom_b and bool(
        set(range(*map(int, span_a.split("-")))) & set(range(*map(int, span_b.split("-"))))
    )


def test_sums_overlapping_peaks_and_counts_shared_ones_twice():
    query = ["chr1:0-100", "chr1:90-200", "chr1:250-450", "chr2:0-100"]
    target = ["1-50-150", "1-300-350", "1-400-500", "3-0-10"]
    pooling = pool_peaks(query, target)
    counts = sparse.csr_matrix(np.array([[1, 2, 4, 8], [0, 0, 1, 1]], dtype=np.float32))
    pooled = counts @ pooling.matrix
    assert pooled.toarray().tolist() == [[3, 4, 4, 0], [0, 1, 1, 0]]
    assert pooled.dtype == np.float32
    assert pooling.missing_targets.tolist() == [False, False, False, True]
    assert pooling.dropped_queries.tolist() == [False, False, False, True]
    assert pooling.counts == {"matched": 3, "missing": 1, "merged": 1, "used": 3, "dropped": 1, "split": 1}


@settings(deadline=None, max_examples=60)
@given(query=peaks, target=peaks)
def test_matrix_equals_brute_force(query, target):
    pooling = pool_peaks(query, target)
    hits = np.array([[_overlap(q, t) for t in target] for q in query]).reshape(len(query), len(target))
    assert pooling.matrix.shape == hits.shape
    assert np.array_equal(pooling.matrix.toarray(), hits)
    assert pooling.counts == {
        "matched": int(hits.any(axis=0).sum()),
        "missing": int((~hits.any(axis=0)).sum()),
        "merged": int((hits.sum(axis=0) > 1).sum()),
        "used": int(hits.any(axis=1).sum()),
        "dropped": int((~hits.any(axis=1)).sum()),
        "split": int((hits.sum(axis=1) > 1).sum()),
    }
    assert np.array_equal(pooling.missing_targets, ~hits.any(axis=0))
    assert np.array_equal(pooling.dropped_queries, ~hits.any(axis=1))


def test_the_same_peaks_in_another_order_are_a_permutation():
    names = [f"chr{i}:{100 * i}-{100 * i + 50}" for i in range(1, 21)]
    order = np.random.default_rng(0).permutation(20)
    counts = np.arange(60.0).reshape(3, 20)
    pooled = counts[:, order] @ pool_peaks([names[i] for i in order], names).matrix
    assert np.array_equal(pooled, counts)


def test_halved_peaks_add_up_to_the_whole():
    names = [f"chr1:{1000 * i}-{1000 * i + 500}" for i in range(10)]
    halves = [f"chr1-{1000 * i + shift}-{1000 * i + shift + 250}" for i in range(10) for shift in (0, 250)]
    pooling = pool_peaks(halves, names, min_fraction=1)
    assert pooling.counts == {"matched": 10, "missing": 0, "merged": 10, "used": 20, "dropped": 0, "split": 0}
    assert (np.ones((1, 20)) @ pooling.matrix).tolist() == [[2] * 10]


@pytest.mark.parametrize(
    ("options", "matched"),
    [
        pytest.param({}, 1, id="one-base"),
        pytest.param({"min_overlap": 10}, 1, id="enough-bases"),
        pytest.param({"min_overlap": 11}, 0, id="too-few-bases"),
        pytest.param({"min_fraction": 0.2}, 0, id="too-small-a-share"),
    ],
)
def test_limits_are_passed_on(options, matched):
    assert pool_peaks(["chr1:0-100"], ["chr1:90-190"], **options).counts["matched"] == matched


def test_nothing_to_pool():
    pooling = pool_peaks([], ["chr1:0-5", "chr1:9-12"])
    assert pooling.matrix.shape == (0, 2)
    assert pooling.counts["missing"] == 2
