"""Optimisers, schedule and stopping rules. The defaults are the paper's, or the authors' code where it is silent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scmog._modalities import MODALITIES
from scmog.module._config import check_at_least, check_choice


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """How :class:`scmog.train.SCMOGTrainingPlan` trains.

    Attributes
    ----------
    lr_pretrain
        Learning rate of both RMSprop optimisers of the pre-training.
    n_critic
        The generator takes a step at every such mini-batch of an epoch, the first included, the critic at each.
    clip_value
        Bound to which the critic's weights are clipped after each of its steps.
    patience_pretrain
        Pre-training of a direction ends after this many epochs without a better generator loss on validation cells;
        None runs all epochs.
    optimizer
        ``"adam"``, or ``"adamw"`` with decoupled weight decay.
    lr
        Learning rate of the supervised training (the largest one where a schedule is used).
    betas, eps, weight_decay
        Of the supervised optimiser.
    lr_schedule
        ``"constant"``, or ``"one_cycle"`` over ``max_epochs``.
    gradient_clip_norm
        Largest norm of the gradient; None does not clip.
    patience
        A direction is no longer trained after this many epochs without a better validation loss.
    restore_best
        Give back the weights of the best validation epoch of each direction instead of the last ones.
    lr_by_target
        Learning rates of the supervised training that hold for one target only, e.g. ``{"protein": 0.01}``.
    max_epochs_by_target
        Upper bounds of supervised epochs that hold for one target only, e.g. ``{"rna": 60}``.
    compile
        Compile the element-wise parts of the losses, see :func:`scmog.nn.fused`.
    """

    lr_pretrain: float = 1e-4
    n_critic: int = 5
    clip_value: float = 0.01
    patience_pretrain: int | None = 7
    optimizer: Literal["adam", "adamw"] = "adam"
    lr: float = 0.01
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    lr_schedule: Literal["constant", "one_cycle"] = "constant"
    gradient_clip_norm: float | None = None
    patience: int = 7
    restore_best: bool = True
    lr_by_target: dict[str, float] = field(default_factory=dict)
    max_epochs_by_target: dict[str, int] = field(default_factory=dict)
    compile: bool = False

    def __post_init__(self) -> None:
        check_choice(self, "optimizer", ("adam", "adamw"))
        check_choice(self, "lr_schedule", ("constant", "one_cycle"))
        check_at_least(self, 1, "n_critic", "patience")
        check_at_least(self, 0, "weight_decay")
        if self.patience_pretrain is not None:
            check_at_least(self, 1, "patience_pretrain")
        for name in ("lr_pretrain", "clip_value", "lr", "eps", "gradient_clip_norm"):
            value = getattr(self, name)
            if not (value is None and name == "gradient_clip_norm") and not value > 0:
                message = f"{name} must be positive, got {value}."
                raise ValueError(message)
        unfit = {target: lr for target, lr in self.lr_by_target.items() if target not in MODALITIES or not lr > 0}
        if unfit:
            message = f"lr_by_target must give {list(MODALITIES)} positive numbers, got {unfit}."
            raise ValueError(message)
        wrong = {target: n for target, n in self.max_epochs_by_target.items() if target not in MODALITIES or n < 1}
        if wrong:
            message = f"max_epochs_by_target must give {list(MODALITIES)} whole numbers, 1 or more, got {wrong}."
            raise ValueError(message)
