"""What two processes train: a script, as a user would write it, that Lightning starts once more for the second process.

``python two_processes.py FOLDER`` leaves a file of each process in the folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from mudata import MuData
from torch import nn

import scmog

SMALL: dict[str, Any] = {
    "n_latent": 4,
    "n_hidden_rna": (16, 8),
    "n_hidden_atac": (16, 8),
    "n_hidden_critic": (8,),
    "n_hidden_critic_protein": (8,),
}
N_TRAIN = 80


def data() -> MuData:
    mdata = scmog.datasets.simulate(n_cells=121, n_genes=40, n_peaks=60, n_proteins=6, seed=0)
    mdata.obs["split"] = ["train"] * N_TRAIN + ["validation"] * 21 + ["test"] * 20
    return mdata


class FrozenBatchNorm(Callback):
    """Batch norm by its running averages, which stay 0 and 1: then no cell matters to another one's loss."""

    def on_train_batch_start(self, trainer: Any, plan: nn.Module, *_: Any) -> None:
        for layer in plan.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.eval()


def train_on_whole_batches(mdata: MuData, n_processes: int, **trainer: Any) -> scmog.model.SCMOG:
    """Two steps of critics and generators and two supervised ones, each on all training cells."""
    model = scmog.model.SCMOG(mdata, **SMALL, n_members=2, dropout_rate=0.0, input_dropout_rate=0.0)
    model.train(
        max_epochs=2,
        n_epochs_pretrain=2,
        split_key="split",
        batch_size=N_TRAIN // n_processes,
        early_stopping=False,
        seed=3,
        accelerator="cpu",
        enable_progress_bar=False,
        plan_kwargs={"restore_best": False, "lr_schedule": "constant"},
        callbacks=[FrozenBatchNorm()],
        **trainer,
    )
    return model


def train_as_usual(mdata: MuData) -> scmog.model.SCMOG:
    """Both stages with dropout, several batches, an odd number of validation cells and early stopping."""
    model = scmog.model.SCMOG(mdata, **SMALL, n_members=2)
    model.train(
        max_epochs=30,
        n_epochs_pretrain=1,
        split_key="split",
        batch_size=13,
        lr=0.2,  # too large to learn from: it has to stop early
        seed=1,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        enable_progress_bar=False,
        plan_kwargs={"patience": 2},
    )
    return model


def facts(model: scmog.model.SCMOG) -> dict[str, Any]:
    table = model.evaluate(split="test", metrics=["auroc", "pearson"])
    return {
        "state": model.module.state_dict(),
        "id": model.model_id_,
        "n_epochs": model.trainer.current_epoch,
        "history": {key: frame[key].tolist() for key, frame in model.history.items()},
        "metrics": {key: float(value) for key, value in model.trainer.callback_metrics.items()},
        "scores": table["value"].tolist(),
        "random": torch.initial_seed(),
    }


def main(folder: Path) -> None:
    mdata = data()
    scmog.model.SCMOG.setup_mudata(mdata)
    usual = train_as_usual(mdata)
    rank = usual.trainer.global_rank
    whole = train_on_whole_batches(mdata, 2, devices=2)  # the strategy follows from the number of devices
    usual_facts = facts(usual)
    torch.save({"usual": usual_facts, "whole": whole.module.state_dict()}, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
