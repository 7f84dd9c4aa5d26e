from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from scipy import sparse
from scipy.stats import pearsonr

from scmog.pl import density_scatter


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def _data(n: int = 700) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.log1p(rng.poisson(0.7, (n, 6))).astype(np.float32)
    return truth, 0.7 * truth + rng.normal(0, 0.2, truth.shape)


@pytest.mark.parametrize("container", [pytest.param(np.asarray, id="dense"), pytest.param(sparse.csr_matrix, id="csr")])
def test_every_entry_is_drawn_where_it_belongs(container):
    truth, prediction = _data()
    ax = density_scatter(container(truth), prediction)
    mesh = ax.collections[0]
    edges = mesh.get_coordinates()[0, :, 0]
    expected = np.histogram2d(truth.ravel(), prediction.ravel(), bins=(edges, edges))[0].T
    shown = mesh.get_array()
    np.testing.assert_array_equal(shown.filled(0), expected)
    assert shown.sum() == truth.size
    assert shown.mask.any()  # bins without entries stay empty
    assert edges[0] < prediction.min() and edges[-1] > max(truth.max(), prediction.max())


def test_title_is_the_correlation_and_the_line_is_the_identity():
    truth, prediction = _data()
    ax = density_scatter(truth, prediction)
    assert ax.get_title() == f"Pearson r = {pearsonr(truth.ravel(), prediction.ravel())[0]:.3f}"
    x, y = ax.lines[0].get_data()
    assert tuple(x) == tuple(y) == ax.get_xlim() == ax.get_ylim()


@pytest.mark.parametrize("log", [pytest.param(True, id="logarithmic"), pytest.param(False, id="linear")])
def test_colours_follow_the_density(log):
    ax = density_scatter(*_data(), log=log)
    mesh = ax.collections[0]
    assert isinstance(mesh.norm, LogNorm) == log
    assert mesh.norm.vmax == mesh.get_array().max()


def test_draws_on_the_axes_given():
    figure, (left, right) = plt.subplots(1, 2)
    assert density_scatter(*_data(30), ax=left) is left
    assert not right.collections
    assert plt.get_fignums() == [figure.number]


def test_a_constant_prediction_can_be_drawn():
    ax = density_scatter(np.full((3, 2), 2.0) + np.eye(3, 2), np.full((3, 2), 2.0))
    assert ax.get_title() == "Pearson r = 0.000"
    ax.figure.canvas.draw()
    single = density_scatter(np.ones((3, 2)), np.ones((3, 2)))
    assert single.collections[0].get_array().sum() == 6
    single.figure.canvas.draw()


def test_refused_data_leave_no_figure():
    truth, prediction = _data(30)
    with pytest.raises(ValueError, match="one shape"):
        density_scatter(truth, prediction[:5])
    with pytest.raises(TypeError, match="dense"):
        density_scatter(truth, sparse.csr_matrix(prediction))
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        pytest.param(np.array([[-100, 0], [50, 100]], np.int8), np.array([[-90, 0], [60, 90]], np.int8), id="int8"),
        pytest.param(np.array([[True, False]]), np.array([[True, False]]), id="bool"),
    ],
)
def test_no_entry_is_lost_to_the_kind_of_numbers(truth, prediction):
    assert density_scatter(truth, prediction).collections[0].get_array().sum() == truth.size
