from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmog.metrics import with_log_depth


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
@pytest.mark.parametrize(
    "depth",
    [
        pytest.param([np.e, 0, np.e**3], id="list"),
        pytest.param(np.array([[np.e], [1.0], [np.e**3]]), id="column"),
    ],
)
def test_appends_the_weighted_logarithm(container, depth):
    features = np.array([[1, 0], [0, 2], [3, 0]], dtype=np.float32)
    before = container(features)
    result = with_log_depth(before, depth, weight=3.0)
    assert result.dtype == np.float32
    assert sparse.issparse(result) == sparse.issparse(before)
    dense = result.toarray() if sparse.issparse(result) else result
    np.testing.assert_allclose(dense, [[1, 0, 3], [0, 2, 0], [3, 0, 9]], rtol=1e-6)


@pytest.mark.parametrize(
    ("depth", "match"),
    [
        pytest.param([1, 2], "depth must have one value for each of the 3 cells, got 2", id="cells"),
        pytest.param([1, 2, -3], "depth must be 0 or more", id="negative"),
        pytest.param([1, 2, np.inf], "depth contains infinite", id="infinite"),
        pytest.param(np.ones((3, 2)), "depth must hold one total for each cell", id="matrix"),
    ],
)
def test_refuses(depth, match):
    with pytest.raises(ValueError, match=match):
        with_log_depth(np.ones((3, 2)), depth)
