"""The critic of the adversarial pre-training: one class for every modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scmog.nn._layers import fully_connected, xavier_


class Critic(nn.Module):
    """Score how much a profile looks measured; the Wasserstein critic of the pre-training (paper section 4).

    No batch norm (a score must depend on its own cell alone) and no activation on the output.

    Parameters
    ----------
    n_input
        Number of features of the modality.
    n_hidden
        Widths of the hidden layers; in the paper ``(1024, 256, 64, 16)`` for RNA and ATAC, ``(256, 64)`` for protein.
    xavier
        Draw the weights from Xavier's distribution, as the paper says, instead of PyTorch's default, as the authors'
        code does. Weight clipping wipes out the difference at the first step.
    """

    def __init__(self, n_input: int, *, n_hidden: Sequence[int] = (1024, 256, 64, 16), xavier: bool = True) -> None:
        super().__init__()
        self.hidden = fully_connected(n_input, n_hidden, batch_norm=False, features=True)
        self.score = nn.Linear(n_hidden[-1], 1)
        if xavier:
            xavier_(self)

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """Score profiles.

        Parameters
        ----------
        x
            Measured or generated profiles in the target's representation, ``(n_cells, n_input)``, dense or CSR.
        *more
            Further profiles, dense, to be scored in the same pass.

        Returns
        -------
        Scores, ``(n_cells,)`` of all; higher means more like measured cells.
        """
        first, *others = self.hidden
        h = first(x, *more)
        for layer in others:
            h = layer(h)
        score: torch.Tensor = self.score(h).squeeze(-1)  # (n_cells,)
        return score
