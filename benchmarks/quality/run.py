"""scmog beside baselines and peers: same cells, same features, same scale of the truth.

    export SCMOG_DATA=<folder with the files of benchmarks/README.md>
    python benchmarks/quality/run.py --jobs 2                   # resumes: what is in the result table is not run again
    python benchmarks/quality/run.py --only "pbmc10k-*" --only "scmog,ridge"
    python benchmarks/quality/run.py --report                   # only writes results/*.md from the table

A run is a case (cases.py), a method (method_table.py) and a seed. The method trains in a process of its own with one
thread, in its own environment where pins clash (environments.py), and never sees the target of test cells
(prepared.py); another process scores what it wrote (scores.py). Scores go to ``results/scores.csv``; what failed, with
its error, to ``results/failures.csv``, and is tried again next time.

Cases, predictions and environments are kept in ``SCMOG_BENCHMARK_CACHE`` (``~/.cache/scmog-benchmarks``), some
gigabytes. A prediction that is there is scored without a new run: remove ``results/scores.csv`` to score all again
after a change of the metrics, ``predictions/<case>/<method>-<seed>.*`` in the cache to run a method again.
``SCMOG_BENCHMARK_QUICK=1`` trains for two epochs, to see whether all works; its predictions and results stay in the
cache, apart from the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # real_data.py and resume.py, shared with the other benchmarks

from cases import CASES, prepare  # noqa: E402
from environments import interpreter  # noqa: E402
from method_table import METHODS  # noqa: E402
from report import behind, report, write_failure  # noqa: E402
from resume import main  # noqa: E402
from scores import score  # noqa: E402

CACHE = Path(os.environ.get("SCMOG_BENCHMARK_CACHE", Path.home() / ".cache" / "scmog-benchmarks"))
QUICK = os.environ.get("SCMOG_BENCHMARK_QUICK", "") not in ("", "0")
TABLE = (CACHE / "quick" / "results" if QUICK else HERE / "results") / "scores.csv"
PREDICTIONS = (CACHE / "quick" if QUICK else CACHE) / "predictions"


def all_runs() -> list[dict]:
    """Every run, first seeds first."""
    runs = [
        {"case": case.name, "method": name, "seed": seed}
        for name, method in METHODS.items()
        for case in CASES.values()
        if method.where(case)
        for seed in method.seeds_of(case)
    ]
    return sorted(runs, key=lambda run: run["seed"])


def prediction_path(case: str, method: str, seed: int) -> Path:
    """Where a run's prediction is kept, with its facts beside it as JSON."""
    return PREDICTIONS / case / f"{method.replace(' ', '_').replace('/', '-')}-{seed}.npy"


def run_one(case: str, method: str, seed: int) -> list[dict]:
    """Predict, unless the prediction is there, and score; one row per score."""
    run = {"case": case, "method": method, "seed": seed}
    prediction = prediction_path(case, method, seed)
    folder = prepare(CASES[case], CACHE / "cases")
    if not prediction.with_suffix(".json").exists():
        try:
            _predict(folder, method, seed, prediction)
        except RuntimeError as error:
            write_failure(TABLE, {**run, "error": str(error)})
            raise
    facts = json.loads(prediction.with_suffix(".json").read_text())
    cost = {key: facts.get(key, "cpu") for key in ("seconds", "cpu_seconds", "peak_mb", "accelerator")}
    return [{**run, **row, **cost} for row in score(folder, prediction, facts["scale"])]


def _predict(folder: Path, name: str, seed: int, prediction: Path) -> None:
    method = METHODS[name]
    python = interpreter(method.environment, CACHE)
    options = json.dumps({"seed": seed, "quick": QUICK, **method.options})
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [python, str(HERE / "one_method.py"), str(folder), method.file, str(prediction), options]
    environment = {**os.environ, **threads}
    if method.environment is not None:
        environment.pop("PYTHONPATH", None)  # packages of this interpreter are not for that one
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    # a trainer that is told to end exits without an error
    if child.returncode or not prediction.with_suffix(".json").exists():
        log = prediction.with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(child.stdout + child.stderr)
        if child.returncode <= 0:
            message = f"no prediction, ended by signal {-child.returncode}"  # 9: often for want of memory
        else:
            message = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(message.replace(str(CACHE), "<cache>"))


def reports() -> str:
    """Write where another method is ahead, and return the table of all scores."""
    TABLE.with_name("behind.md").write_text(behind(TABLE))
    return report(TABLE)


if __name__ == "__main__":
    main(__file__, TABLE, all_runs(), run_one, reports)
