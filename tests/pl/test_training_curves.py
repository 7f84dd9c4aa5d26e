from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scmog.pl import training_curves

N_PRETRAIN, N_EPOCHS = 4, 6


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def _frame(start: int, values: np.ndarray) -> pd.DataFrame:
    """As scvi-tools keeps it: one column, indexed by an epoch that counts on through both stages."""
    return pd.DataFrame({"value": values}, index=pd.RangeIndex(start, start + len(values), name="epoch"), dtype=object)


def _history(scales: dict[str, float], *, pretrain: bool = True, validation: bool = True) -> dict[str, pd.DataFrame]:
    start = N_PRETRAIN if pretrain else 0
    losses = {"train_loss": (start, np.linspace(1, 0.4, N_EPOCHS))}
    if validation:
        losses["validation_loss"] = (start, np.array([1.1, 0.8, 0.7, 0.6, 0.65, 0.7]))
    if pretrain:
        losses["critic_loss_train"] = (0, -np.linspace(1, 0.1, N_PRETRAIN))
        losses["generator_loss_train"] = (0, np.linspace(1, 0.2, N_PRETRAIN))
    history = {}
    for key, (first, values) in losses.items():
        history[key] = _frame(first, sum(scales.values()) * values)
        for direction, scale in scales.items():
            history[f"{key}_{direction}"] = _frame(first, scale * values)
    return history


def _lines(ax) -> list:
    """Drawn curves: no empty legend entries, marks or reference lines."""
    return [line for line in ax.lines if len(line.get_xdata()) > 2]


def _legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_two_panels_show_the_losses_of_both_stages():
    history = _history({"rna_to_atac": 10.0, "atac_to_rna": 20.0})
    left, right = training_curves(history)
    stages = [
        (left, ("critic_loss_train", "generator_loss_train"), range(N_PRETRAIN)),
        (right, ("train_loss", "validation_loss"), range(N_PRETRAIN, N_PRETRAIN + N_EPOCHS)),
    ]
    for ax, keys, epochs in stages:
        lines = _lines(ax)
        names = [f"{key}_{direction}" for direction in ("rna_to_atac", "atac_to_rna") for key in keys]
        assert len(lines) == len(names)
        for line, name in zip(lines, names, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), history[name].iloc[:, 0].astype(float))
            np.testing.assert_array_equal(line.get_xdata(), epochs)
        colours, styles = [line.get_color() for line in lines], [line.get_linestyle() for line in lines]
        assert colours == [_lines(left)[i].get_color() for i in range(4)]
        assert colours[0] == colours[1] != colours[2] == colours[3]
        assert styles[0] == styles[2] != styles[1] == styles[3]
    assert right.get_ylabel() == "Loss"
    assert _legend(left) == ["RNA \u2192 ATAC", "ATAC \u2192 RNA", "critic", "generator"]
    assert _legend(right) == ["RNA \u2192 ATAC", "ATAC \u2192 RNA", "train", "validation", "lowest validation loss"]


def test_lowest_validation_loss_of_each_direction_is_marked():
    history = _history({"rna_to_atac": 10.0, "atac_to_rna": 20.0})
    stopped = history["validation_loss_atac_to_rna"].iloc[:3]  # this direction stopped early
    history["validation_loss_atac_to_rna"] = stopped
    ax = training_curves(history)[1]
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
    assert marks == [(N_PRETRAIN + 3, 6.0), (N_PRETRAIN + 2, 14.0)]


def test_losses_on_different_scales_are_drawn_relative_and_the_axis_says_so():
    history = _history({"rna_to_atac": 10.0, "rna_to_protein": 400.0})
    ax = training_curves(history)[1]
    assert ax.get_ylabel() == "Loss / first validation loss"
    for line, key in zip(_lines(ax)[1::2], ("rna_to_atac", "rna_to_protein"), strict=True):
        values = history[f"validation_loss_{key}"].iloc[:, 0].astype(float)
        np.testing.assert_allclose(line.get_ydata(), values / values.iloc[0])
    ax = training_curves(_history({"rna_to_atac": 10.0, "rna_to_protein": 400.0}, validation=False))[1]
    assert ax.get_ylabel() == "Loss / first loss"
    assert [line.get_ydata()[0] for line in _lines(ax)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("history", "n_panels", "legend"),
    [
        pytest.param(_history({"rna_to_atac": 1.0}, pretrain=False), 1, "RNA \u2192 ATAC", id="no-pretraining"),
        pytest.param(_history({"rna_to_protein": 1.0}, validation=False), 2, "RNA \u2192 protein", id="no-validation"),
        pytest.param({"train_loss": _frame(0, np.array([2.0, 1.0]))}, 1, "total", id="sums-only"),
    ],
)
def test_a_stage_without_losses_gets_no_panel(history, n_panels, legend):
    axes = training_curves(history)
    assert len(axes) == n_panels
    assert _legend(axes[-1])[0] == legend
    axes[0].figure.canvas.draw()


def test_missing_epochs_are_left_out():
    history = _history({"rna_to_atac": 1.0})
    history["train_loss_rna_to_atac"] = history["train_loss_rna_to_atac"].reindex(range(N_PRETRAIN + N_EPOCHS))
    line = _lines(training_curves(history)[1])[0]
    np.testing.assert_array_equal(line.get_xdata(), range(N_PRETRAIN, N_PRETRAIN + N_EPOCHS))


def test_draws_on_the_axes_given():
    figure, axes = plt.subplots(1, 2)
    assert list(training_curves(_history({"rna_to_atac": 1.0}), ax=axes)) == list(axes)
    assert plt.get_fignums() == [figure.number]
    single = plt.figure().add_subplot()
    assert training_curves(_history({"rna_to_atac": 1.0}, pretrain=False), ax=single)[0] is single


@pytest.mark.parametrize(
    ("history", "n_axes", "match"),
    [
        pytest.param({"lr": pd.DataFrame({"lr": [0.1]})}, 2, r"keys \['lr'\]", id="no-losses"),
        pytest.param(None, 2, "model.history of a trained model", id="not trained"),
        pytest.param(_history({"rna_to_atac": 1.0}), 1, "each of the 2 panels, got 1", id="axes"),
    ],
)
def test_refuses(history, n_axes, match):
    _, axes = plt.subplots(1, n_axes)
    with pytest.raises(ValueError, match=match):
        training_curves(history, ax=axes)


def test_a_single_epoch_is_shown_among_whole_epochs():
    history = _history({"rna_to_atac": 1.0, "atac_to_rna": 1.0})
    history = {
        name: frame.iloc[:1] if name.startswith(("critic", "generator")) else frame for name, frame in history.items()
    }
    ax = training_curves(history)[0]
    ticks = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    assert ticks == [0]
