from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from scmog.datasets import _geo
from scmog.datasets._geo import read_share_seq, read_snare_seq

RNA_CELLS = ["c3", "c1", "c4", "c2"]
ATAC_CELLS = ["c2", "c5", "c3", "c1"]
GENES = ["Xkr4", "Gnai3", "Gnai3"]
PEAKS = ["chr1:100-600", "chrX:10-20"]
RNA = np.arange(12).reshape(3, 4)  # genes x cells, all different
ATAC = 20 + np.arange(8).reshape(2, 4)


def zipped(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def matrix(path: Path, values: np.ndarray) -> Path:
    plain = path.with_suffix(".mtx")
    scipy.io.mmwrite(plain, sp.coo_matrix(values))
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return path


def expected(cells: list[str]) -> tuple[np.ndarray, np.ndarray]:
    rna = RNA[:, [RNA_CELLS.index(cell) for cell in cells]].T
    return rna, ATAC[:, [ATAC_CELLS.index(cell) for cell in cells]].T


@pytest.fixture
def snare(tmp_path: Path) -> dict[str, Path]:
    return {
        "rna_counts": matrix(tmp_path / "cDNA.counts.mtx.gz", RNA),
        "rna_cells": zipped(tmp_path / "cDNA.barcodes.tsv.gz", "\n".join(RNA_CELLS) + "\n"),
        "rna_genes": zipped(tmp_path / "cDNA.genes.tsv.gz", "\n".join(GENES) + "\n"),
        "atac_counts": matrix(tmp_path / "chromatin.counts.mtx.gz", ATAC),
        "atac_cells": zipped(tmp_path / "chromatin.barcodes.tsv.gz", "\n".join(ATAC_CELLS) + "\n"),
        "atac_peaks": zipped(tmp_path / "chromatin.peaks.tsv.gz", "\n".join(PEAKS) + "\n"),
    }


def test_snare_seq_keeps_paired_cells_in_one_order(snare: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="scmog"):
        mdata = read_snare_seq(snare)
    cells = ["c3", "c1", "c2"]
    rna, atac = expected(cells)
    assert list(mdata.obs_names) == list(mdata["rna"].obs_names) == list(mdata["atac"].obs_names) == cells
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), rna)
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), atac)
    assert list(mdata["rna"].var_names) == ["Xkr4", "Gnai3", "Gnai3-1"]
    assert mdata["atac"].var.loc["chrX:10-20", ["chrom", "start", "end"]].tolist() == ["chrX", 10, 20]
    assert mdata["rna"].X.dtype == np.float32
    assert {index.name for part in mdata.mod.values() for index in (part.obs_names, part.var_names)} == {None}
    assert "3 paired cells of 4 with RNA and 4 with ATAC" in caplog.text


def test_files_that_do_not_fit_are_refused(snare: dict[str, Path]) -> None:
    zipped(snare["rna_genes"], "Xkr4\n")
    with pytest.raises(ValueError, match="3 rows and 4 columns.* 1 features and 4 cells"):
        read_snare_seq(snare)


def test_without_common_cells_nothing_is_paired(snare: dict[str, Path]) -> None:
    zipped(snare["atac_cells"], "d1\nd2\nd3\nd4\n")
    with pytest.raises(ValueError, match="no cell has both modalities: the 4 RNA and 4 ATAC barcodes"):
        read_snare_seq(snare)


def with_commas(cell: str) -> str:
    return f"R1.0{cell[1]},P1.48"


def with_dots(cell: str) -> str:
    return f"R1.0{cell[1]}.P1.48"


@pytest.fixture(params=["rna-barcodes", "atac-barcodes"])
def share(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    """ATAC cells named by their RNA barcode, as for the skin, or by one of their own."""
    lines = [["gene", *map(with_commas, RNA_CELLS)], *([g, *map(str, row)] for g, row in zip(GENES, RNA, strict=True))]
    own = request.param == "atac-barcodes"
    atac_cells = [with_dots(cell).replace("P1", "P9") if own else with_dots(cell) for cell in ATAC_CELLS]
    # c4 has no ATAC, c5 no RNA, c1 no label
    labels = [("c4", "x"), ("c2", "TAC-1"), ("c5", "x"), ("c3", "ORS")]
    table = [
        "atac.bc\trna.bc\tcelltype",
        *(f"{with_dots(cell).replace('P1', 'P9')}\t{with_dots(cell)}\t{label}" for cell, label in labels),
    ]
    return {
        "rna_counts": zipped(tmp_path / "rna.counts.txt.gz", "".join("\t".join(line) + "\n" for line in lines)),
        "atac_counts": matrix(tmp_path / "counts.txt.gz", ATAC),
        "atac_cells": zipped(tmp_path / "barcodes.txt.gz", "\n".join(atac_cells) + "\n"),
        "atac_peaks": zipped(tmp_path / "peaks.bed.gz", "chr1\t100\t600\nchrX\t10\t20\n"),
        "cell_types": zipped(tmp_path / "celltype.txt.gz", "\n".join(table) + "\n"),
    }


@pytest.mark.parametrize("at_a_time", [1, 2, 500])
def test_share_seq(share: dict[str, Path], at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_geo, "_GENES_AT_A_TIME", at_a_time)
    mdata = read_share_seq(share)
    cells = ["c2", "c3"]
    rna, atac = expected(cells)
    assert list(mdata.obs_names) == [with_dots(cell) for cell in cells]
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), rna)
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), atac)
    assert list(mdata["rna"].var_names) == ["Xkr4", "Gnai3", "Gnai3-1"]
    assert list(mdata["atac"].var_names) == PEAKS
    assert {index.name for part in mdata.mod.values() for index in (part.obs_names, part.var_names)} == {None}
    for part in (mdata, mdata["rna"], mdata["atac"]):
        assert list(part.obs["cell_type"]) == ["TAC-1", "ORS"]


@pytest.mark.parametrize(
    ("role", "text", "message"),
    [
        pytest.param(
            "cell_types", "a\tb\n1\t2\n", r"lacks the columns \['atac.bc', 'rna.bc', 'celltype'\]", id="labels"
        ),
        pytest.param("rna_counts", "gene\tc1\nA\tx\n", "could not be read as a table of counts", id="text"),
        pytest.param("rna_counts", "gene\tc1\n", "holds no genes", id="no-genes"),
        pytest.param("atac_peaks", "chr1:1-2\n", "three columns", id="bed"),
        pytest.param("atac_peaks", "chr1\t100\t600\n", "1 features", id="peaks"),
    ],
)
def test_damaged_share_seq_files_are_refused(share: dict[str, Path], role: str, text: str, message: str) -> None:
    zipped(share[role], text)
    with pytest.raises(ValueError, match=message):
        read_share_seq(share)


def test_a_download_cut_short_is_refused(share: dict[str, Path]) -> None:
    share["rna_counts"].write_bytes(share["rna_counts"].read_bytes()[:-15])
    with pytest.raises(ValueError, match="could not be read as a table of counts"):
        read_share_seq(share)
