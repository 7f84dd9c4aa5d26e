"""RMSprop in blocks of weights against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scmog.train._rmsprop import ClippedRMSprop


def weights() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=generator).requires_grad_() for size in [(7, 5), (3,), (2, 2)]]


def gradients(step: int) -> list[Tensor | None]:
    """The last weight has a gradient now and then only, the first one that is laid out by column."""
    generator = torch.Generator().manual_seed(step)
    first = torch.randn(5, 7, generator=generator).T
    return [first, torch.randn(3, generator=generator), torch.ones(2, 2) if step % 2 else None]


@pytest.mark.parametrize("block", [1, 4, 1000])
@pytest.mark.parametrize("clip_value", [None, 0.5])
def test_steps_are_torchs(monkeypatch: pytest.MonkeyPatch, block: int, clip_value: float | None) -> None:
    monkeypatch.setattr("scmog.train._rmsprop._BLOCK", block)
    ours, expected = weights(), weights()
    optimizer = ClippedRMSprop(ours, 1e-2, clip_value=clip_value)
    plain = torch.optim.RMSprop(expected, lr=1e-2)
    for step in range(6):
        for one, other, gradient in zip(ours, expected, gradients(step), strict=True):
            one.grad = None if gradient is None else gradient.clone()
            other.grad = None if gradient is None else gradient.clone()
        optimizer.step()
        plain.step()
        for one, other in zip(ours, expected, strict=True):
            if clip_value is not None and other.grad is not None:
                other.data.clamp_(-clip_value, clip_value)
            torch.testing.assert_close(one, other)


def test_state_is_torchs() -> None:
    """So that a saved optimiser can be read by either."""
    ours, expected = weights(), weights()
    optimizer, plain = ClippedRMSprop(ours, 1e-2), torch.optim.RMSprop(expected, lr=1e-2)
    for values, one in ((ours, optimizer), (expected, plain)):
        for weight in values:
            weight.grad = torch.ones_like(weight)
        one.step()
    assert optimizer.state_dict()["state"].keys() == plain.state_dict()["state"].keys()
    torch.testing.assert_close(optimizer.state_dict()["state"][0], plain.state_dict()["state"][0])


def test_closure() -> None:
    """Lightning steps through one."""
    ours, expected = weights()[:1], weights()[:1]

    def loss_of(values: list[Tensor]) -> Tensor:
        loss = values[0].square().sum()
        loss.backward()
        return loss

    loss = ClippedRMSprop(ours, 1e-2).step(lambda: loss_of(ours))
    assert loss == torch.optim.RMSprop(expected, lr=1e-2).step(lambda: loss_of(expected))
    torch.testing.assert_close(ours[0], expected[0])
