"""How far scmog is ahead of the best other method of each case, beside what test cells and seeds leave open.

    python benchmarks/quality/differences.py            # writes results/differences.csv and .md from what run.py kept
    python benchmarks/quality/differences.py --report   # only writes differences.md from the table

The score per feature (area under the ROC curve, Pearson correlation) of the default less that of the baseline or peer
with the highest one in the table, each averaged over the seeds whose predictions are kept. Two standard errors of the
difference: over test cells by a jackknife that leaves out a twentieth of them at a time, the same for both, and over
seeds, where both or one of them have several. A difference within two standard errors of both together is a tie. On
the scale of the published predictions it is "scmog + mean" that is compared. A case stays as it is in the table where
a prediction of its runs is no longer kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import json  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from cases import CASES, Case, prepare  # noqa: E402
from method_table import METHODS  # noqa: E402
from prepared import Prepared  # noqa: E402
from run import CACHE, TABLE, prediction_path  # noqa: E402
from scales import on_truth_scale, target_values  # noqa: E402
from scores import Scored, metrics_of  # noqa: E402

N_FOLDS = 20
N_ERRORS = 2  # of the difference, within which it is a tie
OURS = "scmog"


def main() -> None:
    """Compare in each case, and write both tables."""
    path = TABLE.with_name("differences.csv")
    if sys.argv[1:] != ["--report"]:
        scores = pd.read_csv(TABLE)
        before = pd.read_csv(path).to_dict("records") if path.exists() else []
        rows = {row["case"]: row for row in before}
        rows |= {case.name: row for case in CASES.values() if (row := _difference(case, scores)) is not None}
        table = pd.DataFrame([rows[name] for name in CASES if name in rows])
        table.round(6).to_csv(path, index=False)
    path.with_suffix(".md").write_text(_markdown(pd.read_csv(path)))


def _difference(case: Case, scores: pd.DataFrame) -> dict | None:
    metric = next(iter(metrics_of(case.truth)))
    part = scores[(scores["case"] == case.name) & (scores["metric"] == metric) & (scores["axis"] == "feature")]
    means = part.groupby("method")["value"].mean()
    others = [other for other in means.index if not (METHODS[other].is_bound or other.startswith("scmog"))]
    name = "scmog + mean" if case.split == "published" else OURS  # on that scale the default has a part missing
    if name not in means or not others:
        return None
    best = means[others].idxmax()
    if any(len(_kept(case, method)) < part.loc[part["method"] == method, "seed"].nunique() for method in (name, best)):
        return None
    ours, other = (_leaving_out(case, method) for method in (name, best))
    left_out = ours[:, 1:].mean(axis=0) - other[:, 1:].mean(axis=0)
    over_cells = np.sqrt((N_FOLDS - 1) / N_FOLDS * np.square(left_out - left_out.mean()).sum())
    over_seeds = np.sqrt(sum(x[:, 0].var(ddof=1) / len(x) for x in (ours, other) if len(x) > 1))
    return {
        "case": case.name,
        "score": f"{metric} per feature",
        OURS: ours[:, 0].mean(),
        "seeds": len(ours),
        "best other": best,
        "its score": other[:, 0].mean(),
        "its seeds": len(other),
        "difference": ours[:, 0].mean() - other[:, 0].mean(),
        "error over cells": over_cells,
        "error over seeds": over_seeds,
    }


def _kept(case: Case, method: str) -> list[Path]:
    """Predictions of all seeds that are kept."""
    paths = (prediction_path(case.name, method, seed) for seed in METHODS[method].seeds_of(case))
    return [path for path in paths if path.exists()]


def _leaving_out(case: Case, method: str) -> np.ndarray:
    """Mean score per feature, ``(n_seeds, 1 + N_FOLDS)``: on all test cells, then without each part of them."""
    folder = prepare(case, CACHE / "cases")
    prepared = Prepared(folder)
    counts = sp.csr_matrix(sp.load_npz(folder / "hidden" / "target.npz"))
    truth = target_values(prepared.truth, counts, prepared.median_total)
    fold = np.random.default_rng(0).permutation(len(counts.indptr) - 1) % N_FOLDS
    score = next(iter(metrics_of(case.truth).values()))[0]
    rows = []
    for path in _kept(case, method):
        scale = json.loads(path.with_suffix(".json").read_text())["scale"]
        values = on_truth_scale(np.load(path), scale, prepared.truth, prepared.median_total)
        cells = [fold >= 0, *(fold != k for k in range(N_FOLDS))]
        rows.append([np.nanmean(score(Scored(truth[kept], values[kept], prepared), "feature")) for kept in cells])
    return np.array(rows)


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| | scmog | best other that was run | its score | difference | ± cells | ± seeds | in errors | scmog is |",
        "|---" * 9 + "|",
    ]
    for row in table.to_dict("records"):
        errors = row["difference"] / np.hypot(row["error over cells"], row["error over seeds"])
        verdict = "tied" if abs(errors) <= N_ERRORS else "ahead" if errors > 0 else "behind"
        seeds = f"{row['error over seeds']:.4f}" if max(row["seeds"], row["its seeds"]) > 1 else ""
        numbers = f"{row['its score']:.4f} | {row['difference']:+.4f} | {row['error over cells']:.4f} | {seeds}"
        other = f"{row['best other']} | {numbers} | {errors:+.1f}"
        lines.append(f"| {row['case']} | {row[OURS]:.4f} | {other} | {verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
