"""What holds for every baseline predictor."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from scmog.metrics import (
    KNN,
    Baseline,
    DepthMean,
    GroupMean,
    KernelRidge,
    StorableBaseline,
    SVDRidge,
    TargetDepthConfounder,
    TrainingMean,
)
from scmog.metrics._baselines import MAX_TUNING_CELLS, held_out


@dataclass(frozen=True)
class Case:
    """A predictor, what it looks at and how it calls that."""

    make: Callable[[], Any]
    source: str = "features"
    name: str = "source"


CASES = {
    "mean": Case(TrainingMean),
    "ridge": Case(SVDRidge),
    "knn": Case(KNN),
    "kernel-ridge": Case(KernelRidge),
    "kernel-ridge-landmarks": Case(lambda: KernelRidge(n_landmarks=12)),
    "depth-binary": Case(DepthMean, "depth", "depth"),
    "depth-values": Case(lambda: DepthMean("continuous"), "depth", "depth"),
    "confounder": Case(TargetDepthConfounder, "depth", "depth"),
    "group": Case(GroupMean, "labels", "labels"),
}
STORABLE = [name for name in CASES if name != "knn"]


def _data(n: int = 80, seed: int = 0) -> dict[str, Any]:
    """Three groups of cells that differ in features, depth and open peaks."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    source = rng.gamma(1 + 3 * (np.arange(6) % 3 == group[:, None])).astype(np.float32)  # no ties among distances
    target = (rng.random((n, 8)) < 0.1 + 0.6 * (np.arange(8) % 3 == group[:, None])).astype(np.float32)
    return {"features": source, "depth": source.sum(axis=1), "labels": np.array(["a", "b", "c"])[group], "y": target}


def _fit(name: str, data: dict[str, Any], *, validation: bool = True) -> Any:
    case = CASES[name]
    x, y = data[case.source], data["y"]
    if not validation:
        return case.make().fit(x, y)
    return case.make().fit(x[:60], y[:60], x[60:], y[60:])


@pytest.mark.parametrize("validation", [pytest.param(True, id="validation"), pytest.param(False, id="training-only")])
@pytest.mark.parametrize("name", ["ridge", "knn", "kernel-ridge", "kernel-ridge-landmarks", "group"])
def test_beats_the_training_mean_on_new_cells(name, validation):
    data, new = _data(200), _data(200, seed=1)
    baseline: Baseline = _fit(name, data, validation=validation)
    prediction = baseline.predict(new[CASES[name].source])
    assert prediction.shape == (200, 8)
    assert prediction.dtype == np.float32
    error = np.square(prediction - new["y"]).mean()
    of_mean = np.square(data["y"].mean(axis=0) - new["y"]).mean()
    assert error < 0.8 * of_mean


@pytest.mark.parametrize("name", CASES)
def test_cells_are_predicted_one_by_one(name):
    data = _data()
    baseline, source = _fit(name, data), data[CASES[name].source]
    whole = baseline.predict(source)
    parts = [baseline.predict(source[rows]) for rows in (slice(0, 1), slice(1, 33), slice(33, None))]
    np.testing.assert_allclose(np.vstack(parts), whole, atol=2e-6)


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array], ids=["csr", "csc"])
@pytest.mark.parametrize("name", CASES)
def test_sparse_is_dense_and_stays_as_it_was(name, container):
    data = _data()
    compressed = data | {"y": container(data["y"][:60]), "y_val": container(data["y"][60:])}
    if CASES[name].source == "features":
        compressed["features"] = container(data["features"][:60])
        compressed["features_val"] = container(data["features"][60:])
    source = compressed[CASES[name].source][:60]
    source_val = compressed.get(f"{CASES[name].source}_val", data[CASES[name].source][60:])
    before = compressed["y"].toarray(), compressed["y_val"].toarray()
    baseline = CASES[name].make().fit(source, compressed["y"], source_val, compressed["y_val"])
    np.testing.assert_allclose(baseline.predict(source_val), _fit(name, data).predict(source_val), atol=1e-5)
    assert baseline.parameters == pytest.approx(_fit(name, data).parameters)
    np.testing.assert_array_equal(compressed["y"].toarray(), before[0])
    np.testing.assert_array_equal(compressed["y_val"].toarray(), before[1])


@pytest.mark.parametrize("name", CASES)
def test_same_seed_same_result(name):
    data = _data()
    first, second = (_fit(name, data, validation=False) for _ in range(2))
    source = data[CASES[name].source]
    np.testing.assert_array_equal(first.predict(source), second.predict(source))


@pytest.mark.parametrize("name", STORABLE)
def test_state_round_trip(name):
    data = _data()
    baseline: StorableBaseline = _fit(name, data)
    source, state = data[CASES[name].source], baseline.state()
    assert all(isinstance(values, np.ndarray) for values in state.values())
    again = type(baseline).from_state(state)
    np.testing.assert_array_equal(again.predict(source), baseline.predict(source))
    assert again.parameters == baseline.parameters
    state["target_mean"] += 1  # the state is a copy
    np.testing.assert_array_equal(again.predict(source), baseline.predict(source))
    del state["target_mean"]
    with pytest.raises(KeyError, match="target_mean"):
        type(baseline).from_state(state)


def test_neighbours_have_no_state():
    assert not hasattr(KNN, "state")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param({"target_train": np.ones((79, 8))}, "same cells, got 80 and 79", id="cells"),
        pytest.param({"target_train": np.full((80, 8), np.nan)}, "target_train contains NaN", id="nan"),
        pytest.param({"SOURCE_val": "first"}, "SOURCE_val is given without target_val", id="half-validation"),
        pytest.param({"target_val": np.ones((3, 8))}, "target_val is given without SOURCE_val", id="other-half"),
        pytest.param(
            {"SOURCE_val": "first", "target_val": np.ones((3, 7))}, "8 features of target_train", id="target-features"
        ),
        pytest.param(
            {"SOURCE_val": "first", "target_val": np.ones((2, 8))}, "same cells, got 3 and 2", id="validation-cells"
        ),
    ],
)
def test_fit_refuses(name, change, match):
    data, case = _data(), CASES[name]
    arguments = {f"{case.name}_train": data[case.source], "target_train": data["y"]}
    for key, value in change.items():
        is_text = isinstance(value, str)
        arguments[key.replace("SOURCE", case.name)] = data[case.source][:3] if is_text else value
    with pytest.raises(ValueError, match=match.replace("SOURCE", case.name)):
        case.make().fit(**arguments)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.source == "features"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        pytest.param({"source_train": np.full((80, 6), np.inf)}, "source_train contains infinite", id="infinite"),
        pytest.param(
            {"source_val": np.ones((3, 5)), "target_val": np.ones((3, 8))}, "6 features of source_train", id="features"
        ),
        pytest.param({"source_val": np.ones((0, 6)), "target_val": np.ones((0, 8))}, "non-empty", id="empty"),
    ],
)
def test_fit_refuses_features(name, change, match):
    data = _data()
    with pytest.raises(ValueError, match=match):
        CASES[name].make().fit(**({"source_train": data["features"], "target_train": data["y"]} | change))


@pytest.mark.parametrize("name", CASES)
def test_not_fitted(name):
    data, baseline = _data(), CASES[name].make()
    with pytest.raises(NotFittedError, match="fit"):
        baseline.predict(data[CASES[name].source])
    if name != "mean":
        with pytest.raises(NotFittedError, match="fit"):
            _ = baseline.parameters
    if name in STORABLE:
        with pytest.raises(NotFittedError, match="fit"):
            baseline.state()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.source == "features"])
def test_predict_refuses_other_features(name):
    data = _data()
    with pytest.raises(ValueError, match="6 features of the training cells, got 5"):
        _fit(name, data).predict(data["features"][:, :5])


@pytest.mark.parametrize("n", [pytest.param(1, id="one-cell"), pytest.param(2, id="two-cells")])
@pytest.mark.parametrize("name", CASES)
def test_few_cells(name, n):
    data = {key: values[:n] for key, values in _data().items()}
    prediction = _fit(name, data, validation=False).predict(data[CASES[name].source])
    assert np.isfinite(prediction).all()
    if n == 1:
        np.testing.assert_allclose(prediction, data["y"], atol=1e-6)


@pytest.mark.parametrize(("n_cells", "n_tuning"), [(2, 1), (9, 1), (29, 2), (100_000, MAX_TUNING_CELLS)])
def test_a_tenth_is_held_out_where_there_are_no_validation_cells(n_cells, n_tuning):
    fitting, tuning = held_out(n_cells, seed=0)
    assert len(tuning) == n_tuning
    np.testing.assert_array_equal(np.sort(np.concatenate([fitting, tuning])), np.arange(n_cells))


@pytest.mark.parametrize("name", ["ridge", "knn", "kernel-ridge", "depth-binary", "depth-values", "group"])
def test_source_without_information_gives_the_mean(name):
    data = _data()
    data |= {"features": np.ones((80, 6)), "depth": np.ones(80), "labels": np.array(["a"] * 80)}
    prediction = _fit(name, data).predict(data[CASES[name].source])
    np.testing.assert_allclose(prediction, np.tile(data["y"][:60].mean(axis=0), (80, 1)), atol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "knn", "kernel-ridge-landmarks", "depth-binary", "depth-values", "group"])
def test_a_sparse_target_is_never_made_dense(name):
    rng = np.random.default_rng(0)
    n, p = 4_000, 40_000  # 640 MB in float32
    data = _data(n)
    data["y"] = sparse.random_array((n, p), density=1e-4, rng=rng, dtype=np.float32, format="csr")
    data["y"].data[:] = 1
    source = data[CASES[name].source]
    tracemalloc.start()
    baseline = CASES[name].make().fit(source[:3900], data["y"][:3900], source[3900:], data["y"][3900:])
    baseline.predict(source[:50])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6
