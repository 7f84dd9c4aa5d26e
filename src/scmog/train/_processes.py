"""Training in several processes (Lightning's DDP): what this method asks of it."""

from __future__ import annotations

from typing import Any

import numpy as np

# scvi-tools exports these helpers, which all of its models use, under private names only (1.4.2 and 1.5.1)
from scvi.model._utils import parse_device_args, use_distributed_sampler
from scvi.train._logger import SimpleLogger

_UNUSED = "_find_unused_parameters_true"
# Workers of these hand back a state without the critics, which the main process still has; none of scvi-tools' loaders
# would share the data either.
_WITHIN_A_PROCESS = ("ddp_spawn", "ddp_fork", "ddp_notebook")


def choose_strategy(
    strategy: Any = None, *, accelerator: str = "auto", devices: int | list[int] | str = "auto", num_nodes: int = 1
) -> Any:
    """The strategy to train with: as given, or ``"ddp"`` where there are several devices and none is given.

    Pre-training steps the critics and the generators in turn and a direction may be over before the others, so in no
    backward pass do all weights get a gradient. ``"ddp"`` therefore stands for
    ``"ddp_find_unused_parameters_true"``, without which PyTorch refuses that.

    Parameters
    ----------
    strategy
        What the user gave to ``train``.
    accelerator, devices, num_nodes
        As in Lightning's trainer.

    Raises
    ------
    ValueError
        If the strategy starts its processes from within this one, or forbids unused parameters.
    """
    if strategy in (None, "auto"):
        if num_nodes == 1 and _n_devices(accelerator, devices) < 2:
            return strategy
        strategy = "ddp"
    if not isinstance(strategy, str):
        return strategy
    if strategy.startswith(_WITHIN_A_PROCESS) or strategy.endswith("_find_unused_parameters_false"):
        message = (
            f"strategy {strategy!r} does not work with critic pre-training; run a script with strategy='ddp', which "
            "starts one process per device, or train on one device."
        )
        raise ValueError(message)
    return strategy + _UNUSED if strategy == "ddp" else strategy


def _check_accelerator(accelerator: str) -> None:
    """Raise ValueError for Apple's GPUs; ``"auto"`` does not choose them."""
    if accelerator == "mps":
        message = (
            "accelerator must not be 'mps': Apple's GPUs have no double precision, in which losses and calibration are "
            "computed. Use accelerator='cpu'."
        )
        raise ValueError(message)


def _n_devices(accelerator: str, devices: int | list[int] | str) -> int:
    if devices in ("auto", 1):
        return 1  # scvi-tools takes the first one of several
    _, resolved, _ = parse_device_args(accelerator=accelerator, devices=devices, return_device="torch")
    return len(resolved) if isinstance(resolved, list) else int(resolved)


def distributed_options(trainer_kwargs: dict[str, Any], accelerator: str, devices: Any) -> dict[str, Any]:
    """Options for scvi-tools' trainer with the strategy chosen, see :func:`choose_strategy`.

    Raises
    ------
    ValueError
        If the accelerator or the strategy can't train this model.
    """
    _check_accelerator(accelerator)
    strategy = choose_strategy(
        trainer_kwargs.get("strategy"),
        accelerator=accelerator,
        devices=devices,
        num_nodes=trainer_kwargs.get("num_nodes", 1),
    )
    if strategy is None:
        return trainer_kwargs
    options = {**trainer_kwargs, "strategy": strategy}
    if use_distributed_sampler(strategy) and options.get("log_save_dir") is None:
        # scvi-tools' own would write a file into the working directory: rank 0 has the history in memory anyway
        options.setdefault("logger", SimpleLogger())
    return options


def seed_of_process(seed: int, rank: int) -> int:
    """Seed of what a process draws by itself (dropout), of which two processes should not have the same."""
    return int(np.random.SeedSequence([seed, rank]).generate_state(1)[0])
