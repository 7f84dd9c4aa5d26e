from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import linalg, sparse
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge as SklearnKernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer

from scmog.metrics import KernelRidge, SVDRidge, _baselines
from scmog.metrics._kernel_features import kernel_features

GRID = {"n_components": (2, 4, 8), "length_scales": (0.25, 0.5, 1.0), "penalties": (0.01, 0.1, 1.0, 10.0, 100.0)}
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


def _reference(source, target, n_components: int, length_scale: float, penalty: float, *, relative: bool = True):
    """Kernel ridge with a free intercept on the components by scikit-learn, in float64."""
    pca = PCA(n_components, svd_solver="full").fit(source.astype(np.float64))
    z = pca.transform(source.astype(np.float64))
    gamma = 0.5 / (length_scale * (np.median(pdist(z)) if relative else 1.0)) ** 2
    centerer = KernelCenterer().fit(rbf_kernel(z, gamma=gamma))
    mean = target.mean(axis=0, dtype=np.float64)
    ridge = SklearnKernelRidge(alpha=penalty, kernel="precomputed")
    ridge.fit(centerer.transform(rbf_kernel(z, gamma=gamma)), target - mean)

    def predict(x):
        kernel = rbf_kernel(pca.transform(x.astype(np.float64)), z, gamma=gamma)
        return ridge.predict(centerer.transform(kernel)) + mean

    return predict


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("penalty", [pytest.param(0.05, id="weak"), pytest.param(20.0, id="strong")])
@pytest.mark.parametrize("length_scale", [pytest.param(0.3, id="short"), pytest.param(1.5, id="long")])
def test_prediction_agrees_with_sklearn(container, penalty, length_scale):
    source, target = _data()
    train, new = slice(0, 120), slice(120, None)
    fitted = KernelRidge(5, length_scales=length_scale, penalties=[penalty])
    prediction = fitted.fit(container(source[train]), container(target[train])).predict(container(source[new]))
    assert prediction.dtype == np.float32
    absolute = fitted.parameters["length_scale"]  # its unit comes from the cells that the choice is made on
    expected = _reference(source[train], target[train], 5, absolute, penalty, relative=False)(source[new])
    np.testing.assert_allclose(prediction, expected, atol=2e-4)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_parameters_minimise_the_validation_error(container, seed):
    source, target = _data(seed=seed)
    parts = (source[:100], target[:100], source[100:], target[100:])
    fitted = KernelRidge(**GRID).fit(*(container(values) for values in parts))
    errors = {
        setting: np.square(_reference(*parts[:2], *setting)(parts[2]) - parts[3]).mean()
        for setting in itertools.product(*GRID.values())
    }
    n_components, length_scale, penalty = min(errors, key=errors.get)
    assert fitted.parameters["n_components"] == n_components
    assert fitted.parameters["penalty"] == penalty
    assert GRID["penalties"][0] < penalty < GRID["penalties"][-1]  # a choice that an edge would not make
    expected = _reference(*parts[:2], n_components, length_scale, penalty)(parts[2])
    np.testing.assert_allclose(fitted.predict(container(parts[2])), expected, atol=2e-4)


def test_parameters_without_validation_come_from_a_tenth_of_the_training_cells():
    source, target = _data()
    fitted = KernelRidge(8, length_scales=0.5, penalties=GRID["penalties"], seed=3).fit(source, target)
    rest, held = _baselines.held_out(160, seed=3)
    z = PCA(8, svd_solver="full").fit_transform(source.astype(np.float64))  # of all, as it needs no target
    scale = fitted.parameters["length_scale"]
    assert scale == pytest.approx(0.5 * np.median(pdist(z[rest])), rel=1e-4)
    errors = [
        np.square(_reference(z[rest], target[rest], 8, scale, penalty, relative=False)(z[held]) - target[held]).mean()
        for penalty in GRID["penalties"]
    ]
    penalty = GRID["penalties"][int(np.argmin(errors))]
    assert fitted.parameters["penalty"] == penalty
    expected = _reference(source, target, 8, scale, penalty, relative=False)(source[held])  # refitted on all cells
    np.testing.assert_allclose(fitted.predict(source[held]), expected, atol=2e-4)


def test_landmarks_agree_with_ridge_on_nystroem_features():
    source, target = _data()
    fitted = KernelRidge(5, length_scales=0.7, penalties=[0.5], n_landmarks=40)
    prediction = fitted.fit(source[:120], target[:120], source[120:], target[120:]).predict(source[120:])
    state = fitted.state()
    assert state["landmarks"].shape == (40, 5)
    pca = PCA(5, svd_solver="full").fit(source[:120].astype(np.float64))
    z, z_new = pca.transform(source[:120].astype(np.float64)), pca.transform(source[120:].astype(np.float64))
    signs = np.sign((state["components"] * pca.components_).sum(axis=1))
    landmarks = state["landmarks"] * signs
    gamma = 0.5 / fitted.parameters["length_scale"] ** 2
    root = linalg.inv(linalg.sqrtm(rbf_kernel(landmarks, gamma=gamma)).real)
    ridge = Ridge(alpha=0.5).fit(rbf_kernel(z, landmarks, gamma=gamma) @ root, target[:120])
    expected = ridge.predict(rbf_kernel(z_new, landmarks, gamma=gamma) @ root)
    np.testing.assert_allclose(prediction, expected, atol=2e-4)


def test_features_are_centred_orthogonal_and_span_the_kernel():
    z = np.random.default_rng(0).normal(size=(50, 3))
    features = kernel_features(z, landmarks=z, length_scale=1.3)(z).astype(np.float64)
    gram = features.T @ features
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-5)
    expected = KernelCenterer().fit_transform(rbf_kernel(z, gamma=0.5 / 1.3**2))
    np.testing.assert_allclose(features @ features.T, expected, atol=1e-5)


def test_learns_what_is_not_linear():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(300, 2))
    target = np.abs(source) + 0.1 * rng.normal(size=(300, 2))
    new = np.array([[-1.5, 0.0], [0.0, 1.5]])
    fitted = KernelRidge().fit(source[:200], target[:200], source[200:], target[200:])
    np.testing.assert_allclose(fitted.predict(new), np.abs(new), atol=0.25)
    straight = SVDRidge().fit(source[:200], target[:200], source[200:], target[200:])
    assert np.abs(straight.predict(new) - np.abs(new)).max() > 0.5


def test_target_in_blocks_of_features(monkeypatch):
    source, target = _data()
    parts = (source[:120], sparse.csr_array(target[:120]), source[120:], sparse.csr_array(target[120:]))
    whole = KernelRidge().fit(*parts)
    monkeypatch.setattr(
        "scmog.metrics._kernel_ridge.blocks", lambda length, width: (slice(i, i + 1) for i in range(length))
    )
    parts_of_one = KernelRidge().fit(*parts)
    assert parts_of_one.parameters == whole.parameters
    np.testing.assert_allclose(parts_of_one.predict(source), whole.predict(source), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        pytest.param({"n_components": 0}, "n_components must be", id="components"),
        pytest.param({"length_scales": []}, "length_scales must be", id="no-length-scale"),
        pytest.param({"length_scales": 0.0}, "length_scales must be", id="no-length"),
        pytest.param({"penalties": [-1.0]}, "penalties must be", id="penalty"),
        pytest.param({"n_landmarks": 0}, "n_landmarks must be", id="landmarks"),
    ],
)
def test_refuses(options, match):
    with pytest.raises(ValueError, match=match):
        KernelRidge(**options)
