"""The model that users see."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from mudata import MuData
from scvi import settings

# scvi-tools exports this helper, which all of its models use, under a private name only (1.4.2 and 1.5.1)
from scvi.model._utils import use_distributed_sampler

from scmog._constants import SPLIT_LABELS
from scmog._modalities import MODALITIES, Direction, direction_name
from scmog.data import resolve_directions
from scmog.model._base import RegisteredModel
from scmog.model._directions import add_modalities, check_mudata, directions_for, only_direction, output_keys
from scmog.model._evaluation import score_direction
from scmog.model._generation import encode, generate_modality
from scmog.model._output import Thresholding, resolve_threshold
from scmog.model._presets import find_preset
from scmog.model._query import Query
from scmog.model._registry import TrainingRegistry
from scmog.model._store import check_store
from scmog.model._training_set import (
    DEFAULT_SEED,
    check_shuffled_reading,
    check_whole,
    choose_split,
    fit_baselines,
    fit_inputs,
    fit_open_cuts,
    kept_on_failure,
    make_splitter,
    resolve_seed,
)
from scmog.module import ModuleConfig, SCMOGModule, replace_checked
from scmog.train import SCMOGTrainingPlan, SCMOGTrainRunner, seeded, trainer_options

_NOT_TRAINED = "The model is not trained: call model.train() first."


class SCMOG(RegisteredModel):
    """Generate the missing modality of single cells (scMOG, Lan et al. 2023).

    Learns on cells in which two or more modalities were measured together to translate between them: RNA to ATAC, ATAC
    to RNA, RNA to protein, or any other pair of registered modalities. Each direction has an encoder and a decoder of
    its own, pre-trained against a Wasserstein critic and then trained with the focal (ATAC), negative binomial (RNA) or
    mean squared error (protein) loss.

    Parameters
    ----------
    adata
        MuData that was registered with :meth:`setup_mudata`.
    directions
        Pairs of source and target, by canonical name (``"rna"``, ``"atac"``, ``"protein"``). Default: those of the
        paper that the registered modalities allow.
    preset
        ``"default"``, the recipe that measures best; ``"paper"``, the paper's settings to the letter; ``"authors"``,
        the authors' code where it differs. The user guide has a table of all three.
    registry
        Registry of a saved model; set by :meth:`load`.
    **module_kwargs
        Single settings of :class:`scmog.module.ModuleConfig` that differ from the preset, e.g. ``n_latent=32``.

    Raises
    ------
    ValueError
        If no direction is possible, or a direction, preset or setting has an unknown value.
    TypeError
        If a setting is unknown.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=300, n_genes=50, n_peaks=100)
    >>> scmog.model.SCMOG.setup_mudata(mdata)
    >>> model = scmog.model.SCMOG(mdata)
    >>> model.train(max_epochs=2)  # doctest: +SKIP
    >>> model.generate(mdata)  # doctest: +SKIP
    """

    _module_cls = SCMOGModule
    _training_plan_cls = SCMOGTrainingPlan
    _train_runner_cls = SCMOGTrainRunner

    def __init__(
        self,
        adata: MuData | None = None,
        *,
        directions: Sequence[Sequence[str]] | None = None,
        preset: str = "default",
        registry: dict[str, Any] | None = None,
        **module_kwargs: Any,
    ) -> None:
        # The first parameter must be called `adata`: scvi-tools leaves only that name out of the saved arguments.
        super().__init__(adata, registry)
        self.preset_name = preset
        self._preset = find_preset(preset)
        self._module_config: ModuleConfig = replace_checked(self._preset.module, module_kwargs, argument="SCMOG(...)")
        self.directions = resolve_directions(directions, list(self.training_registry.names))
        with seeded(DEFAULT_SEED):  # weights are drawn anew by the first train(); this only leaves random states alone
            self.module = self._new_module()
        self._model_summary_string = self._summary()
        self.seed_: int | None = None
        self.model_id_: str | None = None
        self.baselines_: dict[str, Any] = {}
        self.init_params_ = self._get_init_params(locals())

    # ------------------------------------------------------------------ what it is
    def _new_module(self) -> SCMOGModule:
        registry = self.training_registry
        return self._module_cls(
            {modality: len(names) for modality, names in registry.var_names.items()},
            self.directions,
            n_batch=len(registry.batches),
            config=self._module_config,
        )

    def _summary(self) -> str:
        registry = self.training_registry
        sizes = ", ".join(f"{len(n):,} {MODALITIES[modality].features}" for modality, n in registry.var_names.items())
        arrows = ", ".join(f"{source} -> {target}" for source, target in self.directions)
        batches = f", {len(registry.batches)} batches" if registry.batches else ""
        return f"SCMOG model: {arrows}; {sizes}{batches}; preset {self.preset_name!r}"

    def __repr__(self) -> str:
        state = f"trained; seed {self.seed_}" if self.is_trained_ else "not trained"
        return f"{self._summary()}; {state}"

    # ------------------------------------------------------------------ training
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
            Cells per mini-batch; default the preset's.
        lr
            Learning rate of the supervised training; default the preset's.
        early_stopping
            Stop a direction when its validation loss no longer falls.
        seed
            Seed of weights, split, shuffling and dropout; default ``scvi.settings.seed``, else 0. Global random states
            are left as they were. The same seed gives the same weights, bit for bit, on the same CPU.
        refit
            Allow another split than before: input statistics and densities are fitted anew on its training cells.
        accelerator, devices
            As in every scvi-tools model.
        datasplitter_kwargs
            For :class:`scvi.dataloaders.DataSplitter`, e.g. ``num_workers``.
        plan_kwargs
            Single settings of :class:`scmog.train.PlanConfig` that differ from the preset.
        **trainer_kwargs
            For :class:`scvi.train.Trainer`, e.g. ``strategy``, ``callbacks``, ``enable_progress_bar=False``.

        Raises
        ------
        KeyError
            If no obs has ``split_key``.
        ValueError
            If the model has no data with all its modalities, the split is wrong, or differs from the earlier one.
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
        max_epochs, config = self._preset.schedule(len(split.train), max_epochs=max_epochs, plan_kwargs=overrides)
        batch_size = self._preset.batch_size if batch_size is None else batch_size
        check_whole("max_epochs", max_epochs, 1)
        check_whole("n_epochs_pretrain", n_epochs_pretrain, 0)
        check_whole("batch_size", batch_size, 2)
        with seeded(seed), kept_on_failure(self):
            if first:
                self.module = self._new_module()
                self.seed_, self.model_id_ = seed, str(uuid.uuid4())
            if first or refit:
                fit_inputs(self.module, self.adata_manager, split.train, batch_size)
            if first:
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
                distributed_sampler=use_distributed_sampler(trainer_kwargs.get("strategy")),
                **(datasplitter_kwargs or {}),
            )
            self.module.train()  # scvi-tools leaves a module in eval mode; Lightning does not switch it back
            self._train_runner_cls(
                self,
                training_plan=plan,
                data_splitter=splitter,
                max_epochs=n_epochs_pretrain + max_epochs,
                accelerator=accelerator,
                devices=devices,
                **trainer_options(trainer_kwargs, validate=len(split.validation) > 0),
            )()
            self.cells_hash_ = self._cells_hash()
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
        check_shuffled_reading(self.adata_manager, self._modalities)

    @property
    def _modalities(self) -> list[str]:
        """Modalities that take part in a direction."""
        return list(dict.fromkeys(modality for direction in self.directions for modality in direction))

    @property
    def _median_total(self) -> float:
        """Library size to which RNA is normalised; of no meaning without RNA."""
        return self.module.median_total

    # ------------------------------------------------------------------ generation
    def generate(
        self,
        mdata: MuData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        key_added: str | None = None,
        threshold: float | str | None = "density",
        score: str = "probability",
        batch_size: int | None = None,
        store: str | Path | None = None,
    ) -> None:
        """Write generated modalities into ``mdata.mod``, as ``<target>_generated``.

        Runs every direction of the model whose source is measured in ``mdata``. A modality that scmog generated earlier
        is overwritten; a measured one never. On any error ``mdata`` is left as it was.

        The features have the names of the target's. With the measured target in the same MuData the *global*
        ``mdata.var_names`` then hold each name twice: take features from the modality,
        ``mdata["atac_generated"][:, names]``.

        Parameters
        ----------
        mdata
            Cells with at least one source modality; default the training data.
        source, target
            Run only the directions with this source or target.
        key_added
            Name of the new modality instead of ``<target>_generated``; for one direction at a time.
        threshold, score, batch_size
            See :meth:`get_generated`.
        store
            Write the new modality block by block to this ``.h5ad`` or ``.zarr``, which must not exist, and leave a
            modality in ``mdata.mod`` whose matrices stay on disk; for one direction at a time. Such a MuData can be
            written; for ``mdata.copy()`` read the modality into memory first.

        Raises
        ------
        TypeError
            If ``mdata`` is an AnnData: use :meth:`get_generated`.
        ValueError
            If ``mdata`` is a view, has no source, two directions lead to one target, or a measured modality would be
            overwritten; otherwise as in :meth:`get_generated`.
        """
        self._check_if_trained(warn=False, message=_NOT_TRAINED)
        mdata = self._own_or(mdata)
        check_mudata(mdata, hint="Use get_generated(adata, ...) for the AnnData of a source.")
        registry = self.training_registry
        directions = directions_for(mdata, self.directions, registry, source=source, target=target)
        keys = output_keys(mdata, directions, key_added=key_added, store=store)
        if store is not None:
            check_store(Path(store))
        thresholds = {direction: self._thresholding(direction, threshold, score) for direction in directions}
        generated = {
            key: self._generate(
                Query(mdata, [direction[0]], registry), direction, thresholds[direction], batch_size, store=store
            )
            for key, direction in keys.items()
        }
        add_modalities(mdata, generated)

    def get_generated(
        self,
        query: MuData | AnnData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        threshold: float | str | None = "density",
        score: str = "probability",
        batch_size: int | None = None,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> AnnData:
        """Generate one modality and return it; nothing is written.

        Parameters
        ----------
        query
            MuData, or the AnnData of the source; default the training data. Views are fine.
        source, target
            The direction; may be left out where only one is possible.
        threshold
            For ATAC: what is called open. ``"density"``, one cut on the calibrated probability, at which the training
            cells have as many open peaks as measured; ``"paper"``, 0.1 on the raw sigmoid (paper section 4); a number,
            that cut on ``score``; None, no cut. For other targets leave it out.
        score
            For ATAC: ``"probability"``, calibrated (focal training distorts probabilities in a known way), or
            ``"raw"``, the sigmoid itself.
        batch_size
            Cells per block; default the preset's. Does not change the result.
        indices
            Cells of the query; default all.

        Returns
        -------
        AnnData ``(n_cells, n_features)``, with ``.obs["scmog_zero_counts"]`` true where the source had no counts.

        - ATAC: ``.X`` = 0/1 CSR and, in a layer named after the score, the scores of the same entries; dense scores if
          ``threshold=None``.
        - RNA: ``.X`` = negative binomial mean at the median library size of the training cells, dense.
        - protein: ``.X`` = centred log-ratio over the proteins of the cell, dense.

        ``.uns["scmog"]`` states unit, direction, model, seed and versions.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the direction is unknown or ambiguous, its source is not in the query, features are missing or in another
            order, values are not raw counts, or ``threshold`` or ``score`` make no sense.
        """
        query_, direction = self._single(query, source, target, indices)
        return self._generate(query_, direction, self._thresholding(direction, threshold, score), batch_size)

    def get_latent_representation(
        self,
        query: MuData | AnnData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        batch_size: int | None = None,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Latent representation of one direction; nothing is written.

        Parameters
        ----------
        query, source, target, batch_size, indices
            As in :meth:`get_generated`.

        Returns
        -------
        ``(n_cells, n_latent)``, float32.

        Raises
        ------
        RuntimeError, ValueError
            As in :meth:`get_generated`.
        """
        query_, direction = self._single(query, source, target, indices)
        return encode(self.module, query_, direction, batch_size=self._block_size(batch_size))

    def _block_size(self, batch_size: int | None) -> int:
        if batch_size is None:
            return self._preset.batch_size
        check_whole("batch_size", batch_size, 1)
        return batch_size

    def _own_or(self, query: MuData | AnnData | None) -> MuData | AnnData:
        """The query, or else the model's own data."""
        if query is None and self.adata is None:
            message = "the model has no data of its own (loaded with adata=False); pass the cells."
            raise ValueError(message)
        return self.adata if query is None else query

    def _single(
        self, query: MuData | AnnData | None, source: str | None, target: str | None, indices: Any
    ) -> tuple[Query, Direction]:
        """The only direction that fits, and the query registered for it."""
        self._check_if_trained(warn=False, message=_NOT_TRAINED)
        query = self._own_or(query)
        registry = self.training_registry
        direction = only_direction(directions_for(query, self.directions, registry, source=source, target=target))
        return Query(query, [direction[0]], registry, indices), direction

    def _thresholding(self, direction: Direction, threshold: float | str | None, score: str) -> Thresholding | None:
        cut = self.module.translator(direction_name(direction)).open_cut
        return resolve_threshold(direction[1], threshold, score, density_cut=float(torch.sigmoid(cut)))

    def _generate(
        self,
        query: Query,
        direction: Direction,
        thresholding: Thresholding | None,
        batch_size: int | None,
        *,
        store: str | Path | None = None,
    ) -> AnnData:
        return generate_modality(
            self.module,
            query,
            direction,
            thresholding=thresholding,
            features=self.training_registry.var_names[direction[1]],
            batch_size=self._block_size(batch_size),
            store=store,
            model_id=str(self.model_id_),
            seed=int(self.seed_ or 0),
        )

    # ------------------------------------------------------------------ evaluation
    def evaluate(
        self,
        mdata: MuData | None = None,
        *,
        split: str = SPLIT_LABELS.TEST,
        directions: Sequence[Sequence[str]] | None = None,
        baselines: bool = True,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Score the model beside baselines; nothing is written.

        Parameters
        ----------
        mdata
            Other paired cells, all of which are scored; default the cells of ``split`` of the training data.
        split
            ``"train"``, ``"validation"`` or ``"test"``; ignored where ``mdata`` is given.
        directions
            Directions to score; default all.
        baselines
            Also score the mean of the training cells and a ridge regression on 50 components of the source, its penalty
            tuned on the validation cells.
        batch_size
            Cells per block of generation.

        Returns
        -------
        Tidy table with the columns

        - ``direction``, e.g. ``"rna_to_atac"``, and ``model``: ``"scmog"``, ``"training mean"`` or ``"ridge"``;
        - ``metric``: ``"auroc"`` for ATAC, ``"pearson"`` for RNA (log1p of size-normalised counts) and protein (centred
          log-ratio);
        - ``axis``: ``"flat"`` over all entries, the paper's, dominated by how features differ on average;
          ``"feature"``, mean over the features of the score across cells;
        - ``value``, ``ci_low``, ``ci_high`` (95 % bootstrap over features; NaN for ``"flat"``) and ``n``, the number of
          entries or features scored.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If there are no such cells, or a modality is missing.
        """
        self._check_if_trained(warn=False, message=_NOT_TRAINED)
        asked = None if directions is None else [tuple(direction) for direction in directions]
        chosen = [direction for direction in self.directions if asked is None or direction in asked]
        if not chosen or (asked is not None and len(chosen) < len(asked)):
            message = f"directions must be some of the model's {list(self.directions)}, got {directions}."
            raise ValueError(message)
        indices = self._split_indices(split) if mdata is None else None
        data = self.adata if mdata is None else mdata
        check_mudata(data, views=True, hint="Pass paired cells, with the source and the target of each direction.")
        tables = [
            score_direction(
                self.module,
                Query(data, direction, self.training_registry, indices),
                direction,
                baselines=self.baselines_[direction_name(direction)] if baselines else None,
                batch_size=self._block_size(batch_size),
            )
            for direction in chosen
        ]
        return pd.concat(tables, ignore_index=True)

    def _split_indices(self, split: str) -> np.ndarray:
        if split not in SPLIT_LABELS:
            message = f"split must be one of {list(SPLIT_LABELS)}, got {split!r}."
            raise ValueError(message)
        before = self._earlier_split
        if before is None:
            message = "the model has not got the data it was trained on; pass the cells to score as mdata."
            raise ValueError(message)
        indices = np.sort(getattr(before, split))
        if not len(indices):
            message = f"the training data have no {split} cells; train with such a split, or pass mdata."
            raise ValueError(message)
        return indices
