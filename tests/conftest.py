from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
from mudata import MuData

import scmog


def pytest_configure(config: pytest.Config) -> None:
    """Only tests of GPUs see one (``-m gpu``): the others expect the numbers of the CPU to the last digit."""
    if "gpu" not in config.getoption("markexpr").replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session")
def _simulated() -> MuData:
    return scmog.datasets.simulate(n_cells=120, n_genes=40, n_peaks=60, n_proteins=6, seed=0)


@pytest.fixture
def paired(_simulated: MuData) -> MuData:
    """Paired RNA, ATAC and protein of 120 cells; a copy for each test, which may change it."""
    return _simulated.copy()


@dataclass
class CellRangerOutput:
    """Counts as Cell Ranger writes them: features in rows, raw, in the layout of the 10x documentation."""

    features: pd.DataFrame  # id, name, feature_type, genome, interval
    n_cells: int = 7
    seed: int = 0
    extra: dict[str, list[str]] = field(default_factory=dict)  # more datasets under matrix/features

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.counts = rng.poisson(0.8, size=(len(self.features), self.n_cells))
        self.barcodes = [f"ACGT{i:04d}-1" for i in range(self.n_cells)][::-1]

    def of(self, feature_type: str) -> np.ndarray:
        """Dense counts (cells x features) of one kind."""
        return self.counts[(self.features["feature_type"] == feature_type).to_numpy()].T

    def write_h5(self, path: Path) -> Path:
        """Version 3 and newer."""
        with h5py.File(path, "w") as file:
            matrix = file.create_group("matrix")
            self._write_matrix(matrix)
            features = matrix.create_group("features")
            features.create_dataset("_all_tag_keys", data=np.array([b"genome"]))
            for name in [column for column in self.features if column != "interval" or self._located]:
                features.create_dataset(name, data=self.features[name].to_numpy(dtype="S"))
            for name, values in self.extra.items():
                features.create_dataset(name, data=np.array(values, dtype="S"))
        return path

    def write_legacy_h5(self, path: Path) -> Path:
        """Version 2: genes only, one group per genome."""
        with h5py.File(path, "w") as file:
            for genome in self.features["genome"].unique():
                group = file.create_group(genome)
                self._write_matrix(group)
                group.create_dataset("genes", data=self.features["id"].to_numpy(dtype="S"))
                group.create_dataset("gene_names", data=self.features["name"].to_numpy(dtype="S"))
        return path

    def write_mtx(
        self, folder: Path, *, columns: int = 3, name: str = "features.tsv", zipped: bool = True, prefix: str = ""
    ) -> Path:
        """Directory with a MatrixMarket file; ``columns`` of the features: 2 as version 2, 3 newer, 6 as ARC."""
        folder.mkdir(exist_ok=True)
        scipy.io.mmwrite(folder / f"{prefix}matrix.mtx", sp.coo_matrix(self.counts))
        table = self.features[["id", "name", "feature_type"]]
        located = self.features["interval"].str.extract(r"^(.+):(\d+)-(\d+)$").fillna("")
        pd.concat([table, located], axis="columns").iloc[:, :columns].to_csv(
            folder / f"{prefix}{name}", sep="\t", header=False, index=False
        )
        (folder / f"{prefix}barcodes.tsv").write_text("\n".join(self.barcodes) + "\n")
        if zipped:
            for path in folder.glob(f"{prefix}*"):
                if path.suffix != ".gz":
                    with gzip.open(f"{path}.gz", "wb") as file:
                        file.write(path.read_bytes())
                    path.unlink()
        return folder

    @property
    def _located(self) -> bool:
        return bool((self.features["interval"] != "").any())

    def _write_matrix(self, group: h5py.Group) -> None:
        matrix = sp.csc_matrix(self.counts)
        group.create_dataset("data", data=matrix.data.astype(np.int32))
        group.create_dataset("indices", data=matrix.indices.astype(np.int64))
        group.create_dataset("indptr", data=matrix.indptr.astype(np.int64))
        group.create_dataset("shape", data=np.array(matrix.shape, dtype=np.int32))
        group.create_dataset("barcodes", data=np.array(self.barcodes, dtype="S"))


def _features(rows: list[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "name", "feature_type", "genome", "interval"])


@pytest.fixture
def multiome() -> CellRangerOutput:
    """Four genes (two of one name, one without a position) and three peaks, interleaved."""
    return CellRangerOutput(
        _features(
            [
                ("ENSG01", "CD8A", "Gene Expression", "GRCh38", "chr2:86784609-86808396"),
                ("chr1:100-600", "chr1:100-600", "Peaks", "GRCh38", "chr1:100-600"),
                ("ENSG02", "MATR3", "Gene Expression", "GRCh38", "chr5:139273751-139331677"),
                ("ENSG03", "MATR3", "Gene Expression", "GRCh38", ""),
                ("chrX:10-20", "chrX:10-20", "Peaks", "GRCh38", "chrX:10-20"),
                ("KI270711.1:5-9", "KI270711.1:5-9", "Peaks", "GRCh38", "KI270711.1:5-9"),
                ("ENSG04", "NA", "Gene Expression", "GRCh38", "KI270711.1:4612-29626"),
            ]
        )
    )


@pytest.fixture
def citeseq() -> CellRangerOutput:
    """Two genes, three antibodies and two kinds of features that scmog does not use; no positions."""
    return CellRangerOutput(
        _features(
            [
                ("ENSG01", "CD8A", "Gene Expression", "GRCh38", ""),
                ("ENSG02", "LYZ", "Gene Expression", "GRCh38", ""),
                ("CD3", "CD3_TotalSeqB", "Antibody Capture", "", ""),
                ("IgG1", "IgG1_control_TotalSeqB", "Antibody Capture", "", ""),
                ("CD8A", "CD8A", "Antibody Capture", "", ""),
                ("guide1", "guide1", "CRISPR Guide Capture", "", ""),
                ("hash1", "hash1", "Custom", "", ""),
                ("hash2", "hash2", "Custom", "", ""),
            ]
        ),
        extra={"sequence": ["", "", "AACAAG", "CCTTGG", "GGTTCC", "A", "C", "G"]},
    )
