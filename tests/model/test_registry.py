"""What a model remembers of its features, for the alignment of queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mudata import MuData

from scmog.model import SCMOG


def with_identifiers(mdata: MuData) -> MuData:
    mdata["rna"].var["gene_ids"] = [f"ENSG{i:011d}.1" for i in range(mdata["rna"].n_vars)]
    mdata["atac"].var_names = [f"peak_{i}" for i in range(mdata["atac"].n_vars)]
    mdata.update()
    return mdata


def test_identifiers_survive_saving_queries_and_loading(
    paired: MuData, make_model: Callable[..., SCMOG], tmp_path: Path
) -> None:
    names = list(paired["atac"].var_names)
    model = make_model(with_identifiers(paired), train={"max_epochs": 1})
    ids = [f"ENSG{i:011d}" for i in range(40)]
    model.get_generated(paired["rna"], source="rna", target="atac")
    model.save(str(tmp_path / "saved"))
    query = MuData({"rna": paired["rna"].copy()})
    for one in (model, SCMOG.load(tmp_path / "saved", adata=False), SCMOG.load(tmp_path / "saved", adata=query)):
        features = one.training_registry.features
        assert list(features("rna").columns) == ["gene_id"]
        assert features("rna")["gene_id"].tolist() == ids
        assert features("atac")["interval"].tolist() == names
        assert list(features("protein").columns) == []
        assert list(features("rna").index) == list(paired["rna"].var_names)
