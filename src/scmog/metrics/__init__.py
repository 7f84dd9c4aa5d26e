"""Scores of predictions and baseline predictors, on arrays: no model, no annotated data."""

from scmog.metrics._auprc import auprc
from scmog.metrics._auroc import auroc
from scmog.metrics._baselines import Baseline, TrainingMean
from scmog.metrics._brier_skill import brier_skill
from scmog.metrics._calibration_slope import calibration_slope
from scmog.metrics._correlation_matrix_distance import correlation_matrix_distance
from scmog.metrics._pearson import pearson
from scmog.metrics._preprocess import clr, inverse_document_frequency, log_normalize, tfidf
from scmog.metrics._pseudobulk import pseudobulk_correlation, variable_features
from scmog.metrics._reliability import expected_calibration_error, reliability_curve
from scmog.metrics._rmse import rmse
from scmog.metrics._roc_points import roc_points
from scmog.metrics._spearman import spearman
from scmog.metrics._summarize import summarize
from scmog.metrics._svd_ridge import SVDRidge
from scmog.metrics._variance_share import variance_share

__all__ = [
    "Baseline",
    "SVDRidge",
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
]
