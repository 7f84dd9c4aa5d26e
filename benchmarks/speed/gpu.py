"""The same training on a GPU and on the processor beside it: steps, whole fits with their scores, generation, memory.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/speed/gpu.py            # resumes: what is in the result table is not run again
    python benchmarks/speed/gpu.py --only step
    python benchmarks/speed/gpu.py --report   # only writes results/gpu.md from the table

- ``step``: random cells with 20,000 genes (8 % of entries) and 3 % open peaks, mini-batches of 256; seconds of one
  training (or pre-training) step, from rows of the sparse matrix in the processor's memory to the end of the optimiser,
  and of the rows and their way to the device alone. Medians, after the first steps.
- ``fit``: SNARE-seq and PBMC 10k, random split; seconds of the whole of ``train``, default preset, and the score per
  feature of test cells. Once on the processor with all its cores, with three seeds on the GPU.
- ``generation``: cells per second to 100,000 peaks, in CSR above the density cut; peak memory of the GPU.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from random_cells import random_mdata
from real_data import load
from resume import main
from run import BATCH, N_GENES, STEPS, Ours

TABLE = Path(__file__).parent / "results" / "gpu.csv"
FITS = {
    "SNARE-seq RNA to ATAC": ("snare", ("rna", "atac")),
    "SNARE-seq ATAC to RNA": ("snare", ("atac", "rna")),
    "PBMC 10k RNA to protein": ("pbmc10k", ("rna", "protein")),
}


def all_runs() -> list[dict]:
    """Every run."""
    steps = [{"kind": "step", "what": what, "n": n, "seed": 0} for n in (100_000, 20_000) for what in STEPS[:3]]
    on_gpu = [{"kind": "fit", "what": f"{what}, gpu", "n": 0, "seed": seed} for seed in range(3) for what in FITS]
    on_cpu = [{"kind": "fit", "what": f"{what}, cpu", "n": 0, "seed": 0} for what in FITS]
    generation = [{"kind": "generation", "what": where, "n": 100_000, "seed": 0} for where in ("gpu", "cpu")]
    return [*steps, *on_gpu, *generation, *on_cpu]


def run_one(kind: str, what: str, n: int, seed: int) -> list[dict]:
    """Rows of one run."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    run = {"kind": kind, "what": what, "n": n, "seed": seed}
    rows = {"step": step, "fit": fit, "generation": generation}[kind](what, n, seed)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    where = {"gpu": device, "cpus": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}
    return [{**run, **row, **where} for row in rows]


class OnDevice(Ours):
    """Steps of :class:`run.Ours` with everything on one device."""

    def __init__(self, mdata, direction: tuple[str, str], preset: str, device: str) -> None:
        from torch.optim import AdamW

        from scmog.train._rmsprop import ClippedRMSprop

        self.device = "cpu"
        super().__init__(mdata, direction, preset)
        self.device = device
        self.module.to(device)
        self.critics.to(device)
        self.adam = AdamW(self.module.parameters(), lr=1e-4, fused=True)
        self.for_generator = ClippedRMSprop(self.module.parameters(), 1e-4)
        self.for_critic = ClippedRMSprop(self.critics.parameters(), 1e-4, clip_value=0.01)

    def batch(self, cells: np.ndarray) -> dict:
        return {key: value.to(self.device) for key, value in super().batch(cells).items()}

    def rows_only(self, cells: np.ndarray, i: int) -> None:
        self.batch(cells)


def step(what: str, n: int, seed: int) -> list[dict]:
    """Seconds per step on either device, and of reading and moving rows."""
    import torch

    name, _, stage = what.partition(" ")
    mdata, rng, rows = random_mdata(4 * BATCH, N_GENES, n), np.random.default_rng(seed), []
    for preset in ("paper", "default"):
        for device in ("cuda", "cpu"):
            ours = OnDevice(mdata, tuple(name.split("_to_")), preset, device)
            steps = {"step": ours.pretraining_step if stage else ours.training_step, "rows": ours.rows_only}
            n_rounds = 40 if device == "cuda" else 10
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            for part, run in steps.items():
                seconds = []
                for i in range(n_rounds):
                    cells = np.sort(rng.choice(mdata.n_obs, BATCH, replace=False))
                    start = time.perf_counter()
                    run(cells, i)
                    if device == "cuda":
                        torch.cuda.synchronize()
                    seconds.append(time.perf_counter() - start)
                taken = seconds[5:]  # of five steps of pre-training one has a generator's, which the mean holds
                value = statistics.mean(taken) if stage and part == "step" else statistics.median(taken)
                rows.append({"who": f"{preset}, {device}, {part}", "value": value, "spread": statistics.stdev(taken)})
            if device == "cuda":
                rows.append({"who": f"{preset}, memory", "value": torch.cuda.max_memory_allocated() / 1e6})
            del ours, steps, run
    return rows


def fit(what: str, n: int, seed: int) -> list[dict]:
    """Seconds of a whole fit, and the score of the test cells per feature."""
    import torch

    import scmog

    name, where = what.rsplit(", ", 1)
    data, direction = FITS[name]
    mdata = load(data, "random")
    scmog.model.SCMOG.setup_mudata(mdata)
    if where == "gpu":
        torch.zeros(1, device="cuda")  # the context, which takes a second or two, is made once per process
        torch.cuda.reset_peak_memory_stats()
    model = scmog.model.SCMOG(mdata, directions=[direction])
    start = time.perf_counter()
    model.train(split_key="split", seed=seed, accelerator=where, devices=1, enable_progress_bar=False)
    seconds = time.perf_counter() - start
    table = model.evaluate(baselines=False)
    score = table[(table["axis"] == "feature") & table["metric"].isin(["auroc", "pearson"])]["value"].iloc[0]
    rows = [{"who": "seconds", "value": seconds}, {"who": "score", "value": score}]
    if where == "gpu":
        rows.append({"who": "memory", "value": torch.cuda.max_memory_allocated() / 1e6})
    return rows


def generation(what: str, n: int, seed: int) -> list[dict]:
    """Cells per second from counts of genes to a sparse matrix of peaks, all three networks."""
    import torch

    import scmog

    mdata = random_mdata(4_096, N_GENES, n)
    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[("rna", "atac")])
    model.train(max_epochs=1, n_epochs_pretrain=0, accelerator=what, devices=1, enable_progress_bar=False)
    if what == "gpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        model.get_generated(mdata["rna"], source="rna", target="atac", show_progress=False)
        seconds.append(time.perf_counter() - start)
    rows = [{"who": "cells per second", "value": mdata.n_obs / min(seconds)}]
    if what == "gpu":
        rows.append({"who": "memory", "value": torch.cuda.max_memory_allocated() / 1e6})
    return rows


# ---------------------------------------------------------------------- report
def report() -> str:
    """Markdown: seconds side by side, and their ratio."""
    table = pd.read_csv(TABLE)
    first = table.iloc[0]
    lines = [f"{first['gpu']} beside {first['cpus']} cores of a processor, PyTorch {first['torch']}."]
    lines += [
        "",
        "| step | peaks | preset | GPU, ms | of them rows | processor, ms | ratio | memory of the GPU, GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (what, n), rows in table[table["kind"] == "step"].groupby(["what", "n"], sort=False):
        s = rows.set_index("who")["value"]
        for preset in ("paper", "default"):
            gpu, moved, cpu = (s[f"{preset}, {part}"] * 1e3 for part in ("cuda, step", "cuda, rows", "cpu, step"))
            shown = preset if preset == "paper" else "default, one member"
            memory = s[f"{preset}, memory"] / 1e3
            lines.append(
                f"| {what} | {n:,} | {shown} | {gpu:.1f} | {moved:.1f} | {cpu:.0f} | {cpu / gpu:.1f} | {memory:.1f} |"
            )
    lines += [
        "",
        "| whole fit, default preset | seeds | GPU, s | score per feature | memory of the GPU, GB | processor, s |",
        "|---|---|---|---|---|---|",
    ]
    fits = table[table["kind"] == "fit"]
    for name in FITS:
        values = {
            where: fits[fits["what"] == f"{name}, {where}"].groupby("who")["value"].agg(["mean", "count"])
            for where in ("gpu", "cpu")
        }
        gpu, cpu = values["gpu"], values["cpu"]
        if len(gpu):
            mean, seconds = gpu["mean"], f"{cpu['mean']['seconds']:.0f}" if len(cpu) else "not run"
            lines.append(
                f"| {name} | {gpu['count'].max()} | {mean['seconds']:.0f} | {mean['score']:.4f} | "
                f"{mean['memory'] / 1e3:.1f} | {seconds} |"
            )
    rate = table[table["kind"] == "generation"].set_index(["what", "who"])["value"]
    if len(rate):
        gpu, cpu = (rate[where, "cells per second"] for where in ("gpu", "cpu"))
        lines.append(
            f"\nGeneration of 100,000 peaks, three networks, above the density cut: {gpu:,.0f} cells per second on the "
            f"GPU ({rate['gpu', 'memory'] / 1e3:.1f} GB), {cpu:,.0f} on the processor."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
