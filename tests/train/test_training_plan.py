"""The steps of both stages against loops in plain PyTorch, and the plan between them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from scmog._modalities import MODALITIES
from scmog.module import ModuleConfig, SCMOGModule
from scmog.nn import InputLayer
from scmog.train import PlanConfig, SCMOGTrainingPlan, critic_step, generator_step
from scmog.train._one_cycle import one_cycle
from scmog.train._rmsprop import ClippedRMSprop

# fitted after training
NOT_TRAINED = (
    "member_weights", "logit_move", "log_scale", "log_offset", "open_cut", "recalibration.slope",
    "recalibration.intercept",
)  # fmt: skip
SIZES = {"rna": 8, "atac": 12, "protein": 4}
DIRECTIONS = [("rna", "atac"), ("rna", "protein")]
NAMES = ["rna_to_atac", "rna_to_protein"]
SMALL: dict[str, Any] = {
    "n_latent": 3,
    "n_hidden_rna": (7, 5),
    "n_hidden_atac": (6, 5),
    "n_hidden_protein": (5,),
    "n_hidden_critic": (8, 4),
    "n_hidden_critic_protein": (6, 3),
}
KEYS = {name: MODALITIES[name].registry_key for name in SIZES}


def batches(n: int = 6, n_cells: int = 16) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            KEYS[name]: torch.poisson(torch.full((n_cells, size), 1.5, dtype=torch.float64), generator=generator)
            for name, size in SIZES.items()
        }
        for _ in range(n)
    ]


def fitted_module(**options: Any) -> SCMOGModule:
    """In double precision: rounding errors of the first steps would else grow to visible differences.

    Some remain: a gradient whose parts cancel is zero up to rounding, and RMSprop makes a step of whatever it is.
    """
    torch.manual_seed(0)
    module = SCMOGModule(SIZES, DIRECTIONS, config=ModuleConfig(**{**SMALL, **options}))
    for name, representation in module.representations.items():
        representation.fit(lambda name=name: (batch[KEYS[name]].float() for batch in batches()))
    return module.double()


def critics_of(module: SCMOGModule) -> nn.ModuleDict:
    torch.manual_seed(1)
    return module.new_critics().double()


class Plain:
    """One direction in plain PyTorch, started from the weights of ours."""

    def __init__(self, module: SCMOGModule, critics: nn.ModuleDict, name: str) -> None:
        def block(n_in: int, n_out: int) -> list[nn.Module]:
            return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(0.2)]

        target = name.removeprefix("rna_to_")
        encoder = [*block(8, 7), *block(7, 5), *block(5, 3)]
        if target == "atac":
            layers = [*encoder, *block(3, 5), *block(5, 6), nn.Linear(6, 12), nn.Sigmoid()]
        else:
            layers = [*encoder, *block(3, 5), nn.Linear(5, 4)]
        self.target, self.ours, self.our_critic = target, module.translator(name), critics[name]
        self.generator = nn.Sequential(*layers).double()
        widths = [8, 4] if target == "atac" else [6, 3]
        self.critic = nn.Sequential(
            nn.Linear(SIZES[target], widths[0]), nn.LeakyReLU(0.2),
            nn.Linear(widths[0], widths[1]), nn.LeakyReLU(0.2),
            nn.Linear(widths[1], 1),
        ).double()  # fmt: skip
        for plain, ours in ((self.generator, self.ours), (self.critic, self.our_critic)):
            plain.load_state_dict(dict(zip(plain.state_dict(), copy.deepcopy(trained_values(ours)), strict=True)))
        rna = module.representation("rna")
        self.median, self.mean, self.sd = rna.median_total, rna.log_mean, rna.log_sd

    def pair(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Standardised log RNA, and open/closed or centred log-ratios."""
        counts, y = batch[KEYS["rna"]], batch[KEYS[self.target]]
        x = (torch.log1p(counts / counts.sum(dim=1, keepdim=True) * self.median) - self.mean) / self.sd
        if self.target == "atac":
            return x, (y > 0).double()
        return x, torch.log(y + 1) - torch.log(y + 1).mean(dim=1, keepdim=True)

    def pretrain(self, run: list[dict[str, Tensor]], *, n_critic: int, epochs: int = 1) -> dict[str, list[float]]:
        """The Wasserstein pre-training in ten lines."""
        losses: dict[str, list[float]] = {"critic": [], "generator": []}
        for_generator = torch.optim.RMSprop(self.generator.parameters(), lr=1e-4)
        for_critic = torch.optim.RMSprop(self.critic.parameters(), lr=1e-4)
        for i, batch in [pair for _ in range(epochs) for pair in enumerate(run)]:
            x, y = self.pair(batch)
            loss = self.critic(self.generator(x).detach()).mean() - self.critic(y).mean()
            for_critic.zero_grad()
            loss.backward()
            for_critic.step()
            losses["critic"].append(loss.item())
            for parameter in self.critic.parameters():
                parameter.data.clamp_(-0.01, 0.01)
            if i % n_critic == 0:
                loss = -self.critic(self.generator(x)).mean()
                for_generator.zero_grad()
                loss.backward()
                for_generator.step()
                losses["generator"].append(loss.item())
        return losses

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Equation 4 summed over peaks, or the squared error, averaged over cells."""
        x, y = self.pair(batch)
        out = self.generator(x)
        if self.target == "protein":
            return ((out - y) ** 2).mean()
        p_t = torch.where(y == 1, out, 1 - out)
        return -((0.07 + 0.86 * y) * (1 - p_t) ** 2 * p_t.log()).sum(dim=1).mean()

    def train(self, run: list[dict[str, Tensor]], *, epochs: int) -> None:
        adam = torch.optim.Adam(self.generator.parameters(), lr=0.01, betas=(0.5, 0.999))
        for batch in run * epochs:
            adam.zero_grad()
            self.loss(batch).backward()
            adam.step()

    def assert_same(self, *, critic: bool = True) -> None:
        compared = [(self.generator, self.ours)] + ([(self.critic, self.our_critic)] if critic else [])
        for plain, ours in compared:
            for (name, expected), value in zip(plain.state_dict().items(), trained_values(ours), strict=True):
                torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def trained_values(module: nn.Module) -> list[Tensor]:
    """Weights and running statistics as PyTorch's layers have them: the first layers of ours are transposed."""
    first = {f"{name}.weight" for name, layer in module.named_modules() if isinstance(layer, InputLayer)}
    state = {key: value for key, value in module.state_dict().items() if key not in NOT_TRAINED}
    return [value.T if key in first else value for key, value in state.items()]


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(dict(module.named_parameters()))


def moved(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


# ---------------------------------------------------------------------- the two steps of stage 1
def test_steps_are_a_plain_wasserstein_loop() -> None:
    module = fitted_module()
    critics = critics_of(module)
    plain = {name: Plain(module, critics, name) for name in NAMES}
    for_generators = torch.optim.RMSprop(module.parameters(), lr=1e-4)
    for_critics = ClippedRMSprop(critics.parameters(), 1e-4, clip_value=0.01)
    losses: dict[str, dict[str, list[float]]] = {name: {"critic": [], "generator": []} for name in NAMES}
    for i, batch in enumerate(batches(10)):
        of_critics = critic_step(module, critics, batch, for_critics, directions=NAMES)
        for name in NAMES:
            losses[name]["critic"].append(of_critics[name].item())
        if i % 3 == 0:
            of_generators = generator_step(module, critics, batch, for_generators, directions=NAMES)
            for name in NAMES:
                losses[name]["generator"].append(of_generators[name].item())
    for name in NAMES:
        expected = plain[name].pretrain(batches(10), n_critic=3)
        assert losses[name]["critic"] == pytest.approx(expected["critic"], rel=1e-4)
        assert losses[name]["generator"] == pytest.approx(expected["generator"], rel=1e-4)
        plain[name].assert_same()


def test_critic_step_moves_and_clips_critics_only() -> None:
    module = fitted_module()
    critics = critics_of(module)
    generators, before = snapshot(module), snapshot(critics)
    assert max(p.abs().max() for p in before.values()) > 0.01
    optimizer = ClippedRMSprop(critics.parameters(), 1e-4, clip_value=0.01)
    losses = critic_step(module, critics, batches(1)[0], optimizer, directions=NAMES)
    assert list(losses) == NAMES
    assert not any(loss.requires_grad for loss in losses.values())
    assert moved(module, generators) == set()
    assert all(p.grad is None for p in module.parameters())
    assert moved(critics, before) == set(before)
    for name, parameter in critics.named_parameters():  # biases, too
        assert parameter.abs().max() <= 0.01, name
    assert any(name.endswith("bias") and before[name].abs().max() > 0.01 for name in before)


def test_generator_step_moves_generators_only() -> None:
    module = fitted_module()
    critics = critics_of(module)
    generators, before = snapshot(module), snapshot(critics)
    optimizer = torch.optim.RMSprop(module.parameters(), lr=1e-4)
    losses = generator_step(module, critics, batches(1)[0], optimizer, directions=NAMES)
    assert not any(loss.requires_grad for loss in losses.values())
    assert moved(critics, before) == set()
    assert all(p.grad is None for p in critics.parameters())
    assert all(p.requires_grad for p in critics.parameters())  # so that the next critic step can move them
    weights = {name for name, p in generators.items() if p.dim() == 2}
    assert weights <= moved(module, generators)


def test_a_direction_that_is_not_asked_for_stays() -> None:
    module = fitted_module()
    critics = critics_of(module)
    with torch.no_grad():
        for parameter in critics.parameters():
            parameter.clamp_(-0.01, 0.01)
    for_generators = torch.optim.RMSprop(module.parameters(), lr=1e-4)
    for_critics = ClippedRMSprop(critics.parameters(), 1e-4, clip_value=0.01)
    for batch in batches(2):  # these leave a state in the optimisers, which must not move the direction later
        critic_step(module, critics, batch, for_critics, directions=NAMES)
        generator_step(module, critics, batch, for_generators, directions=NAMES)
    generators, before = snapshot(module), snapshot(critics)
    critic_step(module, critics, batches(3)[2], for_critics, directions=["rna_to_protein"])
    generator_step(module, critics, batches(3)[2], for_generators, directions=["rna_to_protein"])
    assert {name.split(".")[0] for name in moved(critics, before)} == {"rna_to_protein"}
    assert {name.split(".")[1] for name in moved(module, generators)} == {"rna_to_protein"}


# ---------------------------------------------------------------------- both stages in one fit
@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
def test_fit_is_a_plain_loop() -> None:
    """Two epochs of pre-training and two of supervised training with Adam; the last batch of one cell is left out."""
    module, run = fitted_module(), batches(7)
    plan = SCMOGTrainingPlan(module, n_epochs_pretrain=2, max_epochs=2, config=PlanConfig()).double()
    plain = {name: Plain(module, plan.critics, name) for name in NAMES}
    trainer = Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module.train()
    trainer.fit(plan, DataLoader([*run, *batches(1, n_cells=1)], batch_size=None))
    for name in NAMES:
        plain[name].pretrain(run, n_critic=5, epochs=2)  # generator steps on batches 0 and 5 of each epoch
        plain[name].train(run, epochs=2)
        plain[name].assert_same(critic=False)


# ---------------------------------------------------------------------- the plan without a trainer
@pytest.mark.parametrize(
    ("progress", "share"),
    [
        pytest.param(0.0, 0.04, id="start"),
        pytest.param(0.125, 0.52, id="half-way-up"),
        pytest.param(0.25, 1.0, id="peak"),
        pytest.param(0.625, 0.5, id="half-way-down"),
        pytest.param(1.0, 0.0, id="end"),
        pytest.param(1.4, 0.0, id="after-the-end"),
    ],
)
def test_one_cycle_at_its_landmarks(progress: float, share: float) -> None:
    assert one_cycle(progress) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        pytest.param({"optimizer": "adam", "lr": 0.02, "betas": (0.4, 0.9)}, torch.optim.Adam, id="adam"),
        pytest.param({"optimizer": "adamw", "weight_decay": 0.3, "eps": 1e-6}, torch.optim.AdamW, id="adamw"),
    ],
)
def test_optimisers(options: dict[str, Any], kind: type) -> None:
    config = PlanConfig(lr_pretrain=3e-4, **options)
    module = fitted_module()
    (only,) = SCMOGTrainingPlan(module, config=config).configure_optimizers()
    plan = SCMOGTrainingPlan(module, n_epochs_pretrain=1, config=config)
    supervised, generators, critics = plan.configure_optimizers()
    for optimizer in (only, supervised):
        assert type(optimizer) is kind
        settings = {name: optimizer.defaults[name] for name in ("lr", "betas", "eps", "weight_decay")}
        assert settings == {name: getattr(config, name) for name in settings}
    assert type(generators) is type(critics) is ClippedRMSprop
    assert generators.defaults["lr"] == critics.defaults["lr"] == 3e-4
    assert (critics.defaults["alpha"], critics.defaults["momentum"]) == (0.99, 0)  # PyTorch's, as the authors have it
    n_parameters = [
        sum(p.numel() for group in o.param_groups for p in group["params"]) for o in (supervised, generators)
    ]
    assert n_parameters == [sum(p.numel() for p in module.parameters())] * 2
    ids = {id(p) for group in critics.param_groups for p in group["params"]}
    assert ids == {id(p) for p in plan.critics.parameters()}
    assert not ids & {id(p) for p in module.parameters()}


def test_rates_by_target() -> None:
    module = fitted_module()
    config = PlanConfig(lr=0.1, lr_by_target={"protein": 0.4})
    (optimizer,) = SCMOGTrainingPlan(module, config=config).configure_optimizers()
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in module.named_parameters():
        assert rates[id(parameter)] == (0.4 if "rna_to_protein" in name else 0.1), name


def test_a_batch_of_one_cell_is_passed_over() -> None:
    module = fitted_module()
    for n_epochs_pretrain in (0, 1):
        plan = SCMOGTrainingPlan(module, n_epochs_pretrain=n_epochs_pretrain)
        before = copy.deepcopy(plan.state_dict())
        assert plan.training_step(batches(1, n_cells=1)[0], 0).item() == 0
        assert all(value.equal(before[name]) or value.isnan().all() for name, value in plan.state_dict().items())


def test_critics_exist_for_pretraining_only() -> None:
    module = fitted_module()
    without = SCMOGTrainingPlan(module)
    assert without.critics is None
    assert not without.pretraining
    plan = SCMOGTrainingPlan(module, n_epochs_pretrain=3)
    assert list(plan.critics) == NAMES
    assert plan.pretraining
    assert plan.stage_name == "Critic pre-training 1/3"


@pytest.mark.parametrize(
    ("early_stopping", "patience_pretrain", "expected"),
    [
        pytest.param(True, 4, (4, 9), id="early-stopping"),
        pytest.param(True, None, (float("inf"), 9), id="all-of-pretraining"),
        pytest.param(False, 4, (float("inf"), float("inf")), id="no-early-stopping"),
    ],
)
def test_patience_of_the_stages(early_stopping: bool, patience_pretrain: int | None, expected: tuple) -> None:
    config = PlanConfig(
        patience=9, patience_pretrain=patience_pretrain, max_epochs_by_target={"protein": 3, "atac": 99}
    )
    plan = SCMOGTrainingPlan(fitted_module(), max_epochs=20, early_stopping=early_stopping, config=config)
    for progress in plan.progress.values():
        assert (progress.pretraining.limit, progress.training.limit) == expected
    assert {name: p.max_epochs for name, p in plan.progress.items()} == {"rna_to_atac": 20, "rna_to_protein": 3}
