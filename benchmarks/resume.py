"""Run what a result table lacks, each run in a process of its own with one thread, so that peak memory is its own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd


def main(
    script: str, table: Path, runs: list[dict], run_one: Callable[..., list[dict]], report: Callable[[], str]
) -> None:
    """Command line of a resumable benchmark: run what is missing, then write the report beside the table.

    A run is known by its keys and values, which are columns of the rows that ``run_one(**run)`` returns.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="VALUE[,VALUE]",
        help="run only where a key has one of these values, * and ? allowed; repeatable, all must hold",
    )
    parser.add_argument("--report", action="store_true", help="do not run anything")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(**json.loads(arguments.one))))
        return
    table.parent.mkdir(parents=True, exist_ok=True)
    if not arguments.report:
        wanted = [run for run in runs if all(_has(run, words.split(",")) for words in arguments.only)]
        _run(script, table, [run for run in wanted if not _is_done(table, run)], arguments.jobs)
    table.with_suffix(".md").write_text(report())


def _has(run: dict, words: list[str]) -> bool:
    return any(fnmatchcase(str(value), word) for value in run.values() for word in words)


def _is_done(table: Path, run: dict) -> bool:
    if not table.exists():
        return False
    rows = pd.read_csv(table)[list(run)].astype(str)
    return bool((rows == pd.Series(run).astype(str)).all(axis=1).any())


def _run(script: str, table: Path, runs: list[dict], jobs: int) -> None:
    print(f"{len(runs)} runs to do", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        children = {pool.submit(_child, script, run): run for run in runs}
        for done in as_completed(children):
            rows, error = done.result()
            if rows:  # written here, by one thread; runs may have columns of their own
                before = [pd.read_csv(table)] if table.exists() else []
                pd.concat([*before, pd.DataFrame(rows)], ignore_index=True).to_csv(table, index=False)
            print(*children[done].values(), error or f"{rows[0]['value']:.4f}", flush=True)


def _child(script: str, run: dict) -> tuple[list[dict], str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", script, "--one", json.dumps(run)]
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    if child.returncode:
        return [], f"FAILED\n{child.stderr[-2000:]}"
    return json.loads(child.stdout.splitlines()[-1]), ""
