"""Training steps beside a naive implementation, the floor of their matrix products, and scvi-tools' peers.

    python benchmarks/speed/run.py             # resumes: what is in the result table is not run again
    python benchmarks/speed/run.py --only step --only 100000
    python benchmarks/speed/run.py --report    # only writes results/speed.md from the table

Random cells with 20,000 genes (8 % of entries) and 3 % open peaks, mini-batches of 256, two threads. Each run is a
process of its own, in which what is compared takes turns, so that a busy machine slows all of it: ratios count, not
seconds. A step begins with rows of the sparse matrix in memory and ends with the optimiser.

- ``step``: one training step (or pre-training step: critic, and every fifth time the generator) of ``preset="paper"``
  (in brackets of the report: of the default preset with one member), of ``naive.py``, and the floor: the matrix
  products of the dense networks alone. Medians over rounds. For pre-training, rounds of five steps.
- ``memory``: peak memory of ten steps above imports, data, weights, gradients and optimiser state.
- ``peer``: an epoch of MultiVI (20,000 peaks and the genes) or of totalVI (100 proteins and the genes), and of the
  default preset with one member from RNA to the same target, on the same cells.
- ``cells``: an epoch of the default preset with one member, for more and more cells.
- ``compile``: a training step with its losses compiled (``plan_kwargs={"compile": True}``) and without; the first call,
  which compiles, apart.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from random_cells import random_mdata, random_protein
from resume import main

TABLE = Path(__file__).parent / "results" / "speed.csv"
N_GENES, BATCH, THREADS = 20_000, 256, 2
STEPS = ("rna_to_atac", "atac_to_rna", "rna_to_atac pre-training", "atac_to_rna pre-training")
_PEERS = {20_000: ("atac", "MultiVI"), 100: ("protein", "totalVI")}  # target and peer by number of target features
WHO = ("scmog", "default", "naive", "floor")


def all_runs() -> list[dict]:
    """Every run: the target's size first, then growth."""
    steps = [{"kind": "step", "what": what, "n": n} for n in (100_000, 20_000, 50_000, 200_000) for what in STEPS]
    memory = [{"kind": "memory", "what": f"{what}, {who}", "n": 100_000} for what in STEPS[:3] for who in WHO[::2]]
    peers = [{"kind": "peer", "what": what, "n": n} for n, (_, name) in _PEERS.items() for what in ("scmog", name)]
    cells = [{"kind": "cells", "what": "rna_to_atac", "n": n} for n in (5_000, 10_000, 20_000, 40_000)]
    compiled = [{"kind": "compile", "what": what, "n": n} for n in (20_000, 100_000) for what in STEPS[:2]]
    return [*steps, *memory, *peers, *cells, *compiled]


def run_one(kind: str, what: str, n: int) -> list[dict]:
    """Rows of one run."""
    import torch

    torch.set_num_threads(THREADS)
    rows = {"step": steps, "memory": memory, "peer": peer, "cells": cells, "compile": compiled}[kind](what, n)
    return [{"kind": kind, "what": what, "n": n, **row} for row in rows]


# ---------------------------------------------------------------------- steps
class Ours:
    """The package's own steps on rows of the data."""

    def __init__(self, mdata, direction: tuple[str, str], preset: str) -> None:
        from torch.optim import AdamW

        import scmog
        from scmog.train._rmsprop import ClippedRMSprop

        options = {"n_members": 1} if preset == "default" else {}
        scmog.model.SCMOG.setup_mudata(mdata)
        model = scmog.model.SCMOG(mdata, directions=[direction], preset=preset, **options)
        self.module, self.name = model.module.train(), "_to_".join(direction)
        self.rows = model.adata_manager.create_torch_dataset()
        for name, representation in self.module.representations.items():
            representation.fit(lambda name=name: [self.batch(np.arange(BATCH))[_KEYS[name]]])
        self.critics = self.module.new_critics()
        self.adam = AdamW(self.module.parameters(), lr=1e-4, fused=True)
        self.for_generator = ClippedRMSprop(self.module.parameters(), 1e-4)
        self.for_critic = ClippedRMSprop(self.critics.parameters(), 1e-4, clip_value=0.01)

    def batch(self, cells: np.ndarray) -> dict:
        batch = self.rows[cells]
        return {key: batch[key] for key in _KEYS.values()}

    def training_step(self, cells: np.ndarray, i: int) -> None:
        _, _, output = self.module(self.batch(cells))
        self.adam.zero_grad()
        output.loss.backward()
        self.adam.step()

    def pretraining_step(self, cells: np.ndarray, i: int) -> None:
        from scmog.train import critic_step, generator_step

        batch, names = self.batch(cells), [self.name]
        critic_step(self.module, self.critics, batch, self.for_critic, directions=names)
        if i % 5 == 0:
            generator_step(self.module, self.critics, batch, self.for_generator, directions=names)


_KEYS = {"rna": "X", "atac": "atac"}


class Naive:
    """The plain implementation, which makes its mini-batches dense."""

    def __init__(self, mdata, direction: tuple[str, str], preset: str = "") -> None:
        import torch
        from naive import NaiveScMOG

        self.parts = [mdata[name].X for name in direction]
        self.tensor = torch.from_numpy
        self.model = NaiveScMOG(*direction, *(part.shape[1] for part in self.parts))
        if direction[0] == "rna":
            self.model.fit(self.batch(np.arange(BATCH))[0])
        else:
            self.model.median = self.batch(np.arange(BATCH))[1].sum(dim=1).median()

    def batch(self, cells: np.ndarray):
        return [self.tensor(part[cells].toarray()) for part in self.parts]

    def training_step(self, cells: np.ndarray, i: int) -> None:
        self.model.training_step(*self.batch(cells))

    def pretraining_step(self, cells: np.ndarray, i: int) -> None:
        self.model.pretraining_step(*self.batch(cells), i)


class Floor:
    """The matrix products of the dense networks: forward, for the weights, and for the input but in the first layer."""

    def __init__(self, mdata, direction: tuple[str, str], preset: str = "") -> None:
        import torch
        from naive import CRITIC, N_LATENT, WIDTHS

        source, target = direction
        n_source, n_target = (mdata[name].n_vars for name in direction)
        encoder = [n_source, *WIDTHS[source], N_LATENT, *WIDTHS[target][::-1]]
        heads = [n_target] * (1 if target == "atac" else 2)
        self.generator = [*zip(encoder, encoder[1:], strict=False), *((encoder[-1], n) for n in heads)]
        widths = [n_target, *CRITIC, 1]
        self.critic = list(zip(widths, widths[1:], strict=False))
        shapes = {*self.generator, *self.critic}
        self.x = {shape: torch.randn(BATCH, shape[0]) for shape in shapes}
        self.w = {shape: torch.randn(shape) for shape in shapes}
        self.g = {shape: torch.randn(BATCH, shape[1]) for shape in shapes}

    def products(self, layers, *, of_weights: bool, of_first_input: bool = False) -> None:
        for i, shape in enumerate(layers):
            self.x[shape] @ self.w[shape]
            if of_weights:
                self.x[shape].T @ self.g[shape]
            if i > 0 or of_first_input:
                self.g[shape] @ self.w[shape].T

    def training_step(self, cells: np.ndarray, i: int) -> None:
        self.products(self.generator, of_weights=True)

    def pretraining_step(self, cells: np.ndarray, i: int) -> None:
        for shape in self.generator:  # generated without a gradient
            self.x[shape] @ self.w[shape]
        self.products(self.critic, of_weights=True)
        self.products(self.critic, of_weights=True)
        if i % 5 == 0:
            self.products(self.generator, of_weights=True)
            self.products(self.critic, of_weights=False, of_first_input=True)


def steps(what: str, n: int) -> list[dict]:
    """Seconds per step of each."""
    name, _, stage = what.partition(" ")
    mdata = random_mdata(4 * BATCH, N_GENES, n)
    direction = tuple(name.split("_to_"))
    makers = {"scmog": (Ours, "paper"), "default": (Ours, "default"), "naive": (Naive, ""), "floor": (Floor, "")}
    contestants = {who: make(mdata, direction, preset) for who, (make, preset) in makers.items()}
    rng, seconds = np.random.default_rng(0), {who: [] for who in contestants}
    per_round, n_rounds = (5, 4) if stage else (1, 12)
    for round_ in range(n_rounds + 1):
        cells = [np.sort(rng.choice(mdata.n_obs, BATCH, replace=False)) for _ in range(per_round)]
        for who, contestant in contestants.items():
            step = contestant.pretraining_step if stage else contestant.training_step
            start = time.perf_counter()
            for i, batch in enumerate(cells):
                step(batch, i)
            if round_:  # the first one warms up
                seconds[who].append((time.perf_counter() - start) / per_round)
    return [
        {"who": who, "value": round(statistics.median(values), 4), "spread": round(statistics.stdev(values), 4)}
        for who, values in seconds.items()
    ]


# ---------------------------------------------------------------------- memory
def memory(what: str, n: int) -> list[dict]:
    """Peak memory of steps above what does not depend on the mini-batch, in MB."""
    what, who = what.split(", ")
    name, _, stage = what.partition(" ")
    mdata = random_mdata(4 * BATCH, N_GENES, n)
    make, preset = {"scmog": (Ours, "paper"), "naive": (Naive, "")}[who]
    contestant = make(mdata, tuple(name.split("_to_")), preset)
    modules = [contestant.module, contestant.critics] if who == "scmog" else [contestant.model]
    before = _rss()
    step = contestant.pretraining_step if stage else contestant.training_step
    rng = np.random.default_rng(0)
    for i in range(10):
        step(np.sort(rng.choice(mdata.n_obs, BATCH, replace=False)), i)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n_bytes = sum(p.grad.numel() * 4 for module in modules for p in module.parameters() if p.grad is not None)
    optimisers = [contestant] if who == "scmog" else [contestant.model]
    for owner in optimisers:
        for optimiser in (owner.adam, owner.for_generator, owner.for_critic):
            states = [value for state in optimiser.state.values() for value in state.values()]
            n_bytes += sum(value.numel() * 4 for value in states)
    return [{"who": who, "value": round(peak - before - n_bytes / 2**20, 1)}]


def _rss() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# ---------------------------------------------------------------------- whole epochs
def peer(what: str, n: int) -> list[dict]:
    """Seconds of an epoch on 2,048 cells, without what comes before and after."""
    import scvi

    mdata, target = random_mdata(2048, N_GENES, n), _PEERS[n][0]
    if target == "protein":
        mdata = random_protein(mdata)
    if what == "scmog":
        return [{"who": "scmog", "value": _epoch(mdata, target)}]
    if target == "protein":
        layers = {"rna_layer": None, "protein_layer": None}
        scvi.model.TOTALVI.setup_mudata(mdata, **layers, modalities={"rna_layer": "rna", "protein_layer": "protein"})
        model = scvi.model.TOTALVI(mdata)
    else:
        scvi.model.MULTIVI.setup_mudata(mdata, modalities={"rna_layer": "rna", "atac_layer": "atac"})
        model = scvi.model.MULTIVI(mdata, n_genes=N_GENES, n_regions=n)
    clock = _clock()
    model.train(
        max_epochs=3, batch_size=BATCH, train_size=1.0, accelerator="cpu", check_val_every_n_epoch=None,
        enable_progress_bar=False, callbacks=[clock], early_stopping=False, limit_val_batches=0,
    )  # fmt: skip
    return [{"who": what, "value": min(clock.seconds[1:])}]


def cells(what: str, n: int) -> list[dict]:
    """Seconds of an epoch, 20,000 peaks."""
    return [{"who": "default", "value": _epoch(random_mdata(n, N_GENES, 20_000))}]


def compiled(what: str, n: int) -> list[dict]:
    """Seconds per step with compiled losses and without, and of the first compiled step."""
    from scmog.nn import fused

    mdata, rng = random_mdata(4 * BATCH, N_GENES, n), np.random.default_rng(0)
    rows = []
    for preset in ("paper", "default"):
        ours = Ours(mdata, tuple(what.split("_to_")), preset)
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(11):
            cells = np.sort(rng.choice(mdata.n_obs, BATCH, replace=False))
            for enabled, taken in seconds.items():
                start = time.perf_counter()
                with fused(enabled):
                    ours.training_step(cells, 0)
                taken.append(time.perf_counter() - start)
        rows.append({"who": f"{preset}, first compiled step", "value": round(seconds[True][0], 1)})
        for enabled, taken in seconds.items():
            who = f"{preset}, compiled" if enabled else preset
            spread = round(statistics.stdev(taken[1:]), 4)
            rows.append({"who": who, "value": round(statistics.median(taken[1:]), 4), "spread": spread})
    return rows


def _epoch(mdata, target: str = "atac") -> float:
    import scmog

    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[("rna", target)], n_members=1)
    clock = _clock()
    model.train(
        max_epochs=2, n_epochs_pretrain=0, train_size=1.0, validation_size=0.0, accelerator="cpu",
        enable_progress_bar=False, callbacks=[clock],
    )  # fmt: skip
    return min(clock.seconds)


def _clock():
    from lightning.pytorch.callbacks import Callback

    class Clock(Callback):
        seconds: list[float] = []

        def on_train_epoch_start(self, trainer, plan):
            self.start = time.perf_counter()

        def on_train_epoch_end(self, trainer, plan):
            self.seconds.append(round(time.perf_counter() - self.start, 3))

    return Clock()


# ---------------------------------------------------------------------- report
def report() -> str:
    """Markdown: ratios, with seconds beside them."""
    table = pd.read_csv(TABLE)
    lines = [
        "| step | peaks | paper, s | of the floor | times naive | default, one member, s | naive, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for (what, n), rows in table[table["kind"] == "step"].groupby(["what", "n"], sort=False):
        s = rows.set_index("who")["value"]
        lines.append(
            f"| {what} | {n:,} | {s['scmog']:.3f} | {s['floor'] / s['scmog']:.0%} | {s['naive'] / s['scmog']:.2f} | "
            f"{s['default']:.3f} | {s['naive']:.3f} |"
        )
    rest = table[table["kind"] == "memory"]
    if len(rest):
        lines += ["", "| step, 100,000 peaks | memory of a step, MB: scmog | naive | ratio |", "|---|---|---|---|"]
        rest = rest.assign(step=rest["what"].str.split(", ").str[0])
        for step, rows in rest.groupby("step", sort=False):
            s = rows.set_index("who")["value"]
            if {"scmog", "naive"} <= set(s.index):
                lines.append(f"| {step} | {s['scmog']:.0f} | {s['naive']:.0f} | {s['scmog'] / s['naive']:.0%} |")
    peers, growth = (table[table["kind"] == kind].sort_values("n", kind="stable") for kind in ("peer", "cells"))
    epochs = pd.concat([peers, growth])
    if len(epochs):
        lines += ["", "| an epoch of | cells | peaks (or proteins) | s | cells per s |", "|---|---|---|---|---|"]
        for row in epochs.itertuples():
            n_cells, n_peaks = (2048, row.n) if row.kind == "peer" else (row.n, 20_000)
            who = "scmog, default preset, one member" if row.who in ("scmog", "default") else row.who
            lines.append(f"| {who} | {n_cells:,} | {n_peaks:,} | {row.value:.2f} | {n_cells / row.value:,.0f} |")
    rest = table[table["kind"] == "compile"]
    if len(rest):
        lines += [
            "",
            "| losses compiled | peaks | paper, s | compiled | ratio | default, one member, s | compiled | ratio |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for (what, n), rows in rest.groupby(["what", "n"], sort=False):
            s = rows.set_index("who")["value"]
            pairs = [(s[preset], s[f"{preset}, compiled"]) for preset in ("paper", "default")]
            cells = " | ".join(f"{plain:.3f} | {fast:.3f} | {fast / plain:.2f}" for plain, fast in pairs)
            lines.append(f"| {what} | {n:,} | {cells} |")
        first = rest[rest["who"].str.endswith("first compiled step")]["value"].max()
        lines.append(f"\nCompiling took up to {first:.0f} s of the first step of each size of network.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    main(__file__, TABLE, all_runs(), run_one, report)
