"""Which strategy is taken for several devices."""

from __future__ import annotations

from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy

from scmog.train import choose_strategy, distributed_options
from scmog.train._processes import seed_of_process

FOUND = "ddp_find_unused_parameters_true"


@pytest.mark.parametrize(
    ("strategy", "devices", "num_nodes", "expected"),
    [
        pytest.param(None, "auto", 1, None, id="nothing-asked-for"),
        pytest.param(None, 1, 1, None, id="one-device"),
        pytest.param("auto", 1, 1, "auto", id="auto"),
        pytest.param(None, 2, 1, FOUND, id="two-devices"),
        pytest.param("auto", "2", 1, FOUND, id="two-devices-auto"),
        pytest.param(None, 1, 2, FOUND, id="two-nodes"),
        pytest.param("ddp", 2, 1, FOUND, id="ddp"),
        pytest.param("ddp", 1, 1, FOUND, id="ddp-on-one-device"),
        pytest.param(FOUND, 2, 1, FOUND, id="in-full"),
        pytest.param("fsdp", 2, 1, "fsdp", id="another"),
    ],
)
def test_strategy(strategy: str | None, devices: Any, num_nodes: int, expected: str | None) -> None:
    assert choose_strategy(strategy, accelerator="cpu", devices=devices, num_nodes=num_nodes) == expected


def test_a_strategy_of_the_users_is_taken() -> None:
    mine = DDPStrategy(find_unused_parameters=True)
    assert choose_strategy(mine, accelerator="cpu", devices=2) is mine


@pytest.mark.parametrize(
    "strategy",
    ["ddp_spawn", "ddp_fork", "ddp_notebook_find_unused_parameters_true", "ddp_find_unused_parameters_false"],
)
def test_strategies_that_cannot_work_are_refused(strategy: str) -> None:
    with pytest.raises(ValueError, match="strategy='ddp'"):
        choose_strategy(strategy, accelerator="cpu", devices=2)


def test_options_are_the_users_but_for_the_strategy_and_the_logger() -> None:
    assert distributed_options({"callbacks": []}, "cpu", 1) == {"callbacks": []}
    given = {"strategy": "ddp", "num_nodes": 1}
    options = distributed_options(given, "cpu", 2)
    assert options["strategy"] == FOUND
    assert not hasattr(options["logger"], "history_path")  # nothing is written into the working directory
    assert given == {"strategy": "ddp", "num_nodes": 1}
    assert distributed_options({**given, "logger": False}, "cpu", 2)["logger"] is False
    assert "logger" not in distributed_options({**given, "log_save_dir": "logs"}, "cpu", 2)


def test_seeds_of_processes_differ() -> None:
    seeds = [seed_of_process(seed, rank) for seed in range(4) for rank in range(4)]
    assert len(set(seeds)) == 16
    assert seeds == [seed_of_process(seed, rank) for seed in range(4) for rank in range(4)]


def test_apples_gpus_are_refused():
    with pytest.raises(ValueError, match="no double precision.*accelerator='cpu'"):
        distributed_options({}, "mps", 1)
