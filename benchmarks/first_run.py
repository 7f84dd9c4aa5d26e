"""The main job on real data: train, generate, score, for every preset beside the training mean and ridge.

    export SCMOG_DATA=<folder with the data sets of SOURCES.md>
    python benchmarks/first_run.py --jobs 2                 # resumes: what is in the result table is not run again
    python benchmarks/first_run.py --only snare --only default
    python benchmarks/first_run.py --report                 # only writes results/first_run.md from the table

Each run (data, split, direction, method, seed) is a process of its own with one thread, so that its peak memory is its
own; its rows are appended to ``results/first_run.csv``. Splits are drawn with seed 0 and shared by all methods and
seeds. To save time the paper's and the authors' presets pre-train for at most 20 epochs instead of 200, and train
RNA->ATAC for at most 40 instead of 500. Seconds per epoch are of a busy machine: compare them within a row only.
"""

from __future__ import annotations

import resource
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from real_data import load
from resume import main

TABLE = Path(__file__).parent / "results" / "first_run.csv"
KEYS = ["data", "split", "direction", "method", "seed"]

# most epochs (pre-training, supervised) of the paper's and the authors' presets, by direction
_CAPS = {
    "rna_to_atac": {"n_epochs_pretrain": 20, "max_epochs": 40},
    "atac_to_rna": {"n_epochs_pretrain": 20},
    "rna_to_protein": {"n_epochs_pretrain": 20},
}
_SETTINGS = [
    ("snare", "random", "rna_to_atac"),
    ("snare", "leiden", "rna_to_atac"),
    ("snare", "random", "atac_to_rna"),
    ("snare", "leiden", "atac_to_rna"),
    ("pbmc10k", "random", "rna_to_protein"),
    ("reapseq", "s5_to_s4", "rna_to_protein"),
]
_SEEDS = {"default": (0, 1, 2), "ridge": (0,), "no pre-training": (0,), "paper": (0,), "authors": (0,)}


def all_runs() -> list[dict]:
    """Every run, first seeds first and slow ones last."""
    runs = [
        dict(zip(KEYS, (*setting, method, seed), strict=True))
        for setting, method in product(_SETTINGS, _SEEDS)
        for seed in _SEEDS[method]
    ]
    slow = [("rna_to_atac", "paper"), ("rna_to_atac", "authors")]  # pre-training with the full critic of all peaks
    return sorted(runs, key=lambda run: ((run["direction"], run["method"]) in slow, run["seed"]))


def run_one(data: str, split: str, direction: str, method: str, seed: int) -> list[dict]:
    """Train and score; one row per model and score."""
    import torch
    from lightning.pytorch.callbacks import Callback

    import scmog

    torch.set_num_threads(1)

    class Clock(Callback):
        """Seconds of each epoch, by stage."""

        def __init__(self):
            self.seconds = {"pre-training": [], "training": []}

        def on_train_epoch_start(self, trainer, plan):
            self.stage, self.start = "pre-training" if plan.pretraining else "training", time.perf_counter()

        def on_train_epoch_end(self, trainer, plan):
            self.seconds[self.stage].append(time.perf_counter() - self.start)

    mdata = load(data, split)
    scmog.model.SCMOG.setup_mudata(mdata)
    preset = method if method in ("paper", "authors") else "default"
    model = scmog.model.SCMOG(mdata, directions=[direction.split("_to_")], preset=preset)
    options = dict(_CAPS[direction]) if preset != "default" else {}
    if method in ("no pre-training", "ridge"):
        options["n_epochs_pretrain"] = 0
    if method == "ridge":  # and the other baselines, which depend on neither weights nor seed: one epoch will do
        options["max_epochs"] = 1
    if method == "authors" and direction == "atac_to_rna":
        options["batch_size"] = 64  # the authors' code has another size for this direction
    clock, start = Clock(), time.perf_counter()
    model.train(
        split_key="split", seed=seed, accelerator="cpu", enable_progress_bar=False, callbacks=[clock], **options
    )
    seconds = time.perf_counter() - start
    table = model.evaluate(split="test", metrics=["auroc", "pearson"])
    table = table[(table["model"] == "scmog") != (method == "ridge")]
    facts = {
        "n_epochs_pretrain": len(clock.seconds["pre-training"]),
        "n_epochs": len(clock.seconds["training"]),
        "s_per_epoch_pretrain": _mean(clock.seconds["pre-training"]),
        "s_per_epoch": _mean(clock.seconds["training"]),
        "s_total": round(seconds, 1),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    key = {"data": data, "split": split, "direction": direction, "seed": seed}
    return [
        {
            **key,
            "method": method if row["model"] == "scmog" else row["model"],
            **{name: row[name] for name in ("metric", "axis", "value", "ci_low", "ci_high", "n")},
            **(facts if row["model"] == "scmog" else {}),
        }
        for row in table.to_dict("records")
    ]


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 2) if values else float("nan")


def report() -> str:
    """Markdown table: mean over seeds, standard deviation where there are several."""
    table = pd.read_csv(TABLE)
    order = ["training mean", "mean x source depth", "ridge", "authors", "paper", "no pre-training", "default"]
    lines = [
        "| data | split | direction | method | seeds | flattened | per feature | epochs (pre + train) | "
        "s per epoch (pre, train) | peak RSS, GB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in _SETTINGS:
        part = table[(table[["data", "split", "direction"]] == setting).all(axis=1)]
        for method in order:
            runs = part[part["method"] == method]
            if runs.empty:
                continue
            flat, feature = (_spread(runs[runs["axis"] == axis]["value"]) for axis in ("flat", "feature"))
            once = runs[runs["axis"] == "flat"]
            means = once[["n_epochs_pretrain", "n_epochs", "s_per_epoch_pretrain", "s_per_epoch", "peak_rss_gb"]].mean()
            if np.isnan(means["n_epochs"]):
                cost = ["", "", ""]
            else:
                pre = "-" if np.isnan(means["s_per_epoch_pretrain"]) else f"{means['s_per_epoch_pretrain']:.1f}"
                cost = [
                    f"{means['n_epochs_pretrain']:.0f} + {means['n_epochs']:.0f}",
                    f"{pre}, {means['s_per_epoch']:.1f}",
                    f"{means['peak_rss_gb']:.1f}",
                ]
            lines.append("| " + " | ".join([*setting, method, str(len(once)), flat, feature, *cost]) + " |")
    return "\n".join(lines) + "\n"


def _spread(values: pd.Series) -> str:
    deviation = f" ± {values.std():.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{deviation}"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
