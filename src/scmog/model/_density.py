"""The cut that opens as many peaks in the training cells as were measured."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_N_BINS = 1 << 20  # of the logit: finer than single precision resolves around the cut
_RANGE = 30.0


def density_cut(logits: Iterable[Tensor], n_open: float) -> float:
    """Logit above which about ``n_open`` of all entries lie.

    From a histogram, so that blocks of any number of cells can stream through.

    Parameters
    ----------
    logits
        Blocks of calibrated logits.
    n_open
        Number of measured open entries in the same cells.
    """
    counts = torch.zeros(_N_BINS, dtype=torch.float64)
    for block in logits:
        counts += torch.histc(block.float().clamp(-_RANGE, _RANGE), _N_BINS, -_RANGE, _RANGE).double().cpu()
    above = counts.flip(0).cumsum(0)  # entries in the k + 1 highest bins
    n_bins_open = int((above <= n_open).sum())
    return _RANGE - n_bins_open * (2 * _RANGE / _N_BINS)
