"""Scores of predictions and baseline predictors, on arrays: no model, no annotated data."""

from scmog.metrics._auprc import auprc
from scmog.metrics._auroc import auroc
from scmog.metrics._baselines import Baseline, StorableBaseline
from scmog.metrics._brier_skill import brier_skill
from scmog.metrics._calibration_slope import calibration_slope
from scmog.metrics._components import PrincipalComponents
from scmog.metrics._correlation_matrix_distance import correlation_matrix_distance
from scmog.metrics._depth_mean import DepthMean, TargetDepthConfounder
from scmog.metrics._group_mean import GroupMean
from scmog.metrics._kernel_ridge import KernelRidge
from scmog.metrics._knn import KNN
from scmog.metrics._log_depth import with_log_depth
from scmog.metrics._pearson import pearson
from scmog.metrics._preprocess import clr, inverse_document_frequency, log_normalize, tfidf
from scmog.metrics._pseudobulk import pseudobulk_correlation, variable_features
from scmog.metrics._reliability import expected_calibration_error, reliability_curve
from scmog.metrics._rmse import rmse
from scmog.metrics._roc_points import roc_points
from scmog.metrics._score_table import METRICS, Metric
from scmog.metrics._spearman import spearman
from scmog.metrics._summarize import summarize
from scmog.metrics._svd_ridge import SVDRidge
from scmog.metrics._training_mean import TrainingMean
from scmog.metrics._variance_share import variance_share

__all__ = [
    "Baseline",
    "DepthMean",
    "GroupMean",
    "KNN",
    "KernelRidge",
    "METRICS",
    "Metric",
    "PrincipalComponents",
    "SVDRidge",
    "StorableBaseline",
    "TargetDepthConfounder",
    "TrainingMean",
    "auprc",
    "auroc",
    "brier_skill",
    "calibration_slope",
    "clr",
    "correlation_matrix_distance",
    "expected_calibration_error",
    "inverse_document_frequency",
    "log_normalize",
    "pearson",
    "pseudobulk_correlation",
    "reliability_curve",
    "rmse",
    "roc_points",
    "spearman",
    "summarize",
    "tfidf",
    "variable_features",
    "variance_share",
    "with_log_depth",
]
