"""What each deviation of the default preset is worth: one setting at a time is put back, all else stays.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/ablation.py --jobs 2          # resumes: what is in the result table is not run again
    python benchmarks/ablation.py --report          # only writes results/ablation.md from the table

Seeds 0, 1, 2; splits of real_data.py; one thread; one member per direction instead of three, to save time. Choose by
the validation score: the test score is for reporting.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from accelerator import ACCELERATOR
from real_data import load
from resume import main

TABLE = Path(__file__).parent / "results" / "ablation.csv"
SEEDS = (0, 1, 2)
SETTINGS = {
    "rna_to_atac": ("snare", "random"),
    "atac_to_rna": ("snare", "random"),
    "rna_to_protein": ("pbmc10k", "random"),
}
_ALL = tuple(SETTINGS)

_TO_ATAC, _TO_RNA, _TO_PROTEIN = (("rna_to_atac",), ("atac_to_rna",), ("rna_to_protein",))
_FROM_RNA = (*_TO_ATAC, *_TO_PROTEIN)

DEFAULT = "default, one member"

# name: directions, settings of ModuleConfig, of PlanConfig, of train()
VARIANTS: dict[str, tuple[tuple[str, ...], dict, dict, dict]] = {
    DEFAULT: (_ALL, {}, {}, {}),
    "three members, as the preset has": (_ALL, {"n_members": 3}, {}, {}),
    "three members that see genes": (_FROM_RNA, {"n_members": 3, "n_components_rna": 0}, {}, {}),
    "one member that sees 30 components": (_FROM_RNA, {"n_components_rna": 30}, {}, {}),
    "RNA input z-scored": (_FROM_RNA, {"rna_input": "zscore"}, {}, {}),
    "RNA input without depth": (_FROM_RNA, {"rna_input": "log"}, {}, {}),
    "ATAC input 0/1, not centred": (_TO_RNA, {"atac_input": "binary"}, {}, {}),
    "ATAC input without depth": (_TO_RNA, {"atac_input": "centred"}, {}, {}),
    "latent space of 16": (_ALL, {"n_latent": 16}, {}, {}),
    "RNA encoder 256-64": (_FROM_RNA, {"n_hidden_rna": (256, 64)}, {}, {}),
    "decoders mirror the paper's encoders": (
        _ALL,
        {"n_hidden_rna_decoder": (64, 256), "n_hidden_atac_decoder": (64, 512), "n_hidden_protein_decoder": (64,)},
        {},
        {},
    ),
    "no dropout": (_ALL, {"dropout_rate": 0.0, "input_dropout_rate": 0.0}, {}, {}),
    "no dropout of the input": (_ALL, {"input_dropout_rate": 0.0}, {}, {}),
    "dropout of .3, hidden and input": (_ALL, {"dropout_rate": 0.3, "input_dropout_rate": 0.3}, {}, {}),
    "hidden dropout of .4": (_TO_PROTEIN, {"dropout_rate": 0.4}, {}, {}),
    "output bias as in the paper": (_ALL, {"output_bias": "constant"}, {}, {}),
    "no shared offset of logits": (_TO_ATAC, {"shared_offset": False}, {}, {}),
    "no depth shift": (_TO_ATAC, {"depth_shift": False}, {}, {}),
    "negative binomial of normalised counts": (_TO_RNA, {"rna_likelihood": "normalised"}, {}, {}),
    "dispersion per gene and cell": (_TO_RNA, {"dispersion": "gene-cell"}, {}, {}),
    "focal loss of eq. 4 (.93, .07, gamma 2)": (
        _TO_ATAC,
        {"focal_weight_open": 0.93, "focal_weight_closed": 0.07, "focal_gamma": 2.0},
        {},
        {},
    ),
    "focal loss of the authors (.07, .93, gamma 2)": (
        _TO_ATAC,
        {"focal_weight_open": 0.07, "focal_weight_closed": 0.93, "focal_gamma": 2.0},
        {},
        {},
    ),
    "focal gamma 2": (_TO_ATAC, {"focal_gamma": 2.0}, {}, {}),
    "no focusing (gamma 0)": (_TO_ATAC, {"focal_gamma": 0.0}, {}, {}),
    "Adam at a constant .01": (
        _ALL,
        {},
        {"optimizer": "adam", "betas": (0.5, 0.999), "weight_decay": 0.0, "lr": 0.01, "lr_schedule": "constant"},
        {},
    ),
    "constant learning rate": (_ALL, {}, {"lr_schedule": "constant"}, {}),
    "no weight decay": (_ALL, {}, {"weight_decay": 0.0}, {}),
    "no pre-training": (_ALL, {}, {}, {"n_epochs_pretrain": 0}),
    "pre-training 5 epochs at 1e-4": (_ALL, {}, {"lr_pretrain": 1e-4}, {"n_epochs_pretrain": 5}),
}


def all_runs() -> list[dict]:
    """Every run, first seeds first."""
    return [
        {"direction": direction, "variant": variant, "seed": seed}
        for seed in SEEDS
        for direction in SETTINGS
        for variant, (directions, *_) in VARIANTS.items()
        if direction in directions
    ]


def run_one(direction: str, variant: str, seed: int) -> list[dict]:
    """Train and score on validation and test cells."""
    import torch

    import scmog

    torch.set_num_threads(1)
    _, module, plan, train = VARIANTS[variant]
    data, split = SETTINGS[direction]
    mdata = load(data, split)
    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[direction.split("_to_")], **{"n_members": 1, **module})
    start = time.perf_counter()
    model.train(
        split_key="split",
        seed=seed,
        accelerator=ACCELERATOR,
        enable_progress_bar=False,
        plan_kwargs=plan or None,
        **train,
    )
    seconds = round(time.perf_counter() - start)
    rows = []
    for cells in ("test", "validation"):
        table = model.evaluate(split=cells, baselines=False, metrics=["auroc", "pearson"])
        for axis in ("feature", "flat"):
            value = round(float(table.set_index("axis")["value"][axis]), 5)
            run = {"direction": direction, "variant": variant, "seed": seed}
            rows.append(
                {**run, "cells": cells, "axis": axis, "value": value, "n_epochs": _n_epochs(model), "s": seconds}
            )
    return rows


def _n_epochs(model) -> int:
    return int(model.history["validation_loss"]["validation_loss"].notna().sum())


def report() -> str:
    """Markdown: mean over seeds, and the mean difference to the default of the same seed with its standard error."""
    table = pd.read_csv(TABLE)
    lines = [
        "Score per feature on test cells (AUROC for ATAC, Pearson r else), mean over seeds. The columns test and",
        "validation hold the difference to the default of the same seed on those cells, with its standard error where",
        "there are several seeds. Where a row does not say otherwise there is one member per direction, which sees all",
        "features.",
    ]
    if table["seed"].nunique() == 1:
        lines.append("All rows are of one seed: differences below .002 mean nothing.")
    for direction, (data, split) in SETTINGS.items():
        lines += ["", f"**{direction}** ({data}, {split})", ""]
        lines += [
            "| setting put back | seeds | per feature | test | validation | flattened |",
            "|---|---|---|---|---|---|",
        ]
        keys = ["variant", "cells", "axis", "seed"]
        part = table[table["direction"] == direction].set_index(keys)["value"].sort_index()
        for variant in VARIANTS:
            if variant not in part.index.get_level_values("variant"):
                continue
            score, flat = part[variant, "test", "feature"], part[variant, "test", "flat"]
            changes = [_change(part, variant, cells) for cells in ("test", "validation")]
            lines.append(
                f"| {variant} | {len(score)} | {score.mean():.4f} | {changes[0]} | {changes[1]} | {flat.mean():.4f} |"
            )
    return "\n".join(lines) + "\n"


def _change(part: pd.Series, variant: str, cells: str) -> str:
    if variant == DEFAULT:
        return ""
    change = (part[variant, cells, "feature"] - part[DEFAULT, cells, "feature"]).dropna()
    error = f" ± {change.std() / np.sqrt(len(change)):.4f}" if len(change) > 1 else ""
    return f"{change.mean():+.4f}{error}"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
