"""Time and peak memory of `scmog.datasets.simulate`.

Run from the repository root with the package installed:

    OMP_NUM_THREADS=1 python benchmarks/simulate_speed.py

Each case runs in a fresh process (seed 0), which reports the wall time of the call (imports excluded) and its peak
resident memory (`ru_maxrss`, imports included). Writes `benchmarks/results/simulate_speed.csv`.
The limit that the package promises: 5,000 cells x 2,000 genes x 20,000 peaks without truth in 30 s and 2 GB.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

SEED = 0
CASES = (
    {"n_cells": 1_000, "n_genes": 500, "n_peaks": 2_000, "n_proteins": 0, "truth": False},
    {"n_cells": 5_000, "n_genes": 2_000, "n_peaks": 20_000, "n_proteins": 0, "truth": False},
    {"n_cells": 5_000, "n_genes": 2_000, "n_peaks": 20_000, "n_proteins": 0, "truth": True},
    {"n_cells": 5_000, "n_genes": 2_000, "n_peaks": 20_000, "n_proteins": 50, "truth": False},
    {"n_cells": 5_000, "n_genes": 2_000, "n_peaks": 100_000, "n_proteins": 0, "truth": False},
)
TARGET = Path(__file__).parent / "results" / "simulate_speed.csv"


def measure(case: dict[str, int | bool]) -> dict[str, float]:
    """Run one case in this process."""
    import resource
    import time

    from scmog.datasets import simulate

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    mdata = simulate(**case, seed=SEED)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    open_share = mdata["atac"].X.nnz / (mdata["atac"].n_obs * mdata["atac"].n_vars)
    return {
        "seconds": round(seconds, 2),
        "peak_rss_mb": round(peak * unit / 1e6),
        "rss_after_import_mb": round(before * unit / 1e6),
        "open_share": round(open_share, 4),
    }


def main() -> None:
    """Run all cases, print them and write the table."""
    rows = []
    for case in CASES:
        child = subprocess.run(
            [sys.executable, __file__, json.dumps(case)], capture_output=True, text=True, check=False, env=os.environ
        )
        if child.returncode:
            raise RuntimeError(child.stderr)
        rows.append({**case, "seed": SEED, **json.loads(child.stdout), "python": platform.python_version()})
        print(rows[-1])
    TARGET.parent.mkdir(exist_ok=True)
    with TARGET.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(json.loads(sys.argv[1]))))
    else:
        main()
