"""One object per direction that knows how far its training is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class Patience:
    """Counts epochs without improvement."""

    limit: float
    best: float = math.inf
    waited: int = 0

    def update(self, value: float) -> bool:
        """Take the value of an epoch; True if it is the best so far. NaN is never an improvement."""
        if value < self.best:
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether the last ``limit`` epochs brought no improvement."""
        return self.waited >= self.limit


@dataclass
class DirectionProgress:
    """Where one direction stands in the two stages.

    Directions share no weights, so each has its own early stopping and its own best weights. Both begin after the
    ``warm_up`` epochs of the learning-rate schedule: a decoder that starts at the average profile has a low validation
    loss before it has learnt anything, which on small data later epochs may not beat.
    """

    pretraining: Patience
    training: Patience
    max_epochs: int
    warm_up: int = 0
    best_state: dict[str, Tensor] | None = field(default=None, repr=False)
    n_epochs: int = 0

    @property
    def finished(self) -> bool:
        """Whether the supervised training of the direction is over."""
        return self.training.exhausted or self.n_epochs >= self.max_epochs

    def remember_if_best(self, validation_loss: float, translator: nn.Module) -> None:
        """Take the validation loss of an epoch and keep a copy of the weights if it is the best one."""
        if self.n_epochs < self.warm_up:
            return
        if self.training.update(validation_loss):
            self.best_state = {name: value.detach().cpu().clone() for name, value in translator.state_dict().items()}

    def restore_best(self, translator: nn.Module) -> None:
        """Load the best weights, if any epoch was validated."""
        if self.best_state is not None:
            translator.load_state_dict(self.best_state)
            self.best_state = None
