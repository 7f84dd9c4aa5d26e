"""The module: representations, translators and losses put together, for any pair of modalities."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats
from scvi import REGISTRY_KEYS
from scvi.module.base import LossOutput
from torch import Tensor, nn

from scmog._modalities import MODALITIES, PAPER_DIRECTIONS
from scmog.module import ModuleConfig, SCMOGModule
from scmog.nn import DepthShift, InputLayer

N_CELLS = 24
SIZES = {"rna": 10, "atac": 14, "protein": 5}
SMALL: dict[str, Any] = {
    "n_latent": 3,
    "n_hidden_rna": (8, 6),
    "n_hidden_atac": (9, 6),
    "n_hidden_protein": (6,),
    "n_hidden_critic": (8, 4),
    "n_hidden_critic_protein": (4,),
}
PAIRS = [pytest.param(pair, id="-".join(pair)) for pair in permutations(SIZES, 2)]


def batch(n_batch: int = 0) -> dict[str, Tensor]:
    """A mini-batch as the data loader gives it."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        MODALITIES[name].registry_key: torch.poisson(torch.full((N_CELLS, size), 1.5), generator=generator)
        for name, size in SIZES.items()
    }
    tensors[MODALITIES["atac"].registry_key].clamp_(max=2)
    if n_batch:
        tensors[REGISTRY_KEYS.BATCH_KEY] = torch.arange(N_CELLS).unsqueeze(1) % n_batch
    return tensors


def fitted_module(*directions: tuple[str, str], n_batch: int = 0, **options: Any) -> SCMOGModule:
    torch.manual_seed(0)
    module = SCMOGModule(SIZES, directions, n_batch=n_batch, config=ModuleConfig(**{**SMALL, **options}))
    for name, representation in module.representations.items():
        representation.fit(lambda name=name: [batch()[MODALITIES[name].registry_key]])
    return module


def key(name: str) -> str:
    return MODALITIES[name].registry_key


# ---------------------------------------------------------------------- any direction
@pytest.mark.parametrize("direction", PAIRS)
@pytest.mark.parametrize("n_batch", [0, 2])
def test_any_pair_of_modalities(direction: tuple[str, str], n_batch: int) -> None:
    source, target = direction
    module = fitted_module(direction, n_batch=n_batch)
    name = f"{source}_to_{target}"
    assert list(module.representations) == [source, target]
    tensors = {k: v for k, v in batch(n_batch).items() if k in (key(source), key(target), REGISTRY_KEYS.BATCH_KEY)}
    inference, generative, output = module(tensors)
    assert inference["z"][name].shape == (1, N_CELLS, 3)
    (hidden,) = generative["hidden"][name]
    assert hidden.shape == (N_CELLS, module.translator(name).decoder.n_trunk)
    (parameters,) = module.parameters_of(name, tensors)
    assert all(p.shape == (N_CELLS, SIZES[target]) for p in parameters)
    output.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    assert module.measured(name, tensors).shape == module.generated(name, tensors).shape == (N_CELLS, SIZES[target])
    module.eval()
    assert module.sample({key(source): tensors[key(source)]}, name).shape == (N_CELLS, SIZES[target])


def test_log_depth_has_one_input_more() -> None:
    module = fitted_module(("rna", "atac"), ("rna", "protein"), rna_input="log_depth", rna_input_for_protein="log")
    assert module.translator("rna_to_atac").member().encoder.hidden[0].in_features == SIZES["rna"] + 1
    assert module.translator("rna_to_protein").member().encoder.hidden[0].in_features == SIZES["rna"]
    module(batch())[2].loss.backward()


def test_directions_share_no_weights() -> None:
    module = fitted_module(*PAPER_DIRECTIONS)
    assert list(module.translators) == ["rna_to_atac", "atac_to_rna", "rna_to_protein"]
    for name in module.translators:
        module.zero_grad()
        _, _, output = module(batch(), inference_kwargs={"directions": [name]})
        assert list(output.reconstruction_loss) == [name]
        output.loss.backward()
        touched = {n.split(".")[1] for n, p in module.named_parameters() if p.grad is not None}
        assert touched == {name}


def test_only_directions_whose_source_is_there_are_encoded() -> None:
    module = fitted_module(*PAPER_DIRECTIONS).eval()
    tensors = batch()
    assert list(module.inference({"rna": tensors[key("rna")]})["z"]) == ["rna_to_atac", "rna_to_protein"]
    assert list(module.inference({"atac": tensors[key("atac")]})["z"]) == ["atac_to_rna"]
    both = {name: tensors[key(name)] for name in ("rna", "atac")}
    assert list(module.inference(both, directions=["rna_to_protein"])["z"]) == ["rna_to_protein"]


def test_missing_features_reach_the_encoder_as_average() -> None:
    module = fitted_module(("rna", "atac")).eval()
    counts = batch()[key("rna")]
    missing = torch.arange(SIZES["rna"]) % 3 == 0
    z = module.inference({"rna": torch.where(missing, 0, counts)}, missing=missing)["z"]["rna_to_atac"]
    x = module.representation("rna").encoder_input(torch.where(missing, 0, counts), "zscore", missing)
    torch.testing.assert_close(z, module.translator("rna_to_atac").encode(x))
    assert not torch.allclose(z, module.inference({"rna": counts})["z"]["rna_to_atac"])


# ---------------------------------------------------------------------- losses
def test_loss_is_the_sum_of_the_directions_losses_by_hand() -> None:
    module = fitted_module(*PAPER_DIRECTIONS)
    tensors = batch()
    _, generative, output = module(tensors)
    assert isinstance(output, LossOutput)
    parameters = {
        name: [p.detach().double().numpy() for p in module.translator(name).parameters_at(hidden)[0]]
        for name, hidden in generative["hidden"].items()
    }

    p, y = special.expit(parameters["rna_to_atac"][0]), tensors[key("atac")].numpy() > 0
    p_t, alpha_t = np.where(y, p, 1 - p), np.where(y, 0.93, 0.07)
    focal = -(alpha_t * (1 - p_t) ** 2 * np.log(p_t)).sum(axis=1)

    counts = tensors[key("rna")].double().numpy()
    x = counts / counts.sum(axis=1, keepdims=True) * np.median(counts.sum(axis=1))
    mu, theta = parameters["atac_to_rna"]
    nb = (
        -theta * (np.log(theta) - np.log(theta + mu))
        - x * (np.log(mu) - np.log(theta + mu))
        - special.gammaln(x + theta)
        + special.gammaln(x + 1)
        + special.gammaln(theta)
    ).mean(axis=1)

    proteins = tensors[key("protein")].double().numpy()
    clr = np.log((proteins + 1) / stats.gmean(proteins + 1, axis=1, keepdims=True))
    squared = ((parameters["rna_to_protein"][0] - clr) ** 2).mean(axis=1)

    expected = {"rna_to_atac": focal, "atac_to_rna": nb, "rna_to_protein": squared}
    for name, per_cell in expected.items():
        np.testing.assert_allclose(output.reconstruction_loss[name].detach().numpy(), per_cell, rtol=1e-4, atol=1e-5)
    assert output.loss.item() == pytest.approx(sum(per_cell.mean() for per_cell in expected.values()), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"rna_likelihood": "raw", "dispersion": "gene", "shared_offset": True}])
def test_sparse_batches_are_as_good_as_dense_ones(options: dict[str, Any]) -> None:
    """Losses, gradients and samples of a mini-batch of CSR tensors, as the data loader gives them for sparse data."""
    tensors = batch()
    rows = {k: v.to_sparse_csr() for k, v in tensors.items()}
    gradients = []
    for given in (tensors, rows):
        module = fitted_module(*PAPER_DIRECTIONS, **options)
        _, _, output = module(given)
        output.loss.backward()
        gradients.append({name: p.grad for name, p in module.named_parameters()})
        for name in module.directions:
            torch.testing.assert_close(module(given)[2].reconstruction_loss[name], output.reconstruction_loss[name])
        module.eval()
        sampled = [module.sample(given, name) for name in module.directions]
        if given is tensors:
            dense_loss, dense_samples = output.loss, sampled
    torch.testing.assert_close(output.loss, dense_loss)
    torch.testing.assert_close(sampled, dense_samples)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(
            gradients[1][name], gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_likelihood_of_raw_counts_by_hand() -> None:
    module = fitted_module(("atac", "rna"), rna_likelihood="raw")
    tensors = batch()
    _, generative, output = module(tensors)
    [(mean, dispersion)] = module.translator("atac_to_rna").parameters_at(generative["hidden"]["atac_to_rna"])
    counts = tensors[key("rna")].double().numpy()
    totals = counts.sum(axis=1, keepdims=True)
    mu, theta = mean.detach().double().numpy() * totals / np.median(totals), dispersion.detach().double().numpy()
    expected = -stats.nbinom.logpmf(counts, theta, theta / (theta + mu)).mean(axis=1)
    np.testing.assert_allclose(output.reconstruction_loss["atac_to_rna"].detach().numpy(), expected, rtol=1e-4)


def test_measured_and_generated_are_in_the_same_representation() -> None:
    module = fitted_module(*PAPER_DIRECTIONS).eval()
    tensors = batch()
    assert torch.equal(module.measured("rna_to_atac", tensors), (tensors[key("atac")] > 0).float())
    counts = tensors[key("rna")]
    totals = counts.sum(dim=1, keepdim=True)
    torch.testing.assert_close(module.measured("atac_to_rna", tensors), counts / totals * np.median(totals))
    logs = torch.log1p(tensors[key("protein")])
    torch.testing.assert_close(module.measured("rna_to_protein", tensors), logs - logs.mean(dim=1, keepdim=True))

    parameters = {name: module.parameters_of(name, tensors)[0] for name in module.directions}
    torch.testing.assert_close(module.generated("rna_to_atac", tensors), torch.sigmoid(parameters["rna_to_atac"][0]))
    torch.testing.assert_close(module.generated("atac_to_rna", tensors), parameters["atac_to_rna"][0])
    torch.testing.assert_close(module.generated("rna_to_protein", tensors), parameters["rna_to_protein"][0])
    assert module.generated("rna_to_atac", tensors).requires_grad


# ---------------------------------------------------------------------- samples
def test_scores_of_a_sample_are_consistent() -> None:
    module = fitted_module(("rna", "atac")).eval()
    tensors = {key("rna"): batch()[key("rna")]}
    logit, probability, raw = (
        module.sample(tensors, "rna_to_atac", score=score) for score in ("logit", "probability", "raw")
    )
    torch.testing.assert_close(probability, 1 / (1 + torch.exp(-logit)))
    torch.testing.assert_close(raw, module.generated("rna_to_atac", tensors).detach())
    torch.testing.assert_close(module.sample(tensors, "rna_to_atac"), probability)
    # raw scores minimise the focal loss at these probabilities: closed form in probability space
    p = raw.double()
    a = (1 - p) ** 2 / p - 2 * (1 - p) * p.log()
    b = p**2 / (1 - p) - 2 * p * (1 - p).log()
    torch.testing.assert_close(probability.double(), 0.07 * b / (0.93 * a + 0.07 * b), rtol=1e-4, atol=1e-6)
    assert not logit.requires_grad


def give_shift(depth_shift: DepthShift) -> None:
    """A shift that is large, and different for each cell."""
    depth_shift.weight.copy_(torch.linspace(1, 2, len(depth_shift.weight)))
    depth_shift.low.fill_(-100)
    depth_shift.high.fill_(100)
    depth_shift.intercept.fill_(-5)


def test_depth_shifts_the_calibrated_logits_of_a_cell_alike() -> None:
    module = fitted_module(("rna", "atac"), n_batch=2, depth_shift=True).eval()
    tensors = {k: v for k, v in batch(n_batch=2).items() if k in (key("rna"), REGISTRY_KEYS.BATCH_KEY)}
    before = {score: module.sample(tensors, "rna_to_atac", score=score) for score in ("logit", "raw")}
    shift = module.translator("rna_to_atac").depth_shift
    give_shift(shift)
    raw = module.parameters_of("rna_to_atac", tensors)[0][0].detach()
    counts = tensors[key("rna")]
    batches = nn.functional.one_hot(tensors[REGISTRY_KEYS.BATCH_KEY].squeeze(1), 2)
    columns = [raw.mean(dim=1), counts.sum(dim=1).log1p(), (counts > 0).sum(dim=1).log1p(), *batches.T]
    by_hand = sum(weight * column for weight, column in zip(shift.weight, columns, strict=True)) - 5  # (n_cells,)
    assert by_hand.std() > 0.1
    after = module.sample(tensors, "rna_to_atac", score="logit")
    torch.testing.assert_close(after - before["logit"], by_hand.unsqueeze(1).expand_as(after), rtol=1e-4, atol=1e-4)
    # the score that the focal loss trained is as it was
    torch.testing.assert_close(module.sample(tensors, "rna_to_atac", score="raw"), before["raw"])


@pytest.mark.parametrize("direction", [("atac", "rna"), ("rna", "protein")])
def test_other_targets_have_one_output(direction: tuple[str, str]) -> None:
    module, name = fitted_module(direction).eval(), "_to_".join(direction)
    tensors = batch()
    expected = module.generated(name, tensors).detach()
    for score in ("probability", "raw"):
        torch.testing.assert_close(module.sample(tensors, name, score=score), expected)


def test_median_total() -> None:
    totals = batch()[key("rna")].sum(dim=1)
    assert fitted_module(("protein", "rna")).median_total == pytest.approx(float(np.median(totals)))
    assert fitted_module(("atac", "protein")).median_total == 1.0


# ---------------------------------------------------------------------- batches
def test_batch_weights() -> None:
    module = fitted_module(("rna", "atac"), n_batch=3)
    torch.testing.assert_close(module.batch_proportions, torch.full((3,), 1 / 3))
    proportions = torch.tensor([0.5, 0.3, 0.2])
    module.batch_proportions.copy_(proportions)
    codes = torch.tensor([[0], [2], [-1], [1]])
    weights = module.batch_weights(codes, 4)
    expected = torch.stack(
        [torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]), proportions, torch.tensor([0, 1.0, 0])]
    )
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(module.batch_weights(None, 2), proportions.expand(2, 3))
    assert torch.equal(codes, torch.tensor([[0], [2], [-1], [1]]))
    assert fitted_module(("rna", "atac")).batch_weights(codes, 4) is None


def test_a_known_batch_differs_from_the_average_one() -> None:
    module = fitted_module(("rna", "atac"), n_batch=2).eval()
    tensors = batch(2)
    unseen = {**tensors, REGISTRY_KEYS.BATCH_KEY: torch.full((N_CELLS, 1), -1)}
    absent = {k: v for k, v in tensors.items() if k != REGISTRY_KEYS.BATCH_KEY}
    known, average, none = (module.sample(t, "rna_to_atac") for t in (tensors, unseen, absent))
    torch.testing.assert_close(average, none)
    assert not torch.allclose(known, average)


# ---------------------------------------------------------------------- critics, starting point
def test_new_critics_fit_their_targets_and_stay_outside() -> None:
    module = fitted_module(*PAPER_DIRECTIONS)
    n_parameters = sum(p.numel() for p in module.parameters())
    critics = module.new_critics()
    assert list(critics) == list(module.translators)
    widths = {
        name: [layer.out_features for layer in critic.modules() if isinstance(layer, nn.Linear | InputLayer)]
        for name, critic in critics.items()
    }
    assert widths == {"rna_to_atac": [8, 4, 1], "atac_to_rna": [8, 4, 1], "rna_to_protein": [4, 1]}
    for name in critics:
        assert critics[name](module.measured(name, batch())).shape == (N_CELLS,)
    assert sum(p.numel() for p in module.parameters()) == n_parameters


def test_critics_follow_the_configured_initialisation() -> None:
    module = fitted_module(("rna", "atac"), xavier_critic=False, n_hidden_critic=(50, 4))
    torch.manual_seed(5)
    critics = module.new_critics()
    torch.manual_seed(5)
    assert torch.equal(critics["rna_to_atac"].hidden[0].weight.T, nn.Linear(SIZES["atac"], 50).weight)


@pytest.mark.parametrize("output_bias", ["constant", "average"])
def test_start_at_average(output_bias: str) -> None:
    module = fitted_module(*PAPER_DIRECTIONS, output_bias=output_bias)
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    module.start_at_average()
    moved = {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
    heads = {
        "translators.rna_to_atac.members.0.decoder.logit.bias",
        "translators.atac_to_rna.members.0.decoder.log_mean.bias",
        "translators.rna_to_protein.members.0.decoder.mean.bias",
    }
    assert moved == (heads if output_bias == "average" else set())
    if output_bias == "average":
        bias = module.translator("rna_to_protein").decoder.mean.bias
        logs = torch.log1p(batch()[key("protein")])
        torch.testing.assert_close(bias.detach(), (logs - logs.mean(dim=1, keepdim=True)).mean(dim=0))


@pytest.mark.parametrize("score", ["probability", "raw"])
@pytest.mark.parametrize("gamma", [2.0, 0.0])
@pytest.mark.parametrize("recalibration", [(1.0, 0.0), (0.3, -4.0)])
@pytest.mark.parametrize("depth_shift", [False, True])
def test_what_is_above_a_cut_is_the_same_as_in_the_whole(
    score: str, gamma: float, recalibration: tuple, depth_shift: bool
) -> None:
    module = fitted_module(("rna", "atac"), focal_gamma=gamma, depth_shift=depth_shift).eval()
    translator = module.translator("rna_to_atac")
    if depth_shift:
        give_shift(translator.depth_shift)
    translator.recalibration.slope.fill_(recalibration[0])
    translator.recalibration.intercept.fill_(recalibration[1])
    tensors = {key("rna"): batch()[key("rna")]}
    whole = module.sample(tensors, "rna_to_atac", score=score)
    # between two scores: those of a few entries differ in the last digit from those of all
    at_entries = (whole.flatten().sort().values + 1e-7).clamp_max(1)
    for cut in (0.0, *at_entries[:: len(at_entries) // 7].tolist(), 1e-12, 0.5, 0.9999999, 1.0):
        positions, scores = module.sample_above(tensors, "rna_to_atac", cut=cut, score=score)
        expected = (whole > cut).flatten().nonzero().squeeze(1)
        assert positions.tolist() == expected.tolist()
        torch.testing.assert_close(scores, whole.flatten()[expected], rtol=1e-6, atol=0)


def test_a_logit_that_is_not_a_number_is_above_every_cut() -> None:
    module = fitted_module(("rna", "atac")).eval()
    translator = module.translator("rna_to_atac")
    with torch.no_grad():
        translator.decoder.logit.bias[2] = float("nan")
    tensors = {key("rna"): batch()[key("rna")]}
    positions, scores = module.sample_above(tensors, "rna_to_atac", cut=1.0, score="raw")
    assert (positions % SIZES["atac"] == 2).all()
    assert len(positions) == N_CELLS
    assert scores.isnan().all()
