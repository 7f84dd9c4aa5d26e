"""Queries from elsewhere: aligned in one call, scored beside ridge and kNN; and what missing features cost.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/alignment.py --jobs 2         # resumes: what is in the result table is not run again
    python benchmarks/alignment.py --report         # only writes results/alignment.md from the table

Experiments, each with seeds 0, 1, 2 (of weights, and of the features that are kept), default preset with one member per
direction to save time, one thread:

- ``laboratory``: trained on PBMC 10k CITE-seq (10x), asked with another laboratory's CITE-seq. ``shared only`` rows
  were trained on the genes and proteins that both sets have.
- ``donor``: trained on donor 1 of the 10x Multiome bone marrow, asked with donor 2.
- ``fewer genes``, ``fewer peaks``: test cells of a random split of which features at random are kept. ``scmog`` is
  what align_features and generate do: missing features are average, the others are scaled up. ``average only`` leaves
  out the scaling, ``absent`` leaves missing features at zero without a mark, ``retrained`` learns on the kept ones
  alone (the paper's Table S3, ATAC to RNA).

Scores are means over features of AUROC (ATAC) or Pearson r across cells, on features that were measured.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from real_data import load
from resume import main

TABLE = Path(__file__).parent / "results" / "alignment.csv"
SEEDS = (0, 1, 2)
GENE_SHARES = (1.0, 0.75, 0.5, 0.25, 0.1)
# all, half, and then the paper's Table S3 in absolute numbers (5,000) and in shares (10,000 and 5,000 of 200,255)
N_PEAKS = (19_918, 9_959, 5_000, 2_500, 995, 497)
EXPERIMENTS = (
    "laboratory",
    "donor",
    "fewer genes, to protein",
    "fewer genes, to ATAC",
    "fewer peaks",
    "fewer peaks, retrained",
)


def all_runs() -> list[dict]:
    """Every run, first seeds first."""
    return [{"experiment": experiment, "seed": seed} for seed in SEEDS for experiment in EXPERIMENTS]


def run_one(experiment: str, seed: int) -> list[dict]:
    """Rows of one experiment."""
    import torch

    torch.set_num_threads(1)
    rows = {
        "laboratory": laboratory,
        "donor": donor,
        "fewer genes, to protein": lambda seed: fewer_features("pbmc10k", "rna", "protein", seed),
        "fewer genes, to ATAC": lambda seed: fewer_features("snare", "rna", "atac", seed),
        "fewer peaks": lambda seed: fewer_features("snare", "atac", "rna", seed),
        "fewer peaks, retrained": retrained,
    }[experiment](seed)
    return [{"experiment": experiment, "seed": seed, **row} for row in rows]


def train(mdata, source: str, target: str, seed: int, **options):
    """Default preset with one member, one direction."""
    import scmog

    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[(source, target)], n_members=1)
    model.train(seed=seed, accelerator="cpu", enable_progress_bar=False, **(options or {"split_key": "split"}))
    return model


def score(model, query, *, baselines: bool = True) -> dict[str, float]:
    """Per-feature scores of the model and its baselines."""
    table = model.evaluate(query, metrics=["auroc", "pearson"], baselines=baselines)
    return table[table["axis"] == "feature"].set_index("model")["value"].to_dict()


# ---------------------------------------------------------------------------------------------- other experiments
def laboratory(seed: int) -> list[dict]:
    """PBMC 10k to the other laboratory's cells."""
    import mudata

    import scmog

    mdata = load("pbmc10k", "random")
    query = mudata.read_h5mu(Path(os.environ["SCMOG_DATA"]) / "citeseq_pbmc_inhouse_1372.h5mu")
    model = train(mdata, "rna", "protein", seed)
    aligned = scmog.pp.align_features(query, model, min_matched=0)
    rows = [{"model": name, "value": value} for name, value in score(model, aligned).items()]
    rows.append({"model": "scmog, missing genes absent", "value": score(model, unmarked(aligned, "rna"))["scmog"]})
    shared = {name: ~aligned[name].var["scmog_missing"].to_numpy(bool) for name in ("rna", "protein")}
    rows.append({"model": "kNN, shared only", "value": knn(mdata, aligned, shared)})
    few = mudata.MuData({name: mdata[name][:, keep].copy() for name, keep in shared.items()})
    few.obs["split"] = mdata.obs["split"].to_numpy()
    cells = mudata.MuData({name: aligned[name][:, keep].copy() for name, keep in shared.items()})
    rows += [
        {"model": f"{name}, shared only", "value": value}
        for name, value in score(train(few, "rna", "protein", seed), cells).items()
    ]
    return [{"kept": int(shared["rna"].sum()), "n_scored": int(shared["protein"].sum()), **row} for row in rows]


def knn(training, query, shared: dict[str, np.ndarray], n_neighbors: int = 50) -> float:
    """Mean of the 50 nearest training cells (50 components of log-normalised shared genes), scored like the others."""
    import scanpy as sc
    from anndata import AnnData
    from sklearn.decomposition import TruncatedSVD
    from sklearn.neighbors import KNeighborsRegressor

    from scmog.metrics import clr, pearson

    fitted = np.isin(training.obs["split"], ["train", "validation"])
    logs = []
    for data in (training[fitted], query):
        adata = AnnData(data["rna"].X[:, shared["rna"]].copy())
        sc.pp.normalize_total(adata, target_sum=1e3)
        sc.pp.log1p(adata)
        logs.append(adata.X)
    components = TruncatedSVD(50, random_state=0).fit(logs[0])
    proteins = [clr(data["protein"].X[:, shared["protein"]]) for data in (training[fitted], query)]
    neighbors = KNeighborsRegressor(n_neighbors).fit(components.transform(logs[0]), proteins[0])
    return float(np.mean(pearson(proteins[1], neighbors.predict(components.transform(logs[1])), axis="feature")))


def donor(seed: int) -> list[dict]:
    """Donor 1 to donor 2 of the bone marrow, both directions."""
    import mudata

    import scmog

    mdata = mudata.read_h5mu(Path(os.environ["SCMOG_DATA"]) / "multiome_bmmc_neurips_500.h5mu")
    donors = mdata["rna"].obs["batch"].astype(str).to_numpy()
    first, second = (mdata[donors == name].copy() for name in sorted(set(donors))[:2])
    rows = []
    for source, target in (("rna", "atac"), ("atac", "rna")):
        model = train(first, source, target, seed, train_size=0.85, validation_size=0.15)
        query = mudata.MuData({name: second[name][:, ::-1].copy() for name in second.mod})  # in another order
        aligned = scmog.pp.align_features(query, model)
        rows += [
            {"model": f"{source} to {target}, {name}", "value": value} for name, value in score(model, aligned).items()
        ]
    return [{"kept": first["rna"].n_vars, **row} for row in rows]


# ---------------------------------------------------------------------------------------------- missing features
def fewer_features(data: str, source: str, target: str, seed: int) -> list[dict]:
    """One model, asked with fewer and fewer features."""
    import mudata

    import scmog

    mdata = load(data, "random")
    model = train(mdata, source, target, seed)
    test = mdata[mdata.obs["split"] == "test"]
    n_features = test[source].n_vars
    counts = [round(share * n_features) for share in GENE_SHARES] if source == "rna" else N_PEAKS
    rows = []
    for kept in counts:
        chosen = np.sort(np.random.default_rng(seed).permutation(n_features)[:kept])
        query = mudata.MuData({source: test[source][:, chosen].copy(), target: test[target].copy()})
        aligned = scmog.pp.align_features(query, model, min_matched=0, warn_below=0)
        rows += [{"kept": kept, "model": name, "value": value} for name, value in score(model, aligned).items()]
        with patch("scmog.nn._representations._MAX_COMPENSATION", 1.0):
            average = score(model, aligned, baselines=False)["scmog"]
        rows.append({"kept": kept, "model": "scmog, average only", "value": average})
        absent = score(model, unmarked(aligned, source), baselines=False)["scmog"]
        rows.append({"kept": kept, "model": "scmog, absent", "value": absent})
    return rows


def unmarked(mdata, source: str):
    """The same without the mark of missing features, which the model then takes as zeros."""
    plain = mdata.copy()
    del plain[source].var["scmog_missing"]
    return plain


def retrained(seed: int) -> list[dict]:
    """A model for each number of peaks."""
    import mudata

    mdata = load("snare", "random")
    rows = []
    for kept in N_PEAKS[1:]:
        chosen = np.sort(np.random.default_rng(seed).permutation(mdata["atac"].n_vars)[:kept])
        few = mudata.MuData({"rna": mdata["rna"].copy(), "atac": mdata["atac"][:, chosen].copy()})
        few.obs["split"] = mdata.obs["split"].to_numpy()
        model = train(few, "atac", "rna", seed)
        table = model.evaluate(split="test", metrics=["auroc", "pearson"])
        scores = table.query("axis == 'feature'").set_index("model")["value"]
        rows += [{"kept": kept, "model": name, "value": value} for name, value in scores.items()]
    return rows


def report() -> str:
    """Markdown: mean and standard deviation over seeds."""
    table = pd.read_csv(TABLE)
    lines = []
    for experiment in EXPERIMENTS:
        part = table[table["experiment"] == experiment]
        if part.empty:
            continue
        lines += [f"**{experiment}**", "", "| features kept | model | seeds | per feature |", "|---|---|---|---|"]
        for (kept, model), runs in part.groupby(["kept", "model"], sort=False):
            spread = f" ± {runs['value'].std():.3f}" if len(runs) > 1 else ""
            lines.append(f"| {int(kept):,} | {model} | {len(runs)} | {runs['value'].mean():.3f}{spread} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
