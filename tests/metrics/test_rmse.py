from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import root_mean_squared_error

from scmog.metrics import rmse


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.5, (40, 17))
    return truth, (truth + rng.normal(0, 1, truth.shape)).astype(np.float32)


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(lambda t: t > 0, id="bool"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_agrees_with_sklearn(container, small_blocks):
    counts, prediction = _data()
    truth = container(counts)
    dense, values = np.asarray(counts > 0 if truth.dtype == bool else counts, dtype=float), prediction.astype(float)
    assert rmse(truth, prediction) == pytest.approx(root_mean_squared_error(dense.ravel(), values.ravel()), abs=1e-12)
    by_feature = root_mean_squared_error(dense, values, multioutput="raw_values")
    np.testing.assert_allclose(rmse(truth, prediction, axis="feature"), by_feature, atol=1e-12)
    by_cell = root_mean_squared_error(dense.T, values.T, multioutput="raw_values")
    np.testing.assert_allclose(rmse(truth, prediction, axis="cell"), by_cell, atol=1e-12)


def test_by_hand():
    truth, prediction = np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([[3.0, 1.0], [-2.0, 1.0]])
    np.testing.assert_allclose(rmse(truth, prediction, axis="feature"), [np.sqrt((9 + 16) / 2), 0])
    np.testing.assert_allclose(rmse(truth, prediction, axis="cell"), [np.sqrt(9 / 2), np.sqrt(16 / 2)])
    assert rmse(truth, prediction) == 2.5
