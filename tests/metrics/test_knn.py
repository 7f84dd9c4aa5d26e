from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor

from scmog.metrics import KNN, _baselines

GRID = {"n_components": (2, 4, 8), "n_neighbors": (1, 5, 15, 40, 80), "weights": ("uniform", "distance")}
CONTAINERS = [
    pytest.param(np.asarray, id="dense"),
    pytest.param(sparse.csr_matrix, id="csr-matrix"),
    pytest.param(sparse.csc_array, id="csc-array"),
]


def _data(n: int = 160, p: int = 30, m: int = 25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 3))
    source = (latent @ rng.normal(size=(3, p)) + rng.normal(size=(n, p))).astype(np.float32)
    signal = 2 * np.sin(latent @ rng.normal(size=(3, m))) - 0.5
    return source, (rng.random((n, m)) < 1 / (1 + np.exp(-signal))).astype(np.float32)


def _reference(source, target, n_components: int, n_neighbors: int, weights: str):
    """Nearest neighbours on the components by scikit-learn, in float64."""
    pca = PCA(n_components, svd_solver="full").fit(source.astype(np.float64))
    neighbors = KNeighborsRegressor(n_neighbors, weights=weights).fit(pca.transform(source.astype(np.float64)), target)
    return lambda x: neighbors.predict(pca.transform(x.astype(np.float64)))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 7])
def test_prediction_agrees_with_sklearn(container, weights, k):
    source, target = _data()
    fitted = KNN(5, n_neighbors=k, weights=weights).fit(container(source[:120]), container(target[:120]))
    prediction = fitted.predict(container(source[120:]))
    assert prediction.dtype == np.float32
    expected = _reference(source[:120], target[:120], 5, k, weights)(source[120:])
    np.testing.assert_allclose(prediction, expected, atol=2e-5)
    assert fitted.parameters == {"n_components": 5, "n_neighbors": k, "weights": weights}


def test_cells_at_distance_zero_are_the_only_ones_that_count():
    source, target = _data()
    source[3] = source[8]
    fitted = KNN(5, n_neighbors=6, weights="distance").fit(source, target)
    prediction = fitted.predict(source)
    expected = target.copy()
    expected[[3, 8]] = (target[3] + target[8]) / 2
    # PCA coordinates of the same cell differ by rounding when they are computed alone: compare those that count.
    np.testing.assert_allclose(prediction, expected, atol=1e-2)


def _brute_force(source, target, source_val, target_val) -> dict:
    errors = {}
    for setting in itertools.product(*GRID.values()):
        prediction = _reference(source, target, *setting)(source_val)
        errors[setting] = np.square(prediction - target_val).mean()
    return dict(zip(GRID, min(errors, key=errors.get), strict=True))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_parameters_minimise_the_validation_error(container, seed):
    source, target = _data(seed=seed)
    parts = (source[:100], target[:100], source[100:], target[100:])
    fitted = KNN(**GRID).fit(*(container(values) for values in parts))
    assert fitted.parameters == _brute_force(*parts)
    assert 1 < fitted.parameters["n_neighbors"] < 80  # a choice that an edge of the grid would not make


def test_parameters_without_validation_come_from_a_tenth_of_the_training_cells():
    source, target = _data()
    fitted = KNN(**GRID, seed=3).fit(source, target)
    rest, held = _baselines.held_out(160, seed=3)
    assert len(held) == 16
    assert sorted([*rest, *held]) == list(range(160))
    components = PCA(8, svd_solver="full").fit_transform(source.astype(np.float64))  # of all, as it needs no target
    expected = _brute_force(components[rest], target[rest], components[held], target[held])
    assert fitted.parameters["n_neighbors"] == expected["n_neighbors"]
    prediction = fitted.predict(source[held])
    np.testing.assert_allclose(
        prediction, _reference(source, target, *fitted.parameters.values())(source[held]), atol=1e-2
    )


def test_choice_on_a_part_of_many_cells_and_features(monkeypatch):
    monkeypatch.setattr(_baselines, "MAX_TUNING_CELLS", 40)
    monkeypatch.setattr(_baselines, "MAX_TUNING_FEATURES", 10)
    source, target = _data(n=200)
    fitted = KNN(**GRID, seed=1).fit(source[:100], target[:100], source[100:], target[100:])
    rows, columns = _baselines.tuning_rows(100, seed=1), _baselines.tuning_columns(25, seed=1)
    assert (len(set(rows)), len(set(columns))) == (40, 10)
    expected = _brute_force(source[:100], target[:100][:, columns], source[100:][rows], target[100:][rows][:, columns])
    assert fitted.parameters == expected
    assert fitted.predict(source[:2]).shape == (2, 25)


def test_more_neighbours_than_cells_are_all_cells():
    source, target = _data(n=30)
    prediction = KNN(n_neighbors=1000, weights="uniform").fit(source, target).predict(source[:3])
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (3, 1)), atol=1e-6)


def test_blocks_of_predictions_fit_together(monkeypatch):
    source, target = _data()
    fitted = KNN(5).fit(source, sparse.csr_array(target))
    whole = fitted.predict(source)
    monkeypatch.setattr("scmog.metrics._knn.blocks", lambda length, width: (slice(i, i + 1) for i in range(length)))
    np.testing.assert_allclose(fitted.predict(source), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"n_components": 0}, "n_components must be", id="components"),
        pytest.param({"n_neighbors": []}, "n_neighbors must be", id="no-neighbours"),
        pytest.param({"n_neighbors": [2.5]}, "n_neighbors must be", id="half-a-neighbour"),
        pytest.param({"weights": "gaussian"}, "weights must be one of", id="weights"),
        pytest.param({"weights": ()}, "weights must be one of", id="no-weights"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        KNN(**options)
