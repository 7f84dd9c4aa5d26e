"""The order of training cells in several processes."""

from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData
from torch.utils.data import BatchSampler, DistributedSampler

from scmog.data import PartialMuDataManager, SeededDataSplitter
from scmog.model import SCMOG


@pytest.fixture
def manager(paired: MuData) -> PartialMuDataManager:
    SCMOG.setup_mudata(paired)
    return SCMOG(paired).adata_manager


def order(manager: PartialMuDataManager, *, seed: int, rank: int, epoch: int = 0) -> list[int]:
    """Cells of one of two processes in the order in which it visits them."""
    splitter = SeededDataSplitter(
        manager,
        external_indexing=list(np.split(np.arange(120), [100, 110])),
        batch_size=8,
        distributed_sampler=True,
        seed=seed,
    )
    splitter.setup()
    sampler = splitter.train_dataloader().sampler
    assert isinstance(sampler, DistributedSampler)
    sampler.rank = rank
    sampler.set_epoch(epoch)
    return [cell for batch in sampler for cell in batch]


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_available", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)


@pytest.mark.usefixtures("two_processes")
def test_each_process_has_a_part_of_the_cells_and_the_seed_orders_them(manager: PartialMuDataManager) -> None:
    first, second = (order(manager, seed=5, rank=rank) for rank in (0, 1))
    assert len(first) == len(second) == 50
    assert sorted(first + second) == list(range(100))
    assert first == order(manager, seed=5, rank=0)
    assert first != order(manager, seed=6, rank=0)
    assert first != order(manager, seed=5, rank=0, epoch=1)


def test_one_process_is_as_in_scvi_tools(manager: PartialMuDataManager) -> None:
    splitter = SeededDataSplitter(manager, external_indexing=list(np.split(np.arange(120), [100, 110])), batch_size=8)
    splitter.setup()
    assert isinstance(splitter.train_dataloader().sampler, BatchSampler)
