"""The result tables: failures, and the two that are made of the scores."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pandas as pd
from cases import CASES
from method_table import METHODS
from scores import BEST, metrics_of

_TRUTH = {
    "binary": "open or closed",
    "log1p": "log1p of size-normalised counts",
    "clr": "centred log-ratio",
    "log1p_counts": "log1p of counts",
}
_KEYS = ["case", "method", "seed"]
_AXES = {"feature": "per feature", "flat": "flattened", "cell": "per cell"}


def write_failure(table: Path, row: dict) -> None:
    """Keep the error of a run beside the scores; only its last one."""
    path = table.with_name("failures.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:  # runs beside each other write here
        fcntl.flock(file, fcntl.LOCK_EX)
        before = pd.read_csv(path) if path.stat().st_size else pd.DataFrame(columns=list(row))
        rows = pd.concat([before, pd.DataFrame([row])], ignore_index=True)
        rows.drop_duplicates(_KEYS, keep="last").to_csv(path, index=False)


def report(table: Path) -> str:
    """Markdown, one table per case: methods in rows, mean and standard deviation over seeds, best in bold."""
    if not table.exists():
        return "No results yet.\n"
    scores = pd.read_csv(table)
    failures = _failures(table, scores)
    lines = [
        "Mean over seeds, ± standard deviation where there are several. In bold the best of each column, ceilings",
        "apart, and what is within one standard error of the difference over seeds from it (the table of differences",
        "counts what test cells leave open, too).",
        "Seconds of processor time and peak memory in GB are of training and prediction with one thread; what was",
        "trained on a GPU has no time to compare.",
    ]
    for name, case in CASES.items():
        part = scores[scores["case"] == name]
        if part.empty and name not in set(failures["case"]):
            continue
        lines += ["", f"**{name}** (truth: {_TRUTH[case.truth]})", ""]
        if not part.empty:
            lines += _table(part, metrics_of(case.truth))
        for row in failures[failures["case"] == name].itertuples():
            lines += ["", f"{row.method}, seed {row.seed}, failed: `{row.error}`"]
    return "\n".join(lines) + "\n"


def behind(table: Path) -> str:
    """Markdown: every score on which another method, or the paper's or the authors' preset, has a better mean.

    Left out are bounds, what is told the batch, other versions of the default, and the scale of published predictions.
    """
    if not table.exists():
        return "No results yet.\n"
    scores = pd.read_csv(table)
    means = scores.groupby(["case", "metric", "axis", "method"])["value"].agg(["mean", "std"])
    lines = ["| | score | best other | its score | scmog |", "|---|---|---|---|---|"]
    for name, case in CASES.items():
        for metric, (_, axes) in metrics_of(case.truth).items() if case.split != "published" else ():
            for axis in axes:
                if (name, metric, axis, "scmog") not in means.index:
                    continue
                values = means.loc[name, metric, axis]
                best = _order(values["mean"].loc[[m for m in values.index if _is_rival(m)]], metric).index[0]
                if best != "scmog":
                    cells = [_cell(values, method, is_best=False) for method in (best, "scmog")]
                    lines.append(f"| {name} | {metric} {_AXES.get(axis, axis)} | {best} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _is_rival(method: str) -> bool:
    ours = ("scmog", "scmog (paper)", "scmog (authors)")
    return method in ours or not (method.startswith("scmog") or METHODS[method].is_bound)


def _order(means: pd.Series, metric: str) -> pd.Series:
    """Distance from the best value to the digits that are shown, best first; of equal ones scmog is first."""
    shown = means.round(4).dropna()
    distance = (shown - BEST[metric]).abs().round(4) if metric in BEST else -shown
    return distance.sort_index(key=lambda names: names != "scmog").sort_values(kind="stable")


def _failures(table: Path, scores: pd.DataFrame) -> pd.DataFrame:
    """Failed runs that have not succeeded since."""
    path = table.with_name("failures.csv")
    if not path.exists():
        return pd.DataFrame(columns=[*_KEYS, "error"])
    failures = pd.read_csv(path)
    done = pd.MultiIndex.from_frame(scores[_KEYS])
    return failures[~pd.MultiIndex.from_frame(failures[_KEYS]).isin(done)]


def _table(part: pd.DataFrame, metrics: dict) -> list[str]:
    columns = [(metric, axis) for metric, (_, axes) in metrics.items() for axis in axes]
    columns = [column for column in columns if (part[["metric", "axis"]] == column).all(axis=1).any()]
    rows = [name for name in METHODS if name in set(part["method"])]
    values = part.groupby(["metric", "axis", "method"])["value"].agg(["mean", "std", "sem"])
    once = part.drop_duplicates(_KEYS).groupby("method")
    lines = [
        "| | seeds | " + " | ".join(f"{metric} {_AXES.get(axis, axis)}" for metric, axis in columns) + " | s | GB |",
        "|---" * (len(columns) + 4) + "|",
    ]
    contestants = [name for name in rows if not METHODS[name].is_bound]
    best = {column: _best(values.loc[column].reindex(contestants), column[0]) for column in columns}
    for name in rows:
        cells = [_cell(values.loc[column], name, name in best[column]) for column in columns]
        runs = once.get_group(name)
        timed = runs[runs["accelerator"].fillna("cpu") == "cpu"]
        cost = [f"{timed['cpu_seconds'].mean():,.0f}", f"{timed['peak_mb'].max() / 1024:.1f}"]
        lines.append("| " + " | ".join([name, str(len(runs)), *cells, *(cost if len(timed) else ["GPU", ""])]) + " |")
    return lines


def _best(values: pd.DataFrame, metric: str) -> set[str]:
    """Methods whose ``mean`` is the best to the digits that are shown, or no more than a standard error from it."""
    distance = _order(values["mean"], metric)
    if distance.empty:
        return set()
    variance = values["sem"].fillna(0).loc[distance.index] ** 2  # of one seed nothing is known
    error = (variance + variance.iloc[0]) ** 0.5
    return set(distance.index[distance - distance.iloc[0] <= error])


def _cell(values: pd.DataFrame, name: str, is_best: bool) -> str:
    if name not in values.index:
        return ""
    mean, deviation = values.loc[name, ["mean", "std"]]
    text = f"**{mean:.4f}**" if is_best else f"{mean:.4f}"
    return text if pd.isna(deviation) else f"{text} ± {deviation:.4f}"
