"""Where the sizes of blocks and the limit of density in the code come from.

    python benchmarks/speed/block_sizes.py       # about two minutes; writes results/block_sizes.csv

Random mini-batches of 256 cells, seed 0, one thread, least processor time of five repetitions, in milliseconds; what
one constant decides is measured in turns. Rows of ``constant``:

- ``linear_focal._BLOCK_ENTRIES``: last ATAC layer and focal loss, 128 hidden units and 20,000 peaks, 3 % open.
- ``encoder_input._BLOCK_WEIGHTS``: first layer of 512 units on 100,000 peaks, 3 % open, forward and backward.
- ``encoder_input._SPARSE_BELOW``: the same on 20,000 inputs of several densities; ``value`` is the density, ``ms`` of
  the sparse way, ``ms_other`` of the dense one.
- ``rmsprop._BLOCK``: a step on ten million weights; ``ms_other`` is PyTorch's RMSprop and a clamp.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch

from scmog.data._rows_dataset import as_rows
from scmog.nn import Focal, InputLayer, linear_focal_loss
from scmog.train._rmsprop import ClippedRMSprop

sys.path.insert(0, str(Path(__file__).parent))
from random_cells import random_rows

TABLE = Path(__file__).parent / "results" / "block_sizes.csv"
N_CELLS, REPETITIONS = 256, 5


def milliseconds(*functions: Callable[[], object]) -> list[float]:
    """Least processor time of each function, run in turns after one round to warm up."""
    times = [[] for _ in functions]
    for _ in range(REPETITIONS + 1):
        for function, seconds in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            seconds.append(time.process_time() - start)
    return [round(1e3 * min(seconds[1:]), 1) for seconds in times]


def rows(n_features: int, density: float) -> torch.Tensor:
    return as_rows(random_rows(N_CELLS, n_features, density, np.random.default_rng(0), counts=False))


def with_constant(name: str, value: float, function: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        with patch(name, value):
            return function()

    return run


def of_blocks(module: str, constant: str, sizes: list[int], step: Callable[[], object], other: float | None = None):
    """One row for each size."""
    names = [with_constant(f"scmog.{module}.{constant}", size, step) for size in sizes]
    label = f"{module.split('._')[-1]}.{constant}"
    return [
        {"constant": label, "value": size, "ms": ms, "ms_other": other}
        for size, ms in zip(sizes, milliseconds(*names), strict=True)
    ]


def focal() -> list[dict]:
    h, weight = torch.randn(N_CELLS, 128, requires_grad=True), (torch.randn(20_000, 128) * 0.02).requires_grad_()
    bias, target = torch.full((20_000,), -3.0, requires_grad=True), rows(20_000, 0.03)

    def step() -> None:
        weight.grad = None
        linear_focal_loss(h, weight, bias, None, target, Focal(0.5, 0.5, 1.0)).mean().backward()

    return of_blocks("nn._linear_focal", "_BLOCK_ENTRIES", [1 << e for e in range(16, 22)], step)


def first_layer() -> list[dict]:
    layer, values = InputLayer(100_000, 512), rows(100_000, 0.03)
    step = lambda: stepped(layer, values)  # noqa: E731
    return of_blocks("nn._encoder_input", "_BLOCK_WEIGHTS", [1 << e for e in (18, 19, 20, 21, 22, 30)], step)


def stepped(layer: InputLayer, values: torch.Tensor) -> None:
    layer.weight.grad = None
    layer(values).sum().backward()


def density() -> list[dict]:
    made = []
    for share in (0.03, 0.1, 0.2, 0.25, 0.5):
        layer, values = InputLayer(20_000, 512), rows(20_000, share)
        name, step = "scmog.nn._encoder_input._SPARSE_BELOW", lambda layer=layer, values=values: stepped(layer, values)
        sparse, dense = milliseconds(with_constant(name, 1.1, step), with_constant(name, 0.0, step))
        made.append({"constant": "encoder_input._SPARSE_BELOW", "value": share, "ms": sparse, "ms_other": dense})
    return made


def rmsprop() -> list[dict]:
    weight = torch.randn(10_000_000, requires_grad=True)
    weight.grad = torch.randn(10_000_000) * 0.01
    ours, torchs = ClippedRMSprop([weight], 1e-4, clip_value=0.01), torch.optim.RMSprop([weight], lr=1e-4)
    (plain,) = milliseconds(lambda: (torchs.step(), weight.data.clamp_(-0.01, 0.01)))
    return of_blocks("train._rmsprop", "_BLOCK", [1 << e for e in (14, 15, 16, 17, 18)], ours.step, plain)


if __name__ == "__main__":
    torch.set_num_threads(1)
    TABLE.parent.mkdir(exist_ok=True)
    table = pd.DataFrame([*focal(), *first_layer(), *density(), *rmsprop()])
    table.to_csv(TABLE, index=False)
    print(table.to_string(index=False))
