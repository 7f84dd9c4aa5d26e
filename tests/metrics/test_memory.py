"""No score copies the whole of a memory map or makes a sparse truth dense."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from scmog.metrics import (
    _arrays,
    _ranks,
    auprc,
    auroc,
    brier_skill,
    calibration_slope,
    correlation_matrix_distance,
    expected_calibration_error,
    pearson,
    pseudobulk_correlation,
    rmse,
    spearman,
    variance_share,
)

SHAPE = (2000, 2000)  # 16 MB of float32


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sparse 0/1 with 1 % of ones, and a memory map of probabilities."""
    rng = np.random.default_rng(0)
    scores = np.memmap(tmp_path_factory.mktemp("scores") / "scores.dat", np.float32, "w+", shape=SHAPE)
    scores[:] = rng.beta(0.5, 40, SHAPE)
    truth = sparse.csr_array((rng.random(SHAPE, dtype=np.float32) < scores).astype(np.float32))
    scores.flush()
    return truth, np.memmap(scores.filename, np.float32, "r", shape=SHAPE)


@pytest.mark.parametrize(
    "score",
    [
        pytest.param(lambda t, s: auroc(t, s), id="auroc-flat"),
        pytest.param(lambda t, s: auroc(t, s, axis="feature"), id="auroc-feature"),
        pytest.param(lambda t, s: auroc(t, s, axis="cell"), id="auroc-cell"),
        pytest.param(lambda t, s: auprc(t, s), id="auprc-flat"),
        pytest.param(lambda t, s: auprc(t, s, axis="feature"), id="auprc-feature"),
        pytest.param(lambda t, s: spearman(t, s), id="spearman-flat"),
        pytest.param(lambda t, s: spearman(t, s, axis="feature"), id="spearman-feature"),
        pytest.param(lambda t, s: spearman(t, s, axis="cell"), id="spearman-cell"),
        pytest.param(lambda t, s: pearson(t, s, axis="feature"), id="pearson-feature"),
        pytest.param(lambda t, s: rmse(t, s), id="rmse"),
        pytest.param(lambda t, s: brier_skill(t, s, np.full(SHAPE[1], 0.01)), id="brier"),
        pytest.param(lambda t, s: expected_calibration_error(t, s), id="calibration-error"),
        pytest.param(lambda t, s: calibration_slope(t, s), id="calibration-slope"),
        pytest.param(lambda t, s: pseudobulk_correlation(t, s, np.arange(SHAPE[0]) % 4), id="pseudobulk"),
        pytest.param(lambda t, s: correlation_matrix_distance(t[:300], s[:300]), id="cmd"),
        pytest.param(lambda t, s: variance_share(s), id="variance-share"),
    ],
)
def test_peak_is_far_below_the_scores(data, score, monkeypatch):
    monkeypatch.setattr(_arrays.blocks, "__kwdefaults__", {"entries": 2**16})
    monkeypatch.setattr(_ranks.value_bounds, "__kwdefaults__", {"entries": 2**17})
    # The sample of the quantiles does not grow with the data.
    monkeypatch.setattr("scmog.metrics._reliability._SAMPLE", 2**14)
    tracemalloc.start()
    try:
        value = score(*data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(np.asarray(value)).any()
    assert peak < data[1].nbytes / 2
