"""Element-wise functions run compiled while asked for, and only then."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scmog.nn import Focal, focal_loss, fused, linear_focal_loss, negative_binomial_loss
from scmog.nn._pointwise import pointwise


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the functions that were compiled, by a compiler that adds 1000 to what they return."""
    names: list[str] = []

    def compiler(function: Callable[..., Any]) -> Callable[..., Any]:
        names.append(function.__name__)
        return lambda *args: function(*args) + 1000

    monkeypatch.setattr("scmog.nn._pointwise._compiled", functools.cache(compiler))
    return names


def test_compiled_only_within(made: list[str]) -> None:
    @pointwise
    def twice(x: Tensor) -> Tensor:
        return 2 * x

    x = torch.ones(3)
    assert twice(x).tolist() == [2, 2, 2]
    with fused():
        assert twice(x).tolist() == [1002, 1002, 1002]
        with fused(False):
            assert twice(x).tolist() == [2, 2, 2]
        twice(x)
    assert twice(x).tolist() == [2, 2, 2]
    assert made == ["twice"]  # once for all calls


def test_nothing_stays_compiled_after_an_error(made: list[str]) -> None:
    @pointwise
    def fails(x: Tensor) -> Tensor:
        raise RuntimeError(f"{x}")

    with pytest.raises(RuntimeError), fused():
        fails(torch.ones(1))
    assert made == ["fails"]
    assert pointwise(torch.neg)(torch.ones(1)) == -1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")  # both by torch itself
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("n_cells", [16, 7])
def test_same_values_and_gradients(n_cells: int) -> None:
    """What the real compiler makes of the losses; needs a C++ compiler."""
    generator = torch.Generator().manual_seed(0)
    h, weight = (torch.randn(n, 8, generator=generator) for n in (n_cells, 300))
    bias, counts = torch.zeros(300), torch.poisson(torch.full((n_cells, 300), 0.4), generator=generator)
    focal = Focal(0.93, 0.07, 2.0)

    def focal_of(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return linear_focal_loss(h, weight, bias, None, counts, focal)

    def nb_of(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return negative_binomial_loss((h @ weight.T).exp(), bias.exp(), counts, reduction="cell")

    for loss_of in (focal_of, nb_of):
        results = []
        for enabled in (False, True):
            leaves = [value.clone().requires_grad_() for value in (h, weight, bias)]
            with fused(enabled):
                loss = loss_of(*leaves)
                loss.sum().backward()
            results.append([loss.detach(), *(leaf.grad for leaf in leaves)])
        for plain, compiled in zip(*results, strict=True):
            torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)
    by_hand = focal_loss(h @ weight.T, counts, **focal._asdict(), reduction="cell")
    torch.testing.assert_close(focal_of(h, weight, bias), by_hand, rtol=1e-5, atol=1e-4)
