"""Time and peak memory of `scmog.genomics.overlap_join`, beside the interval libraries of the field.

Run from the repository root with the package installed (ncls and bioframe are measured where they are installed):

    OMP_NUM_THREADS=1 python benchmarks/overlap_join.py

200,000 x 200,000 peaks of 200 to 899 base pairs on the human chromosomes, fixed seeds. Cases:
- `random`: two independent sets.
- `shifted`: the second set is the first one, 100 base pairs further.
- `wide`: 20 intervals of 2 Mb in each set, hard for a join that looks back by the widest interval.
Each case runs in a fresh process on one core, which reports the least wall time and the least processor time of three
runs (checks of the tables included, imports excluded; on a busy machine only the processor time is comparable), the
number of pairs, a checksum of them, and its peak resident memory (`ru_maxrss`, imports included). The method
`names` is `pool_peaks` on names: parsing of 400,000 names, join and matrix.
Writes `benchmarks/results/overlap_join.csv`.
The limit that the package promises: 3 s and 1 GB on one core.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

N_PEAKS = 200_000
METHODS = ("scmog", "ncls", "bioframe")
CASES = ("random", "shifted", "wide")
TARGET = Path(__file__).parent / "results" / "overlap_join.csv"

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def peaks(seed: int, *, wide: bool) -> pd.DataFrame:
    from scmog.genomics import chromosome_sizes

    rng = np.random.default_rng(seed)
    sizes = chromosome_sizes("hg38").drop(["chrY", "chrM"])
    lengths = sizes.to_numpy()
    chrom = rng.choice(len(lengths), size=N_PEAKS, p=lengths / lengths.sum())
    start = rng.integers(lengths[chrom] - 1_000)
    width = rng.integers(200, 900, size=N_PEAKS)
    if wide:
        width[:20] = 2_000_000
    return pd.DataFrame({"chrom": sizes.index.to_numpy(object)[chrom], "start": start, "end": start + width})


def join_scmog(query: pd.DataFrame, target: pd.DataFrame) -> Pairs:
    from scmog.genomics import overlap_join

    pairs = overlap_join(query, target)
    return tuple(pairs[name].to_numpy() for name in ("query_index", "target_index", "overlap_bp"))


def join_ncls(query: pd.DataFrame, target: pd.DataFrame) -> Pairs:
    from ncls import NCLS

    rows = {name: table.groupby("chrom").indices for name, table in (("q", query), ("t", target))}
    q_start, q_end = query["start"].to_numpy(), query["end"].to_numpy()
    t_start, t_end = target["start"].to_numpy(), target["end"].to_numpy()
    found = []
    for chrom in rows["q"].keys() & rows["t"].keys():
        q, t = rows["q"][chrom], rows["t"][chrom]
        found.append(NCLS(t_start[t], t_end[t], t).all_overlaps_both(q_start[q], q_end[q], q))
    i, j = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    return i, j, np.minimum(q_end[i], t_end[j]) - np.maximum(q_start[i], t_start[j])


def join_bioframe(query: pd.DataFrame, target: pd.DataFrame) -> Pairs:
    import bioframe

    pairs = bioframe.overlap(query, target, how="inner", return_index=True, return_overlap=True)
    columns = (pairs["index"], pairs["index_"], pairs["overlap_end"] - pairs["overlap_start"])
    return tuple(column.to_numpy(dtype=np.int64) for column in columns)


def join_names(query: pd.Index, target: pd.Index) -> Pairs:
    from scmog.genomics import pool_peaks

    matrix = pool_peaks(query, target).matrix.tocoo()
    return matrix.row, matrix.col, np.zeros(matrix.nnz)


def measure(method: str, case: str) -> dict[str, float]:
    """Run one case in this process."""
    import resource

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    query, target = peaks(0, wide=case == "wide"), peaks(1, wide=case == "wide")
    if case == "shifted":
        target = query.assign(start=query["start"] + 100, end=query["end"] + 100)
    if method == "names":
        from scmog.genomics import interval_names

        query, target = interval_names(query), interval_names(target)
    elif method == "scmog":
        import scmog.genomics  # noqa: F401
    else:
        __import__(method)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, cpu_seconds = [], []
    for _ in range(3):
        start, cpu_start = time.perf_counter(), time.process_time()
        i, j, shared = globals()[f"join_{method}"](query, target)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return {
        "seconds": round(min(seconds), 3),
        "cpu_seconds": round(min(cpu_seconds), 3),
        "pairs": len(i),
        "checksum": int(np.sum((np.asarray(i, dtype=np.int64) * 31 + j * 7 + shared.astype(np.int64)) % 1_000_003)),
        "peak_rss_mb": round(peak * unit / 1e6),
        "rss_before_mb": round(before * unit / 1e6),
    }


def main() -> None:
    """Run all cases, print them and write the table."""
    runs = [(method, case) for case in CASES for method in METHODS if importlib.util.find_spec(method)]
    rows = []
    for method, case in [*runs, ("names", "random")]:
        child = subprocess.run(
            [sys.executable, __file__, method, case], capture_output=True, text=True, check=False, env=os.environ
        )
        if child.returncode:
            raise RuntimeError(child.stderr)
        rows.append({"case": case, "method": method, "n_query": N_PEAKS, "n_target": N_PEAKS})
        rows[-1] |= {**json.loads(child.stdout), "python": platform.python_version()}
        print(rows[-1])
    TARGET.parent.mkdir(exist_ok=True)
    with TARGET.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:3])))
    else:
        main()
