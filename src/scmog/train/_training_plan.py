"""The two stages of scMOG: critic pre-training, then supervised training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from scvi.module.base import LossOutput
from scvi.train import TrainingPlan
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from scmog.module import SCMOGModule
from scmog.nn import critic_loss, generator_loss
from scmog.train._config import PlanConfig
from scmog.train._one_cycle import WARM_UP, one_cycle_at
from scmog.train._processes import seed_of_process
from scmog.train._progress import DirectionProgress, Patience
from scmog.train._rmsprop import ClippedRMSprop


class SCMOGTrainingPlan(TrainingPlan):
    """Pre-train against Wasserstein critics, then train on focal, negative binomial or squared-error loss.

    Stage 1 (paper section 4, optimisation process): every batch updates the critics with RMSprop and clips their
    weights; every ``n_critic``-th batch also updates the generators. Stage 2: the critics are dropped and the same
    encoders and decoders are trained with Adam. Both stages belong to one ``fit``: one progress bar, one history.

    Parameters
    ----------
    module
        The module to train.
    n_epochs_pretrain
        Most epochs of stage 1; 0 goes straight to stage 2.
    max_epochs
        Most epochs of stage 2, on top of stage 1.
    early_stopping
        Whether validation losses end the training of a direction.
    config
        Optimisers, schedule and stopping rules.

    Notes
    -----
    Optimisation is manual, so ``gradient_clip_val`` and ``accumulate_grad_batches`` of the trainer do not apply.
    The parent's options for the KL divergence and its ELBO metrics mean nothing here and are switched off.
    """

    def __init__(
        self,
        module: SCMOGModule,
        *,
        n_epochs_pretrain: int = 0,
        max_epochs: int = 500,
        early_stopping: bool = True,
        config: PlanConfig | None = None,
    ) -> None:
        super().__init__(module)
        self.automatic_optimization = False
        self.config = config or PlanConfig()
        self.n_epochs_pretrain, self.max_epochs = n_epochs_pretrain, max_epochs
        self.critics: nn.ModuleDict | None = module.new_critics() if n_epochs_pretrain > 0 else None
        if self.critics is not None:
            self.critics.to(next(module.parameters()).device)
        never = math.inf
        patience_pretrain = self.config.patience_pretrain
        self.progress = {}
        for name, (_, target) in module.directions.items():
            most = min(max_epochs, self.config.max_epochs_by_target.get(target, max_epochs))
            self.progress[name] = DirectionProgress(
                pretraining=Patience(patience_pretrain if early_stopping and patience_pretrain else never),
                training=Patience(self.config.patience if early_stopping else never),
                max_epochs=most,
                warm_up=int(WARM_UP * most) if self.config.lr_schedule == "one_cycle" else 0,
            )
        self._n_epochs_pretrained = 0
        self._schedule: LambdaLR | None = None
        self._diverged: dict[str, Tensor] = {}  # by direction; asked for once per epoch

    # ------------------------------------------------------------------ where we are
    @property
    def pretraining(self) -> bool:
        """Whether the current epoch belongs to stage 1."""
        return self.critics is not None

    @property
    def stage_name(self) -> str:
        """What the progress bar shows: the stage and the epoch within it."""
        if self.pretraining:
            return f"Critic pre-training {self._n_epochs_pretrained + 1}/{self.n_epochs_pretrain}"
        return f"Training {self.current_epoch - self._n_epochs_pretrained + 1}/{self.max_epochs}"

    @property
    def active(self) -> list[str]:
        """Directions that the current stage still trains."""
        if self.pretraining:
            return [name for name, progress in self.progress.items() if not progress.pretraining.exhausted]
        return [name for name, progress in self.progress.items() if not progress.finished]

    # ------------------------------------------------------------------ optimisers
    def configure_optimizers(self) -> list[Optimizer]:
        """RMSprop for generators and critics where stage 1 is asked for, and Adam (or AdamW) for stage 2."""
        config, parameters = self.config, list(self.module.parameters())
        groups = [  # one per direction, since each has its own learning rate and schedule
            {
                "params": list(self.module.translator(name).parameters()),
                "lr": config.lr_by_target.get(target, config.lr),
            }
            for name, (_, target) in self.module.directions.items()
        ]
        adam = {"adam": Adam, "adamw": AdamW}[config.optimizer](
            groups,
            lr=config.lr,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,  # one pass over the weights instead of several; exact, also on the CPU
        )
        if self.critics is None:
            return [adam]
        return [
            adam,
            ClippedRMSprop(parameters, config.lr_pretrain),
            ClippedRMSprop(self.critics.parameters(), config.lr_pretrain, clip_value=config.clip_value),
        ]

    def _optimizers(self) -> list[LightningOptimizer]:
        optimizers: Any = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _leave_pretraining(self) -> None:
        for optimizer in self._optimizers()[1:]:  # critics and their state are the largest things in memory
            optimizer.optimizer.state.clear()
            optimizer.optimizer.param_groups[0]["params"] = []
        self.critics = None

    # ------------------------------------------------------------------ steps
    def on_fit_start(self) -> None:
        """Give each of several processes a random state of its own: cells of two must not get the same dropout."""
        if self.trainer.world_size > 1:
            torch.manual_seed(seed_of_process(torch.initial_seed(), self.global_rank))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One batch of the current stage; returns its loss, detached."""
        n_cells = len(next(iter(batch.values())))
        # Batch norm has no variance of one cell; another cell is last in the next epoch. Without an active direction
        # the trainer only runs on because it was asked for a least number of epochs.
        if n_cells < 2 or not self.active:
            return torch.zeros((), device=self.device)
        if self.critics is None:
            return self._supervised_step(batch)
        return self._pretraining_step(self.critics, batch, batch_idx)

    def _pretraining_step(self, critics: nn.ModuleDict, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        _, opt_generator, opt_critic = self._optimizers()
        common: dict[str, Any] = {"directions": self.active, "backward": self.manual_backward}
        losses = critic_step(self.module, critics, batch, opt_critic, **common)
        self._log_losses("critic_loss", losses, batch, "train")
        if batch_idx % self.config.n_critic == 0:
            losses = generator_step(self.module, critics, batch, opt_generator, **common)
            self._log_losses("generator_loss", losses, batch, "train")
        return torch.stack(list(losses.values())).sum()

    def _supervised_step(self, batch: dict[str, Tensor]) -> Tensor:
        optimizer = self._optimizers()[0]
        schedule = self._schedule_of(optimizer.optimizer)
        output = self._supervised_loss(batch, self.active)
        optimizer.zero_grad()
        self.manual_backward(output.loss)
        if self.config.gradient_clip_norm is not None:
            self.clip_gradients(optimizer, self.config.gradient_clip_norm, "norm")
        optimizer.step()
        if schedule is not None:
            schedule.step()
        self._log_losses("loss", _means(output), batch, "train")
        for name, loss in output.reconstruction_loss.items():
            diverged = ~torch.isfinite(loss.detach()).all()
            self._diverged[name] = self._diverged[name] | diverged if name in self._diverged else diverged
        return output.loss.detach()

    def _schedule_of(self, optimizer: Optimizer) -> LambdaLR | None:
        """The learning-rate schedule, made at the first supervised batch: only then the number of batches is known."""
        if self.config.lr_schedule == "one_cycle" and self._schedule is None:
            n_batches = int(self.trainer.num_training_batches)
            horizons = [max(1, n_batches * progress.max_epochs) for progress in self.progress.values()]
            self._schedule = LambdaLR(optimizer, [partial(one_cycle_at, n_steps=n_steps) for n_steps in horizons])
        return self._schedule

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log the generator loss (stage 1) or the supervised losses (stage 2) on validation cells."""
        del batch_idx
        active = self.active
        if not active:
            return
        if self.pretraining:
            losses = {name: generator_loss(self._scores(name, batch)) for name in active}
            self._log_losses("generator_loss", losses, batch, "validation")
            return
        self._log_losses("loss", _means(self._supervised_loss(batch, active)), batch, "validation")

    def _scores(self, name: str, batch: dict[str, Tensor]) -> Tensor:
        critics: Any = self.critics
        scores: Tensor = critics[name](self.module.generated(name, batch))
        return scores

    def _supervised_loss(self, batch: dict[str, Tensor], directions: list[str]) -> LossOutput:
        _, _, output = self.module(batch, inference_kwargs={"directions": directions})
        return output

    def _log_losses(self, kind: str, losses: dict[str, Tensor], batch: dict[str, Tensor], mode: str) -> None:
        """Log one value per direction, and their sum over the directions that are still trained.

        Not through the parent's ``compute_and_log_metrics``: it runs in inference mode, where logging across
        processes fails, and it adds ELBO metrics that mean nothing here.
        """
        prefix = f"{kind}_{mode}" if kind != "loss" else f"{mode}_loss"
        total = torch.stack([loss.detach() for loss in losses.values()]).sum()
        if prefix == "validation_loss":  # a direction that has finished keeps its best value, so that sums compare
            finished = [p.training.best for name, p in self.progress.items() if name not in losses]
            total = total + sum(best for best in finished if best < math.inf)
        values = {prefix: total} | {f"{prefix}_{name}": loss.detach() for name, loss in losses.items()}
        n_cells = len(next(iter(batch.values())))
        options: dict[str, Any] = {
            "on_step": False,
            "on_epoch": True,
            "batch_size": n_cells,
            "sync_dist": self.use_sync_dist,
        }
        for name, value in values.items():
            self.log(name, value, prog_bar=name in ("train_loss", "validation_loss"), **options)

    # ------------------------------------------------------------------ ends of epochs
    def on_validation_end(self) -> None:
        """Take stock per direction: remember the best weights, count epochs without improvement."""
        if self.trainer.sanity_checking:
            return
        values = self.trainer.callback_metrics
        for name in self.active:
            progress = self.progress[name]
            if self.pretraining:
                progress.pretraining.update(float(values[f"generator_loss_validation_{name}"]))
            else:
                loss = float(values[f"validation_loss_{name}"])
                progress.remember_if_best(loss, self.module.translator(name))

    def on_validation_epoch_end(self) -> None:
        """Nothing to do: the parent steps a scheduler here that this plan does not have."""

    def on_train_epoch_end(self) -> None:
        """Count the epoch; leave stage 1 when its epochs or its patience are used up, stage 2 with its directions."""
        if self.pretraining:
            self._n_epochs_pretrained += 1
            if self._n_epochs_pretrained == self.n_epochs_pretrain or not self.active:
                self._leave_pretraining()
        else:
            self._check_finite()
            for name in self.active:
                self.progress[name].n_epochs += 1
        if not self.active:
            self.trainer.should_stop = True

    def _check_finite(self) -> None:
        """Raise RuntimeError if a loss was NaN or infinite; asked once per epoch, since it waits for the device."""
        diverged = [name for name, is_so in self._diverged.items() if is_so]
        if self.trainer.strategy.reduce_boolean_decision(bool(diverged), all=False):  # all processes stop together
            names, config = diverged or self.active, self.config
            lr = {name: config.lr_by_target.get(self.module.directions[name][1], config.lr) for name in names}
            message = (
                f"training diverged: the loss of {names} became NaN or infinite in epoch {self.current_epoch}; try a "
                f"smaller learning rate than {lr} (lr_pretrain: {config.lr_pretrain})."
            )
            raise RuntimeError(message)

    def on_train_end(self) -> None:
        """Give back the best weights of each direction, the same in all processes."""
        if self.config.restore_best:
            for name, progress in self.progress.items():
                progress.restore_best(self.module.translator(name))
        self._share_buffers()

    def _share_buffers(self) -> None:
        """Take over the buffers of the first process: each has seen other cells last, which its batch norm knows."""
        if self.trainer.world_size > 1:
            own = dict(self.module.named_buffers())
            shared = self.trainer.strategy.broadcast({name: buffer.cpu() for name, buffer in own.items()})
            for name, buffer in own.items():
                buffer.copy_(shared[name])


def _means(output: LossOutput) -> dict[str, Tensor]:
    return {name: loss.mean() for name, loss in output.reconstruction_loss.items()}


def critic_step(
    module: SCMOGModule,
    critics: nn.ModuleDict,
    batch: dict[str, Tensor],
    optimizer: Optimizer | LightningOptimizer,
    *,
    directions: Sequence[str],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """One step of the critics, in place: lower their loss; the optimiser clips their weights, biases too.

    The generators stay in training mode, as in the authors' code, but get no gradient.

    Returns
    -------
    Critic loss by direction, detached.
    """
    losses = {}
    for name in directions:
        with torch.no_grad():
            generated = module.generated(name, batch)
        measured = module.measured(name, batch)
        scores = critics[name](measured, generated)  # in one pass, since the gradient of the first layer is large
        losses[name] = critic_loss(scores[: len(measured)], scores[len(measured) :])
    optimizer.zero_grad()
    backward(torch.stack(list(losses.values())).sum())
    optimizer.step()
    return {name: loss.detach() for name, loss in losses.items()}


def generator_step(
    module: SCMOGModule,
    critics: nn.ModuleDict,
    batch: dict[str, Tensor],
    optimizer: Optimizer | LightningOptimizer,
    *,
    directions: Sequence[str],
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Tensor]:
    """One step of the generators against frozen critics, in place.

    Returns
    -------
    Generator loss by direction, detached.
    """
    critics.requires_grad_(False)  # no gradient for the critics' large first layer
    losses = {name: generator_loss(critics[name](module.generated(name, batch))) for name in directions}
    optimizer.zero_grad()
    backward(torch.stack(list(losses.values())).sum())
    optimizer.step()
    critics.requires_grad_(True)
    return {name: loss.detach() for name, loss in losses.items()}
