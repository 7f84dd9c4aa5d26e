from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scmog.metrics import auroc, pearson, summarize
from scmog.metrics._intervals import bootstrap_interval, jackknife_interval


def test_jackknife_of_means_is_the_standard_error():
    """With one cell per fold the jackknife error of a mean is the textbook one."""
    values = np.random.default_rng(0).normal(size=(10, 1))

    def mean(cells: np.ndarray, features: np.ndarray) -> np.ndarray:
        return values[cells][:, features].mean(axis=0)

    low, high = jackknife_interval(values.mean(axis=0), mean, n_cells=10, seed=0)
    expected = stats.t.interval(0.95, 9, loc=values.mean(), scale=stats.sem(values[:, 0]))
    assert (low, high) == pytest.approx(expected)


def test_jackknife_leaves_cells_out_and_keeps_features_with_a_score(small_blocks):
    asked: list[tuple[np.ndarray, np.ndarray]] = []

    def score(cells: np.ndarray, features: np.ndarray) -> np.ndarray:
        asked.append((cells, features))
        return features + cells.mean()

    scores = np.where(np.arange(12) % 3 == 0, np.nan, np.arange(12.0))
    low, high = jackknife_interval(scores, score, n_cells=53, seed=0)
    assert (low + high) / 2 == pytest.approx(np.nanmean(scores))
    kept = np.flatnonzero(~np.isnan(scores))
    left_out = np.zeros((53, 12), dtype=int)
    for cells, features in asked:
        assert set(features) <= set(kept)
        assert len(cells) in {47, 48}
        left_out[np.ix_(np.setdiff1d(np.arange(53), cells), features)] += 1
    np.testing.assert_array_equal(left_out[:, kept], 1)


def test_nothing_to_resample():
    assert np.isnan(bootstrap_interval(np.ones(1), n_bootstrap=10, seed=0)).all()
    assert np.isnan(bootstrap_interval(np.ones(5), n_bootstrap=0, seed=0)).all()
    for scores, n_cells in ((np.full(3, np.nan), 10), (np.ones(3), 1)):
        assert np.isnan(jackknife_interval(scores, lambda c, f: np.ones(f.size), n_cells=n_cells, seed=0)).all()
    assert np.isnan(jackknife_interval(np.ones(3), lambda c, f: np.full(f.size, np.nan), n_cells=9, seed=0)).all()


@pytest.mark.parametrize(
    ("kind", "function"), [pytest.param("binary", auroc, id="auroc"), pytest.param("continuous", pearson, id="pearson")]
)
def test_interval_over_cells_is_as_wide_as_new_cells_scatter(kind, function):
    """Features share the depth of a cell: 150 sets of new cells scatter as the jackknife says, not as features do."""
    rng = np.random.default_rng(0)
    frequency = rng.uniform(0.1, 0.5, 60)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        depth = rng.lognormal(0, 0.6, (150, 1))
        prediction = frequency * depth * rng.lognormal(0, 0.6, (150, 1))
        truth = rng.random(prediction.shape) < 1 - np.exp(-frequency * depth)
        return (truth if kind == "binary" else truth + rng.normal(0, 0.1, truth.shape)), prediction

    scatter = np.std([np.mean(function(*draw(), axis="feature")) for _ in range(150)])
    widths = {"cells": [], "scores": []}
    for _ in range(20):
        data = draw()
        for resample, found in widths.items():
            table = summarize(*data, kind=kind, axes=["feature"], resample=resample, n_bootstrap=50)
            found.append((table["ci_high"] - table["ci_low"])[0])
    error = np.sqrt(np.mean(np.square(widths["cells"]))) / 2 / stats.t.ppf(0.975, 9)
    assert error == pytest.approx(scatter, rel=0.3)
    assert np.mean(widths["scores"]) / 2 / 1.96 < scatter / 2
