"""What two parts of the calibration of open peaks are worth: belief in few validation cells, and misjudged peaks.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/calibration.py --jobs 2       # resumes: what is in the result table is not run again
    python benchmarks/calibration.py --report       # only writes results/calibration.md from the table

RNA to ATAC, the default preset, one thread, seeds 0, 1, 2, test cells; splits as in quality/. A model is trained once;
what is fitted on its validation cells (decisions 15 and 18) is fitted anew with each part left out. *Frequent* are the
peaks that are open in more than a hundredth of the training cells, chosen without a look at the test cells.
"""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from real_data import load
from resume import main

TABLE = Path(__file__).parent / "results" / "calibration.csv"
SEEDS = (0, 1, 2)
SETTINGS = {"bmmc": "batch=s1d2", "kidney": "random", "snare": "random"}
_FEW_CELLS = ("scmog.nn._depth_shift._CELLS_OF_PRIOR", 0)
_MISJUDGED = ("scmog.nn._shrunken_ratios._SHARES", (0.0,))
VARIANTS = {  # constants that are put back
    "as it is": (),
    "few cells believed as many are": (_FEW_CELLS,),
    "no misjudged peaks": (_MISJUDGED,),
    "neither": (_FEW_CELLS, _MISJUDGED),
}
_FREQUENT = 0.01
COLUMNS = ["auroc", "auroc flattened", "brier skill", "brier skill flattened", "slope", "frequent brier skill"]


def all_runs() -> list[dict]:
    """Every run, first seeds first."""
    return [{"data": data, "seed": seed} for seed in SEEDS for data in SETTINGS]


def run_one(data: str, seed: int) -> list[dict]:
    """Train once, calibrate and score in each variant."""
    import contextlib

    import torch

    import scmog
    from scmog.model._average_profiles import fit_averages
    from scmog.model._fitting import fit_recalibration

    torch.set_num_threads(1)
    mdata = load(data, SETTINGS[data])
    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[("rna", "atac")])
    model.train(split_key="split", seed=seed, accelerator="cpu", enable_progress_bar=False)
    train, validation, test = (np.flatnonzero(mdata.obs["split"] == part) for part in ("train", "validation", "test"))
    is_open = (mdata["atac"].X > 0).astype(np.float32).tocsr()
    frequency = np.asarray(is_open[train].mean(axis=0)).ravel()
    rows = []
    for variant, constants in VARIANTS.items():
        with contextlib.ExitStack() as patches:
            for name, value in constants:
                patches.enter_context(mock.patch(name, value))
            fit_recalibration(model.module, model.adata_manager, validation, 256)
            fit_averages(model.module, model.adata_manager, train, validation, 256)
        generated = model.get_generated(mdata, source="rna", target="atac", indices=test, threshold=None).X
        scores = _scores(is_open[test], np.asarray(generated), frequency)
        rows.append({"data": data, "seed": seed, "variant": variant, "value": scores["auroc"], **scores})
    return rows


def _scores(truth, generated: np.ndarray, frequency: np.ndarray) -> dict[str, float]:
    from scmog.metrics import auroc, brier_skill, calibration_slope

    often = frequency > _FREQUENT
    scores = {
        "auroc": np.nanmean(auroc(truth, generated, axis="feature")),
        "auroc flattened": auroc(truth, generated, axis="flat"),
        "brier skill": np.nanmean(brier_skill(truth, generated, frequency, axis="feature")),
        "brier skill flattened": brier_skill(truth, generated, frequency, axis="flat"),
        "slope": calibration_slope(truth, generated)[1],
        "frequent brier skill": brier_skill(truth[:, often], generated[:, often], frequency[often], axis="flat"),
        "frequent n": often.sum(),
        "frequent generated": generated[:, often].mean(),
        "frequent training": frequency[often].mean(),
        "frequent measured": truth[:, often].mean(),
    }
    return {name: round(float(value), 6) for name, value in scores.items()}


def report() -> str:
    """Markdown: mean over seeds and standard deviation."""
    if not TABLE.exists():
        return "No results yet.\n"
    table = pd.read_csv(TABLE)
    lines = [
        "Mean over seeds ± standard deviation; averages of frequent peaks: generated, training cells, test cells.",
        "",
        "| data | seeds | | " + " | ".join(COLUMNS) + " | averages of frequent peaks |",
        "|---" * (len(COLUMNS) + 4) + "|",
    ]
    for (data, variant), part in table.groupby(["data", "variant"], sort=False):
        cells = [_mean(part[name]) for name in COLUMNS]
        averages = ", ".join(f"{part[f'frequent {name}'].mean():.4f}" for name in ("generated", "training", "measured"))
        lines.append(f"| {data} | {len(part)} | {variant} | " + " | ".join(cells) + f" | {averages} |")
    return "\n".join(lines) + "\n"


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.4f}" + (f" ± {values.std():.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
