"""Data sets: simulated cells whose true probabilities are known, files of Cell Ranger, public sets of the paper."""

from __future__ import annotations

from scmog.datasets._catalogue import available
from scmog.datasets._fetch import fetch
from scmog.datasets._loaders import (
    lymphoma_multiome,
    mouse_brain_multiome,
    pbmc_citeseq,
    pbmc_multiome,
    shareseq,
    snareseq_cortex,
)
from scmog.datasets._read_10x import read_10x
from scmog.datasets._simulate import simulate

__all__ = [
    "available",
    "fetch",
    "lymphoma_multiome",
    "mouse_brain_multiome",
    "pbmc_citeseq",
    "pbmc_multiome",
    "read_10x",
    "shareseq",
    "simulate",
    "snareseq_cortex",
]
