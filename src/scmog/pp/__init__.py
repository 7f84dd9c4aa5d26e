"""Preprocessing: filters, splits, and what a query needs before a model reads it."""

from scmog.pp._align_features import align_features
from scmog.pp._alignment_report import AlignmentReport, ModalityAlignment
from scmog.pp._filter_cells import filter_cells
from scmog.pp._filter_peaks import filter_peaks
from scmog.pp._kfold import split_kfold
from scmog.pp._merge_datasets import merge_datasets
from scmog.pp._prepare import prepare
from scmog.pp._sex_chromosomes import remove_sex_chromosomes
from scmog.pp._split_by_cluster import split_by_cluster
from scmog.pp._split_by_obs import split_by_obs
from scmog.pp._split_random import split_random

__all__ = [
    "AlignmentReport",
    "ModalityAlignment",
    "align_features",
    "filter_cells",
    "filter_peaks",
    "merge_datasets",
    "prepare",
    "remove_sex_chromosomes",
    "split_by_cluster",
    "split_by_obs",
    "split_kfold",
    "split_random",
]
