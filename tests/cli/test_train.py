from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scmog.cli import main
from scmog.model import SCMOG

SHORT = ["--max-epochs", "1", "--pretrain-epochs", "0", "--accelerator", "cpu"]


def test_the_model_is_saved_with_what_was_asked(data_dir: Path, model_dir: Path) -> None:
    model = SCMOG.load(model_dir, adata=False)
    assert model.directions == (("rna", "atac"), ("atac", "rna"))
    assert model.preset_name == "default"
    assert model.seed_ == 0
    assert len(model.history["validation_loss"].dropna()) == 2
    assert len(model.history["critic_loss_train"].dropna()) == 1
    assert (len(model.train_indices_), len(model.validation_indices_), len(model.test_indices_)) == (84, 12, 24)


def test_options_reach_the_model(
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    other_notes: Callable[[str], list[str]],
) -> None:
    output = tmp_path / "deep" / "model"
    argv = ["train", str(data_dir / "renamed.h5mu"), "--output", str(output), *SHORT]
    argv += ["--modality", "rna=gex", "atac=peaks", "--layer", "rna=counts", "--batch-key", "batch"]
    argv += ["--directions", "rna:atac", "--preset", "paper", "--seed", "7", "--devices", "1"]
    argv += ["--train-size", "0.5", "--validation-size", "0.2"]
    assert main(argv) == 0
    model = SCMOG.load(output, adata=False)
    registry = model.training_registry
    assert model.directions == (("rna", "atac"),)
    assert (model.preset_name, model.seed_) == ("paper", 7)
    assert registry.names == {"rna": "gex", "atac": "peaks"}
    assert registry.layers["rna"] == "counts"
    assert registry.batch_key == "batch"
    assert (len(model.train_indices_), len(model.validation_indices_), len(model.test_indices_)) == (60, 24, 36)
    captured = capsys.readouterr()
    assert "Scores of 36 test cells" in captured.out
    assert other_notes(captured.err) == []


def test_of_several_processes_the_first_one_writes(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = SCMOG.train

    def train_as_second(self: SCMOG, *args: object, **kwargs: object) -> None:
        train(self, *args, **kwargs)
        self.trainer = SimpleNamespace(is_global_zero=False)

    monkeypatch.setattr(SCMOG, "train", train_as_second)
    argv = ["train", str(data_dir / "paired.h5mu"), "--output", str(tmp_path / "model"), *SHORT]
    assert main([*argv, "--directions", "rna:atac"]) == 0
    assert not (tmp_path / "model").exists()
    assert "Scores" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("split_key", "out", "err"),
    [
        pytest.param("split", "Scores of 24 test cells (higher is better)", "", id="test"),
        pytest.param("no_test", "Scores of 12 validation cells, which also chose the best epoch", "", id="validation"),
        pytest.param(
            "only_train",
            "no scores",
            "scmog: warning: No validation cells",
            id="neither",
        ),
    ],
)
def test_scores_of_held_out_cells(
    split_key: str,
    out: str,
    err: str,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    other_notes: Callable[[str], list[str]],
) -> None:
    argv = ["train", str(data_dir / "paired.h5mu"), "--output", str(tmp_path / "model"), "--split-key", split_key]
    assert main([*argv, "--directions", "rna:atac", *SHORT]) == 0
    captured = capsys.readouterr()
    assert out in captured.out
    notes = other_notes(captured.err)
    assert len(notes) == bool(err)
    assert all(note.startswith(err) for note in notes)
    assert ("RNA -> ATAC" in captured.out) == (split_key != "only_train")


def test_printed_scores_are_those_of_evaluate(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["train", str(data_dir / "paired.h5mu"), "--output", str(tmp_path / "model"), "--split-key", "split"]
    assert main([*argv, "--directions", "rna:atac", *SHORT]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "per peak" in line)
    import mudata

    table = SCMOG.load(tmp_path / "model", adata=mudata.read_h5mu(data_dir / "paired.h5mu")).evaluate(split="test")
    expected = table[(table["axis"] == "feature") & (table["metric"] == "auroc")].set_index("model")["value"]
    shown = [float(value) for value in line.split()[-4:]]
    order = ["scmog", "ridge", "mean x source depth", "training mean"]
    np.testing.assert_allclose(shown, expected[order], atol=5.1e-4)


def test_an_existing_model_is_kept(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "model"
    argv = ["train", str(data_dir / "paired.h5mu"), "--output", str(output), "--directions", "rna:atac", *SHORT]
    assert main([*argv, "--seed", "1"]) == 0
    before = (output / "model.pt").read_bytes()
    assert main([*argv, "--seed", "2"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (output / "model.pt").read_bytes() == before
    assert main([*argv, "--seed", "2", "--overwrite"]) == 0
    assert SCMOG.load(output, adata=False).seed_ == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["paired.h5mu", "--split-key", "fold"], "split_key 'fold' is in no obs", id="split-key"),
        pytest.param(["paired.h5mu", "--split-key", "cell_type"], "must hold the labels", id="split-labels"),
        pytest.param(["paired.h5mu", "--layer", "rna=spliced"], "spliced", id="layer"),
        pytest.param(["paired.h5mu", "--modality", "rna=gex"], "'gex', which is not in mdata.mod", id="modality"),
        pytest.param(["paired.h5mu", "--directions", "rna:protein"], "distinct pairs", id="direction"),
        pytest.param(["paired.h5mu", "--seed", "-1"], "seed must be", id="seed"),
        pytest.param(["renamed.h5mu"], "raw counts", id="log-values"),
        pytest.param(["rna.h5mu"], "two or more modalities", id="one-modality"),
        pytest.param(["rna.h5ad"], "must end in .h5mu", id="not-a-mudata"),
        pytest.param(["text.h5mu"], "could not be read as a .h5mu file", id="not-hdf5"),
    ],
)
def test_errors(
    arguments: list[str], expected: str, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = arguments
    (tmp_path / "text.h5mu").write_text("no HDF5")
    data = (tmp_path if name == "text.h5mu" else data_dir) / name
    assert main(["train", str(data), "--output", str(tmp_path / "model"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("scmog: error: ")
    assert error.count("\n") == 1
    assert expected in error
    assert not (tmp_path / "model").exists()


def test_output_that_is_a_file(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").write_text("")
    argv = ["train", str(data_dir / "paired.h5mu"), "--output", str(tmp_path / "model"), "--overwrite"]
    assert main(argv) == 2
    assert "is not a directory" in capsys.readouterr().err
