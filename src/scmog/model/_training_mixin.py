"""Training of the model."""

from __future__ import annotations

import uuid
import warnings
from typing import Any

from scvi import settings

# scvi-tools exports this helper, which all of its models use, under a private name only (1.4.2 and 1.5.1)
from scvi.model._utils import use_distributed_sampler

from scmog.model._average_profiles import fit_averages, fit_log_scales
from scmog.model._base import RegisteredModel
from scmog.model._fitting import (
    fit_baselines,
    fit_components,
    fit_inputs,
    fit_member_weights,
    fit_open_cuts,
    fit_recalibration,
)
from scmog.model._registry import TrainingRegistry
from scmog.model._seen_cells import with_cells
from scmog.model._training_set import (
    check_shuffled_reading,
    check_whole,
    choose_split,
    ids_of,
    kept_on_failure,
    make_splitter,
    resolve_seed,
)
from scmog.nn import fused
from scmog.train import SCMOGTrainingPlan, SCMOGTrainRunner, distributed_options, seeded, trainer_options


class TrainingMixin(RegisteredModel):
    """Two-stage training: critic pre-training, then the supervised loss of each direction."""

    _training_plan_cls = SCMOGTrainingPlan
    _train_runner_cls = SCMOGTrainRunner

    def train(
        self,
        max_epochs: int | None = None,
        *,
        n_epochs_pretrain: int | None = None,
        split_key: str | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        early_stopping: bool = True,
        seed: int | None = None,
        refit: bool = False,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        datasplitter_kwargs: dict[str, Any] | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train: critic pre-training, then supervised training; the best weights of each direction are kept.

        The first call draws the weights from ``seed`` and fits the input statistics on the training cells. Later calls
        continue from the weights, on the same split, without pre-training unless it is asked for, and keep the best
        weights of their own epochs. If a call fails, a trained model is left as it was.

        Parameters
        ----------
        max_epochs
            Most epochs of supervised training, for all directions; pre-training comes on top. Default: the preset's,
            which may depend on the target and on the number of cells.
        n_epochs_pretrain
            Most epochs of pre-training. Default: the preset's in the first call, 0 in later ones.
        split_key
            Column of the global obs, or of a modality's, with ``train``, ``validation`` and, optionally, ``test``.
        train_size, validation_size
            Shares of cells, drawn at random; default 0.9 and the rest, which leaves no test cells. Not together with
            ``split_key``.
        batch_size
            Cells per mini-batch, of each process where there are several; default the preset's.
        lr
            Learning rate of the supervised training; default the preset's.
        early_stopping
            Stop a direction when its validation loss no longer falls.
        seed
            Seed of weights, split, shuffling and dropout; default ``scvi.settings.seed``, else 0. Global random states
            are left as they were. The same seed gives the same weights, bit for bit, on the same CPU.
        refit
            Allow another split than before: input statistics and densities are fitted anew on its training cells. The
            weights go on from where they were: cells that were trained on before are no test cells, and
            :meth:`evaluate` says so.
        accelerator, devices
            As in every scvi-tools model. Several devices are trained on by one process each, in a script and not in a
            notebook (``strategy="ddp"``); the user guide has recipes.
        datasplitter_kwargs
            For :class:`scvi.dataloaders.DataSplitter`, e.g. ``num_workers``.
        plan_kwargs
            Single settings of :class:`scmog.train.PlanConfig` that differ from the preset, e.g. ``{"compile": True}``.
        **trainer_kwargs
            For :class:`scvi.train.Trainer`, e.g. ``strategy``, ``callbacks``, ``enable_progress_bar=False``. A callback
            that watches ``validation_loss`` needs ``n_epochs_pretrain=0``: epochs of pre-training have none.

        Raises
        ------
        KeyError
            If no obs has ``split_key``.
        ValueError
            If the model has no data with all its modalities, the data are no longer those of ``setup_mudata`` (other
            features or batches, values that are no counts, cells in another order), the split is wrong, or differs
            from the earlier one, or the strategy or the accelerator can't train this model.
        TypeError
            If a setting is unknown.
        """
        self._check_trainable()
        overrides = {**(plan_kwargs or {}), **({} if lr is None else {"lr": lr})}
        seed, first = resolve_seed(seed), not self.is_trained_
        split = choose_split(
            self.adata,
            split_key=split_key,
            train_size=train_size,
            validation_size=validation_size,
            seed=seed,
            earlier=self._earlier_split,
            trained=self.is_trained_,
            refit=refit,
        )
        if not len(split.validation):
            message = "No validation cells: all epochs are run (no early stopping) and the last weights are kept."
            warnings.warn(message, UserWarning, stacklevel=settings.warnings_stacklevel)
        if n_epochs_pretrain is None:
            n_epochs_pretrain = self._preset.n_epochs_pretrain if first else 0
        n_epochs_pretrain = check_whole("n_epochs_pretrain", n_epochs_pretrain, 0)
        max_epochs, config = self._preset.schedule(len(split.train), max_epochs=max_epochs, plan_kwargs=overrides)
        max_epochs = check_whole("max_epochs", max_epochs, 1)
        batch_size = check_whole("batch_size", self._preset.batch_size if batch_size is None else batch_size, 2)
        trainer_kwargs = distributed_options(trainer_kwargs, accelerator, devices)
        options = trainer_options(trainer_kwargs, validate=len(split.validation) > 0)
        with seeded(seed), fused(config.compile), kept_on_failure(self):
            if first:
                self.module = self._new_module()
                self.seed_, self.model_id_ = seed, str(uuid.uuid4())
            if first or refit:
                fit_inputs(self.module, self.adata_manager, split.train, batch_size)
            if first:
                fit_components(self.module, self.adata_manager, split.train, batch_size)
                self.module.start_at_average()
            plan = self._training_plan_cls(
                self.module,
                n_epochs_pretrain=n_epochs_pretrain,
                max_epochs=max_epochs,
                early_stopping=early_stopping and len(split.validation) > 0,
                config=config,
            )
            splitter = make_splitter(
                self.adata_manager,
                split,
                self._modalities,
                batch_size=batch_size,
                seed=seed,
                distributed_sampler=use_distributed_sampler(trainer_kwargs.get("strategy")),
                **(datasplitter_kwargs or {}),
            )
            self.module.train()  # scvi-tools leaves a module in eval mode; Lightning does not switch it back
            runner = self._train_runner_cls(
                self,
                training_plan=plan,
                data_splitter=splitter,
                max_epochs=n_epochs_pretrain + max_epochs,
                accelerator=accelerator,
                devices=devices,
                **options,
            )
            runner()
            # Several processes drew an id each. What follows they all do, each for itself and with the same result:
            # it can take longer than a process may keep the others waiting.
            self.model_id_ = runner.trainer.strategy.broadcast(self.model_id_)
            self.cells_hash_ = self._cells_hash()
            self.seen_cells_ = with_cells(self.seen_cells_, ids_of(self.adata_manager, split, self._modalities))
            fit_member_weights(self.module, self.adata_manager, split.validation, batch_size)
            fit_recalibration(self.module, self.adata_manager, split.validation, batch_size)
            fit_averages(self.module, self.adata_manager, split.train, split.validation, batch_size)
            fit_log_scales(self.module, self.adata_manager, split.train, split.validation, batch_size)
            fit_open_cuts(self.module, self.adata_manager, split.train, batch_size)
            self.baselines_ = fit_baselines(self.adata_manager, self.directions, split, self._median_total)

    def _check_trainable(self) -> None:
        if self.adata is None:
            message = "the model has no data; load it with load(path, adata=mdata) to train on."
            raise ValueError(message)
        present = list(TrainingRegistry(self.adata_manager.registry).names)
        lacking = sorted(set(self._modalities) - set(present))
        if lacking:
            message = f"training needs the measured modalities {self._modalities}; the data lack {lacking}."
            raise ValueError(message)
        self.adata_manager.refresh()
        check_shuffled_reading(self.adata_manager, self._modalities)
