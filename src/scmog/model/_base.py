"""The seams with scvi-tools: registration, attached data, saving and loading."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

# scvi-tools 1.4.2 uses rich.pretty in view_anndata_setup without importing it
import rich.pretty  # noqa: F401
from anndata import AnnData
from mudata import MuData
from scvi.data import AnnDataManager
from scvi.model.base import BaseModelClass

from scmog._modalities import MODALITIES, Direction
from scmog._mudata import is_generated
from scmog.data import PartialMuDataManager, Split, find_modalities
from scmog.model._directions import check_mudata
from scmog.model._presets import Preset
from scmog.model._registry import TrainingRegistry, make_fields
from scmog.model._seen_cells import SeenCells
from scmog.model._training_set import cells_hash, check_whole
from scmog.module import ModuleConfig, SCMOGModule


class RegisteredModel(BaseModelClass):
    """A model on MuData whose names and sizes are those of the training data, whatever data are attached.

    Parameters
    ----------
    adata
        MuData that was registered with :meth:`setup_mudata`.
    registry
        Registry of a saved model.

    Attributes
    ----------
    directions
        Pairs of source and target that the model translates.
    baselines_
        Fitted baselines of each direction, by its name.
    """

    module: SCMOGModule
    directions: tuple[Direction, ...]
    baselines_: dict[str, Any]
    seed_: int | None
    model_id_: str | None
    _preset: Preset
    _module_config: ModuleConfig
    _module_cls = SCMOGModule

    def __init__(self, adata: MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        if adata is not None:
            check_mudata(adata, hint="Put the modalities into one: mudata.MuData({'rna': rna, 'atac': atac}).")
            if self._get_most_recent_anndata_manager(adata) is None:
                message = f"the MuData was not set up for this model: call {type(self).__name__}.setup_mudata(mdata)."
                raise ValueError(message)
        super().__init__(adata, registry)
        reference = getattr(self._adata_manager, "reference_registry", None)
        if reference is not None:  # loaded together with a partial query: sizes come from the training data
            self._keep_registry(reference)
        self.cells_hash_: str | None = None
        self.seen_cells_: SeenCells = {}

    @classmethod
    def setup_mudata(
        cls,
        mdata: MuData,
        rna_layer: str | None = None,
        atac_layer: str | None = None,
        protein_layer: str | None = None,
        batch_key: str | None = None,
        modalities: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Register the modalities of paired cells; writes only scvi-tools' own marks into ``mdata``.

        Parameters
        ----------
        mdata
            Paired cells with raw counts.
        rna_layer, atac_layer, protein_layer
            Layers with the raw counts; default ``.X``.
        batch_key
            Column of the global obs, or else of a modality's, with the batch. Decoders are told it; with the default
            preset those of ATAC are not, but only their correction for depth, which is fitted on validation cells.
        modalities
            Names in ``mdata.mod``, e.g. ``{"rna": "gex"}``. Default: ``rna|gex|RNA``, ``atac|peaks|ATAC`` and
            ``protein|prot|adt|ADT`` are found by themselves; other modalities are left alone.

        Raises
        ------
        TypeError
            If ``mdata`` is not a MuData, a matrix can't be read in mini-batches, or an argument is unknown or of
            another kind.
        KeyError
            If a named modality, layer or column does not exist.
        ValueError
            If ``mdata`` is a view, its modalities hold different cells, fewer than two modalities are found, or values
            are not raw counts.
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        check_mudata(mdata, hint="Put the modalities into one: mudata.MuData({'rna': rna, 'atac': atac}).")
        _check_arguments(batch_key, modalities, kwargs)
        source_registry = kwargs.get("source_registry")
        if source_registry is not None:  # loading: the saved names hold, whichever of them the query has
            fields = TrainingRegistry(source_registry).fields()
        else:
            names = find_modalities(mdata, modalities)
            if len(names) < 2:
                message = (
                    f"two or more modalities of {list(MODALITIES)} are needed, found {names or 'none'} in mdata.mod = "
                    f"{list(mdata.mod)}; name yours with modalities={{'rna': ..., 'atac': ...}}."
                )
                if generated := [name for name, adata in mdata.mod.items() if is_generated(adata)]:
                    message += f" {generated} are generated by scmog and never trained on."
                raise ValueError(message)
            layers = {"rna": rna_layer, "atac": atac_layer, "protein": protein_layer}
            fields = make_fields(names, layers, batch_key)
        manager = PartialMuDataManager(fields=fields, setup_method_args=setup_method_args)
        manager.register_fields(mdata, **kwargs)
        cls.register_manager(manager)

    @classmethod
    def setup_anndata(cls, adata: AnnData, **kwargs: Any) -> None:
        """Not available: training needs two modalities; see :meth:`setup_mudata`."""
        message = "SCMOG is trained on paired modalities: put them into a MuData and call SCMOG.setup_mudata(mdata)."
        raise NotImplementedError(message)

    @property
    def training_registry(self) -> TrainingRegistry:
        """Names, layers and features of the training data."""
        return TrainingRegistry(self.registry_)

    def _keep_registry(self, registry: dict[str, Any]) -> None:
        self.registry_ = registry
        self.summary_stats = AnnDataManager._get_summary_stats_from_registry(registry)

    @BaseModelClass.adata.setter  # type: ignore[attr-defined, untyped-decorator]
    def adata(self, adata: MuData) -> None:
        """Attach other data, which may lack modalities; sizes and names stay those of the training data."""
        if adata is None:
            message = "adata cannot be None; use load(..., adata=False) for a model without data."
            raise ValueError(message)
        registry = self.registry_
        self._validate_anndata(adata)
        self._adata, self._adata_manager = adata, self.get_anndata_manager(adata, required=True)
        self._keep_registry(registry)

    def get_var_names(self, legacy_mudata_format: bool = False) -> dict[str, np.ndarray]:
        """Features of the training data, by name in ``mdata.mod``."""
        del legacy_mudata_format
        registry = self.training_registry
        return {name: np.asarray(registry.var_names[modality]) for modality, name in registry.names.items()}

    def _cells_hash(self) -> str:
        """Fingerprint of the cells that are attached."""
        counts = self.adata_manager.get_from_registry(next(iter(self.adata_manager.data_registry)))
        return cells_hash(self.adata, counts)

    @property
    def _earlier_split(self) -> Split | None:
        """Split of the training so far; None if there was none, or other data are attached by now."""
        if self.adata is None or not self.is_trained_ or self.cells_hash_ != self._cells_hash():
            return None
        return Split(self.train_indices_, self.validation_indices_, self.test_indices_)

    @classmethod
    def load(cls, dir_path: str | Path, adata: MuData | bool | None = None, **kwargs: Any) -> Self:
        """Load a saved model. The file is a pickle: load only files you trust.

        Parameters
        ----------
        dir_path
            Directory that :meth:`save` wrote.
        adata
            Data to attach; may lack modalities. None takes the data saved with the model, False none.
        **kwargs
            ``accelerator``, ``device``, ``prefix``, as in every scvi-tools model.

        Raises
        ------
        ValueError
            If the directory holds no complete model.
        """
        if adata is not None and adata is not False:
            check_mudata(adata, hint="Wrap the modality: mudata.MuData({'rna': adata}); False loads no data.")
        with warnings.catch_warnings():
            # a partial MuData has fewer names; the fields compare those that are there, exactly
            warnings.filterwarnings("ignore", message="`var_names` for the loaded `model` does not match")
            try:
                model: Self = super().load(str(dir_path), adata=adata, **kwargs)
            except (EOFError, RuntimeError, OSError, pickle.UnpicklingError) as error:
                message = (
                    f"{str(dir_path)!r} does not hold a complete saved model, or one of an earlier scmog, or of newer "
                    f"versions of other packages ({type(error).__name__}: {error})."
                )
                raise ValueError(message) from error
        return model

    @property
    def _modalities(self) -> list[str]:
        """Modalities that take part in a direction."""
        return list(dict.fromkeys(modality for direction in self.directions for modality in direction))

    @property
    def _median_total(self) -> float:
        """Library size to which RNA is normalised; of no meaning without RNA."""
        return self.module.median_total

    def _new_module(self) -> SCMOGModule:
        """A module of the training data's sizes, with random weights."""
        registry = self.training_registry
        return self._module_cls(
            {modality: len(names) for modality, names in registry.var_names.items()},
            self.directions,
            n_batch=len(registry.batches),
            config=self._module_config,
        )

    def _require_trained(self) -> None:
        """Raise RuntimeError unless the model is trained."""
        self._check_if_trained(warn=False, message="The model is not trained: call model.train() first.")

    def _own_or(self, query: MuData | AnnData | None) -> MuData | AnnData:
        """The query, or else the model's own data."""
        if query is None and self.adata is None:
            message = "the model has no data of its own (loaded with adata=False); pass the cells."
            raise ValueError(message)
        return self.adata if query is None else query

    def _block_size(self, batch_size: int | None) -> int:
        """Cells per block of generation: the user's number, or else the preset's."""
        if batch_size is None:
            return self._preset.batch_size
        return check_whole("batch_size", batch_size, 1)


def _check_arguments(batch_key: Any, modalities: Any, others: dict[str, Any]) -> None:
    """Raise TypeError for what a user would get an obscure error from later; scvi-tools' own arguments are fine."""
    if batch_key is not None and not isinstance(batch_key, str):
        message = f"batch_key must be the name of one column of obs, got {batch_key!r}."
        raise TypeError(message)
    if modalities is not None and not isinstance(modalities, Mapping):
        message = f"modalities must map names, e.g. {{'rna': 'gex'}}, got {modalities!r}."
        raise TypeError(message)
    if others and "source_registry" not in others:
        message = f"setup_mudata() has no arguments {sorted(others)}; layers are rna_layer, atac_layer, protein_layer."
        raise TypeError(message)
