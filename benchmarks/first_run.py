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

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results"
TABLE = RESULTS / "first_run.csv"
SPLIT_SEED = 0
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
_SEEDS = {"default": (0, 1, 2), "no pre-training": (0,), "paper": (0,), "authors": (0,)}


def all_runs() -> list[dict]:
    """Every run, first seeds first and slow ones last."""
    runs = [
        dict(zip(KEYS, (*setting, method, seed), strict=True))
        for setting, method in product(_SETTINGS, _SEEDS)
        for seed in _SEEDS[method]
    ]
    slow = [("rna_to_atac", "paper"), ("rna_to_atac", "authors")]  # pre-training with the full critic of all peaks
    return sorted(runs, key=lambda run: ((run["direction"], run["method"]) in slow, run["seed"]))


# ---------------------------------------------------------------------------------------------- one run
def load(data: str, split: str):
    """Paired MuData with ``obs["split"]``."""
    import mudata

    folder = Path(os.environ["SCMOG_DATA"])
    if data == "snare":
        mdata = mudata.read_h5mu(folder / "snareseq_mouse_cortex_10309.h5mu")
        rna, atac = mdata["rna"], mdata["atac"]
        cells = np.asarray((rna.X > 0).sum(axis=1)).ravel() >= 50
        open_in = np.asarray((atac.X[cells] > 0).sum(axis=0)).ravel()
        peaks = (open_in >= 5) & (open_in <= 0.1 * cells.sum())  # paper section 4
        mdata = mudata.MuData({"rna": rna[cells].copy(), "atac": atac[cells][:, peaks].copy()})
    elif data == "pbmc10k":
        mdata = mudata.read_h5mu(folder / "citeseq_pbmc10k_10x_hvg1000.h5mu")
    else:
        mdata = mudata.read_h5mu(folder / "reapseq_pbmc_7488.h5mu")
    mdata.obs["split"] = split_labels(mdata, split)
    return mdata


def split_labels(mdata, split: str) -> np.ndarray:
    """``train``, ``validation`` or ``test`` for each cell."""
    rng = np.random.default_rng(SPLIT_SEED)
    labels = np.full(mdata.n_obs, "train", dtype=object)
    if split == "random":
        order = rng.permutation(mdata.n_obs)
        tenth = mdata.n_obs // 10
        labels[order[:tenth]], labels[order[tenth : 2 * tenth]] = "test", "validation"
    elif split == "leiden":  # paper section 4: of the larger clusters one validates, one tests; resolution of the code
        clusters = leiden_clusters(mdata["rna"])
        largest = pd.Series(clusters).value_counts().index
        labels[clusters == largest[0]], labels[clusters == largest[1]] = "validation", "test"
    else:
        run = mdata["rna"].obs["batch"].astype(str).to_numpy()
        labels[run == "s4"] = "test"
        training = rng.permutation(np.flatnonzero(run == "s5"))
        labels[training[: len(training) // 10]] = "validation"
    return labels.astype(str)


def leiden_clusters(rna) -> np.ndarray:
    """Leiden clusters of log-normalised RNA: PCA 50, 15 neighbours, resolution 1.5."""
    import scanpy as sc

    copy = rna.copy()
    sc.pp.normalize_total(copy)
    sc.pp.log1p(copy)
    sc.pp.pca(copy, n_comps=50)
    sc.pp.neighbors(copy, n_neighbors=15)
    sc.tl.leiden(copy, resolution=1.5, flavor="igraph", n_iterations=2, random_state=0, directed=False)
    return copy.obs["leiden"].to_numpy()


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
    if method == "no pre-training":
        options["n_epochs_pretrain"] = 0
    if method == "authors" and direction == "atac_to_rna":
        options["batch_size"] = 64  # the authors' code has another size for this direction
    clock, start = Clock(), time.perf_counter()
    model.train(
        split_key="split", seed=seed, accelerator="cpu", enable_progress_bar=False, callbacks=[clock], **options
    )
    seconds = time.perf_counter() - start
    table = model.evaluate(split="test")
    if method != "default" or seed != 0:  # the baselines do not depend on method or seed
        table = table[table["model"] == "scmog"]
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


# ---------------------------------------------------------------------------------------------- all runs
def run_missing(jobs: int, only: list[str]) -> None:
    """Run what is not in the table yet, each run in a child process."""
    done = set()
    if TABLE.exists():
        done = set(pd.read_csv(TABLE)[KEYS].astype(str).itertuples(index=False, name=None))
    runs = [run for run in all_runs() if tuple(str(run[key]) for key in KEYS) not in done]
    runs = [run for run in runs if all(word in map(str, run.values()) for word in only)]
    print(f"{len(runs)} runs to do")
    with ThreadPoolExecutor(jobs) as pool:
        for run, message in zip(runs, pool.map(_run_child, runs), strict=True):
            print(*run.values(), message, flush=True)


def _run_child(run: dict) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, "--one", json.dumps(run)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    if child.returncode:
        return f"FAILED\n{child.stderr[-2000:]}"
    rows = json.loads(child.stdout.splitlines()[-1])
    frame = pd.DataFrame(rows)
    frame.to_csv(TABLE, mode="a", header=not TABLE.exists(), index=False)
    feature = next(row["value"] for row in rows if row["axis"] == "feature" and row["method"] == run["method"])
    return f"per-feature {feature:.4f}"


def report() -> str:
    """Markdown table: mean over seeds, standard deviation where there are several."""
    table = pd.read_csv(TABLE)
    order = ["training mean", "ridge", "authors", "paper", "no pre-training", "default"]
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


def main() -> None:
    """Run what is missing and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--only", action="append", default=[], help="run only where a key has this value; repeatable")
    parser.add_argument("--report", action="store_true", help="do not run anything")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(**json.loads(arguments.one))))
        return
    RESULTS.mkdir(exist_ok=True)
    if not arguments.report:
        run_missing(arguments.jobs, arguments.only)
    (RESULTS / "first_run.md").write_text(report())


if __name__ == "__main__":
    main()
