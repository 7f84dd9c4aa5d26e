from __future__ import annotations

from pathlib import Path

import mudata
import pandas as pd
import pytest

from scmog.cli import main
from scmog.model import SCMOG


def test_all_cells_and_table(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, data = tmp_path / "scores.csv", data_dir / "paired.h5mu"
    assert main(["evaluate", str(data), "--model", str(model_dir), "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Scores of all 120 cells of {data}")
    assert printed.endswith(f"Table: {output}\n")
    assert [printed.count(text) for text in ("RNA -> ATAC", "ATAC -> RNA", "per peak", "per gene")] == [8, 6, 2, 2]
    lines = printed.splitlines()
    assert [" AUROC " in line for line in lines if "RNA -> ATAC" in line][:4] == [True, True, True, False]
    assert [" Pearson r " in line for line in lines if "ATAC -> RNA" in line][:4] == [True, True, True, False]
    expected = SCMOG.load(model_dir, adata=False).evaluate(mudata.read_h5mu(data))
    pd.testing.assert_frame_equal(pd.read_csv(output), expected, check_dtype=False)


def test_split_and_directions(data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    output, data = tmp_path / "scores.csv", data_dir / "paired.h5mu"
    argv = ["evaluate", str(data), "--model", str(model_dir), "--output", str(output)]
    assert main([*argv, "--split", "test", "--directions", "rna:atac"]) == 0
    mdata = mudata.read_h5mu(data)
    test = mdata[(mdata.obs["split"] == "test").to_numpy()].copy()
    expected = SCMOG.load(model_dir, adata=False).evaluate(test, directions=[("rna", "atac")])
    pd.testing.assert_frame_equal(pd.read_csv(output), expected, check_dtype=False)


def test_metrics_labels_and_all_baselines(data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    output, data = tmp_path / "scores.csv", data_dir / "paired.h5mu"
    argv = ["evaluate", str(data), "--model", str(model_dir), "--output", str(output), "--split", "test"]
    argv += ["--metrics", "spearman", "auroc", "--labels", "cell_type", "--all-baselines"]
    assert main(argv) == 0
    model = SCMOG.load(model_dir, adata=mudata.read_h5mu(data))
    expected = model.evaluate(split="test", metrics=["spearman", "auroc"], labels_key="cell_type", baselines="all")
    assert "cell-type mean" in set(expected["model"])
    pd.testing.assert_frame_equal(pd.read_csv(output), expected, check_dtype=False)
    argv[argv.index("spearman") : argv.index("spearman") + 2] = ["all"]
    assert main([*argv[:-1], "--overwrite", "--directions", "rna:atac"]) == 0
    assert {"cmd", "calibration_slope", "pseudobulk_lfc"} < set(pd.read_csv(output)["metric"])


def _half(self: pd.DataFrame, path: Path, **_: object) -> None:
    path.write_text("direc")
    message = "no space left on device"
    raise OSError(message)


def test_an_existing_table_is_kept(
    data_dir: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "scores.csv"
    output.write_text("precious")
    argv = ["evaluate", str(data_dir / "paired.h5mu"), "--model", str(model_dir), "--output", str(output)]
    assert main(argv) == 2
    assert output.read_text() == "precious"
    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", _half)
        assert main([*argv, "--overwrite"]) == 2
    assert output.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [output]
    assert main([*argv, "--overwrite"]) == 0
    assert output.read_text().startswith("direction,")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["rna.h5mu"], "'atac' is not in the query", id="not-paired"),
        pytest.param(["rna.h5ad"], "must end in .h5mu", id="not-a-mudata"),
        pytest.param(["paired.h5mu", "--directions", "rna:protein"], "directions must be", id="direction"),
        pytest.param(["paired.h5mu", "--all-baselines"], "cells with --split", id="no-training-data"),
        pytest.param(["paired.h5mu", "--metrics", "all", "rmse"], "--metrics takes all or names", id="all-and-more"),
        pytest.param(["paired.h5mu", "--labels", "type"], "labels_key 'type' is in no obs", id="labels"),
        pytest.param(
            ["paired.h5mu", "--split", "test", "--build", "hg38", "--no-align"],
            "--build and --no-align can't be used here: --split scores cells of the training data",
            id="alignment of the training data",
        ),
        pytest.param(["paired.h5mu", "--output", "scores.txt"], "must end in .csv", id="output-ending"),
    ],
)
def test_errors(
    arguments: list[str], expected: str, data_dir: Path, model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = arguments
    assert main(["evaluate", str(data_dir / name), "--model", str(model_dir), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("scmog: error: ")
    assert expected in captured.err


def test_no_model(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(data_dir / "paired.h5mu"), "--model", str(tmp_path / "none")]) == 2
    assert "none holds no model.pt" in capsys.readouterr().err
