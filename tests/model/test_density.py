from __future__ import annotations

import numpy as np
import pytest
import torch

from scmog.model._density import density_cut


@pytest.mark.parametrize("n_open", [1, 10, 500, 4999])
@pytest.mark.parametrize("n_blocks", [1, 7])
def test_cut_opens_the_asked_number(n_open, n_blocks):
    logits = torch.as_tensor(np.random.default_rng(0).normal(-3, 2, size=(50, 100)), dtype=torch.float32)
    cut = density_cut(iter(logits.chunk(n_blocks)), n_open)
    expected = np.sort(logits.numpy().ravel())[::-1][n_open - 1 : n_open + 1]
    assert int((logits > cut).sum()) == pytest.approx(n_open, abs=1)
    assert cut == pytest.approx(float(expected.mean()), abs=max(1e-3, float(np.ptp(expected))))


def test_extremes():
    logits = torch.randn(10, 10, generator=torch.Generator().manual_seed(0))
    assert int((logits > density_cut([logits], 0)).sum()) == 0
    assert int((logits > density_cut([logits], 100)).sum()) == 100
    # far outside the range of the histogram nothing breaks
    steep = torch.tensor([[-1e4, -80.0, 80.0, 1e4]])
    cut = density_cut([steep], 2)
    assert int((steep > cut).sum()) == 2


def test_ties_open_none_rather_than_all():
    logits = torch.cat([torch.full((1, 90), -2.0), torch.linspace(1, 2, 10).reshape(1, 10)], dim=1)
    assert int((logits > density_cut([logits], 50)).sum()) == 10
