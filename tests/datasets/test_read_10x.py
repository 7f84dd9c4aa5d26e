from __future__ import annotations

import gzip
import logging
import random
from pathlib import Path
from typing import Any

import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scmog.datasets import read_10x
from scmog.model import SCMOG

FORMATS = [
    pytest.param(lambda made, path: made.write_h5(path / "a.h5"), id="h5"),
    pytest.param(lambda made, path: made.write_mtx(path / "a", columns=6), id="mtx-gz"),
    pytest.param(lambda made, path: made.write_mtx(path / "a", columns=6, zipped=False), id="mtx-plain"),
    pytest.param(lambda made, path: made.write_mtx(path / "a", columns=6, prefix="GSM1_"), id="mtx-prefix"),
]


@pytest.mark.parametrize("write", FORMATS)
def test_multiome(write: Any, multiome: Any, tmp_path: Path) -> None:
    mdata = read_10x(write(multiome, tmp_path))
    assert list(mdata.mod) == ["rna", "atac"]
    for name, feature_type in (("rna", "Gene Expression"), ("atac", "Peaks")):
        part = mdata[name]
        assert isinstance(part.X, sp.csr_matrix)
        assert part.X.dtype == np.float32
        np.testing.assert_array_equal(part.X.toarray(), multiome.of(feature_type))
        assert list(part.obs_names) == multiome.barcodes
        assert set(part.var["feature_types"]) == {feature_type}
    assert list(mdata.obs_names) == multiome.barcodes
    genes, peaks = mdata["rna"].var, mdata["atac"].var
    assert list(genes.index) == ["CD8A", "MATR3", "MATR3-1", "NA"]
    assert list(genes["gene_ids"]) == ["ENSG01", "ENSG02", "ENSG03", "ENSG04"]
    assert list(genes["chrom"].astype(object).fillna("?")) == ["chr2", "chr5", "?", "KI270711.1"]
    assert list(genes["start"].fillna(-1)) == [86784609, 139273751, -1, 4612]
    assert list(genes["end"].fillna(-1)) == [86808396, 139331677, -1, 29626]
    assert list(peaks.index) == ["chr1:100-600", "chrX:10-20", "KI270711.1:5-9"]
    assert peaks[["chrom", "start", "end"]].to_numpy().tolist() == [
        ["chr1", 100, 600],
        ["chrX", 10, 20],
        ["KI270711.1", 5, 9],
    ]
    assert pd.api.types.is_integer_dtype(peaks["start"])
    assert "interval" not in genes.columns.union(peaks.columns)


@pytest.mark.parametrize("write", [FORMATS[0], pytest.param(lambda m, p: m.write_mtx(p / "a"), id="mtx")])
def test_citeseq(write: Any, citeseq: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="scmog"):
        mdata = read_10x(write(citeseq, tmp_path))
    assert list(mdata.mod) == ["rna", "protein"]
    np.testing.assert_array_equal(mdata["protein"].X.toarray(), citeseq.of("Antibody Capture"))
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), citeseq.of("Gene Expression"))
    assert list(mdata["protein"].var["isotype_control"]) == [False, True, False]
    assert list(mdata["protein"].var["gene_ids"]) == ["CD3", "IgG1", "CD8A"]
    assert not {"chrom", "sequence"} & set(mdata["rna"].var)
    assert "left out 2 features of the kind 'Custom'" in caplog.text
    assert "left out 1 features of the kind 'CRISPR Guide Capture'" in caplog.text


def test_tags_of_antibodies_are_kept(citeseq: Any, tmp_path: Path) -> None:
    var = read_10x(citeseq.write_h5(tmp_path / "a.h5"))["protein"].var
    assert list(var["sequence"]) == ["AACAAG", "CCTTGG", "GGTTCC"]


@pytest.mark.parametrize("write", FORMATS[:2])
def test_it_is_ready_for_setup_and_survives_a_file(write: Any, multiome: Any, tmp_path: Path) -> None:
    mdata = read_10x(write(multiome, tmp_path))
    assert {index.name for part in mdata.mod.values() for index in (part.obs_names, part.var_names)} == {None}
    mdata.write_h5mu(tmp_path / "a.h5mu")
    again = mudata.read_h5mu(tmp_path / "a.h5mu")
    assert list(again["rna"].var["start"].fillna(-1)) == [86784609, 139273751, -1, 4612]
    SCMOG.setup_mudata(again)
    assert SCMOG(again).directions == (("rna", "atac"), ("atac", "rna"))


def test_sex_chromosomes_are_known(multiome: Any, tmp_path: Path) -> None:
    from scmog.pp import remove_sex_chromosomes

    mdata = read_10x(multiome.write_h5(tmp_path / "a.h5"))
    remove_sex_chromosomes(mdata)
    assert list(mdata["atac"].var_names) == ["chr1:100-600", "KI270711.1:5-9"]
    assert mdata["rna"].n_vars == 4


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda made, path: made.write_legacy_h5(path / "a.h5"), id="h5"),
        pytest.param(lambda m, path: m.write_mtx(path / "a", columns=2, name="genes.tsv", zipped=False), id="genes"),
        pytest.param(lambda m, path: m.write_mtx(path / "a", columns=2, name="genes.tsv"), id="genes-gz"),
    ],
)
def test_version_2_has_genes_only(write: Any, citeseq: Any, tmp_path: Path) -> None:
    made = type(citeseq)(citeseq.features.iloc[:2])
    mdata = read_10x(write(made, tmp_path))
    assert list(mdata.mod) == ["rna"]
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), made.counts.T)
    assert list(mdata["rna"].var["gene_ids"]) == ["ENSG01", "ENSG02"]
    assert list(mdata["rna"].var_names) == ["CD8A", "LYZ"]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda made, path: made.write_h5(path / "a.h5"), id="h5"),
        pytest.param(lambda m, path: m.write_mtx(path / "a", name="peaks.bed", zipped=False), id="bed"),
    ],
)
def test_peaks_alone_are_a_query(write: Any, multiome: Any, tmp_path: Path) -> None:
    peaks = multiome.features[multiome.features["feature_type"] == "Peaks"].reset_index(drop=True)
    made = type(multiome)(peaks)
    path = write(made, tmp_path)
    if path.is_dir():
        bed = ["# id=x", *(name.replace(":", "\t").replace("-", "\t") for name in peaks["name"])]
        (path / "peaks.bed").write_text("\n".join(bed) + "\n")
    mdata = read_10x(path)
    assert list(mdata.mod) == ["atac"]
    assert list(mdata["atac"].var_names) == list(peaks["name"])
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), made.counts.T)


def _two_species(multiome: Any) -> Any:
    features = multiome.features.iloc[[0, 2, 3]].reset_index(drop=True)
    features["genome"] = ["GRCh38", "mm10", "mm10"]
    features.loc[len(features)] = ["CD3", "CD3", "Antibody Capture", "", ""]
    return type(multiome)(features)


def test_a_genome_is_chosen_and_antibodies_stay(multiome: Any, tmp_path: Path) -> None:
    path = _two_species(multiome).write_h5(tmp_path / "a.h5")
    mdata = read_10x(path, genome="mm10")
    assert list(mdata["rna"].var["gene_ids"]) == ["ENSG02", "ENSG03"]
    assert list(mdata["protein"].var_names) == ["CD3"]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("genome", [None, "hg19"])
def test_a_genome_must_be_chosen(legacy: bool, genome: str | None, multiome: Any, tmp_path: Path) -> None:
    made = _two_species(multiome)
    made = type(made)(made.features.iloc[:3])
    path = (made.write_legacy_h5 if legacy else made.write_h5)(tmp_path / "a.h5")
    with pytest.raises(ValueError, match=r"genomes \['GRCh38', 'mm10'\].*pass genome="):
        read_10x(path, genome=genome)


def test_legacy_genome(multiome: Any, tmp_path: Path) -> None:
    made = _two_species(multiome)
    path = type(made)(made.features.iloc[:3]).write_legacy_h5(tmp_path / "a.h5")
    assert set(read_10x(path, genome="mm10")["rna"].var["genome"]) == {"mm10"}


def _break_h5(path: Path) -> Path:
    with h5py.File(path, "r+") as file:
        del file["matrix/features/feature_type"]
    return path


def _other_h5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["X"] = [1.0]
    return path


def _text(path: Path) -> Path:
    path.write_text("text")
    return path


def _truncate(folder: Path) -> Path:
    path = folder / "matrix.mtx.gz"
    path.write_bytes(path.read_bytes()[:-20])
    return folder


def _one_cell_less(folder: Path) -> Path:
    path = folder / "barcodes.tsv.gz"
    path.write_bytes(gzip.compress(b"\n".join(gzip.decompress(path.read_bytes()).split()[1:])))
    return folder


def _same_cells(folder: Path) -> Path:
    path = folder / "barcodes.tsv.gz"
    path.write_bytes(gzip.compress(b"A\n" * 7))
    return folder


def _empty_features(folder: Path) -> Path:
    (folder / "features.tsv.gz").write_bytes(gzip.compress(b""))
    return folder


def _without(folder: Path, name: str) -> Path:
    (folder / name).unlink()
    return folder


def _dense(folder: Path) -> Path:
    import scipy.io

    scipy.io.mmwrite(folder / "matrix.mtx", np.ones((8, 7)))
    return _without(folder, "matrix.mtx.gz")


def _two(made: Any, path: Path) -> Path:
    made.write_mtx(path, prefix="a_")
    return made.write_mtx(path, prefix="b_")


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        pytest.param(lambda m, p: _break_h5(m.write_h5(p / "a.h5")), r"lacks \['feature_type'\]", id="h5-incomplete"),
        pytest.param(lambda m, p: _other_h5(p / "a.h5"), r"not a Cell Ranger \.h5 file: it holds \['X'\]", id="other"),
        pytest.param(lambda m, p: _text(p / "a.h5"), "is not an HDF5 file", id="no-hdf5"),
        pytest.param(lambda m, p: _truncate(m.write_mtx(p / "a")), "could not be read as a MatrixMarket", id="cut"),
        pytest.param(lambda m, p: _one_cell_less(m.write_mtx(p / "a")), "8 features and 6 cells", id="cells"),
        pytest.param(lambda m, p: _same_cells(m.write_mtx(p / "a")), "different names", id="same-cells"),
        pytest.param(lambda m, p: _empty_features(m.write_mtx(p / "a")), "could not be read as a table", id="empty"),
        pytest.param(lambda m, p: _dense(m.write_mtx(p / "a")), "dense", id="dense"),
        pytest.param(lambda m, p: _without(m.write_mtx(p / "a"), "features.tsv.gz"), "features.tsv.gz or", id="half"),
        pytest.param(lambda m, p: p, "holds no matrix.mtx", id="empty-directory"),
        pytest.param(lambda m, p: _two(m, p / "a"), r"prefix=, one of \['a_', 'b_'\]", id="two-matrices"),
        pytest.param(lambda m, p: _text(p / "matrix.mtx"), "pass the directory", id="matrix-itself"),
        pytest.param(
            lambda m, p: type(m)(m.features.iloc[5:].reset_index(drop=True)).write_h5(p / "a.h5"),
            r"no features of the kinds .*; it has \['CRISPR Guide Capture', 'Custom'\]",
            id="nothing-known",
        ),
    ],
)
def test_what_is_not_from_cell_ranger_is_refused(write: Any, expected: str, citeseq: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=expected):
        read_10x(write(citeseq, tmp_path))


def test_one_of_two_matrices(citeseq: Any, tmp_path: Path) -> None:
    path = _two(citeseq, tmp_path / "a")
    np.testing.assert_array_equal(read_10x(path, prefix="b_")["rna"].X.toarray(), citeseq.of("Gene Expression"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_10x(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("write", "options", "expected"),
    [
        pytest.param(lambda m, p: m.write_mtx(p / "a"), {"genome": "GRCh38"}, "genome= is for .h5", id="genome"),
        pytest.param(lambda m, p: m.write_h5(p / "a.h5"), {"prefix": "a"}, "prefix= is for directories", id="prefix"),
    ],
)
def test_options_without_effect_are_refused(
    write: Any, options: dict[str, str], expected: str, citeseq: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=expected):
        read_10x(write(citeseq, tmp_path), **options)


def test_the_process_is_left_as_it_was(multiome: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random state, options of mudata, handlers of the root logger (which libraries add by ``logging.info``)."""
    path = multiome.write_h5(tmp_path / "a.h5")
    monkeypatch.setattr(logging.root, "handlers", [])
    random.seed(1)
    before = random.getstate()
    read_10x(path)
    assert random.getstate() == before
    assert logging.root.handlers == []
    if hasattr(mudata, "set_options"):
        assert mudata.set_options(pull_on_update=None).opts == {"pull_on_update": None}


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        pytest.param("chr2:1-9", {"chrom": ["chr2"] * 4, "start": [1] * 4, "end": [9] * 4}, id="all"),
        pytest.param("NA", None, id="none"),
    ],
)
def test_positions_of_genes(interval: str, expected: Any, multiome: Any, tmp_path: Path) -> None:
    multiome.features.loc[multiome.features["feature_type"] == "Gene Expression", "interval"] = interval
    var = read_10x(multiome.write_h5(tmp_path / "a.h5"))["rna"].var
    if expected is None:
        assert not {"chrom", "start", "end", "interval"} & set(var)
    else:
        assert {name: list(var[name]) for name in expected} == expected
        assert var["start"].dtype == np.int64
