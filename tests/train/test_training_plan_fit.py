"""Whole fits with Lightning's trainer: stages, stopping rules, schedule, what is logged."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from scmog._modalities import MODALITIES
from scmog.module import ModuleConfig, SCMOGModule
from scmog.train import PlanConfig, SCMOGTrainingPlan

SIZES = {"rna": 8, "atac": 12, "protein": 4}
NAMES = ["rna_to_atac", "rna_to_protein"]
SMALL = ModuleConfig(
    n_latent=3,
    n_hidden_rna=(5,),
    n_hidden_atac=(5,),
    n_hidden_protein=(5,),
    n_hidden_critic=(4,),
    n_hidden_critic_protein=(4,),
)


def batches(n: int, n_cells: int = 16) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            MODALITIES[name].registry_key: torch.poisson(torch.full((n_cells, size), 1.5), generator=generator)
            for name, size in SIZES.items()
        }
        for _ in range(n)
    ]


class Recorder(Callback):
    """Notes what the plan does in each epoch."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.active: list[list[str]] = []
        self.critic_bounds: list[float] = []
        self.states: list[dict[str, dict[str, Tensor]]] = []  # of each translator, at the end of each epoch's training

    def on_train_epoch_start(self, trainer: Trainer, pl_module: SCMOGTrainingPlan) -> None:
        self.stages.append(pl_module.stage_name)
        self.active.append(pl_module.active)

    def on_train_batch_end(self, trainer: Trainer, pl_module: SCMOGTrainingPlan, *_: Any) -> None:
        if pl_module.critics is not None:
            self.critic_bounds += [parameter.abs().max().item() for parameter in pl_module.critics.parameters()]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: SCMOGTrainingPlan) -> None:
        self.states.append({name: copy.deepcopy(pl_module.module.translator(name).state_dict()) for name in NAMES})


def scripted(**losses: list[float]) -> type[SCMOGTrainingPlan]:
    """A plan whose validation losses are these, epoch by epoch, instead of measured ones."""

    class Scripted(SCMOGTrainingPlan):
        def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
            for name in self.active:
                stage = "pretraining" if self.pretraining else "training"
                epoch = self.current_epoch - (0 if self.pretraining else self._n_epochs_pretrained)
                key = "generator_loss_validation" if self.pretraining else "validation_loss"
                self.log(f"{key}_{name}", losses[f"{stage}_{name}"][epoch], batch_size=1, on_epoch=True)

    return Scripted


def fit(
    plan: type[SCMOGTrainingPlan] = SCMOGTrainingPlan,
    *,
    n_epochs_pretrain: int = 0,
    max_epochs: int = 1,
    n_batches: int = 3,
    validate: bool = True,
    early_stopping: bool = True,
    **config: Any,
) -> tuple[SCMOGTrainingPlan, Recorder, Trainer]:
    torch.manual_seed(0)
    module = SCMOGModule(SIZES, [("rna", "atac"), ("rna", "protein")], config=SMALL)
    for name, representation in module.representations.items():
        representation.fit(lambda name=name: (b[MODALITIES[name].registry_key] for b in batches(n_batches)))
    made = plan(
        module,
        n_epochs_pretrain=n_epochs_pretrain,
        max_epochs=max_epochs,
        early_stopping=early_stopping,
        config=PlanConfig(**config),
    )
    recorder = Recorder()
    trainer = Trainer(
        max_epochs=n_epochs_pretrain + max_epochs,
        accelerator="cpu",
        callbacks=[recorder],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    module.train()
    trainer.fit(
        made,
        DataLoader(batches(n_batches), batch_size=None),
        DataLoader(batches(1), batch_size=None) if validate else None,
    )
    return made, recorder, trainer


@contextmanager
def recorded_steps() -> Iterator[list[tuple[str, int, list[float], float]]]:
    """Every optimiser step meanwhile: class, number of tensors, learning rate of each group, norm of the gradient."""
    steps: list[tuple[str, int, list[float], float]] = []

    def note(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        steps.append((type(optimizer).__name__, len(parameters), rates, norm))

    handle = register_optimizer_step_pre_hook(note)
    try:
        yield steps
    finally:
        handle.remove()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, b[name]) or value.isnan().all() for name, value in a.items())


# ---------------------------------------------------------------------- stages
def test_steps_of_each_stage() -> None:
    """Seven batches: seven critic steps, two generator steps (batches 0 and 5), and then only Adam."""
    with recorded_steps() as steps:
        plan, recorder, _ = fit(n_epochs_pretrain=2, max_epochs=2, n_batches=7, lr_pretrain=3e-4)
    n_generator = len(list(plan.module.parameters()))
    n_critic = len(list(plan.module.new_critics().parameters()))
    assert n_generator != n_critic
    kinds = [(kind, n) for kind, n, _, _ in steps]
    critic, generator = ("ClippedRMSprop", n_critic), ("ClippedRMSprop", n_generator)
    epoch = [critic, generator, *[critic] * 5, generator, critic]
    assert kinds == epoch * 2 + [("Adam", n_generator)] * 14
    assert {rate for kind, _, rates, _ in steps if kind == "ClippedRMSprop" for rate in rates} == {3e-4}
    assert {rate for kind, _, rates, _ in steps if kind == "Adam" for rate in rates} == {0.01}
    assert recorder.stages == ["Critic pre-training 1/2", "Critic pre-training 2/2", "Training 1/2", "Training 2/2"]


def test_critics_are_clipped_after_each_batch_and_then_dropped() -> None:
    plan, recorder, trainer = fit(n_epochs_pretrain=1, n_batches=4, clip_value=0.003)
    assert len(recorder.critic_bounds) == 4 * len(list(plan.module.new_critics().parameters()))
    assert max(recorder.critic_bounds) == pytest.approx(0.003, rel=1e-6)
    assert plan.critics is None
    supervised, *pretraining = trainer.optimizers
    assert len(supervised.state) > 0
    for optimizer in pretraining:  # they would hold on to the critics' memory
        assert len(optimizer.state) == 0
        assert [p for group in optimizer.param_groups for p in group["params"]] == []


def test_pretraining_moves_weights_without_any_supervised_loss() -> None:
    _, recorder, trainer = fit(n_epochs_pretrain=2, max_epochs=1)
    assert not same(recorder.states[0]["rna_to_atac"], recorder.states[1]["rna_to_atac"])
    expected = {
        "critic_loss_train",
        "generator_loss_train",
        "generator_loss_validation",
        "train_loss",
        "validation_loss",
    }
    keys = set(trainer.callback_metrics)
    assert keys == expected | {f"{key}_{name}" for key, name in itertools.product(expected, NAMES)}
    for key in expected:
        total = sum(trainer.callback_metrics[f"{key}_{name}"] for name in NAMES)
        torch.testing.assert_close(trainer.callback_metrics[key], total)


def test_validation_loss_is_the_mean_over_cells_of_the_final_weights() -> None:
    plan, _, trainer = fit(max_epochs=1, restore_best=False)
    plan.module.eval()
    with torch.no_grad():
        output = plan.module(batches(1)[0])[2]
    for name in NAMES:
        torch.testing.assert_close(
            trainer.callback_metrics[f"validation_loss_{name}"], output.reconstruction_loss[name].mean()
        )


# ---------------------------------------------------------------------- stopping
def test_each_direction_stops_by_itself_and_gets_its_best_weights() -> None:
    plan, recorder, trainer = fit(
        scripted(training_rna_to_atac=[3, 1, 2, 2, 0, 0], training_rna_to_protein=[5, 4, 3, 2, 3, 3, 1]),
        max_epochs=20,
        patience=2,
    )
    assert recorder.active == [NAMES] * 4 + [["rna_to_protein"]] * 2
    assert trainer.current_epoch == 6
    epochs = {name: [states[name] for states in recorder.states] for name in NAMES}
    assert same(epochs["rna_to_atac"][3], epochs["rna_to_atac"][5])  # a stopped direction is left alone
    assert not same(epochs["rna_to_atac"][1], epochs["rna_to_atac"][3])
    assert same(plan.module.translator("rna_to_atac").state_dict(), epochs["rna_to_atac"][1])
    assert same(plan.module.translator("rna_to_protein").state_dict(), epochs["rna_to_protein"][3])


def test_last_weights_stay_where_asked_for() -> None:
    losses = {f"training_{name}": [1, 2, 3] for name in NAMES}
    plan, recorder, _ = fit(scripted(**losses), max_epochs=3, restore_best=False)
    for name in NAMES:
        assert same(plan.module.translator(name).state_dict(), recorder.states[2][name])


def test_no_early_stopping_runs_all_epochs_and_still_restores_the_best() -> None:
    losses = {f"training_{name}": [2, 1, 3, 3, 3] for name in NAMES}
    plan, recorder, _ = fit(scripted(**losses), max_epochs=5, patience=1, early_stopping=False)
    assert recorder.active == [NAMES] * 5
    for name in NAMES:
        assert same(plan.module.translator(name).state_dict(), recorder.states[1][name])


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
def test_without_validation_all_epochs_are_run_and_the_last_weights_kept() -> None:
    plan, recorder, trainer = fit(max_epochs=3, n_epochs_pretrain=1, validate=False, patience=1, early_stopping=False)
    assert trainer.current_epoch == 4
    for name in NAMES:
        assert same(plan.module.translator(name).state_dict(), recorder.states[3][name])


def test_epochs_of_one_target_are_bounded() -> None:
    _, recorder, trainer = fit(max_epochs=4, max_epochs_by_target={"protein": 2}, n_epochs_pretrain=1)
    assert recorder.active == [NAMES] * 3 + [["rna_to_atac"]] * 2
    assert same(recorder.states[2]["rna_to_protein"], recorder.states[4]["rna_to_protein"])
    # the sum goes on with the best loss of the direction that is over
    best = trainer.lightning_module.progress["rna_to_protein"].training.best
    total = trainer.callback_metrics["validation_loss_rna_to_atac"] + best
    assert trainer.callback_metrics["validation_loss"].item() == pytest.approx(total.item(), rel=1e-5)


def test_pretraining_ends_early_and_its_losses_do_not_count_for_training() -> None:
    never_better = {f"pretraining_{name}": [-9.0, 0.0, 0.0, 0.0] for name in NAMES}
    never_better["pretraining_rna_to_protein"] = [-9.0, -9.5, 0.0, 0.0]
    losses = {f"training_{name}": [3.0, 2.0] for name in NAMES}
    plan, recorder, trainer = fit(
        scripted(**never_better, **losses), n_epochs_pretrain=6, max_epochs=2, patience_pretrain=1
    )
    assert recorder.stages == [f"Critic pre-training {i}/6" for i in (1, 2, 3)] + ["Training 1/2", "Training 2/2"]
    assert recorder.active == [NAMES, NAMES, ["rna_to_protein"], NAMES, NAMES]
    assert trainer.current_epoch == 5  # not the six pre-training epochs and two more that were allowed
    for name in NAMES:
        assert plan.progress[name].training.best == 2.0
        assert same(plan.module.translator(name).state_dict(), recorder.states[4][name])


def test_all_of_pretraining_without_its_patience() -> None:
    losses = {f"pretraining_{name}": [-9.0, 0.0, 0.0, 0.0] for name in NAMES}
    losses |= {f"training_{name}": [3.0] for name in NAMES}
    _, recorder, _ = fit(scripted(**losses), n_epochs_pretrain=4, max_epochs=1, patience_pretrain=None)
    assert recorder.stages == [f"Critic pre-training {i}/4" for i in (1, 2, 3, 4)] + ["Training 1/1"]


def test_pretraining_alone_may_end_early() -> None:
    losses = {f"pretraining_{name}": [-9.0, 0.0, 0.0] for name in NAMES}
    _, recorder, _ = fit(scripted(**losses), n_epochs_pretrain=3, max_epochs=0, patience_pretrain=1)
    assert recorder.stages == ["Critic pre-training 1/3", "Critic pre-training 2/3"]


# ---------------------------------------------------------------------- optimisation
@pytest.mark.parametrize("n_epochs_pretrain", [0, 1])
def test_one_cycle(n_epochs_pretrain: int) -> None:
    """Up from 1/25 of the rate in a quarter of a direction's steps, then down to nothing, both along cosines."""
    n_batches, lr = 6, 0.03
    with recorded_steps() as steps:
        fit(
            n_batches=n_batches, max_epochs=4, max_epochs_by_target={"protein": 2}, early_stopping=False,
            n_epochs_pretrain=n_epochs_pretrain, lr=lr, lr_schedule="one_cycle", optimizer="adamw",
        )  # fmt: skip
    rates = np.array([rates for kind, _, rates, _ in steps if kind == "AdamW"])  # (steps, directions)
    assert len(rates) == 4 * n_batches
    for direction, n in enumerate([4 * n_batches, 2 * n_batches]):  # each direction has its own horizon
        x, rate = np.arange(n), rates[:n, direction]
        up = lr / 25 + (lr - lr / 25) * (1 - np.cos(np.pi * x / (n / 4))) / 2
        down = lr * (1 + np.cos(np.pi * (x - n / 4) / (3 * n / 4))) / 2
        np.testing.assert_allclose(rate, np.where(x < n / 4, up, down), rtol=1e-6)
        assert rate[0] == pytest.approx(lr / 25)
        assert rate[n // 4] == rate.max() == pytest.approx(lr)
        assert rate[-1] < 0.05 * lr
    assert rates[2 * n_batches :, 1] == pytest.approx(0, abs=1e-9)  # the direction that is over


@pytest.mark.parametrize("norm", [None, 0.05])
def test_gradient_clipping(norm: float | None) -> None:
    with recorded_steps() as steps:
        fit(gradient_clip_norm=norm, n_batches=4)
    norms = [length for *_, length in steps]
    assert len(norms) == 4
    if norm is None:
        assert min(norms) > 0.1
    else:
        assert norms == pytest.approx([norm] * 4, rel=1e-3)


def test_training_learns() -> None:
    """More epochs on the same cells lower the losses of both directions."""
    losses = []
    for max_epochs in (1, 30):
        plan, *_ = fit(max_epochs=max_epochs, restore_best=False, early_stopping=False)
        plan.module.eval()
        with torch.no_grad():
            losses.append([plan.module(batches(3)[0])[2].reconstruction_loss[name].mean().item() for name in NAMES])
    assert losses[1][0] < 0.7 * losses[0][0]
    assert losses[1][1] < 0.7 * losses[0][1]


def test_a_diverged_fit_is_reported() -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"(?i)nan|finite|diverge"):
        fit(max_epochs=2, lr=1e30)
