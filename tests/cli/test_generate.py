from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

import scmog
from scmog.cli import main
from scmog.model import SCMOG


def _equal(left: AnnData, right: AnnData) -> None:
    as_array = lambda matrix: matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)  # noqa: E731
    assert list(left.obs_names) == list(right.obs_names)
    assert list(left.var_names) == list(right.var_names)
    np.testing.assert_array_equal(as_array(left.X), as_array(right.X))
    assert left.layers.keys() == right.layers.keys()
    for name in left.layers:
        np.testing.assert_array_equal(as_array(left.layers[name]), as_array(right.layers[name]))


def _global_columns(path: Path) -> list[str]:
    """Columns of the global obs as stored; mudata 0.3 adds those of the modalities on reading."""
    with h5py.File(path) as file:
        return list(file["obs"].attrs["column-order"])


def _expected(model_dir: Path, data_dir: Path, **options: object) -> AnnData:
    query = anndata.read_h5ad(data_dir / "rna.h5ad")
    return SCMOG.load(model_dir, adata=False).get_generated(query, source="rna", target="atac", **options)


def test_into_a_mudata(data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "out.h5mu"
    assert main(["generate", str(data_dir / "rna.h5mu"), "--model", str(model_dir), "--output", str(output)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"atac_generated: 120 cells x 60 peaks, open (1) or closed (0)\nWritten: {output}\n"
    assert captured.err == ""
    result, query = mudata.read_h5mu(output), mudata.read_h5mu(data_dir / "rna.h5mu")
    assert list(result.mod) == ["rna", "atac_generated"]
    assert result["atac_generated"].uns["scmog"]["generated"]
    _equal(result["rna"], query["rna"])
    _equal(result["atac_generated"], _expected(model_dir, data_dir))
    assert [path.name for path in output.parent.iterdir()] == ["out.h5mu"]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        pytest.param([], {}, id="default"),
        pytest.param(["--threshold", "none"], {"threshold": None}, id="no-cut"),
        pytest.param(["--threshold", "0.25"], {"threshold": 0.25}, id="number"),
        pytest.param(["--threshold", "paper"], {"threshold": "paper"}, id="paper"),
        pytest.param(["--threshold", "0.5", "--score", "raw"], {"threshold": 0.5, "score": "raw"}, id="raw"),
    ],
)
def test_alone(
    arguments: list[str], options: dict[str, object], data_dir: Path, model_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "atac.h5ad"
    argv = ["generate", str(data_dir / "rna.h5ad"), "--model", str(model_dir), "--output", str(output)]
    assert main([*argv, "--source", "rna", "--target", "atac", *arguments]) == 0
    _equal(anndata.read_h5ad(output), _expected(model_dir, data_dir, **options))


def test_log1p(data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "rna.h5ad"
    argv = ["generate", str(data_dir / "atac.h5ad"), "--model", str(model_dir), "--output", str(output), "--log1p"]
    assert main([*argv, "--source", "atac", "--target", "rna"]) == 0
    assert "expected log1p of counts" in capsys.readouterr().out
    query = anndata.read_h5ad(data_dir / "atac.h5ad")
    expected = SCMOG.load(str(model_dir), adata=False).get_generated(query, source="atac", target="rna", log1p=True)
    _equal(anndata.read_h5ad(output), expected)


def test_alone_from_a_mudata(data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "atac.h5ad"
    assert main(["generate", str(data_dir / "rna.h5mu"), "--model", str(model_dir), "--output", str(output)]) == 0
    _equal(anndata.read_h5ad(output), _expected(model_dir, data_dir))


# mudata, on reading measured and generated genes of the same names
@pytest.mark.filterwarnings("ignore:Cannot join columns", "ignore:var_names are not unique")
def test_key_added(data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.h5mu"
    argv = ["generate", str(data_dir / "paired.h5mu"), "--model", str(model_dir), "--output", str(output)]
    assert main([*argv, "--target", "rna", "--key-added", "imputed"]) == 0
    result = mudata.read_h5mu(output)
    assert list(result.mod) == ["rna", "atac", "imputed"]
    assert result["imputed"].uns["scmog"]["source"] == "atac"
    columns = [_global_columns(path) for path in (data_dir / "paired.h5mu", output)]
    assert columns[0] == columns[1]


def test_what_was_there_before_is_not_shown_as_new(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.h5mu"
    argv = ["generate", "--model", str(model_dir), "--output", str(output), "--overwrite"]
    assert main([*argv, str(data_dir / "paired.h5mu"), "--target", "rna"]) == 0
    capsys.readouterr()
    assert main([*argv, str(output), "--target", "atac"]) == 0
    shown = capsys.readouterr().out
    assert "atac_generated: " in shown
    assert "rna_generated: " not in shown
    with h5py.File(output) as file:
        assert set(file["mod"]) == {"rna", "atac", "rna_generated", "atac_generated"}


def test_features_are_aligned(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "atac.h5ad"
    argv = ["generate", str(data_dir / "reversed.h5ad"), "--model", str(model_dir), "--output", str(output)]
    argv += ["--source", "rna"]
    assert main([*argv, "--no-align"]) == 2
    assert "align_features" in capsys.readouterr().err
    assert main(argv) == 0
    assert capsys.readouterr().err.startswith("scmog: rna: 30 of the model's 30 genes found")
    _equal(anndata.read_h5ad(output), _expected(model_dir, data_dir))


def test_an_aligned_query_keeps_its_own_features(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = mudata.read_h5mu(data_dir / "rna.h5mu")
    few = query["rna"][:, 5:].copy()
    few.var_names = [f"{name}-extra" if k > 20 else name for k, name in enumerate(few.var_names)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
        MuData({"rna": few}).write_h5mu(tmp_path / "few.h5mu")
    argv = ["generate", str(tmp_path / "few.h5mu"), "--model", str(model_dir), "--output", str(tmp_path / "out.h5mu")]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "Features aligned to those of the model" in shown
    assert "21 (70%)" in shown
    result = mudata.read_h5mu(tmp_path / "out.h5mu")
    assert list(result["rna"].var_names) == list(few.var_names)
    assert (result["rna"].X != few.X).nnz == 0
    aligned = scmog.pp.align_features(few, SCMOG.load(model_dir, adata=False), modality="rna", warn_below=0)
    expected = SCMOG.load(model_dir, adata=False).get_generated(aligned, source="rna", target="atac")
    _equal(result["atac_generated"], expected)
    report = scmog.pp.AlignmentReport.from_uns(result)
    assert [(part.modality, part.matched) for part in report.modalities] == [("rna", 21)]


def test_too_few_features_are_refused(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = anndata.read_h5ad(data_dir / "rna.h5ad")[:, :10]
    few.write_h5ad(tmp_path / "few.h5ad")
    argv = ["generate", str(tmp_path / "few.h5ad"), "--model", str(model_dir), "--output", str(tmp_path / "out.h5ad")]
    argv += ["--source", "rna"]
    assert main(argv) == 2
    assert "10 of the model's 30 genes found" in capsys.readouterr().err
    assert main([*argv, "--min-matched", "0.2"]) == 0
    shown = capsys.readouterr()
    assert "10 of the model's 30 genes found" in shown.err  # the warning
    assert "10 (33%)" in shown.out


def test_an_existing_output_is_kept(
    data_dir: Path, model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.h5mu"
    output.write_text("precious")
    argv = ["generate", str(data_dir / "rna.h5mu"), "--model", str(model_dir), "--output", str(output)]
    assert main(argv) == 2
    assert f"{output} exists" in capsys.readouterr().err
    assert output.read_text() == "precious"
    assert main([*argv, "--overwrite"]) == 0
    assert "atac_generated" in mudata.read_h5mu(output).mod


def test_the_query_itself_can_be_completed(data_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    query = tmp_path / "rna.h5mu"
    shutil.copy(data_dir / "rna.h5mu", query)
    argv = ["generate", str(query), "--model", str(model_dir), "--output", str(query), "--overwrite"]
    assert main(argv) == 0
    assert main(argv) == 0  # what was generated before is replaced, and never read
    assert list(mudata.read_h5mu(query).mod) == ["rna", "atac_generated"]


def test_a_failed_write_leaves_nothing_behind(
    data_dir: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: MuData, path: Path) -> None:
        Path(path).write_text("half")
        raise OSError("disk full")

    output = tmp_path / "out.h5mu"
    output.write_text("earlier")
    monkeypatch.setattr(MuData, "write_h5mu", fail)
    argv = ["generate", str(data_dir / "rna.h5mu"), "--model", str(model_dir), "--output", str(output), "--overwrite"]
    assert main(argv) == 2
    assert capsys.readouterr().err == "scmog: error: disk full\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.h5mu", "earlier")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["rna.h5ad", "--output", "o.h5ad"], "say with source=", id="ambiguous-anndata"),
        pytest.param(["rna.h5ad", "--output", "o.h5mu", "--source", "rna"], "gives an .h5ad output", id="needs-mudata"),
        pytest.param(["rna.h5ad", "--output", "o.csv"], "must end in .h5mu or .h5ad", id="output-ending"),
        pytest.param(["rna.txt", "--output", "o.h5ad"], "must end in .h5mu or .h5ad", id="query-ending"),
        pytest.param(["mudata.h5ad", "--output", "o.h5ad"], "it holds MuData, not anndata", id="mudata-named-h5ad"),
        pytest.param(["anndata.h5mu", "--output", "o.h5mu"], "it holds anndata, not MuData", id="anndata-named-h5mu"),
        pytest.param(["none.h5mu", "--output", "o.h5mu"], "not an existing file", id="no-query"),
        pytest.param(["rna.h5mu", "--output", "o.h5mu", "--source", "protein"], "no direction", id="direction"),
        pytest.param(["rna.h5mu", "--output", "o.h5mu", "--threshold", "1.5"], "threshold must be", id="threshold"),
        pytest.param(["rna.h5mu", "--output", "o.h5ad", "--key-added", "x"], "--key-added", id="key-without-mudata"),
        pytest.param(["paired.h5mu", "--output", "o.h5mu", "--source", "atac", "--build", "sacCer3"],
                     "build must be one of", id="build of equal names"),
        pytest.param(["paired.h5mu", "--output", "o.h5mu", "--source", "atac", "--chain-file", "none.chain"],
                     "none.chain", id="chain file of equal names"),
        pytest.param(["paired.h5mu", "--output", "o.h5ad"], "several directions", id="ambiguous-mudata"),
        pytest.param(["paired.h5mu", "--output", "o.h5mu", "--key-added", "atac", "--target", "atac"],
                     "is measured and is not overwritten", id="measured"),
    ],
)  # fmt: skip
def test_errors(
    arguments: list[str],
    expected: str,
    data_dir: Path,
    model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    query, *options = arguments
    assert main(["generate", str(data_dir / query), "--model", str(model_dir), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("scmog: error: ")
    assert error.count("\n") == 1
    assert expected in error
    assert list(tmp_path.iterdir()) == []


def test_no_model(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["generate", str(data_dir / "rna.h5mu"), "--model", str(tmp_path), "--output", str(tmp_path / "o.h5mu")]
    assert main(argv) == 2
    assert f"{tmp_path} holds no model.pt" in capsys.readouterr().err
