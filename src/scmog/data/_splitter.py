"""scvi-tools' data module, with a seed for several processes."""

from __future__ import annotations

from typing import Any

from scvi.dataloaders import AnnDataLoader, DataSplitter
from torch.utils.data import DistributedSampler


class SeededDataSplitter(DataSplitter):
    """scvi-tools' data module whose order of cells depends on a seed, in several processes too.

    In one process the order comes from the global random state. With ``distributed_sampler=True`` all processes have
    to draw the same one, and scvi-tools leaves PyTorch's seed at 0.

    Parameters
    ----------
    *args, **kwargs
        Of :class:`scvi.dataloaders.DataSplitter`.
    seed
        Seed of the order in which training cells are visited.
    """

    def __init__(self, *args: Any, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seed = seed

    def train_dataloader(self) -> AnnDataLoader:
        """Mini-batches of training cells; in several processes each has a part of the cells."""
        loader = super().train_dataloader()
        if isinstance(loader.sampler, DistributedSampler):
            loader.sampler.seed = self.seed
        return loader
