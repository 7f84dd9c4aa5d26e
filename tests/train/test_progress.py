"""Early stopping and best weights of one direction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scmog.train._progress import DirectionProgress, Patience


@pytest.mark.parametrize(
    ("limit", "values", "n_used", "best"),
    [
        pytest.param(2, [3, 2, 1, 0.5], 4, 0.5, id="always-better"),
        pytest.param(2, [3, 2, 2.5, 2.6, 1], 4, 2, id="stops-after-two-without"),
        pytest.param(2, [3, 3, 3, 1], 3, 3, id="equal-is-no-improvement"),
        pytest.param(2, [3, 4, 2, 4, 1, 5, 6, 0], 7, 1, id="an-improvement-starts-the-count-anew"),
        pytest.param(1, [3, 3.1, 0], 2, 3, id="patience-1"),
        pytest.param(math.inf, [1, 2, 3, 4], 4, 1, id="never"),
        pytest.param(2, [math.nan, math.nan, 1], 2, math.inf, id="nan-is-no-improvement"),
        pytest.param(3, [2, math.nan, 1, 5], 4, 1, id="nan-in-between"),
    ],
)
def test_patience(limit: float, values: list[float], n_used: int, best: float) -> None:
    patience, used = Patience(limit), 0
    for value in values:
        if patience.exhausted:
            break
        earlier = [v for v in values[:used] if not math.isnan(v)]
        assert patience.update(value) == (value < min(earlier, default=math.inf))
        used += 1
    assert used == n_used
    assert patience.best == best


def progress(patience: float = 2, max_epochs: int = 5) -> DirectionProgress:
    return DirectionProgress(pretraining=Patience(math.inf), training=Patience(patience), max_epochs=max_epochs)


def test_finished_by_patience_or_by_epochs() -> None:
    by_patience, module = progress(patience=1), nn.Linear(1, 1)
    by_patience.remember_if_best(1.0, module)
    assert not by_patience.finished
    by_patience.remember_if_best(2.0, module)
    assert by_patience.finished
    by_epochs = progress(max_epochs=2)
    by_epochs.n_epochs = 1
    assert not by_epochs.finished
    by_epochs.n_epochs = 2
    assert by_epochs.finished


def test_best_weights_come_back() -> None:
    """Weights and batch norm statistics of the epoch with the lowest loss, whatever happens to the module later."""
    module, state = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), progress(patience=10)
    best: dict[str, torch.Tensor] = {}
    for epoch, loss in enumerate([3.0, 1.0, 2.0, math.nan]):
        with torch.no_grad():
            for value in (*module.parameters(), module[1].running_mean):
                value.fill_(epoch)
        state.remember_if_best(loss, module)
        if epoch == 1:
            best = {name: value.clone() for name, value in module.state_dict().items()}
    state.restore_best(module)
    assert all(torch.equal(value, best[name]) for name, value in module.state_dict().items())
    assert state.best_state is None  # the copy is let go
    with torch.no_grad():
        module[0].weight.fill_(9)
    state.restore_best(module)
    assert (module[0].weight == 9).all()


def test_nothing_comes_back_without_validation() -> None:
    module, state = nn.Linear(2, 2), progress()
    before = module.weight.clone()
    state.restore_best(module)
    assert torch.equal(module.weight, before)
