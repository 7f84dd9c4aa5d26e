"""Where the benchmarks train: ``SCMOG_BENCHMARK_ACCELERATOR=gpu`` takes a GPU, which changes times, not the scores."""

import os

ACCELERATOR = os.environ.get("SCMOG_BENCHMARK_ACCELERATOR", "cpu")
