"""Reading one shuffled epoch of mini-batches: cells per second and peak memory, from memory and from disk.

    python benchmarks/speed/loading.py             # resumes: what is in the result table is not run again
    python benchmarks/speed/loading.py --only 100000
    python benchmarks/speed/loading.py --report    # only writes results/loading.md from the table

Needs no data: 20,000 random cells (seed 0) with 20,000 genes (8 % counted) and peaks (3 % open), in mini-batches of
256, RNA and ATAC as CSR tensors, as the training plan gets them. Each run is a process of its own with two threads;
another one writes the file. The Python that runs the script is part of what is compared. Sources:

- ``memory``: CSR in memory, through the data module that ``train`` uses, as the next three;
- ``h5mu``: backed, as ``write_h5mu`` writes it (not compressed); ``h5mu gzip``: with ``compression="gzip"``;
- ``zarr``: one store per modality, as ``write_zarr`` writes it, opened lazily as in ``docs/user_guide/scaling.md``;
- ``annbatch 512x32`` etc.: where annbatch is installed (0.3.1 with zarrs 0.2.3; Python 3.12), one matrix of genes and
  peaks as its ``write_sharded`` writes it (64 cells a chunk, shards of 1 GB, lz4), read by its ``Loader`` in chunks of
  512 cells, 32 at a time (its default; scvi-tools' ``AnnbatchDataModule`` takes 256x32) and cut into RNA and ATAC
  afterwards; ``twice``: a store and a loader for each modality, with the same seed. It needs cells that are shuffled on
  disk (random ones are), and shuffles chunks, and the cells of those that it holds.

Columns: ``first_per_s``, cells per second of the first epoch, for which the file's pages were dropped from the system's
cache; ``value``, the same of the second one, in which the file is in the cache; ``cpu_per_s``, of the second one per
second of processor time of all threads; ``peak_rss_gb`` of the process during the first epoch, and ``before_gb``,
resident memory when it began. In the second epoch every eighth mini-batch is trained on (default preset, one network,
RNA->ATAC): ``step_per_s`` and ``cpu_step_per_s``, cells per second of these steps, ``share``, the part that reading
has in the time of reading and training, and ``cpu_share``, the same of processor time, on which other programs have
little influence. An epoch ends after 15 s of reading.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from random_cells import ATAC_DENSITY, RNA_DENSITY, random_mdata
from resume import main
from run import BATCH, N_GENES, THREADS, Ours

TABLE = Path(__file__).parent / "results" / "loading.csv"
N_CELLS = 20_000
_LONGEST = 15  # seconds
_EVERY = 8  # mini-batches to a step
_SOURCES = ("memory", "h5mu", "h5mu gzip", "zarr")
_LEFT_OUT = (20_000, "h5mu gzip")
_ANNBATCH = ("annbatch 512x32", "annbatch 256x32", "annbatch 64x32", "annbatch 64x32 twice")


def all_runs() -> list[dict]:
    """Every source, for this Python."""
    sources = (*_SOURCES, *(_ANNBATCH if find_spec("annbatch") else ()))
    version = f"3.{sys.version_info.minor}"
    runs = product((100_000, 20_000), sources)
    return [{"python": version, "peaks": n, "source": source} for n, source in runs if (n, source) != _LEFT_OUT]


# ---------------------------------------------------------------------- files
def write(folder: Path, peaks: int, source: str) -> None:
    """Write the cells as the source wants them."""
    mdata = random_mdata(N_CELLS, N_GENES, peaks)
    if source.startswith("annbatch"):
        import anndata
        import zarr
        from annbatch import write_sharded

        parts = mdata.mod
        if not source.endswith("twice"):
            parts = {"cells": anndata.concat([mdata["rna"], mdata["atac"]], axis="var")}
        for name, adata in parts.items():
            write_sharded(zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=3), adata)
    elif source == "zarr":
        for name, adata in mdata.mod.items():
            adata.write_zarr(folder / f"{name}.zarr")
    else:
        mdata.write_h5mu(folder / "cells.h5mu", **({"compression": "gzip"} if source == "h5mu gzip" else {}))


def opened(folder: Path, source: str):
    """The cells that were written, as a MuData in memory or on disk."""
    import anndata
    import mudata
    import zarr

    if source != "zarr":
        return mudata.read_h5mu(folder / "cells.h5mu", backed=source != "memory")
    parts = {}
    for name in ("rna", "atac"):
        group = zarr.open(folder / f"{name}.zarr", mode="r")
        obs, var = (anndata.io.read_elem(group[key]) for key in ("obs", "var"))
        parts[name] = anndata.AnnData(anndata.io.sparse_dataset(group["X"]), obs=obs, var=var)
    return mudata.MuData(parts)


def drop_from_cache(folder: Path) -> None:
    """Let the system forget the pages of the files."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


# ---------------------------------------------------------------------- mini-batches
def through_scvi(folder: Path, source: str):
    """The loader of training cells that ``train`` makes."""
    from scmog.data import Split
    from scmog.model import SCMOG
    from scmog.model._training_set import make_splitter

    mdata = opened(folder, source)
    SCMOG.setup_mudata(mdata)
    manager = SCMOG._get_most_recent_anndata_manager(mdata, required=True)
    none = np.array([], dtype=int)
    splitter = make_splitter(manager, Split(np.arange(N_CELLS), none, none), ["rna", "atac"], batch_size=BATCH)
    splitter.setup("fit")
    return splitter.train_dataloader()


class ThroughAnnbatch:
    """annbatch's loader, and RNA and ATAC as CSR tensors from what it hands out."""

    def __init__(self, folder: Path, source: str) -> None:
        import zarr
        from annbatch import Loader
        from anndata.io import sparse_dataset

        from scmog.data._rows_dataset import as_rows

        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
        chunk_size, n_chunks = map(int, source.split()[1].split("x"))
        self.loaders, self.as_rows = [], as_rows
        for name in ("rna", "atac") if source.endswith("twice") else ("cells",):
            loader = Loader(
                chunk_size=chunk_size, preload_nchunks=n_chunks, batch_size=BATCH, shuffle=True, return_index=True,
                rng=np.random.default_rng(0),
            )  # fmt: skip
            matrix = sparse_dataset(zarr.open_group(folder / f"{name}.zarr", mode="r")["X"])
            self.loaders.append(loader.add_dataset(matrix))

    def __iter__(self):
        for batches in zip(*self.loaders, strict=True):
            assert (batches[0]["index"] == batches[-1]["index"]).all()
            first, last = batches[0]["X"], batches[-1]["X"]
            parts = (first[:, :N_GENES], first[:, N_GENES:]) if len(batches) == 1 else (first, last)
            yield {"X": self.as_rows(parts[0]), "atac": self.as_rows(parts[1])}


# ---------------------------------------------------------------------- runs
def run_one(python: str, peaks: int, source: str) -> list[dict]:
    """Two epochs of reading, the second with steps in between."""
    import torch

    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-W", "ignore", __file__, "--write", name, str(peaks), source], check=True)
        loader = (ThroughAnnbatch if source.startswith("annbatch") else through_scvi)(folder, source)
        drop_from_cache(folder)
        file_gb = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what it is now
        before = _peak()
        first, _ = epoch(loader, peaks)
        peak = _peak()
        model = Ours(random_mdata(BATCH, N_GENES, peaks), ("rna", "atac"), "default")
        model.batch = lambda batch: batch  # is given mini-batches, not cells
        read, step = epoch(loader, peaks, model)
    facts = {
        "value": round(1 / read[0]),
        "first_per_s": round(1 / first[0]),
        "cpu_per_s": round(1 / read[1]),
        "peak_rss_gb": round(peak, 2),
        "before_gb": round(before, 2),
        "file_gb": round(file_gb, 2),
        "step_per_s": round(1 / step[0]),
        "cpu_step_per_s": round(1 / step[1]),
        "share": round(read[0] / (read[0] + step[0]), 4),
        "cpu_share": round(read[1] / (read[1] + step[1]), 4),
    }
    return [{"python": python, "peaks": peaks, "source": source, **facts}]


def epoch(loader, peaks: int, model=None) -> tuple[np.ndarray, np.ndarray]:
    """Seconds per cell, by the clock and of processor time, of reading and of the steps of a model."""
    read, step, n_read, n_trained = np.zeros(2), np.zeros(2), 0, 0
    batches = iter(loader)
    for i in range(N_CELLS // BATCH):
        start = _clocks()
        batch = next(batches)
        read += _clocks() - start
        n_read += len(batch["X"])
        entries = {"X": round(N_GENES * RNA_DENSITY), "atac": round(peaks * ATAC_DENSITY)}  # of every cell
        assert all(batch[key].values().numel() == BATCH * n for key, n in entries.items())
        if model is not None and i % _EVERY == 0:
            start = _clocks()
            model.training_step(batch, i)
            if i:  # the first one warms up
                step += _clocks() - start
                n_trained += BATCH
        if read[0] > _LONGEST:
            break
    return read / n_read, step / max(1, n_trained)


def _clocks() -> np.ndarray:
    """Seconds of wall time, and of processor time of all threads."""
    return np.array([time.perf_counter(), time.process_time()])


def _peak() -> float:
    """Largest resident memory since the mark was set back, GB."""
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e9


def report() -> str:
    """Markdown table of all runs."""
    table = pd.read_csv(TABLE, dtype={"python": str})
    order = [*_SOURCES, *_ANNBATCH]
    table = table.sort_values("source", key=lambda names: names.map(order.index))
    table = table.sort_values(["peaks", "python"], ascending=[False, True], kind="stable")
    lines = [
        "| peaks | Python | from | on disk, GB | cells/s read | file not in the cache | peak RSS, GB | before, GB | "
        "cells per s of processor time: read | trained | reading's part in both |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        disk, first = ("", "") if row.source == "memory" else (f"{row.file_gb:.2f}", f"{row.first_per_s:,}")
        lines.append(
            f"| {row.peaks:,} | {row.python} | {row.source} | {disk} | {row.value:,} | {first} | "
            f"{row.peak_rss_gb:.2f} | {row.before_gb:.2f} | {row.cpu_per_s:,} | {row.cpu_step_per_s:,} | "
            f"{row.cpu_share:.1%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that wait do not count as work, nor slow others
        main(__file__, TABLE, all_runs(), run_one, report)
