from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scmog.metrics import TrainingMean


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_predicts_the_mean_of_the_training_cells(container):
    rng = np.random.default_rng(0)
    source, target = rng.poisson(1.0, (30, 6)).astype(np.float32), (rng.random((30, 8)) < 0.3).astype(np.float32)
    baseline = TrainingMean().fit(container(source), container(target))
    prediction = baseline.predict(source[:4])
    assert prediction.shape == (4, 8)
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (4, 1)), rtol=1e-6)
    assert baseline.parameters == {}


def test_mean_of_many_cells_is_summed_in_double_precision():
    value = np.float32(0.1)
    target = sparse.csr_array(np.full((200_000, 1), value))
    mean = TrainingMean().fit(np.zeros((200_000, 1), dtype=np.float32), target).state()["target_mean"]
    assert mean[0] == value
