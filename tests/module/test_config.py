"""The options of the networks: defaults, checks, replacement."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from scmog.module import ModuleConfig, replace_checked


def test_defaults_are_the_papers() -> None:
    config = ModuleConfig()
    assert config.n_latent == 16
    assert [config.n_hidden(name) for name in ("rna", "atac", "protein")] == [(256, 64), (512, 64), (64,)]
    assert config.critic_widths("rna") == config.critic_widths("atac") == (1024, 256, 64, 16)
    assert config.critic_widths("protein") == (256, 64)
    assert (config.focal_weight_open, config.focal_weight_closed, config.focal_gamma) == (0.93, 0.07, 2.0)
    assert (config.dropout_rate, config.input_dropout_rate) == (0, 0)
    assert (config.rna_input, config.atac_input, config.protein_input) == ("zscore", "binary", "clr")
    assert config.output_bias == "constant"
    assert config.xavier_critic


def test_decoders_mirror_their_encoders_unless_told_otherwise() -> None:
    config = ModuleConfig()
    assert [config.n_hidden_decoder(name) for name in ("rna", "atac", "protein")] == [(64, 256), (64, 512), (64,)]
    narrow = ModuleConfig(n_hidden_atac_decoder=[32, 48])
    assert narrow.n_hidden_decoder("atac") == (32, 48)  # from the latent space outwards, as given
    assert narrow.n_hidden("atac") == (512, 64)
    assert narrow.n_hidden_decoder("rna") == (64, 256)
    assert ModuleConfig(n_hidden_protein_decoder=[]).n_hidden_decoder("protein") == ()
    with pytest.raises(ValueError, match=r"n_hidden_atac_decoder must hold only positive widths, got \(8, 0\)"):
        ModuleConfig(n_hidden_atac_decoder=(8, 0))
    with pytest.raises(TypeError):
        ModuleConfig(n_hidden_rna=None)


def test_input_style_of_a_direction() -> None:
    config = ModuleConfig(rna_input="counts", rna_input_for_protein="zscore", atac_input="centred")
    assert config.input_style("rna", "atac") == "counts"
    assert config.input_style("rna", "protein") == "zscore"
    assert config.input_style("atac", "protein") == "centred"
    assert config.input_style("protein", "rna") == "clr"
    assert ModuleConfig(rna_input="log").input_style("rna", "protein") == "log"


def test_what_each_member_sees() -> None:
    assert [ModuleConfig().n_components("rna", "atac", i) for i in range(3)] == [0, 0, 0]
    config = ModuleConfig(n_components_rna=[0, 5], n_components_rna_for_protein=4)
    assert [config.n_components("rna", "atac", i) for i in range(5)] == [0, 5, 0, 5, 0]
    assert [config.n_components("rna", "protein", i) for i in range(2)] == [4, 4]
    assert config.n_components("atac", "protein", 1) == 0
    assert ModuleConfig(n_components_rna=(0, 5)).n_components("rna", "protein", 1) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"n_latent": 0}, r"n_latent must be at least 1, got 0", id="no-latent"),
        pytest.param(
            {"n_hidden_rna": ()}, r"n_hidden_rna must hold at least one positive width, got \(\)", id="no-layer"
        ),
        pytest.param({"n_hidden_critic": (8, 0)}, r"n_hidden_critic must hold .* got \(8, 0\)", id="zero-width"),
        pytest.param({"n_hidden_protein": (-1,)}, r"n_hidden_protein must hold .* got \(-1,\)", id="negative-width"),
        pytest.param({"dropout_rate": 1.0}, r"dropout_rate must lie in \[0, 1\), got 1\.0", id="dropout-of-all"),
        pytest.param({"dropout_rate": -0.1}, r"dropout_rate must lie in \[0, 1\), got -0\.1", id="negative-dropout"),
        pytest.param({"input_dropout_rate": 2}, r"input_dropout_rate must lie in \[0, 1\), got 2", id="input-dropout"),
        pytest.param(
            {"dropout_rate_by_target": {"rna": 0.1, "atac": 1}},
            r"dropout_rate_by_target must give .* rates in \[0, 1\), got \{'atac': 1\}",
            id="dropout-by-target",
        ),
        pytest.param(
            {"dropout_rate_by_target": {"prot": 0.1}},
            r"\['rna', 'atac', 'protein'\] .* got \{'prot': 0\.1\}",
            id="no-target",
        ),
        pytest.param({"n_components_rna": ()}, r"n_components_rna must hold at least one whole .* got \(\)", id="none"),
        pytest.param({"n_components_rna": 2.5}, r"n_components_rna must hold .* whole .* got 2\.5", id="not-whole"),
        pytest.param({"n_components_rna": "all"}, r"n_components_rna must hold .* got 'all'", id="a-word"),
        pytest.param(
            {"n_components_rna_for_protein": (0, -1)}, r"n_components_rna_for_protein .* got \(0, -1\)", id="below-0"
        ),
        pytest.param({"dropout_rate": math.nan}, r"dropout_rate must lie in \[0, 1\), got nan", id="dropout-nan"),
        pytest.param({"focal_weight_open": 0}, r"focal_weight_open must be positive, got 0", id="open-weight"),
        pytest.param({"focal_weight_closed": -1}, r"focal_weight_closed must be positive, got -1", id="closed-weight"),
        pytest.param({"focal_gamma": -1}, r"focal_gamma must be at least 0, got -1", id="gamma"),
        pytest.param({"output_bias": "zero"}, r"output_bias must be one of .*'average'.*, got 'zero'", id="bias"),
        pytest.param({"rna_input": "binary"}, r"rna_input must be one of .*'log_depth'.*, got 'binary'", id="rna"),
        pytest.param(
            {"rna_input_for_protein": "x"}, r"rna_input_for_protein must be one of .*, got 'x'", id="for-protein"
        ),
        pytest.param({"atac_input": "counts"}, r"atac_input must be one of .*'centred'.*, got 'counts'", id="atac"),
        pytest.param({"protein_input": "log"}, r"protein_input must be one of .*'clr'.*, got 'log'", id="protein"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModuleConfig(**options)


@pytest.mark.parametrize("name", ["focal_gamma", "n_latent"])
def test_nan_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        ModuleConfig(**{name: math.nan})


def test_widths_may_be_a_list_and_the_configuration_is_frozen() -> None:
    config = ModuleConfig(n_hidden_rna=[8, 4])
    assert config == ModuleConfig(n_hidden_rna=(8, 4))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.n_latent = 3


def test_replace_checked() -> None:
    config = ModuleConfig(n_latent=4)
    changed = replace_checked(config, {"focal_gamma": 1.0}, argument="SCMOG(...)")
    assert changed == ModuleConfig(n_latent=4, focal_gamma=1.0)
    assert config == ModuleConfig(n_latent=4)
    with pytest.raises(
        TypeError, match=r"SCMOG\(\.\.\.\) got unknown option\(s\) \['n_latnet'\]; known are .*'n_latent'"
    ):
        replace_checked(config, {"n_latnet": 3}, argument="SCMOG(...)")
    with pytest.raises(ValueError, match="n_latent must be at least 1"):
        replace_checked(config, {"n_latent": 0}, argument="SCMOG(...)")
