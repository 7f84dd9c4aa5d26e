"""What all scores of two matrices refuse."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scmog.metrics import auprc, auroc, correlation_matrix_distance, pearson, rmse, spearman


@pytest.mark.parametrize("score", [auprc, auroc, correlation_matrix_distance, pearson, rmse, spearman])
@pytest.mark.parametrize(
    ("truth", "prediction", "options", "error", "match"),
    [
        pytest.param(np.ones((2, 3)), np.ones((3, 2)), {}, ValueError, r"\(2, 3\) and \(3, 2\)", id="shapes"),
        pytest.param(AnnData(np.ones((2, 2))), np.ones((2, 2)), {}, TypeError, "pass its .X", id="AnnData"),
        pytest.param(np.ones(3), np.ones(3), {}, ValueError, "matrix of shape", id="one-dimensional"),
        pytest.param(np.full((2, 2), np.nan), np.ones((2, 2)), {}, ValueError, "truth contains NaN", id="nan-truth"),
        pytest.param(np.ones((2, 2)), np.full((2, 2), np.nan), {}, ValueError, "contains NaN", id="nan-prediction"),
        pytest.param(np.ones((2, 2)), sparse.eye(2, format="csr"), {}, TypeError, "dense array", id="sparse"),
        pytest.param(np.ones((1, 1)), np.array([["a"]]), {}, TypeError, "must hold numbers", id="strings"),
        pytest.param(np.ones((2, 2)), np.ones((2, 2)), {"axis": "peak"}, ValueError, "axis must be one of", id="axis"),
    ],
)
def test_refuses(score, truth, prediction, options, error, match):
    with pytest.raises(error, match=match):
        score(truth, prediction, **options)


@pytest.mark.parametrize("score", [correlation_matrix_distance, pearson, rmse, spearman])
def test_values_must_be_finite(score):
    with pytest.raises(ValueError, match="prediction contains infinite"):
        score(np.ones((2, 2)), np.full((2, 2), np.inf))


@pytest.mark.parametrize("score", [auprc, auroc])
def test_positives_must_be_at_least_one(score):
    with pytest.raises(ValueError, match="min_positives must be at least 1"):
        score(np.eye(2), np.eye(2), min_positives=0)
