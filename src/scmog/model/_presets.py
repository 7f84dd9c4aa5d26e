"""The named recipes: the paper's, the authors' code's, and ours. Each setting has one place, here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scmog.module import ModuleConfig, replace_checked
from scmog.train import PlanConfig

_MAX_SCALE = 10.0  # of the epochs, for small data


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
    cells_for_epochs
        Number of training cells that epochs and patience of the supervised training are meant for; with fewer cells
        they are scaled up (at most tenfold), so that small data get as many steps. None does not scale.
    """

    module: ModuleConfig
    plan: PlanConfig
    n_epochs_pretrain: int
    max_epochs: int
    batch_size: int = 256
    cells_for_epochs: int | None = None

    def module_config(self, changes: dict[str, Any]) -> ModuleConfig:
        """Sizes and choices of the networks with the user's changes."""
        if "dropout_rate" in changes:  # the user's number holds for all targets
            changes = {"dropout_rate_by_target": {}, **changes}
        if "n_components_rna" in changes:
            changes = {"n_components_rna_for_protein": None, **changes}
        if "rna_input" in changes:
            changes = {"rna_input_for_protein": None, **changes}
        config: ModuleConfig = replace_checked(self.module, changes, argument="SCMOG(...)")
        return config

    def schedule(
        self, n_train: int, *, max_epochs: int | None = None, plan_kwargs: dict[str, Any] | None = None
    ) -> tuple[int, PlanConfig]:
        """Most epochs of supervised training, and the plan, for ``n_train`` training cells and the user's changes."""
        scale = 1.0 if self.cells_for_epochs is None else min(_MAX_SCALE, max(1.0, self.cells_for_epochs / n_train))
        changes: dict[str, Any] = {"patience": round(self.plan.patience * scale)}
        if max_epochs is None:
            max_epochs = round(self.max_epochs * scale)
            by_target = self.plan.max_epochs_by_target
            changes["max_epochs_by_target"] = {target: round(n * scale) for target, n in by_target.items()}
        else:  # the user's number holds for all targets
            changes["max_epochs_by_target"] = {}
        if "lr" in (plan_kwargs or {}):  # so does a learning rate
            changes["lr_by_target"] = {}
        return max_epochs, replace_checked(self.plan, {**changes, **(plan_kwargs or {})}, argument="plan_kwargs")


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

# What measured best so far; docs/user_guide/method.md has what each setting is worth.
DEFAULT = Preset(
    module=ModuleConfig(
        n_latent=64,
        n_members=3,
        n_components_rna=(0, 30),
        n_components_rna_for_protein=(0, 30, 20),
        n_hidden_rna=(512, 128),
        n_hidden_rna_decoder=(128,),
        n_hidden_atac_decoder=(128,),
        n_hidden_protein_decoder=(),
        n_hidden_critic=(256, 64, 16),
        rna_input="log_depth",
        atac_input="centred_depth",
        rna_likelihood="raw",
        dispersion="gene",
        shared_offset=True,
        depth_shift=True,
        dropout_rate=0.4,
        dropout_rate_by_target={"rna": 0.3, "protein": 0.3},
        input_dropout_rate=0.4,
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
        lr_pretrain=2e-5,
        patience_pretrain=None,
        lr_by_target={"protein": 1e-2},
        max_epochs_by_target={"atac": 14, "rna": 24},
    ),
    n_epochs_pretrain=1,
    max_epochs=40,
    cells_for_epochs=8000,
)

PRESETS: dict[str, Preset] = {"default": DEFAULT, "paper": PAPER, "authors": AUTHORS}


def find_preset(name: str) -> Preset:
    """Preset called ``name``; a ValueError lists those that exist."""
    if name not in PRESETS:
        message = f"preset must be one of {list(PRESETS)}, got {name!r}."
        raise ValueError(message)
    return PRESETS[name]
