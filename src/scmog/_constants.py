"""Names under which scmog stores things, in one place."""

from __future__ import annotations

from typing import NamedTuple


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
    GENERATED_OBS: str = "scmog_generated"
    """``.obs`` column of a generated modality, true for all cells: it stays where ``.uns`` gets lost."""
    GENERATED_SUFFIX: str = "_generated"
    """Suffix of the modality that :meth:`scmog.model.SCMOG.generate` adds."""


SCMOG_KEYS = _Keys()


class _SplitLabels(NamedTuple):
    """Labels of the column that ``split_key`` names."""

    TRAIN: str = "train"
    VALIDATION: str = "validation"
    TEST: str = "test"


SPLIT_LABELS = _SplitLabels()
