"""Run one method on one case in this process and interpreter; see run.py for how it is called.

    python one_method.py <folder of the case> <name of the file in methods/> <prediction.npy> <options as JSON>

The file has a function ``predict(case, seed=..., quick=..., **options)`` that trains on training and validation cells
and returns the prediction of the test cells ``(n_test, n_target)``, in their order, and the name of its scale (see
scales.py). ``quick`` asks for a few epochs, to see whether it works. Beside ``prediction.npy`` comes
``prediction.json``: scale, seconds of ``predict`` by the clock and on the processor (with one thread they are equal on
an idle machine), peak resident memory of the process in MB, and where it ran.

Read by the interpreters of all methods: no scmog here, syntax of Python 3.7.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # accelerator.py, shared with the other benchmarks

from accelerator import ACCELERATOR  # noqa: E402
from prepared import Prepared  # noqa: E402


def main(folder, method, output, options):
    """Predict, check and write."""
    warnings.simplefilter("ignore")  # libraries of many ages; errors are raised all the same
    sys.path.insert(0, str(HERE / "methods"))
    case, output = Prepared(folder), Path(output).resolve()
    predict = importlib.import_module(method).predict
    start, start_cpu = time.perf_counter(), time.process_time()
    values, scale = predict(case, **json.loads(options))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    values = np.asarray(values, dtype=np.float32)
    if values.shape != (case.n_test, case.n_target):
        raise ValueError(f"{method} must predict {(case.n_test, case.n_target)}, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{method} predicts {np.count_nonzero(~np.isfinite(values))} values that are not finite")
    output.parent.mkdir(parents=True, exist_ok=True)
    np.save(str(output), values)
    facts = {"scale": scale, "seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "peak_mb": peak_mb()}
    facts["accelerator"] = ACCELERATOR
    output.with_suffix(".json").write_text(json.dumps(facts))


def peak_mb():
    """Peak resident memory of this process; the kernel counts kibibytes, on macOS bytes."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


if __name__ == "__main__":
    main(*sys.argv[1:])
