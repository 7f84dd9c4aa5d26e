"""Scores of predictions and baseline predictors, on arrays: no model, no annotated data."""

from scmog.metrics._baselines import Baseline, TrainingMean
from scmog.metrics._binary import auroc, roc_points
from scmog.metrics._continuous import pearson
from scmog.metrics._preprocess import clr, inverse_document_frequency, log_normalize, tfidf
from scmog.metrics._summarize import summarize
from scmog.metrics._svd_ridge import SVDRidge

__all__ = [
    "Baseline",
    "SVDRidge",
    "TrainingMean",
    "auroc",
    "clr",
    "inverse_document_frequency",
    "log_normalize",
    "pearson",
    "roc_points",
    "summarize",
    "tfidf",
]
