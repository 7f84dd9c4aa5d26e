"""The last ATAC layer and its focal loss in one, against the two of them one after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scmog.nn import Focal, _linear_focal, focal_loss, linear_focal_loss

N_CELLS, N_PEAKS, N_HIDDEN = 6, 11, 4


def parameters(*, offset: bool = True) -> list[Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    sizes = [(N_CELLS, N_HIDDEN), (N_PEAKS, N_HIDDEN), (N_PEAKS,), (N_CELLS, 1)]
    made = [torch.randn(size, generator=generator, dtype=torch.float64).mul_(2).requires_grad_() for size in sizes]
    return made if offset else [*made[:3], None]


def openness() -> Tensor:
    """Cells of several, no and all open peaks."""
    target = torch.bernoulli(torch.full((N_CELLS, N_PEAKS), 0.3), generator=torch.Generator().manual_seed(1)).double()
    target[2], target[4] = 0, 1
    return target


def one_after_the_other(
    h: Tensor, weight: Tensor, bias: Tensor, offset: Tensor | None, target: Tensor, focal: Focal
) -> Tensor:
    logit = F.linear(h, weight, bias)
    return focal_loss(logit if offset is None else logit + offset, target, **focal._asdict(), reduction="cell")


@pytest.fixture(params=[1, 2 * N_CELLS, 5 * N_CELLS, 10_000], ids="{}-entries".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Peaks go through in blocks of one, two, five (the last is shorter), or all at once."""
    monkeypatch.setattr("scmog.nn._linear_focal._BLOCK_ENTRIES", request.param)
    return request.param


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("upstream", [torch.full((6,), 0.25), torch.linspace(-1, 2, 6)], ids=["mean", "any"])
@pytest.mark.usefixtures("block")
def test_value_and_gradient(gamma: float, offset: bool, upstream: Tensor) -> None:
    focal, target = Focal(0.3, 0.9, gamma), openness()
    ours, expected = parameters(offset=offset), parameters(offset=offset)
    loss = linear_focal_loss(*ours, target, focal)
    by_hand = one_after_the_other(*expected, target, focal)
    torch.testing.assert_close(loss, by_hand, rtol=1e-10, atol=0)
    loss.backward(upstream.double())
    by_hand.backward(upstream.double())
    for one, other in zip(ours, expected, strict=True):
        if one is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("block")
def test_sparse_target() -> None:
    focal, target = Focal(0.5, 0.5, 1.0), openness()
    for dtype in (torch.int32, torch.int64):
        rows = target.to_sparse_csr()
        rows = torch.sparse_csr_tensor(rows.crow_indices().to(dtype), rows.col_indices().to(dtype), rows.values())
        given = torch.sparse_csr_tensor(rows.crow_indices(), rows.col_indices(), 3 * rows.values(), target.shape)
        loss = linear_focal_loss(*parameters(), given, focal)  # counts are as good as ones
        torch.testing.assert_close(loss, linear_focal_loss(*parameters(), target, focal))


def test_gradcheck() -> None:
    focal, target = Focal(0.93, 0.07, 2.0), openness()
    assert torch.autograd.gradcheck(lambda *args: linear_focal_loss(*args, target, focal), parameters())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_none_are_made(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in validation."""
    run, seen = _linear_focal._run, []

    def spy(*args: Any, with_gradient: bool) -> Any:
        seen.append(with_gradient)
        return run(*args, with_gradient=with_gradient)

    monkeypatch.setattr(_linear_focal, "_run", spy)
    linear_focal_loss(*parameters(), openness(), Focal(0.5, 0.5, 1.0))
    with mode():
        loss = linear_focal_loss(*parameters(), openness(), Focal(0.5, 0.5, 1.0))
    assert not loss.requires_grad
    torch.testing.assert_close(loss, one_after_the_other(*parameters(), openness(), Focal(0.5, 0.5, 1.0)).detach())
    assert seen == [True, False]


def test_in_mixed_precision_it_stays_in_full_precision() -> None:
    focal, target = Focal(0.5, 0.5, 1.0), openness().float()
    h, weight, bias, offset = (p.detach().float().requires_grad_() for p in parameters())
    with torch.autocast("cpu", torch.bfloat16):
        half = torch.nn.functional.linear(h, torch.eye(N_HIDDEN))
        assert half.dtype == torch.bfloat16
        loss = linear_focal_loss(half, weight, bias, offset.bfloat16(), target, focal)
    loss.sum().backward()
    expected = one_after_the_other(h.bfloat16().float(), weight, bias, offset.bfloat16().float(), target, focal)
    torch.testing.assert_close(loss, expected)
    assert h.grad.abs().sum() > 0


def test_surely_wrong_logits_stay_finite() -> None:
    h, weight = torch.ones(1, 1, requires_grad=True), torch.tensor([[1e4], [-1e4], [80.0], [-80.0]])
    loss = linear_focal_loss(
        h, weight, torch.zeros(4), None, torch.tensor([[0.0, 1.0, 0.0, 1.0]]), Focal(0.9, 0.1, 2.0)
    )
    assert loss.item() == pytest.approx((0.1 + 0.9) * (1e4 + 80), rel=1e-6)
    loss.sum().backward()
    assert h.grad.item() == pytest.approx((0.1 + 0.9) * (1e4 + 80), rel=1e-6)
