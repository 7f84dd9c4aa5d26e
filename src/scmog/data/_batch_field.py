"""The batch covariate: found wherever it is, optional at query time."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from mudata import MuData
from scvi import REGISTRY_KEYS
from scvi.data.fields import BaseAnnDataField

from scmog._labels import as_names
from scmog._mudata import find_obs_column, obs_columns

logger = logging.getLogger(__name__)

_CODES_COLUMN = f"_scvi_{REGISTRY_KEYS.BATCH_KEY}"


class BatchField(BaseAnnDataField):
    """Categorical batch covariate of the decoders.

    Differs from scvi-tools' categorical field in what a query may do: without the column, or with a category that was
    not seen in training, a cell has the code -1, which the module reads as "average batch".

    Parameters
    ----------
    batch_key
        Column of the global obs or of one modality's obs; None for no covariate.
    """

    CATEGORIES = "categorical_mapping"
    KEY = "original_key"

    def __init__(self, batch_key: str | None) -> None:
        super().__init__()
        self.batch_key = batch_key

    @property
    def registry_key(self) -> str:
        """Key in the data registry and in mini-batches."""
        return str(REGISTRY_KEYS.BATCH_KEY)

    @property
    def attr_name(self) -> str:
        """The codes are kept in obs."""
        return "obs"

    @property
    def attr_key(self) -> str:
        """Column with the codes."""
        return _CODES_COLUMN

    @property
    def is_empty(self) -> bool:
        """Whether there is no covariate."""
        return self.batch_key is None

    def validate_field(self, adata: MuData) -> None:
        """Raise KeyError if no obs has the column, ValueError if it has missing values."""
        if self.batch_key is None:
            return
        column = find_obs_column(adata, self.batch_key)
        if column is None:
            message = f"batch_key {self.batch_key!r} is in no obs; columns are {obs_columns(adata)}."
            raise KeyError(message)
        if column.isna().any():
            message = f"batch_key {self.batch_key!r} is missing for {int(column.isna().sum())} cell(s); fill it first."
            raise ValueError(message)

    def register_field(self, adata: MuData) -> dict[str, Any]:
        """Number the categories, in sorted order."""
        super().register_field(adata)
        if self.batch_key is None:
            return {}
        values = as_names(find_obs_column(adata, self.batch_key))
        categories = np.unique(values.to_numpy())
        return self._write_codes(adata, values, categories)

    def transfer_field(self, state_registry: dict[str, Any], adata_target: MuData, **_: Any) -> dict[str, Any]:
        """Number a query's batches as in training; -1 where there is no telling."""
        column = find_obs_column(adata_target, str(self.batch_key))
        categories = np.asarray(state_registry[self.CATEGORIES])
        if column is None:
            logger.warning("The query has no column %r: all its cells get the average batch.", self.batch_key)
            column = pd.Series(np.nan, index=adata_target.obs_names)
        elif column.isna().any():
            logger.warning(
                "%r is missing for %d cell(s) of the query: they get the average batch.",
                self.batch_key,
                int(column.isna().sum()),
            )
        values = as_names(column)
        unseen = sorted(set(values.dropna()) - set(categories))
        if unseen:
            logger.warning(
                "Batches %s of the query were not seen in training (%s): their cells get the average batch.",
                unseen,
                list(categories),
            )
        return self._write_codes(adata_target, values, categories)

    def _write_codes(self, mdata: MuData, values: pd.Series, categories: np.ndarray) -> dict[str, Any]:
        mdata.obs[_CODES_COLUMN] = pd.Index(categories).get_indexer(values.to_numpy()).astype(np.int64)
        return {self.CATEGORIES: categories, self.KEY: self.batch_key}

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of batches; 0 without the covariate."""
        return {"n_batch": len(state_registry.get(self.CATEGORIES, ()))}

    def view_state_registry(self, state_registry: dict[str, Any]) -> None:
        """Nothing to show beyond the summary."""
