"""The history over several calls of train, and the progress bar."""

from __future__ import annotations

import pandas as pd
import pytest
from lightning.pytorch import Callback
from mudata import MuData

from scmog.model import SCMOG
from scmog.train import StageProgressBar, merge_histories, trainer_options
from scmog.train._runner import portable


def frame(key: str, values: list[float], start: int = 0) -> pd.DataFrame:
    index = pd.RangeIndex(start, start + len(values), name="epoch")
    return pd.DataFrame({key: values}, index=index)


def test_merge_histories() -> None:
    earlier = {"train_loss": frame("train_loss", [3.0, 2.0]), "old": frame("old", [1.0])}
    later = {
        "train_loss": frame("train_loss", [1.5, 1.0], start=1),
        "critic_loss_train": frame("critic_loss_train", [7.0]),
    }
    merged = merge_histories(earlier, later)
    assert list(merged) == ["train_loss", "old", "critic_loss_train"]
    # the later call had one epoch of pre-training (0) and two of training (1, 2); the earlier ones were 0 and 1
    assert merged["train_loss"]["train_loss"].to_dict() == {0: 3.0, 1: 2.0, 3: 1.5, 4: 1.0}
    assert merged["critic_loss_train"]["critic_loss_train"].to_dict() == {2: 7.0}
    pd.testing.assert_frame_equal(merged["old"], frame("old", [1.0]))
    assert merged["train_loss"].index.name == "epoch"
    pd.testing.assert_frame_equal(earlier["train_loss"], frame("train_loss", [3.0, 2.0]))  # untouched
    pd.testing.assert_frame_equal(later["train_loss"], frame("train_loss", [1.5, 1.0], start=1))


def test_merge_with_nothing() -> None:
    later = {"train_loss": frame("train_loss", [1.0, 2.0])}
    pd.testing.assert_frame_equal(merge_histories({}, later)["train_loss"], later["train_loss"])
    pd.testing.assert_frame_equal(merge_histories(later, {})["train_loss"], later["train_loss"])


@pytest.mark.parametrize(
    ("given", "n_bars"),
    [
        pytest.param({}, 1, id="default"),
        pytest.param({"simple_progress_bar": True}, 1, id="simple-is-ours"),
        pytest.param({"simple_progress_bar": False}, 0, id="lightnings-own"),
        pytest.param({"enable_progress_bar": False}, 0, id="none"),
    ],
)
def test_trainer_has_one_bar_unless_told_otherwise(given: dict[str, bool], n_bars: int) -> None:
    before = dict(given)
    options = trainer_options(given)
    bars = [callback for callback in options.get("callbacks", []) if isinstance(callback, StageProgressBar)]
    assert len(bars) == n_bars
    assert options["simple_progress_bar"] is False  # scvi-tools adds none of its own
    assert options.get("enable_progress_bar", True) == given.get("enable_progress_bar", True)
    assert given == before


def test_trainer_options_of_the_user_win_and_callbacks_stay() -> None:
    mine = Callback()
    callbacks = [mine]
    options = trainer_options({"check_val_every_n_epoch": 3, "callbacks": callbacks})
    assert options["check_val_every_n_epoch"] == 3
    assert options["callbacks"][0] is mine
    assert callbacks == [mine]
    assert trainer_options({})["check_val_every_n_epoch"] == 1
    assert trainer_options({}, validate=False)["limit_val_batches"] == 0
    assert "limit_val_batches" not in trainer_options({})


def test_bar_and_history_of_two_calls(paired: MuData, capfd: pytest.CaptureFixture[str]) -> None:
    SCMOG.setup_mudata(paired)
    model = SCMOG(paired, directions=[("rna", "protein")], n_hidden_rna=(8, 4), n_hidden_protein=(4,))
    options = {"batch_size": 64, "accelerator": "cpu", "seed": 0}
    model.train(max_epochs=2, n_epochs_pretrain=1, **options)
    shown = "".join(capfd.readouterr())
    assert "Critic pre-training 1/1" in shown
    assert "Training 1/2" in shown
    assert "Training 2/2" in shown
    assert "Training 3/" not in shown

    assert list(model.history["generator_loss_validation"].index) == [0]
    assert list(model.history["validation_loss"].index) == [1, 2]
    model.train(max_epochs=1, n_epochs_pretrain=1, enable_progress_bar=False, **options)
    assert "Training" not in "".join(capfd.readouterr())
    for key in ("critic_loss_train", "generator_loss_train", "generator_loss_validation_rna_to_protein"):
        assert list(model.history[key].index) == [0, 3], key
    for key in ("train_loss", "validation_loss", "train_loss_rna_to_protein"):
        assert list(model.history[key].index) == [1, 2, 4], key
        assert model.history[key][key].notna().all()


def test_saved_histories_have_no_strings_of_pandas_3():
    """A model saved with pandas 3 is to be read with pandas 2, which does not know its strings."""
    frame = pd.DataFrame({"loss": [1.0]}, index=pd.RangeIndex(1, name="epoch"))
    portable_frame = portable(frame)
    assert portable_frame.columns.dtype == object
    assert portable_frame.columns.tolist() == ["loss"]
    assert portable_frame.index.name == "epoch"
    assert portable_frame.loc[0, "loss"] == 1.0
