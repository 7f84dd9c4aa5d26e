"""An AnnDataManager whose queries may lack modalities and whose mini-batches stay sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from mudata import MuData
from scvi.data import AnnDataManager, AnnDataManagerValidationCheck, _constants
from torch.utils.data import Dataset, Subset

from scmog._mudata import is_generated
from scmog.data._batch_field import BatchField
from scmog.data._count_field import CheckedLayerField, MuDataCheckedLayerField
from scmog.data._rows_dataset import RowsDataset


class PartialMuDataManager(AnnDataManager):
    """Manager that, when it transfers, registers only the modalities that a query has.

    scvi-tools refuses a query without one of the registered modalities. Here all fields and the registry of the
    training data are kept beside those of the query, so that a manager made for a partial query can itself serve the
    next one, which may be partial in another way.

    Attributes
    ----------
    reference_registry
        Registry of the training data; None for the manager of the training data itself.
    """

    adata: Any  # the MuData; scvi-tools has no types

    def __init__(
        self,
        fields: list[Any] | None = None,
        setup_method_args: dict[str, Any] | None = None,
        validation_checks: Any = None,
    ) -> None:
        # scvi-tools wants all cells in all modalities, also in those that the model does not read, in whatever order
        checks = validation_checks or AnnDataManagerValidationCheck(check_fully_paired_mudata=False)
        super().__init__(fields, setup_method_args, checks)
        self.fields: list[Any] = list(fields or [])
        self.all_fields = list(self.fields)
        self.reference_registry: dict[str, Any] | None = None

    def register_fields(self, adata: MuData, source_registry: dict[str, Any] | None = None, **transfer: Any) -> None:
        """Register the training data, or those modalities of a query that the training data have.

        Raises
        ------
        ValueError
            If a query has none of the registered modalities, or the modalities do not hold the same cells in the same
            order.
        """
        if source_registry is not None:
            self.reference_registry = source_registry
            self.fields = [field for field in self.all_fields if _available(field, adata)]
            if not any(isinstance(field, MuDataCheckedLayerField) for field in self.fields):
                needed = [field.mod_key for field in self.all_fields if isinstance(field, MuDataCheckedLayerField)]
                message = (
                    f"the query has the modalities {list(adata.mod)}; at least one measured of {needed} is needed."
                )
                raise ValueError(message)
        _check_paired(adata, [field.mod_key for field in self.fields if isinstance(field, MuDataCheckedLayerField)])
        super().register_fields(adata, source_registry, **transfer)

    def refresh(self) -> None:
        """Register the data once more, with all checks: they may have changed, or been set up for another model since.

        Raises
        ------
        KeyError, TypeError, ValueError
            If they no longer pass the checks, or have other features or batches. The registry is then as it was.
        """
        fields = self._registry[_constants._FIELD_REGISTRIES_KEY]
        before, adata, self.adata = dict(fields), self.adata, None  # it registers only where it has no data yet
        try:
            self.register_fields(adata, self._source_registry, **self._transfer_kwargs)
            for field in self.fields:
                earlier, now = (kept[field.registry_key][_constants._STATE_REGISTRY_KEY] for kept in (before, fields))
                _check_same(field, earlier, now)
        except BaseException:
            self.adata = adata
            fields.update(before)
            raise

    def transfer_fields(self, adata_target: MuData, **transfer: Any) -> PartialMuDataManager:
        """Manager for a query, made from all fields and the registry of the training data."""
        manager = self.__class__(
            fields=self.all_fields,
            setup_method_args=self._get_setup_method_args(),
            validation_checks=self.validation_checks,
        )
        manager.register_fields(adata_target, self.reference_registry or self._registry, **transfer)
        return manager

    def create_torch_dataset(
        self, indices: Any = None, data_and_attributes: Any = None, load_sparse_tensor: bool = False
    ) -> Dataset[dict[str, Any]]:
        """Cells ``indexes`` as mini-batches, sparse where the data are; what scvi-tools' loaders call."""
        del load_sparse_tensor  # decided by the data
        dataset = RowsDataset(self, data_and_attributes)
        return dataset if indices is None else Subset(dataset, indices)


def _available(field: Any, mdata: MuData) -> bool:
    if not isinstance(field, MuDataCheckedLayerField):
        return True  # covariates cope with their absence themselves
    return field.mod_key in mdata.mod and not is_generated(mdata.mod[field.mod_key])


def _check_paired(mdata: MuData, names: list[str]) -> None:
    """Raise ValueError unless each modality is there and holds all cells of the MuData, in its order."""
    for name in names:
        if name not in mdata.mod:
            message = (
                f"modality {name!r} is no longer in the MuData, which has {list(mdata.mod)}. Put it back, or call "
                "SCMOG.setup_mudata(mdata) again and make a new model."
            )
            raise ValueError(message)
        cells = mdata.mod[name].obs_names
        if cells.equals(mdata.obs_names):
            continue
        common = cells.intersection(mdata.obs_names)
        if len(common) == len(mdata.obs_names):
            message = (
                f"modality {name!r} has its cells in another order than the MuData, so rows would be mixed up; reorder "
                f"it: mdata.mod[{name!r}] = mdata.mod[{name!r}][mdata.obs_names].copy(), then mdata.update()."
            )
        else:
            message = (
                f"modality {name!r} holds {len(common)} of the {mdata.n_obs} cells of the MuData, but modalities "
                "must be paired. Keep the cells that have all of them, e.g. with muon.pp.intersect_obs(mdata)."
            )
        raise ValueError(message)


def _check_same(field: Any, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise ValueError if the features or batches of a field are not those of its registration."""
    if isinstance(field, MuDataCheckedLayerField):
        key, what = CheckedLayerField.COLUMN_NAMES_KEY, f"features of modality {field.mod_key!r}"
    else:
        key, what = BatchField.CATEGORIES, f"batches in {field.batch_key!r}"
    if not np.array_equal(earlier.get(key, ()), now.get(key, ())):
        message = (
            f"the {what} are no longer those of setup_mudata ({len(earlier[key])} then, {len(now[key])} now, others, "
            "or in another order). Call SCMOG.setup_mudata(mdata) again and make a new model."
        )
        raise ValueError(message)
