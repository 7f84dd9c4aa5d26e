"""MuData fields and registry: what scvi-tools' own do not check or allow."""

from scmog._labels import as_names
from scmog._mudata import find_obs_column
from scmog.data._batch_field import BatchField
from scmog.data._count_field import CheckedLayerField, MuDataCheckedLayerField
from scmog.data._manager import PartialMuDataManager
from scmog.data._modality_names import find_modalities, resolve_directions
from scmog.data._split import Split, split_at_random, split_by_key
from scmog.data._splitter import SeededDataSplitter

__all__ = [
    "BatchField",
    "CheckedLayerField",
    "MuDataCheckedLayerField",
    "PartialMuDataManager",
    "SeededDataSplitter",
    "Split",
    "as_names",
    "find_modalities",
    "find_obs_column",
    "resolve_directions",
    "split_at_random",
    "split_by_key",
]
