from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from scmog.metrics import SVDRidge, pearson

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 1e4)


def _data(n: int = 120, p: int = 40, m: int = 25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 3))
    source = rng.poisson(np.exp(0.4 * latent @ rng.normal(size=(3, p)))).astype(np.float32)
    signal = latent @ rng.normal(size=(3, m)) - 1.5
    return source, (rng.random((n, m)) < 1 / (1 + np.exp(-signal))).astype(np.float32)


def _reference(source, target, k: int, penalty: float):
    """Ridge on the components by scikit-learn, in float64."""
    pca = PCA(k, svd_solver="full").fit(source.astype(np.float64))
    ridge = Ridge(alpha=penalty).fit(pca.transform(source.astype(np.float64)), target.astype(np.float64))
    return lambda x: ridge.predict(pca.transform(x.astype(np.float64)))


CONTAINERS = [
    pytest.param(np.asarray, id="dense"),
    pytest.param(sparse.csr_matrix, id="csr-matrix"),
    pytest.param(sparse.csc_array, id="csc-array"),
]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("penalty", [pytest.param(0.5, id="weak"), pytest.param(300.0, id="strong")])
def test_prediction_agrees_with_sklearn(container, penalty):
    source, target = _data()
    baseline = SVDRidge(10, penalties=[penalty]).fit(container(source[:90]), container(target[:90]))
    prediction = baseline.predict(container(source[90:]))
    assert prediction.dtype == np.float32
    np.testing.assert_allclose(prediction, _reference(source[:90], target[:90], 10, penalty)(source[90:]), atol=2e-5)


@pytest.mark.parametrize("container", CONTAINERS)
def test_penalty_minimises_the_validation_error(container):
    source, target = _data()
    parts = [container(values) for values in (source[:70], target[:70], source[70:], target[70:])]
    chosen = SVDRidge(10, penalties=PENALTIES).fit(*parts).state()["penalty"]
    errors = [
        np.square(_reference(source[:70], target[:70], 10, penalty)(source[70:]) - target[70:]).mean()
        for penalty in PENALTIES
    ]
    assert chosen == PENALTIES[np.argmin(errors)]
    assert 0 < np.argmin(errors) < len(PENALTIES) - 1  # a choice that an edge of the grid would not make


@pytest.mark.parametrize("validation", [pytest.param(True, id="validation"), pytest.param(False, id="training-only")])
def test_number_of_components_has_the_least_error(validation):
    source, target = _data()
    sizes, parts = (2, 4, 20), (source[:50], target[:50], source[50:], target[50:])
    fitted = SVDRidge(sizes, penalties=PENALTIES).fit(*(parts if validation else parts[:2]))
    errors = {}
    for size in sizes:
        for penalty in PENALTIES:
            if validation:
                errors[size, penalty] = np.square(_reference(*parts[:2], size, penalty)(parts[2]) - parts[3]).mean()
            else:
                z = PCA(size, svd_solver="full").fit_transform(parts[0].astype(np.float64))
                errors[size, penalty] = np.square(_left_out(z, parts[1], penalty)).mean()
    assert tuple(fitted.parameters.values()) == min(errors, key=errors.get)
    assert fitted.state()["weights"].shape == (fitted.parameters["n_components"], 25)


def _left_out(z, target, penalty: float) -> np.ndarray:
    """Errors of predictions of each cell by scikit-learn's ridge on the others, brute force."""
    return np.vstack(
        [
            Ridge(alpha=penalty).fit(np.delete(z, i, 0), np.delete(target, i, 0)).predict(z[[i]]) - target[i]
            for i in range(len(z))
        ]
    )


@pytest.mark.parametrize("container", CONTAINERS)
def test_penalty_without_validation_minimises_the_left_out_error(container):
    source, target = _data(n=60)
    chosen = SVDRidge(8, penalties=PENALTIES).fit(container(source), container(target)).state()["penalty"]
    # Brute force: refit on all cells but one, given the components of all.
    z = PCA(8, svd_solver="full").fit_transform(source.astype(np.float64))
    errors = [np.square(_left_out(z, target, penalty)).mean() for penalty in PENALTIES]
    assert chosen == PENALTIES[np.argmin(errors)]
    assert 0 < np.argmin(errors) < len(PENALTIES) - 1


def test_large_data_go_the_iterative_way_to_the_same_result():
    rng = np.random.default_rng(1)
    n, p = 1100, 1000  # above the size up to which the decomposition is done densely
    source = sparse.random_array((n, p), density=0.05, rng=rng, format="csr", dtype=np.float32)
    source = source + sparse.csr_array(np.outer(rng.normal(size=n) > 0, np.linspace(0, 1, p) > 0.9).astype(np.float32))
    target = (source[:, -20:].toarray() + rng.normal(size=(n, 20))).astype(np.float32)
    expected = _reference(source.toarray(), target, 1, 50.0)(source.toarray())
    for container in (sparse.csr_array, lambda matrix: matrix.toarray()):
        prediction = SVDRidge(1, penalties=[50.0]).fit(container(source), target).predict(source)
        np.testing.assert_allclose(prediction, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("n", "p"),
    [
        pytest.param(1, 5, id="one-cell"),
        pytest.param(2, 5, id="two-cells"),
        pytest.param(6, 40, id="few-cells"),
        pytest.param(40, 1, id="one-feature"),
    ],
)
@pytest.mark.parametrize("container", CONTAINERS)
def test_tiny_data(n, p, container):
    source, target = _data(n=n, p=p, m=3)
    prediction = SVDRidge().fit(container(source), container(target)).predict(container(source))
    assert prediction.shape == (n, 3)
    assert np.isfinite(prediction).all()
    if n == 1:
        np.testing.assert_allclose(prediction, target)


def test_full_rank_without_shrinkage_is_least_squares():
    source, target = _data(n=100, p=12)
    prediction = SVDRidge(50, penalties=[1e-6]).fit(source, target).predict(source)
    np.testing.assert_allclose(prediction, LinearRegression().fit(source, target).predict(source), atol=1e-4)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(np.full((1100, 7), 0.1, dtype=np.float32), id="small"),
        pytest.param(np.ones((1100, 1000), dtype=np.float32), id="large"),
        pytest.param(sparse.csr_array((1100, 1000), dtype=np.float32), id="nothing-stored"),
    ],
)
def test_constant_source_gives_the_mean(source):
    _, target = _data(n=1100)
    prediction = SVDRidge().fit(source, target).predict(source[:2])
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (2, 1)), rtol=1e-6)


def test_noise_is_shrunk_to_the_mean_and_signal_is_not():
    source, target = _data(n=400)
    shuffled = np.random.default_rng(0).permutation(target)
    fitted = [SVDRidge(20).fit(source[:300], values[:300], source[300:], values[300:]) for values in (target, shuffled)]
    spread = [baseline.predict(source[300:]).std(axis=0).mean() for baseline in fitted]
    assert spread[1] < 0.1 * spread[0]
    assert pearson(target[300:], fitted[0].predict(source[300:]), axis="feature").mean() > 0.2


def test_same_seed_same_result_and_inputs_untouched():
    source, target = (sparse.csr_array(values) for values in _data())
    before = source.toarray(), target.toarray()
    first, second = (SVDRidge(seed=3).fit(source, target).predict(source) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(source.toarray(), before[0])
    np.testing.assert_array_equal(target.toarray(), before[1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"n_components": 0}, "n_components must be", id="components"),
        pytest.param({"penalties": []}, "penalties must be", id="no-penalties"),
        pytest.param({"penalties": [0.0]}, "penalties must be", id="zero-penalty"),
        pytest.param({"penalties": [np.nan]}, "penalties must be", id="nan-penalty"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        SVDRidge(**options)
