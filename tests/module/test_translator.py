"""One direction: the right encoder, the right decoder, nothing shared."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import nn

from scmog._modalities import MODALITIES
from scmog.module import ModuleConfig, Translator
from scmog.nn import BernoulliDecoder, GaussianDecoder, NegativeBinomialDecoder

DECODER = {"rna": NegativeBinomialDecoder, "atac": BernoulliDecoder, "protein": GaussianDecoder}
HEAD = {"rna": "log_mean", "atac": "logit", "protein": "mean"}
ENCODER_WIDTHS = {"rna": [256, 64, 16], "atac": [512, 64, 16], "protein": [64, 16]}
PAIRS = list(permutations(MODALITIES, 2))


def widths(module: nn.Module) -> list[int]:
    linears = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [linears[0].in_features, *(layer.out_features for layer in linears)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_sizes_are_the_papers_mirrored(source: str, target: str) -> None:
    translator = Translator((source, target), n_input=11, n_output=13, config=ModuleConfig())
    assert widths(translator.encoder) == [11, *ENCODER_WIDTHS[source]]
    decoder = translator.decoder
    assert type(decoder) is DECODER[target]
    assert widths(decoder.hidden) == ENCODER_WIDTHS[target][::-1]
    assert getattr(decoder, HEAD[target]).out_features == 13
    parameters = translator.eval()(torch.zeros(3, 11))
    assert all(p.shape == (3, 13) for p in parameters)


def test_settings_arrive() -> None:
    config = ModuleConfig(
        n_latent=3,
        n_hidden_rna=(7,),
        n_hidden_atac=(6, 5),
        dropout_rate=0.1,
        input_dropout_rate=0.2,
        focal_weight_open=0.3,
        focal_weight_closed=0.4,
        focal_gamma=1.5,
    )
    translator = Translator(("rna", "atac"), n_input=8, n_output=9, config=config, n_batch=2)
    assert widths(translator.encoder) == [8, 7, 3]
    assert widths(translator.decoder.hidden) == [3 + 2, 5, 6]
    assert translator.decoder.focal == {"weight_open": 0.3, "weight_closed": 0.4, "gamma": 1.5}
    rates = [layer.p for layer in translator.modules() if isinstance(layer, nn.Dropout)]
    assert sorted(rates) == [0.1, 0.1, 0.1, 0.2]  # encoder's one and decoder's two hidden layers, the input
    assert translator.input_style == "zscore"
    assert torch.equal(translator.decoder.logit.bias, torch.full((9,), -2.0))
    assert translator.open_cut.isnan()


def test_atac_decoder_of_its_own_widths() -> None:
    config = ModuleConfig(n_hidden_atac_decoder=(6, 9))
    decoder = Translator(("rna", "atac"), n_input=5, n_output=4, config=config).decoder
    assert widths(decoder.hidden) == [16, 6, 9]
    assert widths(Translator(("atac", "rna"), n_input=5, n_output=4, config=config).encoder) == [5, 512, 64, 16]
