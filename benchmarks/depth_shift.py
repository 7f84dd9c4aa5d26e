"""What the depth shift is worth: one trained model, scored with its shift and without.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/depth_shift.py --jobs 2       # resumes: what is in the result table is not run again
    python benchmarks/depth_shift.py --only bmmc    # one data set
    python benchmarks/depth_shift.py --report       # only writes results/depth_shift.md from the table

RNA to ATAC, the default preset, one thread, test cells. With ``batch`` "told" the model is given the column ``batch``
of obs, which enters the depth shift and nothing else: without the shift the two models are the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from real_data import load, split_labels
from resume import main

TABLE = Path(__file__).parent / "results" / "depth_shift.csv"
SEEDS = (0, 1, 2)
SETTINGS = [  # data, split, whether the batches of test cells are known from training
    ("bmmc", "batch=s1d2", False),
    ("simulated", "random", True),
    ("simulated", "batch=batch_3", True),
    ("kidney", "random", False),
    ("snare", "random", True),
    ("snare", "leiden", True),
]


def all_runs() -> list[dict]:
    """Every run, first seeds first."""
    return [
        {"data": data, "split": split, "batch": batch, "seed": seed}
        for seed in SEEDS
        for data, split, has_batches in SETTINGS
        for batch in ("not told", "told")[: 1 + has_batches]
    ]


def run_one(data: str, split: str, batch: str, seed: int) -> list[dict]:
    """Train once, score twice."""
    import torch

    import scmog
    from scmog.metrics import auroc

    torch.set_num_threads(1)
    mdata = _load(data, split)
    scmog.model.SCMOG.setup_mudata(mdata, batch_key="batch" if batch == "told" else None)
    model = scmog.model.SCMOG(mdata, directions=[("rna", "atac")])
    model.train(split_key="split", seed=seed, accelerator="cpu", enable_progress_bar=False)
    test = np.flatnonzero(mdata.obs["split"] == "test")
    is_open = (mdata["atac"].X[test] > 0).astype(np.float32)
    shift = model.module.translator("rna_to_atac").depth_shift
    rows = []
    for shifted in ("with", "without"):
        if shifted == "without":
            shift.reset()
        scores = model.get_generated(mdata, source="rna", target="atac", indices=test, threshold=None).X
        per_peak = auroc(is_open, scores, axis="feature")
        depths = [np.log(values.sum(axis=1) + 0.5) for values in (is_open.toarray(), scores)]
        rows.append(
            {
                "data": data,
                "split": split,
                "batch": batch,
                "seed": seed,
                "shift": shifted,
                "value": float(np.nanmean(per_peak)),  # AUROC per peak
                "flattened": float(auroc(is_open, scores, axis="flat")),
                "n_peaks": int((~np.isnan(per_peak)).sum()),
                "depth_r2": float(np.corrcoef(*depths)[0, 1] ** 2),
            }
        )
    return rows


def _load(data: str, split: str):
    if data != "simulated":
        return load(data, split)
    import scmog

    mdata = scmog.datasets.simulate(4000, 1500, 6000, 25, n_batches=3, seed=0)  # as in benchmarks/quality
    mdata.obs["split"] = split_labels(mdata, split)
    return mdata


def report() -> str:
    """Markdown: mean over seeds, and standard deviation of the difference."""
    if not TABLE.exists():
        return "No results yet.\n"
    table = pd.read_csv(TABLE)
    keys = ["data", "split", "batch"]
    wide = table.pivot(index=[*keys, "seed"], columns="shift", values=["value", "flattened", "depth_r2", "n_peaks"])
    lines = [
        "AUROC per peak and flattened, and how much of the variance of the log number of open peaks is explained; test",
        "cells, mean over seeds, ± standard deviation of the difference between seeds.",
        "",
        "| data | split | batch | seeds | peaks | per peak without, with | difference | flattened | log depth |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (data, split, batch), part in wide.groupby(level=keys, sort=False):
        difference = part["value", "with"] - part["value", "without"]
        spread = f" ± {difference.std():.4f}" if len(part) > 1 else ""
        pairs = [
            f"{part[name, 'without'].mean():.4f}, {part[name, 'with'].mean():.4f}"
            for name in ("value", "flattened", "depth_r2")
        ]
        cells = [
            data, split, batch, str(len(part)), f"{part['n_peaks', 'with'].iloc[0]:.0f}",
            pairs[0], f"{difference.mean():+.4f}{spread}", *pairs[1:],
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
