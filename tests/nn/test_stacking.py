"""Weights of an average of networks, against a general optimiser and cases known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from scmog.nn import stacking_weights

MANY = 10**9  # cells, so that the prior says nothing


def products(seed: int, n_members: int = 4) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.5, 2, (n_members, 1))
    errors = scale * rng.standard_normal((n_members, 300)) + rng.standard_normal(300)
    return torch.as_tensor(errors @ errors.T / 300)


@pytest.mark.parametrize("seed", range(5))
def test_least_square_on_the_simplex(seed: int) -> None:
    gram = products(seed)
    expected = minimize(
        lambda w: w @ gram.numpy() @ w,
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    np.testing.assert_allclose(stacking_weights(gram, MANY).numpy(), expected.x, atol=1e-4)


def test_independent_errors_count_by_their_precision() -> None:
    weights = stacking_weights(torch.diag(torch.tensor([1.0, 2.0, 4.0])), MANY)
    torch.testing.assert_close(weights, torch.tensor([4.0, 2.0, 1.0]) / 7)


def test_one_that_adds_nothing_has_no_weight() -> None:
    # the second errs as the first does, and more
    weights = stacking_weights(torch.tensor([[1.0, 1.0], [1.0, 3.0]]), MANY)
    torch.testing.assert_close(weights, torch.tensor([1.0, 0.0]))


def test_few_cells_hold_the_weights_together() -> None:
    gram = torch.diag(torch.tensor([1.0, 3.0]))  # mean 2: ten cells' worth of it, 2 x 10 / n, is added to each
    torch.testing.assert_close(stacking_weights(gram, 10), torch.tensor([5.0, 3.0]) / 8)
    torch.testing.assert_close(stacking_weights(gram, 20), torch.tensor([4.0, 2.0]) / 6)


def test_only_ratios_of_the_products_matter() -> None:
    torch.testing.assert_close(stacking_weights(1e6 * products(0), 50), stacking_weights(products(0), 50))


@pytest.mark.parametrize(
    "gram",
    [torch.zeros(3, 3), torch.ones(3, 3), torch.diag(torch.tensor([1.0, float("nan"), 1.0]))],
    ids=["none errs", "all err alike", "one is not a number"],
)
def test_networks_that_are_alike_count_alike(gram: torch.Tensor) -> None:
    weights = stacking_weights(gram, MANY)
    assert weights.dtype == gram.dtype
    torch.testing.assert_close(weights, torch.full((3,), 1 / 3), rtol=1e-3, atol=1e-3)
