"""One recipe against another on real data: change settings of the default preset, score validation and test cells.

    export SCMOG_DATA=<folder with the data sets of SOURCES.md>
    python benchmarks/recipe.py snare random rna_to_atac wide '{"n_hidden_atac_decoder": [64, 512]}' '{"seed": 1}'

Arguments: data, split and direction as in first_run.py, a name, settings of ModuleConfig and of train() as JSON. One
row is appended to ``results/recipe.csv``. Choose by the validation score; seed 0 unless the settings say otherwise.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pandas as pd
from first_run import load

TABLE = Path(__file__).parent / "results" / "recipe.csv"


def main() -> None:
    """Train, score, append."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "split", "direction", "name"):
        parser.add_argument(name)
    parser.add_argument("module", type=json.loads, nargs="?", default={})
    parser.add_argument("train", type=json.loads, nargs="?", default={})
    arguments = parser.parse_args()

    import torch

    import scmog

    torch.set_num_threads(1)
    mdata = load(arguments.data, arguments.split)
    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[arguments.direction.split("_to_")], **arguments.module)
    start = time.perf_counter()
    model.train(split_key="split", accelerator="cpu", enable_progress_bar=False, **arguments.train)
    row = {
        **{name: getattr(arguments, name) for name in ("data", "split", "direction", "name")},
        "module": json.dumps(arguments.module),
        "train": json.dumps(arguments.train),
    }
    for split in ("validation", "test"):
        scores = model.evaluate(split=split, baselines=False).set_index("axis")["value"]
        row |= {f"{split}_{axis}": round(scores[axis], 4) for axis in ("flat", "feature")}
    losses = model.history["validation_loss"]["validation_loss"].astype(float)
    row |= {"n_epochs": len(losses), "best_epoch": int(losses.idxmin()), "s_total": round(time.perf_counter() - start)}
    pd.DataFrame([row]).to_csv(TABLE, mode="a", header=not TABLE.exists(), index=False)
    print(row)


if __name__ == "__main__":
    main()
