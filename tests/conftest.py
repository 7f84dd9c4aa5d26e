from __future__ import annotations

import pytest
from mudata import MuData

import scmog


@pytest.fixture(scope="session")
def _simulated() -> MuData:
    return scmog.datasets.simulate(n_cells=120, n_genes=40, n_peaks=60, n_proteins=6, seed=0)


@pytest.fixture
def paired(_simulated: MuData) -> MuData:
    """Paired RNA, ATAC and protein of 120 cells; a copy for each test, which may change it."""
    return _simulated.copy()
