"""Names under which scmog stores things, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anndata import AnnData


class _Keys(NamedTuple):
    """Keys of the slots that scmog reads or writes on AnnData and MuData objects."""

    UNS: str = "scmog"
    """``.uns`` entry that marks a modality as generated and states its unit and origin."""
    ALIGNMENT_UNS: str = "scmog_alignment"
    """``.uns`` entry with the report of :func:`scmog.pp.align_features`."""
    MISSING_VAR: str = "scmog_missing"
    """``.var`` column: the feature was not measured in the query and enters as average."""
    ZERO_COUNTS_OBS: str = "scmog_zero_counts"
    """``.obs`` column of a generated modality: the source cell had no counts at all."""
    GENERATED_SUFFIX: str = "_generated"
    """Suffix of the modality that :meth:`scmog.model.SCMOG.generate` adds."""


SCMOG_KEYS = _Keys()


class _SplitLabels(NamedTuple):
    """Labels of the column that ``split_key`` names."""

    TRAIN: str = "train"
    VALIDATION: str = "validation"
    TEST: str = "test"


SPLIT_LABELS = _SplitLabels()


def is_generated(adata: AnnData) -> bool:
    """Whether scmog wrote this modality; such a modality is never read as input.

    ``.uns`` says so, which :func:`anndata.concat` drops by default; the column that it writes into obs survives.
    """
    mark = adata.uns.get(SCMOG_KEYS.UNS)
    marked = isinstance(mark, Mapping) and bool(mark.get("generated", False))
    return marked or SCMOG_KEYS.ZERO_COUNTS_OBS in adata.obs
