"""Generate to disk in processes of which each is killed at a point of its own: the other half of test_unfinished.py.

Usage: ``_generate_and_be_killed.py MODEL QUERY FOLDER``. A process is forked for each case, so that all share the
import; nothing has been computed before. Prints how each of them ended.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import mudata

import scmog.model._store as store
from scmog.model import SCMOG
from scmog.model._growing import GrowingCSR
from scmog.model._unfinished import UnfinishedStore

OPTIONS = {"source": "rna", "target": "atac", "batch_size": 25, "show_progress": False}
#        name             store     threshold  point      calls until then
CASES = {
    "between": ("x.zarr", "density", "commit", 2),
    "within": ("x.zarr", "density", "append", 6),  # .X of the third block is there, its layer is not
    "first": ("x.zarr", "density", "append", 1),
    "dense": ("x.zarr", None, "commit", 3),
    "hdf5": ("x.h5ad", "density", "append", 6),
    "assembly": ("x.h5ad", "density", "copy", 1),  # all is there, but half in the HDF5 file
}


def die_after(owner: object, name: str, n_calls: int) -> None:
    function, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        result = function(*args, **kwargs)
        calls.append(1)
        if len(calls) == n_calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, counted)


def run(case: str, model_path: str, query_path: str, folder: Path) -> None:
    name, threshold, point, n_calls = CASES[case]
    store._ENTRIES_PER_COMMIT = 1  # each block
    owner, function = {
        "commit": (UnfinishedStore, "commit"),
        "append": (GrowingCSR, "append"),
        "copy": (store, "copy_to_hdf5"),
    }[point]
    model, query = SCMOG.load(model_path, adata=False), mudata.read_h5mu(query_path)
    die_after(owner, function, n_calls + (point == "commit"))  # the first declares that there is nothing yet
    (folder / case).mkdir()
    model.generate(query, **OPTIONS, threshold=threshold, store=folder / case / name)


if __name__ == "__main__":
    for case in CASES:
        pid = os.fork()
        if pid == 0:
            run(case, *sys.argv[1:3], Path(sys.argv[3]))
            os._exit(0)
        print(case, -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
