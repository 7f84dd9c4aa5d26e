from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import pytest
from mudata import MuData

from scmog.cli import main
from scmog.pp import prepare

GENES_OF_MOST = 12  # of 30; a bound that drops some of the simulated cells, and keeps most


@pytest.fixture(scope="module")
def simulated(data_dir: Path) -> MuData:
    return mudata.read_h5mu(data_dir / "paired.h5mu")


def run(data_dir: Path, tmp_path: Path, *options: str, name: str = "paired.h5mu") -> tuple[int, Path]:
    output = tmp_path / "out.h5mu"
    argv = ["prepare", str(data_dir / name), "--output", str(output), *options]
    return main(argv), output


def assert_equal(first: MuData, second: MuData) -> None:
    assert list(first.mod) == list(second.mod)
    for name, part in first.mod.items():
        assert list(part.obs_names) == list(second[name].obs_names)
        assert list(part.var_names) == list(second[name].var_names)
        assert (part.X != second[name].X).nnz == 0


def test_it_is_prepare_of_the_library(
    data_dir: Path, tmp_path: Path, simulated: MuData, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds = {"min_genes": 8, "max_genes": GENES_OF_MOST, "min_cells": 3, "max_share": 0.2}
    options = [text for name, value in bounds.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    code, output = run(data_dir, tmp_path, *options)
    assert code == 0
    expected = simulated.copy()
    prepare(expected, **bounds)
    assert expected.n_obs < simulated.n_obs
    assert expected["atac"].n_vars < simulated["atac"].n_vars
    assert_equal(mudata.read_h5mu(output), expected)
    captured = capsys.readouterr()
    assert f"Read: {simulated.n_obs} cells x 30 genes, 60 peaks" in captured.out
    assert (
        f"Kept: {expected.n_obs} cells x {expected['rna'].n_vars} genes, {expected['atac'].n_vars} pe" in captured.out
    )
    assert f"Written: {output}" in captured.out
    assert "Split" not in captured.out
    for part in ("filter_cells: kept", "remove_sex_chromosomes: dropped", "filter_peaks: kept"):
        assert f"scmog: {part}" in captured.err


def test_bounds_and_sex_chromosomes_can_be_off(data_dir: Path, tmp_path: Path, simulated: MuData) -> None:
    options = ["--min-genes", "0", "--max-genes", "none", "--min-cells", "0", "--max-share", "none"]
    code, output = run(data_dir, tmp_path, *options, "--keep-sex-chromosomes")
    assert code == 0
    assert_equal(mudata.read_h5mu(output), simulated)


def test_autosomes_only(data_dir: Path, tmp_path: Path, simulated: MuData) -> None:
    code, output = run(data_dir, tmp_path, "--min-genes", "0", "--max-share", "none", "--autosomes-only")
    assert code == 0
    kept = mudata.read_h5mu(output)["rna"].var_names
    chrom = simulated["rna"].var["chrom"].astype(str)
    assert list(kept) == list(chrom.index[chrom.str.fullmatch(r"chr\d+")])


def test_layers(data_dir: Path, tmp_path: Path) -> None:
    renamed = mudata.read_h5mu(data_dir / "renamed.h5mu")
    renamed["gex"].layers["few"] = renamed["gex"].X.copy()
    renamed["gex"].layers["few"].data[:] = 0
    renamed["gex"].layers["few"].eliminate_zeros()
    renamed.write_h5mu(tmp_path / "in.h5mu")
    options = ["--min-genes", "1", "--max-share", "none", "--layer"]
    assert run(tmp_path, tmp_path, *options, "rna=counts", name="in.h5mu")[0] == 0
    assert run(tmp_path, tmp_path, "--overwrite", *options, "rna=few", name="in.h5mu")[0] == 2


def test_random_split(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--min-genes", "0", "--split", "random", "--validation-size", "0.1", "--test-size", "0.3"]
    _, output = run(data_dir, tmp_path, *options, "--seed", "1")
    first = mudata.read_h5mu(output).obs["split"]
    assert first.value_counts().to_dict() == {"train": 72, "test": 36, "validation": 12}
    assert "Split: 72 train, 12 validation, 36 test" in capsys.readouterr().out
    run(data_dir, tmp_path, *options, "--seed", "1", "--overwrite")
    assert list(mudata.read_h5mu(output).obs["split"]) == list(first)
    run(data_dir, tmp_path, *options, "--seed", "2", "--overwrite")
    assert list(mudata.read_h5mu(output).obs["split"]) != list(first)


def test_split_by_a_column_of_numbers(data_dir: Path, tmp_path: Path) -> None:
    mdata = mudata.read_h5mu(data_dir / "paired.h5mu")
    del mdata.obs["split"]
    mdata.obs["donor"] = np.resize([1, 2, 3, 4], mdata.n_obs)
    mdata.write_h5mu(tmp_path / "in.h5mu")
    options = ["--min-genes", "0", "--split", "obs:donor", "--validation", "2", "--test", "3", "4"]
    code, output = run(tmp_path, tmp_path, *options, name="in.h5mu")
    assert code == 0
    obs = mudata.read_h5mu(output).obs
    expected = {1: "train", 2: "validation", 3: "test", 4: "test"}
    assert list(obs["split"]) == [expected[donor] for donor in obs["donor"]]


def test_cluster_split(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leiden itself is tested where it lives; the first run of its libraries takes half a minute."""
    asked: list[dict[str, Any]] = []

    def split(mdata: MuData, **options: Any) -> None:
        asked.append(options)
        mdata.obs[options["key_added"]] = "train"

    monkeypatch.setattr("scmog.cli._prepare.split_by_cluster", split)
    options = ["--min-genes", "1", "--max-share", "none", "--keep-sex-chromosomes", "--split", "cluster"]
    assert run(data_dir, tmp_path, *options)[0] == 0
    chosen = ["--seed", "3", "--resolution", "2", "--validation", "1", "--test", "0", "2", "--overwrite"]
    code, output = run(data_dir, tmp_path, *options, *chosen)
    assert code == 0
    assert asked[0] == {"seed": 0, "key_added": "split", "layer": None}
    assert asked[1] == {
        **asked[0],
        "seed": 3,
        "resolution": 2.0,
        "validation_clusters": ["1"],
        "test_clusters": ["0", "2"],
    }
    assert set(mudata.read_h5mu(output).obs["split"]) == {"train"}


@pytest.mark.parametrize("kind", ["h5", "mtx"])
def test_cell_ranger_output(kind: str, multiome: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "h5":
        multiome.write_h5(tmp_path / "in.h5")
    else:
        multiome.write_mtx(tmp_path / "in.h5", columns=6)
    options = ["--min-genes", "1", "--min-cells", "1", "--max-share", "none"]
    code, output = run(tmp_path, tmp_path, *options, name="in.h5")
    assert code == 0
    mdata = mudata.read_h5mu(output)
    assert set(mdata.mod) == {"rna", "atac"}
    assert "chrX:10-20" not in mdata["atac"].var_names  # positions are those of the file
    enough = (multiome.of("Gene Expression") > 0).sum(axis=1) >= 1
    assert list(mdata.obs_names) == list(np.array(multiome.barcodes)[enough])
    assert "Read: 7 cells x 4 genes, 3 peaks" in capsys.readouterr().out


def test_one_of_several_matrices(multiome: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for prefix in ("one_", "two_"):
        multiome.write_mtx(tmp_path / "in", columns=6, prefix=prefix)
    options = ["--min-genes", "1", "--min-cells", "1", "--max-share", "none"]
    assert run(tmp_path, tmp_path, *options, name="in")[0] == 2
    assert "prefix=" in capsys.readouterr().err
    assert run(tmp_path, tmp_path, *options, "--prefix", "two_", name="in")[0] == 0
    assert "Read: 7 cells x 4 genes, 3 peaks" in capsys.readouterr().out
    mudata.read_h5mu(tmp_path / "out.h5mu").write_h5mu(tmp_path / "in.h5mu")
    assert run(tmp_path, tmp_path, "--overwrite", "--prefix", "two_", name="in.h5mu")[0] == 2
    assert "--genome and --prefix are for the output of Cell Ranger" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*(not unique|intersecting)")  # an antibody is called like a gene
def test_cell_ranger_genome(citeseq: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    citeseq.features.loc[1, "genome"] = "mm10"
    citeseq.write_h5(tmp_path / "in.h5")
    options = ["--min-genes", "0", "--keep-sex-chromosomes"]
    assert run(tmp_path, tmp_path, *options, name="in.h5")[0] == 2
    assert "pass genome=" in capsys.readouterr().err
    code, output = run(tmp_path, tmp_path, *options, "--genome", "GRCh38", name="in.h5")
    assert code == 0
    assert list(mudata.read_h5mu(output)["rna"].var_names) == ["CD8A"]


@pytest.mark.filterwarnings("ignore:.*(not unique|intersecting)")
def test_genes_without_positions(citeseq: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    citeseq.write_h5(tmp_path / "in.h5")
    assert run(tmp_path, tmp_path, "--min-genes", "0", name="in.h5")[0] == 2
    assert "--gtf FILE, or --keep-sex-chromosomes" in capsys.readouterr().err
    gtf = tmp_path / "genes.gtf"
    line = '{}\tx\tgene\t1\t9\t.\t+\t.\tgene_id "{}"; gene_name "{}";\n'
    gtf.write_text(line.format("chrX", "ENSG01", "CD8A") + line.format("chr12", "ENSG02", "LYZ"))
    code, output = run(tmp_path, tmp_path, "--min-genes", "0", "--gtf", str(gtf), name="in.h5")
    assert code == 0
    assert list(mudata.read_h5mu(output)["rna"].var_names) == ["LYZ"]


def test_an_existing_file_is_kept(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.h5mu").write_text("mine")
    code, output = run(data_dir, tmp_path, "--min-genes", "0")
    assert code == 2
    assert "--overwrite" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert run(data_dir, tmp_path, "--min-genes", "0", "--overwrite")[0] == 0
    assert mudata.read_h5mu(output).n_obs == 120


def test_after_an_error_nothing_is_written(data_dir: Path, tmp_path: Path) -> None:
    shutil.copy(data_dir / "paired.h5mu", tmp_path / "out.h5mu")
    before = (tmp_path / "out.h5mu").read_bytes()
    code, output = run(data_dir, tmp_path, "--min-genes", "31", "--overwrite")
    assert code == 2
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5mu"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        pytest.param("none.h5mu", [], "none.h5mu does not exist", id="missing"),
        pytest.param("rna.h5ad", [], "must end in .h5mu or .h5", id="anndata"),
        pytest.param("paired.h5mu", ["--genome", "mm10"], "--genome and --prefix are for the output", id="genome"),
        pytest.param("paired.h5mu", [], "no cell is left of 120", id="too-strict"),
        pytest.param("paired.h5mu", ["--layer", "rna=x"], "layer 'x' is not in the layers", id="layer"),
        pytest.param("paired.h5mu", ["--layer", "protein=x"], "proteins are not filtered", id="protein-layer"),
        pytest.param(
            "paired.h5mu", ["--keep-sex-chromosomes", "--autosomes-only"], "contradict each other", id="contradiction"
        ),
        pytest.param("paired.h5mu", ["--test", "a"], "--test can't be combined with --split none", id="no-split"),
        pytest.param(
            "paired.h5mu",
            ["--split", "random", "--test", "a", "--resolution", "1"],
            "--resolution and --test can't be combined with --split random",
            id="random",
        ),
        pytest.param(
            "paired.h5mu", ["--split", "cluster", "--test-size", "0.1"], "--test-size can't be combined", id="cluster"
        ),
        pytest.param(
            "paired.h5mu", ["--min-genes", "0", "--split", "obs:donor", "--test", "a"], "'donor'", id="column"
        ),
        pytest.param(
            "paired.h5mu",
            ["--min-genes", "0", "--split", "obs:cell_type", "--test", "a"],
            "test=['a'] does not occur in 'cell_type'",
            id="value",
        ),
        pytest.param("paired.h5mu", ["--min-genes", "0", "--split", "obs:cell_type"], "name the values", id="no-value"),
    ],
)
def test_errors(
    name: str,
    options: list[str],
    expected: str,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, output = run(data_dir, tmp_path, *options, name=name)
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert error.startswith("scmog: error: ")
    assert expected in error
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(["--split", "kmeans"], "expected random, cluster, obs:COLUMN or none, got 'kmeans'", id="split"),
        pytest.param(["--split", "obs:"], "got 'obs:'", id="no-column"),
        pytest.param(["--max-genes", "1.5"], "expected a whole number or none, got '1.5'", id="genes"),
        pytest.param(["--max-share", "all"], "expected a number or none, got 'all'", id="share"),
        pytest.param(["--gtf", "a", "--keep-sex-chromosomes"], "not allowed with argument", id="sex"),
    ],
)
def test_wrong_usage(options: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", "a.h5mu", "--output", "b.h5mu", *options])
    assert stopped.value.code == 2
    assert expected in capsys.readouterr().err
