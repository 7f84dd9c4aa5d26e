from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmog.data._identifiers import feature_identifiers

_IDS = ["ENSG00000000001.4", "ENSG00000000002.1_PAR_Y"]
_BARE = ["ENSG00000000001", "ENSG00000000002_PAR_Y"]


@pytest.mark.parametrize(
    ("modality", "features", "expected"),
    [
        pytest.param("rna", pd.DataFrame({"gene_ids": _IDS}, index=["A", "B"]), {"gene_id": _BARE}, id="10x"),
        pytest.param("rna", pd.DataFrame({"symbol": ["A", "B"]}, index=_IDS), {"gene_symbol": ["A", "B"]}, id="by id"),
        pytest.param(
            "rna",
            pd.DataFrame({"gene_name": ["A", "A"], "id": _IDS, "feature_types": ["Gene Expression"] * 2}, ["A", "A-1"]),
            {"gene_id": _BARE, "gene_symbol": ["A", "A"]},
            id="names made unique",
        ),
        pytest.param("rna", pd.DataFrame({"gene_symbol": ["A", "B"]}, index=["A", "B"]), {}, id="nothing new"),
        pytest.param("rna", pd.DataFrame({"ensembl": _IDS}, index=_BARE), {}, id="ids twice"),
        pytest.param(
            "rna", pd.DataFrame({"gene_ids": [None, _IDS[0]]}, ["A", "B"]), {"gene_id": ["", _BARE[0]]}, id="gaps"
        ),
        pytest.param(
            "atac", pd.DataFrame({"chrom": ["2"], "start": [3], "end": [4]}, index=["chr1:1-2"]), {}, id="in names"
        ),
        pytest.param(
            "atac",
            pd.DataFrame({"chrom": ["1"], "start": [1], "end": [2]}, index=["peak_1"]),
            {"interval": ["chr1:1-2"]},
            id="in columns",
        ),
        pytest.param("atac", pd.DataFrame(index=["peak_1"]), {}, id="nowhere"),
        pytest.param("protein", pd.DataFrame({"gene_ids": _IDS}, index=["CD3", "CD4"]), {}, id="protein"),
    ],
)
def test_feature_identifiers(modality: str, features: pd.DataFrame, expected: dict[str, list[str]]) -> None:
    found = feature_identifiers(modality, features)
    assert {key: values.tolist() for key, values in found.items()} == expected
    assert all(values.dtype.kind == "U" for values in found.values())
    assert not any(np.shares_memory(values, features.index.to_numpy()) for values in found.values())
