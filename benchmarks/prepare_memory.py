"""Peak memory of `scmog.pp.prepare` beside that of its input.

Run from the repository root with the package installed:

    OMP_NUM_THREADS=1 python benchmarks/prepare_memory.py            # the small cases
    OMP_NUM_THREADS=1 python benchmarks/prepare_memory.py --large    # 100,000 cells x 200,000 peaks too: 12 GB

Peaks are open in 3 % of the cells on average, 2,000 genes in 10 %; all is CSR, float32, with 32-bit indices. Cases:
- `skewed`: frequencies of peaks are log-normal, as in real data: the paper's bounds drop frequent ones, and with them a
  good part of the entries.
- `even`: all peaks are alike, and only the sex chromosomes go: nearly everything is kept, the worst case.
Each case runs in a fresh process (seed 0), which makes the input without needing much more than the input itself.
`matrices_mb` are the bytes of the sparse arrays, `input_mb` is what the resident memory grew by when the input was
made (names of cells and peaks included), `peak_mb` what it had grown by at most after `prepare`, `ratio` their
quotient. `entries_kept` is the share of the stored entries that is left. `seconds` of the committed table are of a busy
machine with two cores.
Writes `benchmarks/results/prepare_memory.csv`.
The limit that the package promises: a ratio of 1.5.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
N_GENES = 2_000
CASES: tuple[dict[str, Any], ...] = (
    {"peaks": "skewed", "n_cells": 20_000, "n_peaks": 100_000},
    {"peaks": "even", "n_cells": 20_000, "n_peaks": 100_000},
)
LARGE: tuple[dict[str, Any], ...] = (
    {"peaks": "skewed", "n_cells": 100_000, "n_peaks": 200_000},
    {"peaks": "even", "n_cells": 100_000, "n_peaks": 200_000},
)
TARGET = Path(__file__).parent / "results" / "prepare_memory.csv"


def matrix(n_cells: int, frequency: np.ndarray, rng: np.random.Generator) -> Any:
    """CSR matrix of ones; a cell draws features in proportion to their frequency, and each counts once."""
    import scipy.sparse as sp

    per_cell = int(frequency.sum())
    drawn = rng.choice(len(frequency), size=500 * per_cell, p=frequency / frequency.sum()).astype(np.int32)
    most = n_cells * per_cell
    indices = np.empty(most, dtype=np.int32)
    indptr = np.zeros(n_cells + 1, dtype=np.int32 if most < 2**31 else np.int64)
    for cell, start in enumerate(rng.integers(len(drawn) - per_cell, size=n_cells)):
        own = np.unique(drawn[start : start + per_cell])
        indptr[cell + 1] = indptr[cell] + len(own)
        indices[indptr[cell] : indptr[cell + 1]] = own
    indices.resize(indptr[-1], refcheck=False)
    values = np.ones(indptr[-1], dtype=np.float32)
    return sp.csr_matrix((values, indices, indptr), shape=(n_cells, len(frequency)))


def make(case: dict[str, Any]) -> Any:
    """MuData of the case."""
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    rng = np.random.default_rng(SEED)
    n_cells, n_peaks = case["n_cells"], case["n_peaks"]
    spread = rng.lognormal(sigma=1.2, size=n_peaks) if case["peaks"] == "skewed" else np.ones(n_peaks)
    cells = pd.DataFrame(index=[f"cell_{i}" for i in range(n_cells)])
    chromosomes = [*map(str, range(1, 23)), "X"]
    genes = pd.DataFrame({"chrom": np.resize(chromosomes, N_GENES)}, index=[f"gene_{i}" for i in range(N_GENES)])
    places = zip(np.resize(chromosomes, n_peaks), range(n_peaks), strict=True)
    peaks = pd.DataFrame(index=[f"chr{chrom}:{1_000 * i}-{1_000 * i + 500}" for chrom, i in places])
    rna = AnnData(matrix(n_cells, np.full(N_GENES, 0.1), rng), obs=cells, var=genes)
    atac = AnnData(matrix(n_cells, np.minimum(0.03 * spread / spread.mean(), 0.9), rng), obs=cells, var=peaks)
    return MuData({"rna": rna, "atac": atac})


def entries(mdata: Any) -> tuple[int, int]:
    """Stored entries and bytes."""
    matrices = [adata.X for adata in mdata.mod.values()]
    return sum(x.nnz for x in matrices), sum(x.data.nbytes + x.indices.nbytes + x.indptr.nbytes for x in matrices)


def peak_rss() -> int:
    """Largest resident memory so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(case: dict[str, Any]) -> dict[str, float]:
    """Run one case in this process."""
    import scmog

    scmog.pp.prepare(make({"peaks": "even", "n_cells": 500, "n_peaks": 500}), min_genes=0)  # what is imported late
    before = peak_rss()
    mdata = make(case)
    stored, size = entries(mdata)
    with_input = peak_rss() - before
    density = mdata["atac"].X.nnz / np.prod(mdata["atac"].shape)
    start = time.perf_counter()
    scmog.pp.prepare(mdata, min_genes=100)
    seconds = time.perf_counter() - start
    peak = peak_rss() - before
    return {
        "density": round(density, 4),
        "entries_kept": round(entries(mdata)[0] / stored, 3),
        "matrices_mb": round(size / 1e6),
        "input_mb": round(with_input / 1e6),
        "peak_mb": round(peak / 1e6),
        "ratio": round(peak / with_input, 3),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Run the cases, print them and write the table."""
    rows = []
    for case in CASES + LARGE if "--large" in sys.argv else CASES:
        child = subprocess.run(
            [sys.executable, __file__, json.dumps(case)], capture_output=True, text=True, check=False, env=os.environ
        )
        if child.returncode:
            raise RuntimeError(child.stderr)
        rows.append({**case, "n_genes": N_GENES, "seed": SEED, **json.loads(child.stdout)})
        rows[-1]["python"] = platform.python_version()
        print(rows[-1])
    TARGET.parent.mkdir(exist_ok=True)
    with TARGET.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].startswith("{"):
        print(json.dumps(measure(json.loads(sys.argv[1]))))
    else:
        main()
