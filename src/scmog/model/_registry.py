"""What the registry of the training data says, whatever data are attached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scvi import REGISTRY_KEYS
from scvi.data import _constants

from scmog._modalities import MODALITIES
from scmog.data import BatchField, CheckedLayerField, MuDataCheckedLayerField


class TrainingRegistry:
    """Reads the scvi-tools registry of the training data.

    Parameters
    ----------
    registry
        The model's ``registry_``.

    Attributes
    ----------
    raw
        The registry itself.
    names
        Name in ``mdata.mod`` of each registered modality, by canonical name.
    layers
        Layer of its raw counts; None for ``.X``.
    var_names
        Its features.
    identifiers
        What else they are known by, as arrays of text: ``"gene_id"`` and ``"gene_symbol"`` of genes, ``"interval"`` of
        peaks. Empty where the training data had none.
    batch_key
        Column of the batch covariate; None without one.
    batches
        Its categories.
    """

    def __init__(self, registry: dict[str, Any]) -> None:
        self.raw = registry
        fields = registry[_constants._FIELD_REGISTRIES_KEY]
        self.names: dict[str, str] = {}
        self.layers: dict[str, str | None] = {}
        self.var_names: dict[str, Any] = {}
        self.identifiers: dict[str, dict[str, np.ndarray]] = {}
        for name, modality in MODALITIES.items():
            field = fields.get(modality.registry_key)
            if field is None:
                continue
            place = field[_constants._DATA_REGISTRY_KEY]
            self.names[name] = place[_constants._DR_MOD_KEY]
            self.layers[name] = place[_constants._DR_ATTR_KEY]
            state = field[_constants._STATE_REGISTRY_KEY]
            self.var_names[name] = state[CheckedLayerField.COLUMN_NAMES_KEY]
            self.identifiers[name] = dict(state[CheckedLayerField.IDENTIFIERS_KEY])
        batch = fields.get(REGISTRY_KEYS.BATCH_KEY, {}).get(_constants._STATE_REGISTRY_KEY) or {}
        self.batch_key: str | None = batch.get(BatchField.KEY)
        self.batches: list[str] = list(batch.get(BatchField.CATEGORIES, ()))

    def features(self, modality: str) -> pd.DataFrame:
        """Table of the features of a modality: their names as index, their other identifiers as columns."""
        names = pd.Index(self.var_names[modality]).astype(str)
        return pd.DataFrame(self.identifiers[modality], index=names)

    def fields(self) -> list[Any]:
        """Registry fields like those that the training data were registered with."""
        return make_fields(self.names, self.layers, self.batch_key)


def make_fields(names: dict[str, str], layers: dict[str, str | None], batch_key: str | None) -> list[Any]:
    """One checked field per modality and one for the batch covariate."""
    counts = [
        MuDataCheckedLayerField(modality, layers[modality], mod_key=name, mod_required=True)
        for modality, name in names.items()
    ]
    return [*counts, BatchField(batch_key)]
