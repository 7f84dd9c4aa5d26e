from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from scmog.metrics import Baseline, SVDRidge, TrainingMean


def _data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    source = rng.poisson(1.0, (30, 6)).astype(np.float32)
    return source, (rng.random((30, 8)) < 0.3).astype(np.float32)


@pytest.mark.parametrize(
    "container",
    [
        pytest.param(np.asarray, id="dense"),
        pytest.param(sparse.csr_matrix, id="csr"),
        pytest.param(sparse.csc_array, id="csc"),
    ],
)
def test_predicts_the_mean_of_the_training_cells(container):
    source, target = _data()
    baseline = TrainingMean().fit(container(source), container(target))
    prediction = baseline.predict(source[:4])
    assert prediction.shape == (4, 8)
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (4, 1)), rtol=1e-6)


def test_mean_of_many_cells_is_summed_in_double_precision():
    value = np.float32(0.1)
    target = sparse.csr_array(np.full((200_000, 1), value))
    mean = TrainingMean().fit(np.zeros((200_000, 1), dtype=np.float32), target).state()["target_mean"]
    assert mean[0] == value


@pytest.mark.parametrize("kind", [pytest.param(TrainingMean, id="mean"), pytest.param(SVDRidge, id="ridge")])
def test_state_round_trip(kind):
    source, target = _data()
    baseline: Baseline = kind().fit(source, target)
    state = baseline.state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    again = kind.from_state(state)
    np.testing.assert_array_equal(again.predict(source), baseline.predict(source))
    state["target_mean"] += 1  # the state is a copy
    np.testing.assert_array_equal(again.predict(source), baseline.predict(source))
    del state["target_mean"]
    with pytest.raises(KeyError, match="target_mean"):
        kind.from_state(state)


@pytest.mark.parametrize("kind", [pytest.param(TrainingMean, id="mean"), pytest.param(SVDRidge, id="ridge")])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param({"target_train": np.ones((29, 8))}, "same cells, got 30 and 29", id="cells"),
        pytest.param({"target_train": np.full((30, 8), np.nan)}, "target_train contains NaN", id="nan"),
        pytest.param({"source_train": np.full((30, 6), np.inf)}, "source_train contains infinite", id="infinite"),
        pytest.param({"source_val": np.ones((3, 6))}, "source_val is given without target_val", id="half-validation"),
        pytest.param({"target_val": np.ones((3, 8))}, "target_val is given without source_val", id="other-half"),
        pytest.param(
            {"source_val": np.ones((3, 5)), "target_val": np.ones((3, 8))}, "6 features of source_train", id="features"
        ),
        pytest.param({"source_val": np.ones((0, 6)), "target_val": np.ones((0, 8))}, "non-empty", id="empty"),
    ],
)
def test_fit_refuses(kind, change, match):
    source, target = _data()
    with pytest.raises(ValueError, match=match):
        kind().fit(**({"source_train": source, "target_train": target} | change))


@pytest.mark.parametrize("kind", [pytest.param(TrainingMean, id="mean"), pytest.param(SVDRidge, id="ridge")])
def test_predict_refuses(kind):
    source, target = _data()
    with pytest.raises(NotFittedError, match="fit"):
        kind().predict(source)
    with pytest.raises(NotFittedError, match="fit"):
        kind().state()
    with pytest.raises(ValueError, match="6 features of the training cells, got 5"):
        kind().fit(source, target).predict(source[:, :5])
