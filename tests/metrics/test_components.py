from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from scmog.metrics import KNN, KernelRidge, PrincipalComponents, SVDRidge
from scmog.metrics._components import decompose

CONTAINERS = [
    pytest.param(np.asarray, id="dense"),
    pytest.param(sparse.csr_matrix, id="csr-matrix"),
    pytest.param(sparse.csc_array, id="csc-array"),
]


def _data(n: int = 120, p: int = 40, m: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 3))
    source = (latent @ rng.normal(size=(3, p)) + rng.normal(size=(n, p))).astype(np.float32)
    return source, (latent @ rng.normal(size=(3, m)) + rng.normal(size=(n, m))).astype(np.float32)


@pytest.mark.parametrize("container", CONTAINERS)
def test_scores_agree_with_sklearn(container):
    source, _ = _data()
    fitted = PrincipalComponents(4).fit(container(source[:90]))
    pca = PCA(4, svd_solver="full").fit(source[:90].astype(np.float64))
    signs = np.sign((fitted.state()["components"] * pca.components_).sum(axis=1))
    scores = fitted.transform(container(source[90:]))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores * signs, pca.transform(source[90:].astype(np.float64)), atol=1e-4)


def test_components_are_orthogonal_and_no_more_than_the_rank():
    rng = np.random.default_rng(0)
    source = (rng.normal(size=(80, 4)) @ rng.normal(size=(4, 30))).astype(np.float32)
    _, components, z = decompose(source, n_components=20, seed=0)
    assert len(components) == 4
    gram = z.T @ z
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-8 * gram.max())
    np.testing.assert_allclose(components @ components.T, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("kind", [SVDRidge, KNN, KernelRidge])
def test_predictors_give_the_same_on_the_scores(kind):
    source, target = _data()
    shared = PrincipalComponents(40).fit(source[:80])
    parts = (source[:80], source[80:100], source[100:])
    alone, together = (
        kind().fit(train, target[:80], val, target[80:100])
        for train, val in (parts[:2], map(shared.transform, parts[:2]))
    )
    assert together.parameters == pytest.approx(alone.parameters)
    np.testing.assert_allclose(together.predict(shared.transform(parts[2])), alone.predict(parts[2]), atol=1e-4)


def test_state_round_trip():
    source, _ = _data()
    fitted = PrincipalComponents(4).fit(source)
    again = PrincipalComponents.from_state(fitted.state())
    np.testing.assert_array_equal(again.transform(source), fitted.transform(source))


def test_refuses():
    source, _ = _data()
    with pytest.raises(ValueError, match="n_components must be at least 1"):
        PrincipalComponents(0)
    with pytest.raises(NotFittedError, match="Call fit first"):
        PrincipalComponents().transform(source)
    with pytest.raises(ValueError, match="source_train contains NaN"):
        PrincipalComponents().fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="40 features of the training cells, got 39"):
        PrincipalComponents().fit(source).transform(source[:, 1:])


@pytest.mark.parametrize("kind", [SVDRidge, KNN, KernelRidge])
def test_cells_that_do_not_differ_give_scores_that_predictors_take(kind):
    target = np.random.default_rng(0).random((30, 4)).astype(np.float32)
    scores = PrincipalComponents().fit(np.ones((30, 5))).transform(np.ones((30, 5)))
    assert scores.shape == (30, 1) and not scores.any()
    prediction = kind().fit(scores, target).predict(scores[:2])
    np.testing.assert_allclose(prediction, np.tile(target.mean(axis=0), (2, 1)), atol=1e-5)
