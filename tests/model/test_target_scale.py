from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scmog.model._target_scale import (
    ceiling_values,
    measured_depth,
    share_of,
    target_values,
    without,
)


def test_scales():
    counts = np.array([[1.0, 3.0], [0.0, 0.0]])
    np.testing.assert_allclose(target_values("rna", counts, 8.0), np.log1p([[2.0, 6.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(target_values("atac", counts, 1.0), [[True, True], [False, False]])
    np.testing.assert_allclose(target_values("protein", counts, 1.0)[0], np.log([2 / np.sqrt(8), 4 / np.sqrt(8)]))


def test_a_ceiling_of_rna_has_the_median_library_size():
    """Means at any depth of a cell are one profile."""
    profile = np.array([[1.0, 3.0, 4.0]])
    at_depths = np.vstack([profile, 5 * profile, 0.1 * profile])
    truth = sp.csr_matrix(np.log1p(np.repeat(profile, 3, axis=0)))
    np.testing.assert_allclose(ceiling_values("rna", at_depths, 8.0, truth), truth.toarray())
    assert ceiling_values("atac", at_depths, 8.0, at_depths) is at_depths


def test_a_ceiling_of_rna_has_the_mean_of_logarithms():
    """Not the logarithm of the mean, which no prediction of log1p should be as large as."""
    rng = np.random.default_rng(0)
    means = rng.gamma(2.0, 0.5, size=(300, 6))
    truth = np.log1p(rng.poisson(means))
    values = ceiling_values("rna", means, 6.0, truth)
    np.testing.assert_allclose(values.mean(axis=0), truth.mean(axis=0), rtol=0.01)  # but for what would be below 0
    means[:, 0] = 0
    assert (ceiling_values("rna", means, 6.0, truth)[:, 0] == 0).all()


def test_a_ceiling_of_rna_is_as_far_from_the_average_as_the_truth_bears_out():
    rng = np.random.default_rng(0)
    means = rng.gamma(2.0, 1.0, size=(300, 6))
    means[:, 5] = 50.0  # library sizes are nearly alike
    truth = np.log1p(rng.poisson(means))
    for absent in (None, np.array([False, True, False, False, True, False])):
        kept = truth if absent is None else truth[:, ~absent]
        logs = np.log1p(means / means.sum(axis=1, keepdims=True) * 62.0)
        logs = logs if absent is None else logs[:, ~absent]
        average = kept.mean(axis=0)
        deviation = logs * average / logs.mean(axis=0) - average
        slope = np.linalg.lstsq(deviation.reshape(-1, 1), (kept - average).ravel())[0]
        expected = np.maximum(average + slope * deviation, 0)
        for container in (np.asarray, sp.csr_matrix, sp.csr_array):
            np.testing.assert_allclose(ceiling_values("rna", means, 62.0, container(kept), absent), expected, rtol=1e-6)


def test_without_features_that_were_not_measured():
    values = np.array([[1.0, 2.0, 6.0]])
    absent = np.array([True, False, False])
    assert without(None, "protein", values) is values
    np.testing.assert_array_equal(without(absent, "rna", values), [[2.0, 6.0]])
    np.testing.assert_array_equal(without(absent, "protein", values), [[-2.0, 2.0]])


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_depth(container):
    counts = container(np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(measured_depth("rna", counts), [5, 0])
    np.testing.assert_array_equal(measured_depth("atac", counts), [2, 0])


def test_share():
    average = np.array([1.0, 2.0, 5.0, 0.0])
    assert share_of(average, None) == 1
    assert share_of(average, np.array([False, False, True, False])) == 3 / 8
    assert share_of(average, np.array([True, True, True, False])) == 1  # nothing to scale by
    assert share_of(np.zeros(2), None) == 1
