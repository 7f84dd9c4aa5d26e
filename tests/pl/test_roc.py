from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from scipy import sparse

from scmog.metrics import auroc
from scmog.pl import roc_curve


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = (rng.random((60, 50)) < 0.2).astype(np.float32)
    return truth, truth + rng.normal(0, 1, truth.shape)


def _curves(ax) -> dict:
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_one_curve_of_at_most_1000_points_under_which_lies_the_area_of_the_legend():
    truth, score = _data()
    ax = roc_curve(sparse.csr_matrix(truth), score)
    ((label, line),) = _curves(ax).items()
    assert label == f"AUROC {auroc(truth, score):.3f}"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [label]
    x, y = line.get_data()
    assert 500 < len(x) <= 1000
    assert np.trapezoid(y, x) == pytest.approx(auroc(truth, score), abs=1e-3)


def test_named_curves_have_a_colour_or_a_style_of_their_own():
    truth, score = _data()
    ax = roc_curve(truth, {f"model {i}": score + i for i in range(9)})
    curves = _curves(ax)
    assert list(curves) == [f"model {i} ({auroc(truth, score):.3f})" for i in range(9)]
    assert len({(to_rgba(line.get_color()), line.get_linestyle()) for line in curves.values()}) == 9


def test_draws_on_the_axes_given():
    figure, (left, right) = plt.subplots(1, 2)
    assert roc_curve(*_data(), ax=right) is right
    assert not left.lines
    assert plt.get_fignums() == [figure.number]


def test_refused_data_leave_no_figure():
    truth, score = _data()
    with pytest.raises(ValueError, match="empty dictionary"):
        roc_curve(truth, {})
    with pytest.raises(ValueError, match="A ROC curve needs both"):
        roc_curve(np.zeros_like(truth), score)
    with pytest.raises(ValueError, match="one shape"):
        roc_curve(truth, {"good": score, "short": score[:5]})
    assert not plt.get_fignums()
