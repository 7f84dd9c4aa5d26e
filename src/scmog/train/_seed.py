"""Random state that is ours alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with all random generators set to ``seed``; afterwards they are as they were before."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    # all GPUs by name: otherwise PyTorch asks on hosts with several whether that is meant
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
