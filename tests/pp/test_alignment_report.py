from __future__ import annotations

from pathlib import Path

import anndata
import mudata
import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

from scmog.pp import AlignmentReport, ModalityAlignment
from scmog.pp._match import Pairing

RNA = ModalityAlignment(
    modality="rna",
    n_model=10,
    n_query=12,
    matched=8,
    missing=2,
    dropped=3,
    merged=1,
    split=0,
    ambiguous=1,
    by={"name": 6, "id": 2},
)
ATAC = ModalityAlignment(
    modality="atac",
    n_model=5,
    n_query=4,
    matched=1,
    missing=4,
    dropped=3,
    merged=0,
    split=1,
    by={"overlap": 1},
    lifted={"lifted": 3, "unmapped": 1, "split": 0},
    notes=("One.", "Two."),
)
REPORT = AlignmentReport((RNA, ATAC))


def test_counts_of_a_match() -> None:
    pairing = Pairing(4, 3)
    pairing.add("name", np.array([0]), np.array([0]))
    pairing.add("overlap", np.array([1, 2, 2]), np.array([0, 0, 1]))
    found = ModalityAlignment.from_match("atac", pairing.match(n_ambiguous=1, notes=("Note.",)))
    assert found == ModalityAlignment(
        modality="atac",
        n_model=3,
        n_query=4,
        matched=2,
        missing=1,
        dropped=1,
        merged=1,
        split=1,
        ambiguous=1,
        by={"name": 1, "overlap": 1},
        notes=("Note.",),
    )
    assert found.share == pytest.approx(2 / 3)


def test_table() -> None:
    lines = str(REPORT).splitlines()
    assert lines[0].split() == ["model", "matched", "missing", "merged", "query", "dropped", "split", "by"]
    assert lines[1].split() == ["rna", "10", "8", "(80%)", "2", "1", "12", "3", "0", "name", "6,", "id", "2"]
    assert lines[3:] == ["atac: liftover lifted 3, unmapped 1", "atac: One.", "atac: Two."]


def test_summary() -> None:
    assert RNA.summary == (
        "rna: 8 of the model's 10 genes found (80%) [name 6, id 2], 2 missing (taken as average), 3 others dropped, "
        "1 sums of several, 1 ambiguous"
    )
    assert ATAC.summary.endswith(
        "1 of the query's counted more than once, liftover of the query's: lifted 3, unmapped 1"
    )


def test_frame() -> None:
    frame = REPORT.to_frame()
    assert list(frame.index) == ["rna", "atac"] and frame.index.name == "modality"
    assert frame.loc["rna"].to_dict() == {
        "n_model": 10,
        "matched": 8,
        "missing": 2,
        "merged": 1,
        "ambiguous": 1,
        "n_query": 12,
        "dropped": 3,
        "split": 0,
        "by name": 6,
        "by id": 2,
        "by overlap": 0,
        "liftover: lifted": 0,
        "liftover: unmapped": 0,
        "liftover: split": 0,
    }
    assert (frame.dtypes == np.int64).all()


@pytest.mark.parametrize("ending", ["h5ad", "zarr", "h5mu"])
@pytest.mark.filterwarnings("ignore:.*zarr v")
def test_written_and_read_again(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{ending}"
    adata = AnnData(np.ones((2, 2), dtype=np.float32))
    adata.uns["scmog_alignment"] = REPORT.to_uns()
    if ending == "h5mu":
        mdata = MuData({"rna": adata})
        mdata.uns["scmog_alignment"] = REPORT.to_uns()
        mdata.write(path)
        read = mudata.read_h5mu(path)
    elif ending == "h5ad":
        adata.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        adata.write_zarr(path)
        read = anndata.read_zarr(path)
    assert AlignmentReport.from_uns(read) == REPORT


def test_no_report() -> None:
    with pytest.raises(KeyError, match="no 'scmog_alignment'"):
        AlignmentReport.from_uns(AnnData(np.ones((2, 2))))
