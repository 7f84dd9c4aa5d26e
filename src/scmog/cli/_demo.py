"""``scmog demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from mudata import MuData

from scmog._modalities import MODALITIES, direction_name
from scmog.cli._demo_plots import save_roc, save_training_curves
from scmog.cli._files import write
from scmog.cli._table import MAIN_METRICS, arrow, format_scores
from scmog.datasets import simulate
from scmog.model import SCMOG

NAME = "demo"
SUMMARY = "the whole way on simulated data, in about a minute"
DESCRIPTION = """\
Simulate paired RNA and ATAC, train RNA -> ATAC and ATAC -> RNA on 70 % of the cells, generate the ATAC of test cells of
which only the RNA is given, and compare with what was measured and with the truth behind it. Needs no download. Results
of an earlier demo in the same directory are replaced."""
EXAMPLES = """\
examples:
  scmog demo
  scmog demo --output demo_7 --seed 7 --cells 6000"""

TRAIN_SIZE, VALIDATION_SIZE = 0.7, 0.1
_SHOWN = ("scmog", "ridge", "training mean", "oracle")
CLOSE = 0.01  # smaller differences of a score are called close

_READING = """\
How to read it (1 is perfect; 0.5 for AUROC and 0 for Pearson r is guessing)
  all entries    all cells and features at once: mostly how high each feature is on average
  per peak/gene  across cells, for each feature by itself: what differs between cells; a mean can't know it
  training mean  the same prediction for every cell;  ridge: linear regression, tuned
  oracle         the probabilities and means that the counts were drawn from, with the cell's true depth: the ceiling"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "--output", type=Path, default=Path("scmog_demo"), metavar="DIR", help="directory (default: %(default)s)"
    )
    for name, default in {"cells": 3000, "genes": 500, "peaks": 3000}.items():
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"number of {name} (default: %(default)s)"
        )
    parser.add_argument("--seed", type=int, default=0, help="seed, 0 or more (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Simulate, train, generate, compare, draw."""
    start = time.perf_counter()
    args.output.mkdir(parents=True, exist_ok=True)
    print(f"1. Simulating {args.cells:,} cells with {args.genes:,} genes and {args.peaks:,} peaks", flush=True)
    mdata = simulate(args.cells, args.genes, args.peaks, seed=args.seed, truth=True)
    with one_thread():
        model = trained_model(mdata, seed=args.seed)
        model.save(args.output / "model", overwrite=True)
        test = mdata[np.sort(model.test_indices_)].copy()
        query = rna_only(test)
        print(f"3. Generating the ATAC of {query.n_obs:,} test cells from their RNA", flush=True)
        SCMOG.load(args.output / "model", adata=False).generate(query, show_progress=False)
        write(query, args.output / "query_generated.h5mu")
        scores = demo_scores(model, test)
        save_training_curves(model, args.output / "training_curves.png")
        save_roc(mdata, test, model, args.output / "roc.png")
    generated, measured = (float((adata.X > 0).mean()) for adata in (query["atac_generated"], test["atac"]))
    print(f"   {generated:.1%} of the generated entries are open, {measured:.1%} of the measured ones")
    print(f"4. Scores of the {query.n_obs:,} test cells (higher is better)\n")
    print(f"{format_scores(scores)}\n\n{_READING}\n")
    print("\n".join(in_words(scores)))
    print(f"\nTook {time.perf_counter() - start:.0f} s. Written to {args.output}:")
    print("  query_generated.h5mu  measured RNA and generated ATAC of the test cells")
    print("  model                 the trained model, for scmog generate or SCMOG.load")
    print("  training_curves.png, roc.png")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread.

    More do not help such small networks, make them many times slower on a busy computer, and change the last digits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trained_model(mdata: MuData, *, seed: int) -> SCMOG:
    """Train both directions on a random split, on the CPU, where results are the same each time."""
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata, n_members=1)
    print(
        f"2. Training on {TRAIN_SIZE:.0%} of the cells: "
        f"{', '.join(arrow(direction_name(d)) for d in model.directions)}, one network each to be quick"
    )
    sys.stdout.flush()
    model.train(
        train_size=TRAIN_SIZE,
        validation_size=VALIDATION_SIZE,
        seed=seed,
        accelerator="cpu",
        enable_progress_bar=sys.stdout.isatty(),
    )
    return model


def rna_only(cells: MuData) -> MuData:
    """What a lab has that measured only RNA: counts and annotation, without truth."""
    rna = cells["rna"]
    measured = AnnData(rna.X, obs=rna.obs[["cell_type", "batch"]], var=rna.var[["chrom", "start"]])
    query = MuData({"rna": measured.copy()})
    query.obs = cells.obs[["cell_type", "batch"]].copy()
    return query


def demo_scores(model: SCMOG, cells: MuData) -> pd.DataFrame:
    """Main scores of the model, of two baselines and of the true probabilities and means, called oracle."""
    truth = {"atac": cells["atac"].layers["probability"], "rna": cells["rna"].layers["mean"]}
    scores = model.evaluate(cells, metrics=MAIN_METRICS, ceiling=truth)
    scores = scores.replace({"model": {"ceiling": "oracle"}})
    return scores[scores["model"].isin(_SHOWN) & scores["axis"].isin(["flat", "feature"])].reset_index(drop=True)


def in_words(scores: pd.DataFrame) -> Iterator[str]:
    """Say for each direction how far the model gets, and whether ridge comes close."""
    per_feature = scores[scores["axis"] == "feature"].set_index(["direction", "model"])["value"]
    for direction in per_feature.index.unique("direction"):
        mean, oracle, ridge, ours = (per_feature[direction, m] for m in ("training mean", "oracle", "ridge", "scmog"))
        lead = ours - ridge
        verdict = "close to" if abs(lead) < CLOSE else "ahead of" if lead > 0 else "behind"
        feature = MODALITIES[direction.split("_to_")[1]].feature
        yield (
            f"{arrow(direction)}, per {feature}: scmog covers {(ours - mean) / (oracle - mean):.0%} of the way from "
            f"the training mean to the oracle; it is {verdict} ridge ({lead:+.3f})."
        )
