from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

import scmog
from scmog.model import SCMOG

_SMALL = {
    "n_latent": 4,
    "n_hidden_rna": (16, 8),
    "n_hidden_atac": (16, 8),
    "n_hidden_protein": (8,),
    "n_hidden_critic": (16, 8),
    "n_hidden_critic_protein": (16, 8),
}
_QUICK = {
    "max_epochs": 2,
    "n_epochs_pretrain": 0,
    "batch_size": 32,
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Module settings that make every network tiny."""
    return dict(_SMALL)


@pytest.fixture(scope="session")
def quick() -> dict[str, Any]:
    """Training settings that take well under a second."""
    return dict(_QUICK)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., SCMOG]:
    """Set up, construct and train on ``mdata`` in one call."""

    def make(mdata: MuData, *, setup: Mapping[str, Any] | None = None, train: Any = (), **kwargs: Any) -> SCMOG:
        SCMOG.setup_mudata(mdata, **(setup or {}))
        model = SCMOG(mdata, **{**_SMALL, **kwargs})
        if train is not None:
            model.train(**{**_QUICK, **dict(train)})
        return model

    return make


@pytest.fixture(scope="session")
def trained(_simulated: MuData, make_model: Callable[..., SCMOG]) -> SCMOG:
    """Model of the paper's three directions on ``paired``; shared, so it must stay as it is."""
    mdata = _simulated.copy()
    mdata.obs["split"] = ["train"] * 80 + ["validation"] * 20 + ["test"] * 20
    return make_model(mdata, train={"n_epochs_pretrain": 1, "split_key": "split", "seed": 1})


@pytest.fixture(scope="session")
def _batched() -> MuData:
    mdata = scmog.datasets.simulate(n_cells=120, n_genes=40, n_peaks=60, n_proteins=6, n_batches=2, seed=0)
    parts = {name: mdata[name].copy() for name in mdata.mod}
    for name in ("atac", "protein"):
        del parts[name].obs["batch"]
    return MuData(parts)


@pytest.fixture
def batched(_batched: MuData) -> MuData:
    """Paired cells of two batches; the batch column is in the obs of RNA only."""
    return _batched.copy()


@pytest.fixture(scope="session")
def trained_batch(_batched: MuData, make_model: Callable[..., SCMOG]) -> SCMOG:
    """Model with a batch covariate; shared like ``trained``."""
    mdata = _batched.copy()
    return make_model(mdata, setup={"batch_key": "batch"}, train={"train_size": 0.75, "max_epochs": 4, "lr": 0.02})


@pytest.fixture
def query(paired: MuData) -> MuData:
    """Fresh cells of which only RNA was measured."""
    return MuData({"rna": paired["rna"].copy()})


@pytest.fixture(scope="session")
def loaded(trained: SCMOG, tmp_path_factory: pytest.TempPathFactory) -> SCMOG:
    """``trained`` after a save and a load without data."""
    path = tmp_path_factory.mktemp("model") / "saved"
    trained.save(str(path))
    return SCMOG.load(path, adata=False)


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Any], Any]:
    """Everything a MuData or AnnData holds, as nested dictionaries of plain values that can be compared with ``==``."""
    return _digest


def _digest(value: Any) -> Any:
    if isinstance(value, MuData):
        slots = ("obs", "var", "uns", "obsm", "varm", "obsp", "varp", "obsmap", "varmap")
        mod = {name: _digest(adata) for name, adata in value.mod.items()}
        return {slot: _digest(getattr(value, slot)) for slot in slots} | {"mod": mod, "order": list(value.mod)}
    if isinstance(value, AnnData):
        slots = ("X", "layers", "obs", "var", "uns", "obsm", "varm", "obsp", "varp")
        return {slot: _digest(getattr(value, slot)) for slot in slots}
    if isinstance(value, pd.DataFrame):
        rows = pd.util.hash_pandas_object(value).tolist() if len(value.columns) else list(value.index)
        return [list(value.columns), [str(dtype) for dtype in value.dtypes], list(value.index), rows]
    if sp.issparse(value):
        parts = value if value.format in ("csr", "csc") else value.tocsr()
        return [type(value).__name__, value.shape, *(_digest(a) for a in (parts.data, parts.indices, parts.indptr))]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {key: _digest(item) for key, item in value.items()}
    return repr(value)
