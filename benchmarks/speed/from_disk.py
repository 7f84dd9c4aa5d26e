"""Training from a file on disk: peak memory, and cells per second beside the same cells in memory.

    python benchmarks/speed/from_disk.py                       # resumes: what is in the result table is not run again
    python benchmarks/speed/from_disk.py --only 5000
    python benchmarks/speed/from_disk.py --report              # only writes results/from_disk.md from the table

Needs no data: random cells with 20,000 genes and 100,000 peaks, 3 % of them counted, as an uncompressed ``.h5mu`` in a
temporary folder, written in blocks of cells (seed 0; 200,000 cells take 5.8 GB of disk). The default preset with one
network (``n_members=1``), and for the largest data with all three, of which one sees principal components, RNA->ATAC,
batches of 256, is trained for one epoch of 8 batches, after one such epoch of pre-training or none; everything else,
such as input statistics, components, calibration and baselines, is done in full. Each run is a process of its own with
one thread.

Columns: seconds of setting up (every value is checked), of the fit of the input statistics and components, of both
epochs, and of what follows them; ``read_per_s``, cells per second that the loader alone hands out, shuffled;
``trained_per_s``, cells per second of the supervised epoch, reading included; ``peak_rss_gb`` of the whole run and
``peak_rss_gb_epochs`` up to the end of the epochs; ``file_gb``. ``value`` is the peak again.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from resume import main

TABLE = Path(__file__).parent / "results" / "from_disk.csv"
N_FEATURES = {"rna": 20_000, "atac": 100_000}
DENSITY = 0.03
_BLOCK = 1000  # cells
_N_BATCHES, _BATCH_SIZE = 8, 256


def all_runs() -> list[dict]:
    """Every run; the largest ones from disk only."""
    small = [*product((5_000, 20_000), ("memory", "disk"), (1,), (1,)), (20_000, "disk", 0, 1)]
    large = [(100_000, "disk", 1, 1), (200_000, "disk", 1, 1), (200_000, "disk", 1, 3)]
    keys = ("cells", "source", "n_epochs_pretrain", "n_members")
    return [dict(zip(keys, run, strict=True)) for run in [*small, *large]]


def write_h5mu(path: Path, n_cells: int) -> None:
    """Write random counts without ever holding them."""
    import anndata
    import h5py
    import mudata
    from scipy import sparse

    rng = np.random.default_rng(0)
    empty = {}
    for name, width in N_FEATURES.items():
        empty[name] = anndata.AnnData(sparse.csr_matrix((n_cells, width), dtype=np.float32))
        empty[name].obs_names = [f"cell{i}" for i in range(n_cells)]
        empty[name].var_names = [f"{name}{i}" for i in range(width)]
    mdata = mudata.MuData(empty)
    mdata.obs["split"] = rng.choice(["train", "validation", "test"], n_cells, p=[0.8, 0.1, 0.1])
    mdata.write_h5mu(path)
    depth = rng.lognormal(sigma=0.3, size=n_cells)
    with h5py.File(path, "r+") as file:
        for name, width in N_FEATURES.items():
            n_counted = np.clip(depth / depth.mean() * DENSITY * width, 1, width / 2).astype(np.int64)
            group = file[f"mod/{name}/X"]
            for key in ("data", "indices", "indptr"):
                del group[key]
            starts = np.concatenate([[0], np.cumsum(n_counted)])
            group.create_dataset("indptr", data=starts)
            data = group.create_dataset("data", shape=starts[-1:], dtype=np.float32)
            indices = group.create_dataset("indices", shape=starts[-1:], dtype=np.int32)
            for first in range(0, n_cells, _BLOCK):
                n = n_counted[first : first + _BLOCK]
                # one feature from each of as many equal stretches as a cell has entries: distinct and ascending
                stretch = np.concatenate([np.arange(k) for k in n])
                columns = (stretch + rng.random(len(stretch))) * np.repeat(width / n, n)
                where = slice(starts[first], starts[first] + len(stretch))
                indices[where] = np.minimum(columns, width - 1).astype(np.int32)
                data[where] = rng.geometric(0.7, len(stretch)).astype(np.float32)


def run_one(cells: int, source: str, n_epochs_pretrain: int, n_members: int) -> list[dict]:
    """Write, train for a few batches, measure."""
    import mudata
    import torch
    from lightning.pytorch.callbacks import Callback

    import scmog

    torch.set_num_threads(1)
    clock = {}

    class Clock(Callback):
        """When the epochs began and ended, and how long the last one took without validation."""

        def on_train_start(self, trainer, plan):
            clock["start"] = time.perf_counter()

        def on_train_epoch_start(self, trainer, plan):
            clock["epoch"] = time.perf_counter()

        def on_train_batch_end(self, trainer, plan, *_):
            clock["per_s"] = (trainer.fit_loop.batch_idx + 1) * _BATCH_SIZE / (time.perf_counter() - clock["epoch"])

        def on_train_end(self, trainer, plan):
            clock["end"], clock["rss"] = time.perf_counter(), _peak()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5mu"
        write_h5mu(path, cells)
        mdata = mudata.read_h5mu(path, backed=source == "disk")
        facts = {"file_gb": round(path.stat().st_size / 1e9, 2)}
        start = time.perf_counter()
        scmog.model.SCMOG.setup_mudata(mdata)
        model = scmog.model.SCMOG(mdata, directions=[("rna", "atac")], n_members=n_members)
        facts["s_setup"] = time.perf_counter() - start
        facts["read_per_s"] = round(_read_per_second(model))
        start = time.perf_counter()
        model.train(
            split_key="split",
            seed=0,
            accelerator="cpu",
            max_epochs=1,
            n_epochs_pretrain=n_epochs_pretrain,
            batch_size=_BATCH_SIZE,
            limit_train_batches=_N_BATCHES,
            limit_val_batches=2,
            enable_progress_bar=False,
            callbacks=[Clock()],
        )
        end = time.perf_counter()
        if source == "disk":
            mdata.file.close()
    facts |= {
        "s_statistics": clock["start"] - start,
        "s_epochs": clock["end"] - clock["start"],
        "s_after": end - clock["end"],
        "trained_per_s": round(clock["per_s"]),
        "peak_rss_gb_epochs": clock["rss"],
        "peak_rss_gb": _peak(),
    }
    rounded = {name: round(value, 2) for name, value in facts.items()}
    run = {"cells": cells, "source": source, "n_epochs_pretrain": n_epochs_pretrain, "n_members": n_members}
    return [{**run, **rounded, "value": rounded["peak_rss_gb"]}]


def _peak() -> float:
    """Largest resident memory so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _read_per_second(model) -> float:
    """Cells per second of scvi-tools' loader alone, shuffled."""
    from scvi.dataloaders import AnnDataLoader

    loader = iter(AnnDataLoader(model.adata_manager, batch_size=_BATCH_SIZE, shuffle=True))
    next(loader)
    n, start = min(_N_BATCHES, len(model.adata) // _BATCH_SIZE - 1), time.perf_counter()
    for _ in range(n):
        next(loader)
    return n * _BATCH_SIZE / (time.perf_counter() - start)


def report() -> str:
    """Markdown table of all runs."""
    table = pd.read_csv(TABLE).sort_values(
        ["cells", "source", "n_epochs_pretrain", "n_members"], ascending=[True, False, True, True]
    )
    columns = {
        "cells": "cells",
        "source": "from",
        "n_epochs_pretrain": "pre-training epochs",
        "n_members": "networks",
        "file_gb": "file, GB",
        "peak_rss_gb_epochs": "peak RSS up to the end of the epochs, GB",
        "peak_rss_gb": "peak RSS, GB",
        "read_per_s": "cells/s read",
        "trained_per_s": "cells/s trained",
        "s_setup": "set up, s",
        "s_statistics": "statistics, s",
        "s_epochs": "epochs, s",
        "s_after": "after, s",
    }
    kept = table[list(columns)].itertuples(index=False)
    rows = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in kept]
    lines = ["| " + " | ".join(line) + " |" for line in [columns.values(), ["---"] * len(columns), *rows]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, report)
