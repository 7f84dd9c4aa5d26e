"""Generation straight to disk: cells per second beside the matrix products alone, and peak memory.

    python benchmarks/speed/generation.py --jobs 1          # resumes: what is in the result table is not run again
    python benchmarks/speed/generation.py --only 5000
    python benchmarks/speed/generation.py --report          # only writes results/generation.md from the table

A model with random weights (20,000 genes, 100,000 peaks; one network of the paper's preset, three of the default)
generates ATAC from RNA with ``model.generate(query, store="x.zarr")`` in blocks of 256 cells. No training: averages of
the inputs and batch norms are taken from some cells, the output layers are scaled so that logits have a standard
deviation of 1.5 between peaks and of 1.5 between cells, and the cut is set where 3 % of the peaks are open
(``open_share``). The query is 500 random cells (seed 0, 10 % of the genes with counts) repeated, CSR on disk, as it
would have to be for a million cells: what grows with the cells in memory is then scmog's own.

Each number of cells is a process of its own with two threads; another one writes the query. ``peak_rss_gb`` is the peak
memory of the process since the model was made (Linux: the mark is set back through ``/proc``). ``s_floor`` is the time
of the encoder's and the decoder's matrix products on dense arrays of the same shapes, torch alone, in the same process:
after every fourth block those of one block are run and timed, and their time is taken out of that of ``generate``, so
that a busy machine slows both alike. The mean of them times the number of blocks is the floor, ``value`` its share in
the time of ``generate``: 1 would be nothing but products. ``cpu_share`` is the same of the processor time of all
threads, on which other programs have little influence.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from resume import main

TABLE = Path(__file__).parent / "results" / "generation.csv"
N_GENES, N_PEAKS = 20_000, 100_000
N_THREADS = 2
_BLOCK = 256
_REPEATED = 500
_OPEN = 0.03
_SPREAD = 1.5  # sd of the logits between peaks, and between cells
_MILLION = 1_000_000


def all_runs() -> list[dict]:
    """Presets and numbers of cells."""
    sizes = {"paper": (5_000, 10_000, 20_000, 40_000), "default": (10_000,)}
    return [{"preset": preset, "cells": n_cells} for preset, sizes_of in sizes.items() for n_cells in sizes_of]


def run_one(preset: str, cells: int) -> list[dict]:
    """Generate, with the products alone in between."""
    import anndata
    import torch
    from mudata import MuData

    torch.set_num_threads(N_THREADS)
    with tempfile.TemporaryDirectory() as folder:
        query_path, store = Path(folder) / "query.h5ad", Path(folder) / "generated.zarr"
        subprocess.run([sys.executable, "-W", "ignore", __file__, "--write", str(query_path), str(cells)], check=True)
        model = random_model(preset)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what it is now
        rss_before = _rss()
        query = MuData({"rna": anndata.read_h5ad(query_path, backed="r")})
        floor = between_blocks(model)
        start = _clocks()
        model.generate(query, store=store, batch_size=_BLOCK, show_progress=False)
        seconds, cpu = _clocks() - start - np.sum(floor, axis=0)
        rss = _rss()
        made = query["atac_generated"]
        n_entries = int(made.X.group["data"].shape[0])
        n_bytes = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    s_floor, cpu_floor = np.mean(floor, axis=0) * cells / _BLOCK
    return [
        {
            "preset": preset,
            "cells": cells,
            "value": round(s_floor / seconds, 3),
            "cpu_share": round(cpu_floor / cpu, 3),
            "s_generate": round(seconds, 1),
            "s_floor": round(s_floor, 1),
            "cpu_s_generate": round(cpu, 1),
            "cpu_s_floor": round(cpu_floor, 1),
            "cells_per_s": round(cells / seconds, 1),
            "peak_rss_gb": round(rss, 4),
            "rss_before_gb": round(rss_before, 4),
            "open_share": round(n_entries / cells / N_PEAKS, 4),
            "disk_gb": round(n_bytes / 1e9, 3),
            "bytes_per_entry": round(n_bytes / n_entries, 2),
        }
    ]


def _rss() -> float:
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 2**20


def random_model(preset: str):
    """Model that has all that generation needs and was never trained."""
    import scipy.sparse as sp
    import torch
    from anndata import AnnData
    from mudata import MuData

    import scmog
    from scmog._modalities import MODALITIES

    torch.manual_seed(0)
    rna = _some_cells()
    atac = sp.random(len(rna.obs), N_PEAKS, density=_OPEN, format="csr", dtype=np.float32, random_state=0)
    atac.data[:] = 1
    peaks = pd.DataFrame(index=[f"chr1:{1_000 * i}-{1_000 * i + 500}" for i in range(N_PEAKS)])
    mdata = MuData({"rna": rna, "atac": AnnData(atac, obs=rna.obs, var=peaks)})
    scmog.model.SCMOG.setup_mudata(mdata)
    model = scmog.model.SCMOG(mdata, directions=[("rna", "atac")], preset=preset)
    model.module.representation("rna").fit(lambda: [torch.as_tensor(rna.X.toarray())])
    tensors = {MODALITIES["rna"].registry_key: torch.as_tensor(rna.X[:_BLOCK].toarray())}
    translator = model.module.translator("rna_to_atac")
    with torch.no_grad():
        for _ in range(30):  # averages of the batch norms
            model.module.train().inference(**model.module._get_inference_input(tensors))
            model.module.parameters_of("rna_to_atac", tensors)
        hidden = translator.decode(
            model.module.inference(**model.module._get_inference_input(tensors))["z"]["rna_to_atac"]
        )
        for member, trunk in zip(translator.members, hidden, strict=True):
            logit = member.decoder.logit
            logit.bias.normal_(-3.0, _SPREAD)
            logit.weight.mul_(_SPREAD / (trunk @ logit.weight[:1_000].t()).std(dim=0).mean())
        model.module.eval()
        logits = model.module.sample(tensors, "rna_to_atac", score="logit")[::8]
        translator.open_cut.fill_(float(np.quantile(logits.numpy(), 1 - _OPEN)))
    model.is_trained_, model.model_id_, model.seed_ = True, "random", 0
    return model


def _some_cells():
    import scipy.sparse as sp
    from anndata import AnnData

    counts = sp.random(_REPEATED, N_GENES, density=0.1, format="csr", dtype=np.float32, random_state=0)
    counts.data = np.ceil(counts.data * 5)
    return AnnData(
        counts,
        obs=pd.DataFrame(index=[f"cell_{i}" for i in range(_REPEATED)]),
        var=pd.DataFrame(index=[f"gene_{i}" for i in range(N_GENES)]),
    )


def write_query(path: Path, cells: int) -> None:
    """The cells, repeated, on disk."""
    import anndata

    some = _some_cells()
    query = anndata.concat([some] * (cells // _REPEATED))
    query.obs_names = [f"cell_{i}" for i in range(cells)]
    query.write_h5ad(path)


def _clocks() -> np.ndarray:
    """Seconds of wall time, and of processor time of all threads."""
    return np.array([time.perf_counter(), time.process_time()])


def between_blocks(model) -> list[np.ndarray]:
    """Let the products alone run after every fourth block; will hold their seconds."""
    products, sample, seconds, calls = products_alone(model), model.module.sample_above, [], []
    products()  # warms up

    def sample_and_products(*args, **kwargs):
        made = sample(*args, **kwargs)
        calls.append(1)
        if len(calls) % 4 == 0:
            start = _clocks()
            products()
            seconds.append(_clocks() - start)
        return made

    model.module.sample_above = sample_and_products
    return seconds


def products_alone(model):
    """Function that runs a block's matrix products: those of encoders and decoders, one after the other."""
    import torch
    from torch import nn

    from scmog.nn._encoder_input import InputLayer

    chains = []
    for member in model.module.translator("rna_to_atac").members:
        layers = [layer for part in (member.encoder, member.decoder) for layer in part.modules()]
        weights = [
            (layer.weight if isinstance(layer, InputLayer) else layer.weight.t(), layer.bias)
            for layer in layers
            if isinstance(layer, InputLayer | nn.Linear) and layer.bias is not None  # not the offset of a cell
        ]
        chains.append((torch.rand(_BLOCK, len(weights[0][0])), weights))

    @torch.inference_mode()
    def run():
        for x, weights in chains:
            h = x
            for weight, bias in weights:
                h = torch.addmm(bias, h, weight)

    return run


def report() -> str:
    """Markdown table, and what a million cells would take."""
    table = pd.read_csv(TABLE).sort_values(["preset", "cells"], ascending=[False, True])
    lines = [
        "| preset | cells | s | cells per s | products alone, s | their share | of processor time | peak RSS, GB | "
        "before, GB | open peaks | on disk, GB | bytes per open peak |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        times = (
            f"{row.s_generate:.0f} | {row.cells_per_s:.0f} | {row.s_floor:.0f} | {row.value:.0%} | {row.cpu_share:.0%}"
        )
        memory = f"{row.peak_rss_gb:.2f} | {row.rss_before_gb:.2f}"
        disk = f"{row.open_share:.1%} | {row.disk_gb:.2f} | {row.bytes_per_entry:.1f}"
        lines.append(f"| {row.preset} | {row.cells:,} | {times} | {memory} | {disk} |")
    one = table[table["preset"] == "paper"]
    first, last = one.iloc[0], one.iloc[-1]
    growth = max(0.0, (last["peak_rss_gb"] - first["peak_rss_gb"]) / max(1, last["cells"] - first["cells"]))
    lines += [
        "",
        f"{N_THREADS} threads on two cores. The products took turns with generation, so that their share holds on a "
        "busy machine, too.",
        "",
        f"A million cells by {N_PEAKS:,} peaks were not run. Extrapolated from the paper's last row, in "
        f"proportion to the cells: {_MILLION / last['cells_per_s'] / 3600:.1f} h by the clock, "
        f"{last['cpu_s_generate'] * _MILLION / last['cells'] / 3600:.1f} h of processor time for all threads together, "
        f"and {last['disk_gb'] * _MILLION / last['cells']:.0f} GB on disk at {last['open_share']:.1%} open peaks, in "
        f"proportion to these. From its first to its last row the peak grows by {growth * 2**30:.0f} bytes a cell "
        "(names, totals and row pointers of all cells are held in memory): with that, "
        f"{last['peak_rss_gb'] + growth * (_MILLION - last['cells']):.1f} GB for a million.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write_query(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait do not count as work, nor slow others
        main(__file__, TABLE, all_runs(), run_one, report)
