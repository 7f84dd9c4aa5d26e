from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge

from scmog.metrics._orthogonal_ridge import (
    _left_out_errors,
    cross_product,
    error_terms,
    fit_orthogonal,
    squared_norms,
    validation_errors,
)

PENALTIES = np.array([0.5, 5.0, 50.0])
CONTAINERS = [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_array, id="csr")]


def _data(n: int = 14, m: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Centred orthogonal columns and 0/1 targets."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(n, 4))
    basis, _ = np.linalg.qr(columns - columns.mean(axis=0))
    return basis * np.array([9.0, 5.0, 3.0, 1.0]), (rng.random((n, m)) < 0.4).astype(np.float64)


@pytest.mark.parametrize("container", CONTAINERS)
def test_validation_errors_are_those_of_sklearn(container):
    z, y = _data()
    z_val, y_val = np.random.default_rng(1).normal(size=(6, 4)), np.ones((6, 5))
    mean = y.mean(axis=0)
    cross = cross_product(z, container(y), mean)
    linear, outer = error_terms(z_val, container(y_val), mean, cross)
    errors = validation_errors(linear, (z_val.T @ z_val) * outer, squared_norms(z), PENALTIES, [2, 4])
    for i, k in enumerate((2, 4)):
        for j, penalty in enumerate(PENALTIES):
            prediction = Ridge(alpha=penalty).fit(z[:, :k], y).predict(z_val[:, :k])
            expected = np.square(prediction - y_val).sum() - np.square(mean - y_val).sum()
            assert errors[i, j] == pytest.approx(expected)


@pytest.mark.parametrize("container", CONTAINERS)
def test_left_out_errors_with_a_fitted_mean_are_those_of_sklearn(container):
    z, y = _data()
    mean = y.mean(axis=0)
    cross = cross_product(z, container(y), mean)
    errors = _left_out_errors(z, container(y), mean, cross, PENALTIES, [2, 4], own_share=1 / len(z))
    for i, k in enumerate((2, 4)):
        for j, penalty in enumerate(PENALTIES):
            residuals = [
                Ridge(alpha=penalty).fit(np.delete(z[:, :k], row, 0), np.delete(y, row, 0)).predict(z[[row], :k])
                - y[row]
                for row in range(len(z))
            ]
            assert errors[i, j] == pytest.approx(np.square(residuals).sum())


@pytest.mark.parametrize("container", CONTAINERS)
def test_left_out_errors_of_indicators_around_a_given_mean(container):
    _, y = _data()
    groups, mean = np.arange(14) % 3, y.mean(axis=0)
    z = np.eye(3)[groups]
    cross = cross_product(z, container(y), mean)
    errors = _left_out_errors(z, container(y), mean, cross, PENALTIES, [3], own_share=0.0)
    for j, penalty in enumerate(PENALTIES):
        residuals = []
        for row in range(14):
            others = y[(groups == groups[row]) & (np.arange(14) != row)]
            residuals.append((others.sum(axis=0) + penalty * mean) / (len(others) + penalty) - y[row])
        assert errors[0, j] == pytest.approx(np.square(residuals).sum())


def test_ties_go_to_the_largest_penalty_and_the_fewest_columns():
    z, _ = _data()
    constant = np.ones((14, 2))
    fitted = fit_orthogonal(z, constant, (z, constant), penalties=PENALTIES, sizes=[4, 2])
    assert fitted.penalty == 50
    assert fitted.weights.shape == (2, 2)
