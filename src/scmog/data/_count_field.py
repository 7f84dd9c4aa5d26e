"""A registry field for raw counts that checks what scvi-tools' own field lets pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from anndata.abc import CSCDataset, CSRDataset
from scvi.data.fields import LayerField, MuDataWrapper

from scmog._modalities import MODALITIES, Modality
from scmog.data._identifiers import feature_identifiers

logger = logging.getLogger(__name__)

_BLOCK_VALUES = 20_000_000  # values looked at at once: 160 MB in double precision


class CheckedLayerField(LayerField):
    """Raw counts of one modality.

    scvi-tools' field compares only the number of features with the training data, looks for negative or fractional
    values in twenty random places, and never for NaN. This one checks every value and every name.

    Parameters
    ----------
    modality
        Canonical name of the modality.
    layer
        Layer with the raw counts; None for ``.X``.
    """

    IDENTIFIERS_KEY = "identifiers"
    """Key, in the registry of the training data, of what :func:`feature_identifiers` finds."""

    def __init__(self, modality: str, layer: str | None) -> None:
        self.modality: Modality = MODALITIES[modality]
        # scvi-tools would overwrite a dense matrix of the user to make it C-contiguous; it works without
        super().__init__(self.modality.registry_key, layer, is_count_data=False, correct_data_format=False)

    @property
    def location(self) -> str:
        """Where the counts are, for messages."""
        return ".X" if self.attr_key is None else f".layers[{self.attr_key!r}]"

    def validate_field(self, adata: AnnData) -> None:
        """Check names, type and values.

        Raises
        ------
        KeyError
            If the layer does not exist.
        TypeError
            If the matrix is of a kind that can't be read in mini-batches.
        ValueError
            If there are no cells or too few features, duplicate feature names, NaN, infinite, negative or fractional
            values.
        """
        if self.attr_key is not None and self.attr_key not in adata.layers:
            layers = [name for name in adata.layers if name is not None]  # anndata 0.13 lists .X under None
            message = f"{self._subject} has no layer {self.attr_key!r}; layers are {layers}."
            raise KeyError(message)
        if adata.n_obs == 0 or adata.n_vars == 0:
            message = f"{self._subject} is empty: {adata.n_obs} cells x {adata.n_vars} {self.modality.features}."
            raise ValueError(message)
        if adata.n_vars < self.modality.least_features:
            message = (
                f"{self._subject} has {adata.n_vars} {self.modality.features}, but at least "
                f"{self.modality.least_features} are needed: what is learned is how they differ within a cell."
            )
            raise ValueError(message)
        self._check_unique(adata)
        super().validate_field(adata)
        matrix = self.get_field_data(adata)
        if matrix is None:
            message = f"{self._subject} is empty (None); put the raw counts there, or name their layer."
            raise ValueError(message)
        self._check_type(matrix)
        self._check_values(matrix)

    def _check_unique(self, adata: AnnData) -> None:
        if not adata.var_names.is_unique:
            twice = adata.var_names[adata.var_names.duplicated()].unique()
            message = (
                f"{self._subject} has {len(twice)} duplicate feature name(s), e.g. {list(twice[:3])}; names must be "
                "unique so that a query can be matched. Sum the duplicates, or call .var_names_make_unique()."
            )
            raise ValueError(message)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Register the training data, with the identifiers by which a query with other names can be matched."""
        return self._register_counts(adata) | {
            self.IDENTIFIERS_KEY: feature_identifiers(self.modality.name, adata.var),
        }

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Register a query, which must have the training features by name and in order."""
        self._check_unique(adata_target)
        self.check_names(pd.Index(state_registry[self.COLUMN_NAMES_KEY]), adata_target.var_names)
        # the parent's would register the query like training data; with the names, the number of features is checked
        return self._register_counts(adata_target) | {self.IDENTIFIERS_KEY: state_registry[self.IDENTIFIERS_KEY]}

    def _register_counts(self, adata: AnnData) -> dict[str, Any]:
        registry: dict[str, Any] = super().register_field(adata)
        return registry

    def check_names(self, trained: pd.Index, query: pd.Index) -> None:
        """Raise ValueError unless the query's features are the trained ones, in the same order."""
        trained, query = trained.astype(str), query.astype(str)
        if trained.equals(query):
            return
        missing, extra = trained.difference(query), query.difference(trained)
        features = self.modality.features
        what = (
            f"lacks {len(missing)} of the {len(trained)} {features} the model was trained on"
            f" (e.g. {list(missing[:3])}) and has {len(extra)} others"
            if len(missing) or len(extra)
            else f"has the {len(trained)} trained {features} in another order"
        )
        message = (
            f"{self._subject} {what}. Bring the query into the model's feature space first: "
            "query = scmog.pp.align_features(query, model)."
        )
        raise ValueError(message)

    @property
    def _subject(self) -> str:
        return f"modality {self.modality.name!r} ({self.location})"

    def _check_type(self, matrix: Any) -> None:
        readable = isinstance(matrix, np.ndarray | h5py.Dataset | CSRDataset | CSCDataset) or sp.issparse(matrix)
        if not readable:
            message = (
                f"{self._subject} is a {type(matrix).__name__}; expected a NumPy array, a SciPy sparse matrix, or "
                "either of them backed on disk. Convert it first, e.g. with .compute() or .to_numpy()."
            )
            raise TypeError(message)
        if sp.issparse(matrix) and matrix.format not in ("csr", "csc"):
            message = f"{self._subject} is sparse in {matrix.format} format, which has no rows; convert with .tocsr()."
            raise TypeError(message)
        if (sp.issparse(matrix) and matrix.format == "csc") or isinstance(matrix, CSCDataset):
            logger.warning(
                "%s is stored by column (CSC): every mini-batch of cells walks through the whole matrix. "
                "Convert with .tocsr() to train much faster.",
                self._subject,
            )

    def _check_values(self, matrix: Any) -> None:
        for values in _blocks(matrix):
            problem = _first_problem(values)
            if problem:
                message = (
                    f"{self._subject} holds {problem}; expected raw counts (finite, not negative, whole). If the raw "
                    f"counts are in a layer, name it: setup_mudata(..., {self.modality.name}_layer='counts'); in a "
                    "query move them to where the training data had them, e.g. query.X = query.layers['counts']."
                )
                raise ValueError(message)


def _blocks(matrix: Any) -> Iterator[np.ndarray]:
    """The stored values of a matrix, in blocks that fit in memory."""
    if sp.issparse(matrix):
        data = matrix.data
        for start in range(0, len(data), _BLOCK_VALUES):
            yield data[start : start + _BLOCK_VALUES]
        return
    rows = max(1, _BLOCK_VALUES // max(matrix.shape[1], 1))
    if isinstance(matrix, CSCDataset):  # reads columns, not rows, without loading all
        columns = max(1, _BLOCK_VALUES // max(matrix.shape[0], 1))
        for start in range(0, matrix.shape[1], columns):
            yield matrix[:, start : start + columns].data
        return
    for start in range(0, matrix.shape[0], rows):
        block = matrix[start : start + rows]
        yield block.data if sp.issparse(block) else np.asarray(block)


def _first_problem(values: np.ndarray) -> str | None:
    if values.size == 0:
        return None
    if values.dtype.kind not in "fiub":
        return f"values of type {values.dtype}"
    if not np.isfinite(values).all():
        n = int((~np.isfinite(values)).sum())
        return f"{n} NaN or infinite value(s)"
    if values.min() < 0:
        return f"negative values (smallest {values.min():.4g})"
    if values.dtype.kind == "f":
        fractional = values[values != np.floor(values)]
        if fractional.size:
            return f"fractional values such as {fractional[0]:.4g}, as after normalisation or log transformation"
    return None


MuDataCheckedLayerField = MuDataWrapper(CheckedLayerField)
MuDataCheckedLayerField.__doc__ = """:class:`CheckedLayerField` on one modality of a MuData."""
