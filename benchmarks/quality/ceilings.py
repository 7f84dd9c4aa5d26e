"""What keeps methods from the oracle on simulated data: depth, the state of the cell, or the parameters to be learned.

    python benchmarks/quality/ceilings.py --jobs 2      # resumes; results/ceilings.csv and .md

RNA and ATAC, splits ``random`` and ``batch`` of the benchmark, scores per feature on all test cells. Each row knows
less than the one before:

- oracle: the state and the depths of each cell and all parameters of the simulation;
- oracle without depth: the same, but of the target's depth only what the source's depth and the batch tell;
- oracle of the source: the same, but of the state only what the counts of the source tell (source_oracle.py). Like
  those before it knows how a new batch shifts each feature, which nobody is told;
- regression on true states: the state and the source's depth, but no parameters: a logistic (peaks) or Poisson (genes)
  regression for each feature on the cells that methods train on, with a penalty chosen on validation cells.

Nothing is drawn at random. Below come the scores of methods from the table of run.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from cases import CASES, load, median_total_of  # noqa: E402
from oracle import oracle, oracle_without_depth  # noqa: E402
from resume import main  # noqa: E402
from scales import on_truth_scale, target_values  # noqa: E402
from scores import Scored, metrics_of  # noqa: E402
from source_oracle import oracle_of_source  # noqa: E402

TABLE = HERE / "results" / "ceilings.csv"
_SPLITS = ("random", "batch")
_PENALTIES = (0.3, 3.0, 30.0)  # on the scale of the summed loss
CEILINGS = ("oracle", "oracle without depth", "oracle of the source", "regression on true states")
METHODS = ("scmog (batch)", "scmog", "ridge", "training mean")


def all_runs() -> list[dict]:
    """Every run."""
    return [
        {"case": case.name, "ceiling": ceiling}
        for case in CASES.values()
        if case.data == "simulated" and case.split in _SPLITS and case.target != "protein"
        for ceiling in CEILINGS
    ]


def run_one(case: str, ceiling: str) -> list[dict]:
    """Predict and score."""
    chosen = CASES[case]
    mdata = load(chosen)
    test = (mdata.obs["split"] == "test").to_numpy()
    source, target, total = chosen.source, chosen.target, median_total_of(mdata, chosen)
    if ceiling == "oracle":
        values = oracle(mdata[test], target, total)
    elif ceiling == "oracle without depth":
        values = oracle_without_depth(mdata, test, source, target, total)
    elif ceiling == "oracle of the source":
        values = oracle_of_source(mdata, test, source, target, total)
    else:
        scale = "probability" if target == "atac" else "normalised"
        values = on_truth_scale(_regression(mdata, source, target, total), scale, chosen.truth, total)
    truth = target_values(chosen.truth, mdata[target].X[test], total)
    metric, (score, _) = next(iter(metrics_of(chosen.truth).items()))
    scores = score(Scored(truth, values.astype(np.float32), case=None), "feature")  # what needs the case is not asked
    return [{"case": case, "ceiling": ceiling, "metric": metric, "value": round(float(np.nanmean(scores)), 5)}]


def _regression(mdata, source: str, target: str, median_total: float) -> np.ndarray:
    """Probabilities, or counts of a cell of the size ``median_total``, of the test cells ``(n_test, n_features)``."""
    from sklearn.linear_model import LogisticRegression, PoissonRegressor
    from sklearn.metrics import log_loss, mean_poisson_deviance
    from sklearn.preprocessing import StandardScaler

    split = mdata.obs["split"].to_numpy().astype(str)
    batches = pd.get_dummies(mdata.obs["batch"]).to_numpy(float)
    depth = np.log(mdata[source].obs["true_depth"].to_numpy())
    x = StandardScaler().fit_transform(np.column_stack([mdata.obsm["state"], depth, batches]))
    rows = {part: split == part for part in ("train", "validation", "test")}
    y = mdata[target].X.toarray().astype(float)
    weight = np.ones(len(x))
    if target == "atac":
        y = (y > 0).astype(float)
    else:
        weight = np.maximum(y.sum(axis=1), 1) / median_total
        y /= weight[:, None]
    n_train = rows["train"].sum()

    def fit(column: np.ndarray, penalty: float):
        if target == "atac":
            model = LogisticRegression(C=1 / penalty, max_iter=500)
            return model.fit(x[rows["train"]], column[rows["train"]])
        model = PoissonRegressor(alpha=penalty / n_train, max_iter=500)
        return model.fit(x[rows["train"]], column[rows["train"]], sample_weight=weight[rows["train"]])

    def predict(model, part: str) -> np.ndarray:
        return model.predict_proba(x[rows[part]])[:, 1] if target == "atac" else model.predict(x[rows[part]])

    def loss(column: np.ndarray, predicted: np.ndarray) -> float:
        if target == "atac":
            return log_loss(column, predicted, labels=[0, 1])
        return mean_poisson_deviance(column, np.maximum(predicted, 1e-9), sample_weight=weight[rows["validation"]])

    varies = [j for j in range(y.shape[1]) if y[rows["train"], j].any() and not y[rows["train"], j].all()]
    losses = dict.fromkeys(_PENALTIES, 0.0)
    for j in varies[:: max(1, len(varies) // 500)]:  # one penalty for all: a part of the features tells which
        for penalty in _PENALTIES:
            losses[penalty] += loss(y[rows["validation"], j], predict(fit(y[:, j], penalty), "validation"))
    best = min(losses, key=losses.__getitem__)
    out = np.tile(y[rows["train"]].mean(axis=0), (rows["test"].sum(), 1))
    for j in varies:
        out[:, j] = predict(fit(y[:, j], best), "test")
    return out


def report() -> str:
    """Markdown: ceilings and methods in rows, cases in columns."""
    ceilings = pd.read_csv(TABLE)
    scores = pd.read_csv(TABLE.with_name("scores.csv"))
    asked = scores["method"].isin(METHODS) & scores["case"].isin(ceilings["case"]) & (scores["axis"] == "feature")
    methods = scores[asked & scores["metric"].isin(ceilings["metric"])].rename(columns={"method": "ceiling"})
    table = pd.concat([ceilings, methods]).groupby(["ceiling", "case"])["value"].mean().unstack()
    table = table.reindex([*CEILINGS, *METHODS])
    lines = ["| | " + " | ".join(table.columns) + " |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in table.iterrows():
        lines.append(f"| {name} | " + " | ".join("" if pd.isna(value) else f"{value:.4f}" for value in row) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
