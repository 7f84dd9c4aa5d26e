from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

import scmog

GTF = """#!genome-build test
chr1\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG01.3"; gene_name "AUTO1";
chr1\tx\ttranscript\t100\t200\t.\t+\t.\tgene_id "ENSG09.1"; gene_name "NOGENE";
chr2\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG02.1"; gene_name "AUTO2";
chrX\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG03.7"; gene_name "XIST";
chrY\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG04.1"; gene_name "UTY";
chr3\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG05.1"; gene_name "BOTH";
chrY\tx\tgene\t900\t990\t.\t+\t.\tgene_id "ENSG06.1_PAR_Y"; gene_name "BOTH";
chrM\tx\tgene\t100\t200\t.\t+\t.\tgene_id "ENSG07.1"; gene_name "MT-ND1";
"""


@pytest.fixture
def gtf(tmp_path: Any) -> Any:
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    return path


@pytest.fixture
def annotated() -> MuData:
    """RNA and ATAC of 60 cells with all that a filter must carry along, in both tables and in the modalities."""
    mdata = scmog.datasets.simulate(n_cells=60, n_genes=50, n_peaks=80, n_batches=3, seed=3)
    rng = np.random.default_rng(0)
    mdata.obs["score"] = np.arange(60)
    mdata.obsm["where"] = np.arange(120).reshape(60, 2)
    mdata.obsp["graph"] = sp.csr_matrix(np.arange(3600).reshape(60, 60))
    mdata.varm["load"] = np.arange(mdata.n_vars * 2).reshape(mdata.n_vars, 2)
    mdata.uns["note"] = {"a": 1}
    rna = mdata["rna"]
    rna.layers["counts"] = rna.X.tocsc()
    rna.layers["dense"] = rng.normal(size=rna.shape)
    rna.obsm["pca"] = rng.normal(size=(60, 3))
    rna.varm["pcs"] = rng.normal(size=(50, 3))
    rna.obsp["near"] = sp.random(60, 60, 0.1, format="csr", random_state=1)
    rna.uns["log"] = "kept"
    rna.raw = rna.copy()
    return mdata


def fingerprint(data: MuData | AnnData) -> list[tuple[str, Any]]:
    """Everything in an object, as comparable pieces."""
    pieces: list[tuple[str, Any]] = [("obs", data.obs.copy()), ("var", data.var.copy()), ("uns", repr(dict(data.uns)))]
    stores = ["obsm", "varm", "obsp", "varp"] + ([] if isinstance(data, MuData) else ["layers"])
    for store in stores:
        pieces += [(f"{store}/{key}", _dense(value)) for key, value in _items(getattr(data, store))]
    if isinstance(data, MuData):
        pieces += [(f"{key}/{name}", piece) for key, mod in data.mod.items() for name, piece in fingerprint(mod)]
    else:
        pieces += [("X", _dense(data.X))]
        pieces += [] if data.raw is None else [("raw", _dense(data.raw.X))]
    return pieces


def _items(store: Any) -> list[tuple[str, Any]]:
    return sorted((key, value) for key, value in store.items() if key is not None)  # anndata 0.13: None is .X


def _dense(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return value.copy()
    return value.toarray() if sp.issparse(value) else np.array(value)


@pytest.fixture
def assert_same() -> Callable[[MuData | AnnData, Any], None]:
    """Compare an object with a fingerprint, or with another object."""

    def compare(data: MuData | AnnData, other: Any) -> None:
        expected = other if isinstance(other, list) else fingerprint(other)
        found = fingerprint(data)
        assert [name for name, _ in found] == [name for name, _ in expected]
        for (name, one), (_, two) in zip(found, expected, strict=True):
            if isinstance(one, pd.DataFrame):
                pd.testing.assert_frame_equal(one, two, obj=name, check_column_type=False)
            elif isinstance(one, str):
                assert one == two, name
            else:
                np.testing.assert_array_equal(one, two, err_msg=name)

    return compare


@pytest.fixture
def snapshot() -> Callable[[MuData | AnnData], list[tuple[str, Any]]]:
    return fingerprint
