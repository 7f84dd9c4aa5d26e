from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scmog.model._evaluation import COLUMNS, Baselines, predicted_values, score_table, target_values


@pytest.fixture
def counts(paired):
    return {name: paired[name].X for name in ("rna", "atac", "protein")}


@pytest.mark.parametrize("direction", [("rna", "atac"), ("atac", "rna"), ("rna", "protein"), ("protein", "rna")])
@pytest.mark.parametrize("n_validation", [0, 1, 20])
def test_baselines_survive_their_state(counts, direction, n_validation):
    source, target = (counts[name] for name in direction)
    train, validation = np.arange(80), np.arange(80, 80 + n_validation)
    fitted = Baselines(*direction, 20.0).fit(source, target, train, validation)
    again = Baselines.from_state(fitted.state())
    expected = fitted.predict(source[100:])
    for name, values in again.predict(source[100:]).items():
        np.testing.assert_array_equal(values, expected[name])
        assert values.shape == (20, target.shape[1])
        assert np.isfinite(values).all()
    truth = target_values(direction[1], target[train], 20.0)
    mean = np.asarray((truth.toarray() if sp.issparse(truth) else truth).mean(axis=0)).ravel()
    np.testing.assert_allclose(expected["training mean"][0], mean, rtol=1e-4, atol=1e-6)


def test_ridge_beats_the_mean_where_there_is_structure(paired):
    x = paired["rna"].X
    baselines = Baselines("rna", "rna", 20.0).fit(x, x, np.arange(90), np.arange(90, 105))
    truth = target_values("rna", x[105:], 20.0)
    truth = truth.toarray() if sp.issparse(truth) else truth
    error = {name: np.mean((values - truth) ** 2) for name, values in baselines.predict(x[105:]).items()}
    assert error["ridge"] < 0.8 * error["training mean"]


def test_scales():
    counts = np.array([[1.0, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(target_values("rna", counts, 8.0), np.log1p([[2.0, 6.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(target_values("atac", counts, 1.0), [[True, True], [False, False]])
    np.testing.assert_allclose(target_values("protein", counts, 1.0)[0], np.log([2 / np.sqrt(8), 4 / np.sqrt(8)]))
    np.testing.assert_allclose(predicted_values("rna", counts), np.log1p(counts))
    assert predicted_values("atac", counts) is counts


def test_perfect_predictions_score_one():
    truth = np.random.default_rng(0).poisson(1.0, size=(30, 4))
    table = score_table("rna_to_atac", "atac", truth > 0, {"perfect": (truth > 0).astype(float)})
    assert list(table.columns) == COLUMNS
    assert table["value"].tolist() == [1.0, 1.0]
    table = score_table("atac_to_rna", "rna", np.log1p(truth), {"perfect": np.log1p(truth)})
    np.testing.assert_allclose(table["value"], 1.0)
