"""What scvi-tools' trainer does not do for two stages: a bar that names the stage, a history that keeps all keys."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scvi.train import TrainRunner

# scvi-tools exports its progress bar under this private name only (1.4.2 and 1.5.1)
from scvi.train._progress import ProgressBar


class StageProgressBar(ProgressBar):
    """scvi-tools' progress bar, with the stage in front."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Show the stage and the epoch within it."""
        super().on_train_epoch_start(trainer, pl_module)
        if self.is_enabled:
            self.main_progress_bar.set_description(pl_module.stage_name)


class SCMOGTrainRunner(TrainRunner):
    """Train runner whose history keeps the keys of every ``train`` call.

    The parent drops keys that are new in a later call, such as the critic losses of pre-training that follows a call
    without it, and lets each key count its own epochs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            # true of scvi-tools' callback; our own stopping rule goes by losses that all processes share
            warnings.filterwarnings("ignore", message="early_stopping was automatically disabled")
            super().__init__(*args, **kwargs)
        if self.trainer.world_size > 1:  # the parent would move the model of every process to the first device
            self.device = self.trainer.strategy.root_device

    def _update_history(self) -> None:
        self._merge_history()
        self.model.history_ = {key: portable(frame) for key, frame in (self.model.history_ or {}).items()}

    def _merge_history(self) -> None:
        earlier = self.model.history_
        if not isinstance(earlier, dict) or not earlier:
            super()._update_history()
            return
        self.model.history_, was_trained = None, self.model.is_trained_
        self.model.is_trained_ = False  # so that the parent just reads the logger
        super()._update_history()
        self.model.is_trained_ = was_trained
        self.model.history_ = merge_histories(earlier, self.model.history_ or {})


def merge_histories(earlier: dict[str, pd.DataFrame], later: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Append the history of a later ``train`` call, its epochs counted on from the earlier ones."""
    n_epochs = 1 + max((int(np.max(frame.index)) for frame in earlier.values() if len(frame)), default=-1)
    merged = dict(earlier)
    for key, frame in later.items():
        shifted = frame.set_axis(frame.index + n_epochs).rename_axis(frame.index.name)
        merged[key] = pd.concat([earlier[key], shifted]) if key in earlier else shifted
    return merged


def portable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its column names as objects: pandas 2 can't read the strings of pandas 3 in a saved model."""
    return frame.set_axis(pd.Index(list(frame.columns), dtype=object), axis=1)


def trainer_options(trainer_kwargs: dict[str, Any], *, validate: bool = True) -> dict[str, Any]:
    """Options for scvi-tools' trainer: what the user gave, on top of ours.

    Validation after each epoch (none at all without validation cells), and our progress bar, which names the stage,
    unless the user wants none or Lightning's own.

    Raises
    ------
    TypeError
        If an option of scvi-tools' early stopping was given, which does not apply to several directions.
    """
    foreign = sorted(key for key in trainer_kwargs if key.startswith("early_stopping_"))
    if foreign:
        message = (
            f"{foreign} are options of scvi-tools' early stopping; here every direction stops by its own validation "
            "loss, after plan_kwargs={'patience': n} epochs without a better one."
        )
        raise TypeError(message)
    options = {"check_val_every_n_epoch": 1, "log_every_n_steps": 1, **trainer_kwargs}
    if not validate:  # scvi-tools hands Lightning a missing loader, which it takes only if it is never asked for
        options["limit_val_batches"] = 0
    wanted = options.get("enable_progress_bar", True) and options.pop("simple_progress_bar", True)
    if wanted:
        options["callbacks"] = [*options.get("callbacks", []), StageProgressBar()]
    return {"simple_progress_bar": False, **options}
