"""Training as a user sees it: splits, seeds, histories, continuation. The steps themselves: tests/train."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np
import pytest
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from scmog.model import SCMOG

DIRECTIONS = ("rna_to_atac", "atac_to_rna", "rna_to_protein")


def weights(model):
    return {name: value.detach().clone() for name, value in model.module.named_parameters()}


def assert_same(first, second):
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy(), err_msg=name)


@contextmanager
def restored_global_state():
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])


class Modes(Callback):
    """Notes in which mode the module is in each training batch."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(pl_module.module.training)


# ------------------------------------------------------------------ seeds
def test_same_seed_same_weights_bit_for_bit(batched, make_model):
    runs = []
    for n_draws in (0, 3):  # whatever the global generators have been used for before
        torch.rand(n_draws), np.random.rand(n_draws)
        model = make_model(batched.copy(), setup={"batch_key": "batch"}, train={"n_epochs_pretrain": 1, "seed": 7})
        runs.append(model)
    assert_same(runs[0].module.state_dict(), runs[1].module.state_dict())
    np.testing.assert_array_equal(runs[0].train_indices_, runs[1].train_indices_)
    assert runs[0].seed_ == 7
    other = make_model(batched.copy(), setup={"batch_key": "batch"}, train={"n_epochs_pretrain": 1, "seed": 8})
    assert any(not torch.equal(value, weights(other)[name]) for name, value in weights(runs[0]).items())
    assert not np.array_equal(other.train_indices_, runs[0].train_indices_)


def test_seed_of_scvi_settings(paired, make_model):
    expected = make_model(paired.copy(), train={"seed": 11, "max_epochs": 1})
    before = scvi.settings.seed
    with restored_global_state():
        try:
            scvi.settings.seed = 11
            model = make_model(paired, train={"max_epochs": 1})
        finally:
            scvi.settings._seed = before  # the setter cannot take None back
    assert model.seed_ == 11
    assert_same(expected.module.state_dict(), model.module.state_dict())


@pytest.mark.parametrize("seed", [-1, 1.5, True, "a", 2**63])
def test_bad_seed(paired, make_model, seed):
    with pytest.raises(ValueError, match="seed must be a whole number, from 0 to 9223372036854775807, got"):
        make_model(paired, train={"seed": seed})


def test_training_leaves_the_global_random_states(paired, make_model):
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()
    make_model(paired, train={"n_epochs_pretrain": 1})
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()) == before


def test_training_changes_nothing_in_the_data(paired, make_model, snapshot, quick):
    model = make_model(paired, train=None)
    before = snapshot(paired)
    model.train(**quick)
    assert snapshot(paired) == before


# ------------------------------------------------------------------ history and continuation
def test_history_keys_and_lengths(paired, make_model):
    model = make_model(paired, train={"n_epochs_pretrain": 2, "max_epochs": 3})
    for key in ("critic_loss_train", "generator_loss_train", "generator_loss_validation"):
        assert len(model.history[key]) == 2
        assert {f"{key}_{name}" for name in DIRECTIONS} < set(model.history)
    for key in ("train_loss", "validation_loss"):
        assert len(model.history[key]) == 3
        parts = sum(model.history[f"{key}_{name}"].to_numpy(dtype=float) for name in DIRECTIONS)
        np.testing.assert_allclose(model.history[key].to_numpy(dtype=float), parts, rtol=1e-5)
    assert model.is_trained


def test_no_pretraining(paired, make_model):
    model = make_model(paired, train={"n_epochs_pretrain": 0})
    assert not any(key.startswith(("critic", "generator")) for key in model.history)


def test_second_call_continues(paired, make_model, quick):
    modes = Modes()
    model = make_model(paired, train={"seed": 3})
    before, buffers = weights(model), {k: v.clone() for k, v in model.module.named_buffers()}
    options = {**quick, "max_epochs": 1, "callbacks": [modes]}
    model.train(**options, lr=1e-12)
    assert modes.seen
    assert all(modes.seen)  # dropout and batch norm are live again
    for name, value in weights(model).items():
        np.testing.assert_allclose(value.numpy(), before[name].numpy(), atol=1e-6, err_msg=name)
    moved = dict(model.module.named_buffers())
    assert any(not torch.equal(moved[name], buffers[name]) for name in moved if name.endswith("running_mean"))
    for name in moved:
        if name.startswith("representations"):
            assert torch.equal(moved[name], buffers[name])  # input statistics are frozen
    model.train(**{**options, "callbacks": []}, lr=1e-2)
    assert any(not torch.equal(value, before[name]) for name, value in weights(model).items())
    assert model.seed_ == 3
    assert len(model.history["train_loss"]) == 4
    assert model.history["train_loss"].index.tolist() == [0, 1, 2, 3]


def test_pretraining_in_a_second_call_is_logged(paired, make_model, quick):
    model = make_model(paired)
    model.train(**{**quick, "n_epochs_pretrain": 2, "max_epochs": 1})
    assert len(model.history["critic_loss_train"]) == 2
    assert len(model.history["train_loss"]) == 3
    assert np.isfinite(model.history["critic_loss_train"].to_numpy(dtype=float)).all()


def test_another_split_needs_refit(trained, paired, make_model, quick):
    paired.obs["split"] = trained.adata.obs["split"].to_numpy()
    paired.obs["other"] = paired.obs["split"].to_numpy()[::-1]
    model = make_model(paired, train={"split_key": "split"})
    totals = model.module.median_total
    model.train(**quick, split_key="split")  # the same one is fine
    with pytest.raises(ValueError, match=r"other cells.*Leave the split out.*refit=True"):
        model.train(**quick, split_key="other")
    with pytest.raises(ValueError, match="refit=True"):
        model.train(**quick, train_size=0.5)
    assert model.module.median_total == totals
    model.train(**quick, split_key="other", refit=True)
    np.testing.assert_array_equal(np.sort(model.train_indices_), np.flatnonzero(paired.obs["other"] == "train"))
    train = paired["rna"].X[np.sort(model.train_indices_)].sum(axis=1)
    assert model.module.median_total == pytest.approx(np.median(np.asarray(train)[np.asarray(train) > 0]))


def test_refit_alone_keeps_the_split(trained, paired, make_model, quick):
    paired.obs["split"] = trained.adata.obs["split"].to_numpy()
    model = make_model(paired, train={"split_key": "split"})
    model.train(**quick, refit=True)
    np.testing.assert_array_equal(np.sort(model.test_indices_), np.flatnonzero(paired.obs["split"] == "test"))


# ------------------------------------------------------------------ presets and settings
@pytest.mark.parametrize("preset", ["paper", "authors", "default"])
def test_presets_run(paired, make_model, preset):
    model = make_model(paired, preset=preset, train={"n_epochs_pretrain": 1, "max_epochs": 1})
    assert model.preset_name == preset
    assert np.isfinite(model.history["validation_loss"].to_numpy(dtype=float)).all()
    assert np.isfinite(model.get_generated(target="atac", threshold=None).X).all()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        pytest.param({"plan_kwargs": {"patince": 3}}, TypeError, r"plan_kwargs.*'patince'.*'patience'", id="plan typo"),
        pytest.param({"plan_kwargs": {"optimizer": "sgd"}}, ValueError, r"optimizer must be one of", id="optimizer"),
        pytest.param({"lr": 0}, ValueError, "lr must be positive, got 0", id="lr"),
        pytest.param({"max_epoch": 3}, TypeError, "max_epoch", id="trainer typo"),
    ],
)
def test_bad_settings(paired, make_model, options, error, words):
    with pytest.raises(error, match=words):
        make_model(paired, train=options)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"max_epochs": 0}, id="no epochs"),
        pytest.param({"max_epochs": -1}, id="negative epochs"),
        pytest.param({"n_epochs_pretrain": -1}, id="negative pre-training"),
        pytest.param({"batch_size": 0}, id="batch_size 0"),
        pytest.param({"batch_size": 1}, id="batch_size 1"),
    ],
)
def test_bad_numbers(paired, make_model, options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=rf"{name} must.*{value}"):
        make_model(paired, train=options)


def test_early_stopping_ends_a_direction(paired, make_model):
    options = {"max_epochs": 30, "lr": 0.5, "plan_kwargs": {"patience": 1, "lr_schedule": "constant"}}
    stopped = make_model(paired.copy(), train=options)
    assert len(stopped.history["train_loss"]) < 30
    full = make_model(paired, train={**options, "max_epochs": 8, "early_stopping": False})
    assert len(full.history["train_loss"]) == 8


# ------------------------------------------------------------------ compiled losses
def test_compile_is_for_training_only(paired, make_model, monkeypatch):
    """Every element-wise part goes through the compiler while training runs, and none afterwards."""
    calls = []

    def compiler(function):
        def call(*args):
            calls.append(function.__name__)
            return function(*args)

        return call

    monkeypatch.setattr("scmog.nn._pointwise._compiled", compiler)
    plain = make_model(paired.copy(), train={"seed": 0})
    assert not calls
    model = make_model(paired.copy(), train={"seed": 0, "plan_kwargs": {"compile": True}})
    assert {"focal_terms", "_mean", "_dispersion", "_of_no_counts"} <= set(calls)
    assert_same(weights(plain), weights(model))
    n_calls = len(calls)
    model.get_generated(paired, source="rna", target="atac", threshold=None)
    assert len(calls) == n_calls


def test_numbers_of_numpy_are_numbers(paired, make_model):
    numbers = {"max_epochs": np.int64(1), "n_epochs_pretrain": np.int32(1), "batch_size": np.int64(32)}
    model = make_model(paired, train={**numbers, "seed": np.uint8(3)})
    same = make_model(paired, train={name: int(value) for name, value in numbers.items()} | {"seed": 3})
    generated = [
        one.get_generated(paired, source="rna", target="atac", batch_size=np.int64(50)) for one in (model, same)
    ]
    assert (generated[0].X != generated[1].X).nnz == 0


def test_options_of_another_early_stopping_are_refused(paired, make_model):
    with pytest.raises(TypeError, match=r"early_stopping_patience.*plan_kwargs=\{'patience': n\}"):
        make_model(paired, train={"early_stopping_patience": 3})


def test_data_that_were_not_set_up(paired):
    with pytest.raises(ValueError, match=r"was not set up.*SCMOG.setup_mudata\(mdata\)"):
        SCMOG(paired)
    with pytest.raises(TypeError, match="expected a MuData, got AnnData"):
        SCMOG(paired["rna"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"layer": "counts"}, r"no arguments \['layer'\]; layers are rna_layer", id="unknown"),
        pytest.param({"modalities": ["rna", "atac"]}, "modalities must map names", id="list of modalities"),
        pytest.param({"batch_key": ["batch"]}, "batch_key must be the name of one column", id="list of columns"),
    ],
)
def test_arguments_of_the_setup(paired, arguments, words):
    with pytest.raises(TypeError, match=words):
        SCMOG.setup_mudata(paired, **arguments)


def test_generated_modalities_are_named_where_too_few_are_found(trained, query):
    trained.generate(query, target="atac", key_added="atac")
    with pytest.raises(ValueError, match=r"\['atac'\] are generated by scmog and never trained on"):
        SCMOG.setup_mudata(query)
