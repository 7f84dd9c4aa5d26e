"""The named recipes: the paper's, the authors' code's, and ours. Each setting has one place, here."""

from __future__ import annotations

from dataclasses import dataclass

from scmog.module import ModuleConfig
from scmog.train import PlanConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A complete recipe.

    Attributes
    ----------
    module
        Sizes and choices of the networks.
    plan
        Optimisers, schedule and stopping rules.
    n_epochs_pretrain, max_epochs
        Most epochs of the critic pre-training, and of the supervised training on top.
    batch_size
        Cells per mini-batch.
    """

    module: ModuleConfig
    plan: PlanConfig
    n_epochs_pretrain: int
    max_epochs: int
    batch_size: int = 256


# Where the paper is silent it takes the authors' value: pre-training for at most 200 epochs at 1e-4, Adam's betas,
# patience 7, epochs per target.
_EPOCHS_BY_TARGET = {"rna": 60, "protein": 120}

PAPER = Preset(
    module=ModuleConfig(),
    plan=PlanConfig(max_epochs_by_target=_EPOCHS_BY_TARGET),
    n_epochs_pretrain=200,
    max_epochs=500,
)

AUTHORS = Preset(
    module=ModuleConfig(
        focal_weight_open=0.07,
        focal_weight_closed=0.93,
        rna_input="counts",
        rna_input_for_protein="zscore",
        xavier_critic=False,
    ),
    plan=PlanConfig(lr=1e-4, restore_best=False, max_epochs_by_target=_EPOCHS_BY_TARGET),
    n_epochs_pretrain=200,
    max_epochs=500,
)

DEFAULT = Preset(
    module=ModuleConfig(
        rna_input="log",
        atac_input="centred",
        dropout_rate=0.3,
        input_dropout_rate=0.3,
        focal_weight_open=0.5,
        focal_weight_closed=0.5,
        focal_gamma=1.0,
        output_bias="average",
    ),
    plan=PlanConfig(
        optimizer="adamw",
        lr=2e-3,
        betas=(0.9, 0.999),
        weight_decay=1e-2,
        lr_schedule="one_cycle",
        patience=10,
        patience_pretrain=None,
    ),
    n_epochs_pretrain=2,
    max_epochs=40,
)

PRESETS: dict[str, Preset] = {"default": DEFAULT, "paper": PAPER, "authors": AUTHORS}


def find_preset(name: str) -> Preset:
    """Preset called ``name``; a ValueError lists those that exist."""
    if name not in PRESETS:
        message = f"preset must be one of {list(PRESETS)}, got {name!r}."
        raise ValueError(message)
    return PRESETS[name]
