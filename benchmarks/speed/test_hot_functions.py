"""The functions in which the time goes, one by one, so that a slower one shows.

    pip install -e ".[test,benchmark]"
    python -m pytest benchmarks/speed --benchmark-save=before          # then change something, and
    python -m pytest benchmarks/speed --benchmark-compare=0001_before --benchmark-compare-fail=median:20%

Not part of the test suite. One thread, random data; compare runs of the same machine only, at rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import scmog
from scmog import metrics
from scmog.genomics import overlap_join
from scmog.nn import EncoderInput, Focal, InputDropout, InputLayer, linear_focal_loss, negative_binomial_loss
from scmog.train._rmsprop import ClippedRMSprop

sys.path.insert(0, str(Path(__file__).parent))
from random_cells import random_mdata, random_rows

N_CELLS, N_PEAKS, N_GENES = 256, 20_000, 5_000


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def open_peaks():
    return random_rows(N_CELLS, N_PEAKS, 0.03, np.random.default_rng(0), counts=False)


def rows_of(matrix):
    arrays = (torch.from_numpy(a) for a in (matrix.indptr.astype(np.int32), matrix.indices, matrix.data))
    return torch.sparse_csr_tensor(*arrays, matrix.shape)


@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_first_layer(benchmark, open_peaks, sparse):
    """Forward and backward, dropout included."""
    layer, dropout = InputLayer(N_PEAKS, 512), InputDropout(0.4).train()
    values = rows_of(open_peaks)
    x = EncoderInput(values if sparse else values.to_dense(), torch.full((N_PEAKS,), 0.03))

    def step():
        layer.weight.grad = None
        layer(dropout(x)).sum().backward()

    benchmark(step)


def test_linear_focal_loss(benchmark, open_peaks):
    """Last ATAC layer, loss and gradient."""
    h = torch.randn(N_CELLS, 128, requires_grad=True)
    weight, bias = (torch.randn(N_PEAKS, 128) * 0.02).requires_grad_(), torch.full((N_PEAKS,), -3.0, requires_grad=True)
    target = rows_of(open_peaks)

    def step():
        weight.grad = None
        linear_focal_loss(h, weight, bias, None, target, Focal(0.5, 0.5, 1.0)).mean().backward()

    benchmark(step)


def test_negative_binomial_loss(benchmark):
    """Loss and gradient, one dispersion per gene."""
    counts = rows_of(random_rows(N_CELLS, N_GENES, 0.08, np.random.default_rng(0), counts=True))
    mean = torch.rand(N_CELLS, N_GENES).add(0.1).requires_grad_()
    dispersion = torch.ones(N_GENES, requires_grad=True)

    def step():
        mean.grad = None
        negative_binomial_loss(mean, dispersion, counts, reduction="cell").mean().backward()

    benchmark(step)


def test_rmsprop(benchmark):
    """A step on five million weights."""
    weight = torch.randn(N_PEAKS, 256, requires_grad=True)
    weight.grad = torch.randn(N_PEAKS, 256)
    benchmark(ClippedRMSprop([weight], 1e-4, clip_value=0.01).step)


def test_mini_batch(benchmark):
    """256 cells as CSR tensors from matrices in memory."""
    mdata = random_mdata(2000, N_GENES, N_PEAKS)
    scmog.model.SCMOG.setup_mudata(mdata)
    dataset = scmog.model.SCMOG(mdata, directions=[("rna", "atac")]).adata_manager.create_torch_dataset()
    cells = np.random.default_rng(0).permutation(2000)[:N_CELLS]
    benchmark(lambda: dataset[cells])


@pytest.mark.parametrize("axis", ["flat", "feature"])
def test_auroc(benchmark, open_peaks, axis):
    score = np.random.default_rng(0).random(open_peaks.shape, dtype=np.float32)
    benchmark(metrics.auroc, open_peaks, score, axis=axis)


def test_overlap_join(benchmark):
    """200,000 peaks against as many others."""
    rng = np.random.default_rng(0)

    def peaks():
        start = rng.integers(0, 125_000_000, 200_000)
        chrom = np.array([f"chr{i}" for i in range(1, 23)])[rng.integers(0, 22, 200_000)]
        return pd.DataFrame({"chrom": chrom, "start": start, "end": start + rng.integers(200, 900, 200_000)})

    benchmark(overlap_join, peaks(), peaks())
