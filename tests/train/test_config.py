"""The options of the training plan: defaults and checks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from scmog.train import PlanConfig


def test_defaults_are_the_papers_or_the_authors() -> None:
    config = PlanConfig()
    assert (config.n_critic, config.clip_value, config.lr_pretrain, config.patience_pretrain) == (5, 0.01, 1e-4, 7)
    assert (config.optimizer, config.lr, config.betas, config.weight_decay) == ("adam", 0.01, (0.5, 0.999), 0.0)
    assert (config.lr_schedule, config.gradient_clip_norm, config.patience) == ("constant", None, 7)
    assert config.restore_best
    assert config.max_epochs_by_target == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"optimizer": "sgd"}, r"optimizer must be one of \['adam', 'adamw'\], got 'sgd'", id="optimizer"),
        pytest.param({"lr_schedule": "cosine"}, r"lr_schedule must be one of .*'one_cycle'.*'cosine'", id="schedule"),
        pytest.param({"n_critic": 0}, r"n_critic must be at least 1, got 0", id="n-critic"),
        pytest.param({"patience": 0}, r"patience must be at least 1, got 0", id="patience"),
        pytest.param({"weight_decay": -0.1}, r"weight_decay must be at least 0, got -0\.1", id="weight-decay"),
        pytest.param({"lr": 0}, r"lr must be positive, got 0", id="lr"),
        pytest.param({"lr": math.nan}, r"lr must be positive, got nan", id="lr-nan"),
        pytest.param({"lr_pretrain": -1e-4}, r"lr_pretrain must be positive", id="lr-pretrain"),
        pytest.param({"clip_value": 0}, r"clip_value must be positive", id="clip"),
        pytest.param({"eps": 0}, r"eps must be positive", id="eps"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PlanConfig(**options)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"patience_pretrain": 0}, id="patience-pretrain-0-would-mean-never"),
        pytest.param({"patience_pretrain": -1}, id="patience-pretrain-negative"),
        pytest.param({"gradient_clip_norm": -1.0}, id="clip-norm-negative-would-turn-the-gradient-round"),
        pytest.param({"gradient_clip_norm": 0.0}, id="clip-norm-0-would-train-nothing"),
        pytest.param({"max_epochs_by_target": {"RNA": 5}}, id="unknown-target"),
        pytest.param({"lr_by_target": {"RNA": 0.1}}, id="rate-of-an-unknown-target"),
        pytest.param({"lr_by_target": {"rna": 0.0}}, id="rate-0"),
        pytest.param({"max_epochs_by_target": {"rna": -5}}, id="negative-epochs"),
    ],
)
def test_bad_options_that_pass_so_far(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        PlanConfig(**options)


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PlanConfig().lr = 1.0
