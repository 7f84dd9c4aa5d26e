"""The presets against the paper and the authors' code, as read from there."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from scmog.model import SCMOG
from scmog.model._presets import PRESETS, find_preset
from scmog.module import ModuleConfig
from scmog.nn import InputLayer
from scmog.train import PlanConfig


def test_the_paper_s_settings():
    paper = find_preset("paper")
    module, plan = paper.module, paper.plan
    assert (module.n_hidden_rna, module.n_hidden_atac, module.n_latent) == ((256, 64), (512, 64), 16)
    assert module.n_hidden_protein == (64,)
    assert (module.n_hidden_critic, module.n_hidden_critic_protein) == ((1024, 256, 64, 16), (256, 64))
    # equation 4 as printed: alpha = 0.93 on open peaks, focusing 2
    assert (module.focal_weight_open, module.focal_weight_closed, module.focal_gamma) == (0.93, 0.07, 2.0)
    assert module.rna_input == "zscore"
    assert (module.dropout_rate, module.input_dropout_rate) == (0, 0)
    assert (plan.optimizer, plan.lr, plan.weight_decay, plan.lr_schedule) == ("adam", 0.01, 0, "constant")
    assert (plan.n_critic, plan.clip_value, plan.lr_pretrain) == (5, 0.01, 1e-4)
    assert plan.restore_best
    assert paper.batch_size == 256


def test_the_authors_settings():
    module, plan = find_preset("authors").module, find_preset("authors").plan
    assert (module.focal_weight_open, module.focal_weight_closed) == (0.07, 0.93)
    assert (plan.lr, plan.betas, plan.patience, plan.restore_best) == (1e-4, (0.5, 0.999), 7, False)
    assert module.input_style("rna", "atac") == "counts"
    assert module.input_style("rna", "protein") == "zscore"
    assert plan.max_epochs_by_target == {"rna": 60, "protein": 120}


def test_the_default_keeps_the_method():
    default = find_preset("default")
    assert default.n_epochs_pretrain > 0
    assert default.module.focal_gamma > 0


def linear_shapes(module):
    """Outputs and inputs of each linear layer."""
    layers = [m for m in module.modules() if isinstance(m, torch.nn.Linear | InputLayer)]
    return [(layer.out_features, layer.in_features) for layer in layers]


def test_the_paper_s_networks_are_built(paired):
    SCMOG.setup_mudata(paired)
    model = SCMOG(paired, preset="paper")
    for name, encoder, decoder in (
        ("rna_to_atac", [(256, 40), (64, 256), (16, 64)], [(64, 16), (512, 64), (60, 512)]),
        ("atac_to_rna", [(512, 60), (64, 512), (16, 64)], [(64, 16), (256, 64), (40, 256), (40, 256)]),
        ("rna_to_protein", [(256, 40), (64, 256), (16, 64)], [(64, 16), (6, 64)]),
    ):
        translator = model.module.translator(name)
        for part, shapes in ((translator.member().encoder, encoder), (translator.decoder, decoder)):
            assert linear_shapes(part) == shapes, name
    bias = model.module.translator("rna_to_atac").decoder.logit.bias
    torch.testing.assert_close(bias, torch.full_like(bias, -2.0))
    critics = model.module.new_critics()
    assert linear_shapes(critics["rna_to_atac"]) == [(1024, 60), (256, 1024), (64, 256), (16, 64), (1, 16)]
    assert linear_shapes(critics["rna_to_protein"]) == [(256, 6), (64, 256), (1, 64)]


def test_small_data_get_as_many_steps():
    default = find_preset("default")
    assert default.cells_for_epochs
    full, plan = default.schedule(default.cells_for_epochs)
    assert full == default.max_epochs
    assert default.schedule(10 * default.cells_for_epochs)[0] == full
    assert default.schedule(default.cells_for_epochs // 2)[0] == pytest.approx(2 * full, abs=1)
    assert default.schedule(1)[0] == 10 * full
    # the paper's numbers of epochs are the paper's, whatever the data
    assert plan == default.plan
    small = default.schedule(default.cells_for_epochs // 2)[1]  # patience grows with the epochs
    assert small.patience == 2 * plan.patience
    assert small.max_epochs_by_target == {target: 2 * n for target, n in plan.max_epochs_by_target.items()}
    paper = find_preset("paper")
    assert paper.schedule(10) == paper.schedule(10**6) == (500, paper.plan)
    assert paper.plan.max_epochs_by_target == {"rna": 60, "protein": 120}


def test_a_learning_rate_that_is_given_holds_for_all_targets():
    preset = replace(find_preset("default"), plan=PlanConfig(lr=0.1, lr_by_target={"protein": 0.2}))
    assert preset.schedule(100)[1].lr_by_target == {"protein": 0.2}
    assert preset.schedule(100, plan_kwargs={"lr": 0.3})[1].lr_by_target == {}
    assert preset.schedule(100, plan_kwargs={"lr": 0.3, "lr_by_target": {"rna": 1.0}})[1].lr_by_target == {"rna": 1.0}


def test_a_dropout_rate_that_is_given_holds_for_all_targets():
    preset = replace(
        find_preset("default"), module=ModuleConfig(dropout_rate=0.1, dropout_rate_by_target={"protein": 0.2})
    )
    rates = {target: preset.module_config({}).dropout(target) for target in ("rna", "atac", "protein")}
    assert rates == {"rna": 0.1, "atac": 0.1, "protein": 0.2}
    assert preset.module_config({"dropout_rate": 0.3}).dropout("protein") == 0.3
    assert preset.module_config({"dropout_rate": 0.3, "dropout_rate_by_target": {"rna": 0.0}}).dropout("rna") == 0


def test_components_that_are_given_hold_for_all_targets():
    preset = find_preset("default")
    assert preset.module_config({}).n_components("rna", "protein", 2) == 20
    config = preset.module_config({"n_components_rna": 0})
    assert {config.n_components("rna", target, i) for target in ("atac", "protein") for i in range(3)} == {0}
    config = preset.module_config({"n_components_rna": (0, 5), "n_components_rna_for_protein": 7})
    assert [config.n_components("rna", target, 1) for target in ("atac", "protein")] == [5, 7]


def test_unknown_name():
    with pytest.raises(ValueError, match=f"{re.escape(str(list(PRESETS)))}, got 'fast'"):
        find_preset("fast")


def test_the_users_input_of_rna_holds_for_all_targets():
    config = find_preset("authors").module_config({"rna_input": "log"})
    assert {config.input_style("rna", target) for target in ("atac", "protein")} == {"log"}
    both = find_preset("authors").module_config({"rna_input": "log", "rna_input_for_protein": "zscore"})
    assert both.input_style("rna", "protein") == "zscore"
