"""A seeded block leaves no trace in the global random states."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from scmog.train import seeded


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), torch.rand(()).item()


def states() -> tuple[object, bytes, bytes]:
    return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()


def test_same_seed_same_numbers_whatever_the_state_before() -> None:
    with seeded(5):
        first = draw()
    draw()
    with seeded(5):
        assert draw() == first
    with seeded(6):
        assert all(a != b for a, b in zip(draw(), first, strict=True))


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 1])
def test_states_are_as_before(seed: int) -> None:
    before = states()
    with seeded(seed):
        draw()
    assert states() == before


def test_states_are_as_before_after_an_exception() -> None:
    before = states()
    with pytest.raises(KeyError, match="boom"), seeded(3):
        draw()
        raise KeyError("boom")
    assert states() == before


def test_blocks_nest() -> None:
    with seeded(1):
        draw()
        expected = draw()
    with seeded(1):
        draw()
        with seeded(2):
            draw()
        assert draw() == expected


def test_states_are_as_before_after_a_seed_that_is_refused() -> None:
    before = states()
    try:
        with pytest.raises(TypeError), seeded(0.5):
            pass
        assert states() == before
    finally:
        random.setstate(before[0])
