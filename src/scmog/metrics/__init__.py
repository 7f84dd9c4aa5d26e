"""Scores of predictions and baseline predictors, on arrays: no model, no annotated data."""

from scmog.metrics._baselines import Baseline, StorableBaseline
from scmog.metrics._binary import auroc, roc_points
from scmog.metrics._components import PrincipalComponents
from scmog.metrics._continuous import pearson
from scmog.metrics._depth_mean import DepthMean, TargetDepthConfounder
from scmog.metrics._group_mean import GroupMean
from scmog.metrics._kernel_ridge import KernelRidge
from scmog.metrics._knn import KNN
from scmog.metrics._log_depth import with_log_depth
from scmog.metrics._preprocess import clr, inverse_document_frequency, log_normalize, tfidf
from scmog.metrics._summarize import summarize
from scmog.metrics._svd_ridge import SVDRidge
from scmog.metrics._training_mean import TrainingMean

__all__ = [
    "Baseline",
    "DepthMean",
    "GroupMean",
    "KNN",
    "KernelRidge",
    "PrincipalComponents",
    "SVDRidge",
    "StorableBaseline",
    "TargetDepthConfounder",
    "TrainingMean",
    "auroc",
    "clr",
    "inverse_document_frequency",
    "log_normalize",
    "pearson",
    "roc_points",
    "summarize",
    "tfidf",
    "with_log_depth",
]
