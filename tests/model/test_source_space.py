"""The space of the baselines against scikit-learn, and what missing features do to it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA

from scmog.metrics import with_log_depth
from scmog.model._source_space import SourceSpace

SOURCES = ("rna", "atac", "protein")


@pytest.fixture
def counts(paired):
    return {name: sp.csr_matrix(paired[name].X) for name in SOURCES}


def features(source: str, counts: np.ndarray, median: float) -> np.ndarray:
    """By hand."""
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if source == "rna":
        x = np.log1p(counts / total * median)
    elif source == "atac":
        opened = (counts > 0).astype(float)
        idf = len(opened) / np.maximum(opened.sum(axis=0), 1) * (opened.sum(axis=0) > 0)
        x = np.log1p(1e4 * opened / np.maximum(opened.sum(axis=1, keepdims=True), 1) * idf)
        total = np.maximum(opened.sum(axis=1, keepdims=True), 1)
    else:
        x = np.log1p(counts) - np.log1p(counts).mean(axis=1, keepdims=True)
    return np.hstack([x, 2 * np.log(total)])


@pytest.mark.parametrize("source", SOURCES)
def test_components_are_those_of_scikit_learn(counts, source):
    x = counts[source].astype(np.float64)
    space = SourceSpace(source, 20.0).fit(x)
    by_hand = features(source, x.toarray(), 20.0)
    z = space.transform(x)
    expected = PCA(z.shape[1], svd_solver="full").fit_transform(by_hand)
    np.testing.assert_allclose(np.abs(z[:, :5]), np.abs(expected[:, :5]), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(z @ z.T, expected @ expected.T, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("source", SOURCES)
def test_the_state_and_blocks_change_nothing(counts, source, monkeypatch):
    x = counts[source]
    missing = np.arange(x.shape[1]) < 2
    space = SourceSpace(source, 20.0).fit(x[:80])
    again = SourceSpace.from_state(space.state())
    expected = [space.transform(x, mask) for mask in (None, missing)]
    monkeypatch.setattr("scmog.model._predictions._BLOCK_ENTRIES", 3 * x.shape[1])
    for mask, values in zip((None, missing), expected, strict=True):
        np.testing.assert_allclose(again.transform(x, mask), values, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(again.depth(x, mask), space.depth(x, mask))


@pytest.mark.parametrize("source", SOURCES)
def test_missing_features_by_definition(counts, source):
    """Missing features at their training mean, the others' deviations over their share of squared loadings."""
    x = counts[source].astype(np.float64)
    missing = np.arange(x.shape[1]) % 3 == 0
    emptied = sp.csr_matrix(x.multiply(~missing))
    space = SourceSpace(source, 20.0).fit(x)
    state = space.components.state()
    loadings, mean = state["components"].astype(float), state["source_mean"].astype(float)
    share = space.average[~missing].sum() / space.average.sum()
    dense = emptied.toarray()
    total = dense.sum(axis=1, keepdims=True)
    if source == "rna":
        values = np.log1p(dense / np.maximum(total, 1) * 20.0 * share)
    elif source == "atac":
        opened = (dense > 0).astype(float)
        total = opened.sum(axis=1, keepdims=True)
        values = np.log1p(1e4 * opened / np.maximum(total, 1) * share * space.idf)
    else:
        logs = np.log1p(dense)
        values = logs - logs[:, ~missing].mean(axis=1, keepdims=True) + mean[:-1][~missing].mean()
    deviations = np.where(missing, 0, values - mean[:-1])
    estimate = np.where(total > 0, total / share, space.average.sum())  # average where nothing is known
    depth = 2 * np.log(np.maximum(estimate, 1)) - mean[-1]
    squares = loadings[:, :-1] ** 2
    factor = min(squares.sum() / squares[:, ~missing].sum(), 10)
    expected = deviations @ loadings[:, :-1].T * factor + depth @ loadings[:, -1:].T
    np.testing.assert_allclose(space.transform(emptied, missing), expected, rtol=1e-3, atol=2e-2)
    np.testing.assert_allclose(space.depth(emptied, missing), estimate.ravel())


def test_what_missing_genes_said_is_said_by_the_others():
    """Of genes that say the same thing, half are enough: the scores keep their size."""
    rng = np.random.default_rng(0)
    level = rng.gamma(5, 1, size=(300, 1))
    genes = rng.poisson(np.hstack([np.repeat(level, 40, axis=1), np.repeat(10 - np.minimum(level, 9), 40, axis=1)]))
    x = sp.csr_matrix(genes.astype(np.float32))
    missing = np.arange(80) % 2 == 0
    space = SourceSpace("rna", 400.0).fit(x)
    whole = space.transform(x)[:, 0]
    half = space.transform(sp.csr_matrix(x.multiply(~missing)), missing)[:, 0]
    assert np.polyfit(whole, half, 1)[0] == pytest.approx(1, abs=0.1)
    assert np.corrcoef(whole, half)[0, 1] > 0.9


def test_a_source_without_information():
    x = sp.csr_matrix(np.ones((20, 4), dtype=np.float32))
    z = SourceSpace("rna", 4.0).fit(x).transform(x)
    np.testing.assert_array_equal(z, np.zeros((20, 1)))


def test_depth_is_the_last_feature(counts):
    x = counts["rna"]
    space = SourceSpace("rna", 20.0).fit(x)
    last = with_log_depth(x, np.asarray(x.sum(axis=1)).ravel()).toarray()[:, -1]
    assert space.components.state()["source_mean"][-1] == pytest.approx(last.mean(), rel=1e-5)
