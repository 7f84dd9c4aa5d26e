"""One direction: the right encoder, the right decoder, nothing shared."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import nn

from scmog._modalities import MODALITIES
from scmog.module import ModuleConfig, Translator
from scmog.nn import (
    BernoulliDecoder,
    EncoderInput,
    Focal,
    GaussianDecoder,
    InputDropout,
    InputLayer,
    NegativeBinomialDecoder,
)

DECODER = {"rna": NegativeBinomialDecoder, "atac": BernoulliDecoder, "protein": GaussianDecoder}
HEAD = {"rna": "log_mean", "atac": "logit", "protein": "mean"}
ENCODER_WIDTHS = {"rna": [256, 64, 16], "atac": [512, 64, 16], "protein": [64, 16]}
PAIRS = list(permutations(MODALITIES, 2))


def widths(module: nn.Module) -> list[int]:
    linears = [layer for layer in module.modules() if isinstance(layer, nn.Linear | InputLayer)]
    return [linears[0].in_features, *(layer.out_features for layer in linears)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_sizes_are_the_papers_mirrored(source: str, target: str) -> None:
    translator = Translator((source, target), n_input=11, n_output=13, config=ModuleConfig())
    assert widths(translator.member().encoder) == [11, *ENCODER_WIDTHS[source]]
    decoder = translator.decoder
    assert type(decoder) is DECODER[target]
    assert widths(decoder.hidden) == ENCODER_WIDTHS[target][::-1]
    assert getattr(decoder, HEAD[target]).out_features == 13
    latent = translator.eval().encode(EncoderInput(torch.zeros(3, 11)))
    (parameters,) = translator.parameters_at(translator.decode(latent))  # of the only member
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
    assert widths(translator.member().encoder) == [8, 7, 3]
    assert widths(translator.decoder.hidden) == [3 + 2, 5, 6]
    assert translator.decoder.focal == Focal(weight_open=0.3, weight_closed=0.4, gamma=1.5)
    rates = [layer.p for layer in translator.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.1, 0.1, 0.1]  # encoder's one and decoder's two hidden layers
    assert [layer.rate for layer in translator.modules() if isinstance(layer, InputDropout)] == [0.2]
    assert translator.input_style == "zscore"
    assert torch.equal(translator.decoder.logit.bias, torch.full((9,), -2.0))
    assert translator.open_cut.isnan()


def test_atac_decoder_of_its_own_widths() -> None:
    config = ModuleConfig(n_hidden_atac_decoder=(6, 9))
    decoder = Translator(("rna", "atac"), n_input=5, n_output=4, config=config).decoder
    assert widths(decoder.hidden) == [16, 6, 9]
    assert widths(Translator(("atac", "rna"), n_input=5, n_output=4, config=config).member().encoder) == [
        5,
        512,
        64,
        16,
    ]


MEMBERS = ModuleConfig(n_members=3, dropout_rate=0.5, n_hidden_rna=(6,), n_hidden_atac=(5,), n_latent=2)


def test_members_are_networks_of_their_own() -> None:
    translator = Translator(("rna", "atac"), n_input=5, n_output=4, config=MEMBERS)
    first, *others = (dict(member.named_parameters()) for member in translator.members)
    assert len(others) == 2
    for other in others:
        assert not torch.equal(first["encoder.hidden.0.weight"], other["encoder.hidden.0.weight"])
    z = translator.encode(EncoderInput(torch.randn(7, 5)))
    assert z.shape == (3, 7, 2)
    hidden = translator.decode(z)
    assert [h.shape for h in hidden] == [(7, translator.decoder.n_trunk)] * 3
    assert [p.shape for (p,) in translator.parameters_at(hidden)] == [(7, 4)] * 3


@pytest.mark.parametrize("target", ["atac", "rna", "protein"])
def test_the_output_is_the_average_of_the_members_and_the_loss_that_of_their_losses(target: str) -> None:
    source = "atac" if target == "rna" else "rna"
    translator = Translator((source, target), n_input=5, n_output=4, config=MEMBERS).eval()
    x, y = EncoderInput(torch.randn(7, 5)), torch.randint(0, 2, (7, 4)).float()
    alone = [member.decoder(member.encoder(x)) for member in translator.members]
    hidden = translator.decode(translator.encode(x))
    for i, averaged in enumerate(translator.average(translator.parameters_at(hidden))):
        torch.testing.assert_close(averaged, sum(parameters[i] for parameters in alone) / 3)
    losses = [member.decoder.loss(h, y) for member, h in zip(translator.members, hidden, strict=True)]
    torch.testing.assert_close(translator.loss(hidden, y), sum(losses) / 3)


def test_a_member_learns_as_it_would_alone() -> None:
    """The gradient of the common loss is a third of the member's own, which Adam and RMSprop do not see."""
    translator = Translator(("rna", "protein"), n_input=5, n_output=4, config=MEMBERS).eval()
    x, y = EncoderInput(torch.randn(7, 5)), torch.randn(7, 4)
    translator.loss(translator.decode(translator.encode(x)), y).mean().backward()
    together = [p.grad.clone() for p in translator.members[1].parameters() if p.grad is not None]
    translator.zero_grad()
    member = translator.members[1]
    member.decoder.loss(member.decoder.trunk(member.encoder(x), None), y).mean().backward()
    alone = [p.grad for p in member.parameters() if p.grad is not None]
    torch.testing.assert_close(together, [gradient / 3 for gradient in alone])
