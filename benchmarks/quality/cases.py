"""The cases: which data, which split, which direction. Each is written once to plain files, see prepared.py.

``type`` splits hold out one cell type, ``batch`` and ``donor`` one batch; a tenth of the other cells, drawn at random,
validates. ``laboratory`` trains on PBMC 10k (10x) and asks for the cells of another laboratory, on the genes and
proteins that both have. ``simulated`` data look like 10x data, in three batches, and their true means and probabilities
are known. ``published`` is REAP-seq s5 -> s4 once more, on the 44 proteins and the scale of published predictions.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import prepared
import real_data
from oracle import oracle, oracle_without_depth

TRUTH = {"atac": "binary", "rna": "log1p", "protein": "clr"}
"""Scale of the truth by target; see scales.py."""

_HELD_OUT = {  # split in the name of a case: split of real_data.py
    ("snare", "type"): "cell_type=L6",
    ("pbmc10k", "type"): "cell_type=NK cells",
    ("reapseq", "run"): "s5_to_s4",
    ("bmmc", "donor"): "batch=s1d2",
    ("simulated", "type"): "cell_type=type_2",
    ("simulated", "batch"): "batch=batch_3",
}


@dataclass(frozen=True)
class Case:
    """A data set, a split and a direction."""

    data: str
    split: str
    source: str
    target: str

    @property
    def name(self) -> str:
        return f"{self.data}-{self.split}-{self.source}_to_{self.target}"

    @property
    def truth(self) -> str:
        return "log1p_counts" if self.split == "published" else TRUTH[self.target]


_BOTH = (("rna", "atac"), ("atac", "rna"))
_PROTEIN = (("rna", "protein"),)
_SETTINGS = [
    ("snare", ("random", "leiden", "type"), _BOTH),
    ("kidney", ("random",), _BOTH),
    ("bmmc", ("donor",), _BOTH),
    ("pbmc10k", ("random", "type"), _PROTEIN),
    ("reapseq", ("run", "published"), _PROTEIN),
    ("laboratory", ("shared",), _PROTEIN),
    ("simulated", ("random", "batch", "type"), (*_BOTH, *_PROTEIN)),
]
CASES = {
    case.name: case
    for data, splits, directions in _SETTINGS
    for split in splits
    for case in (Case(data, split, *direction) for direction in directions)
}


def prepare(case: Case, cases: Path) -> Path:
    """Folder of the case below ``cases``, written if it is not there."""
    folder = cases / case.name
    if folder.exists():
        return folder
    warnings.simplefilter("ignore")  # of the readers of old files
    mdata = load(case)
    obs = mdata[case.source].obs.copy()
    obs["split"] = mdata.obs["split"].to_numpy()
    test = (obs["split"] == "test").to_numpy()
    prepared.write(
        folder,
        name=case.name,
        source=case.source,
        target=case.target,
        truth=case.truth,
        source_counts=mdata[case.source].X,
        target_counts=mdata[case.target].X,
        names={key: list(mdata[key].var_names) for key in (case.source, case.target)},
        obs=obs,
        oracles=_oracles(mdata, test, case) if case.data == "simulated" else {},
    )
    return folder


def _oracles(mdata, test: np.ndarray, case: Case) -> dict[str, np.ndarray]:
    median_total = median_total_of(mdata, case)
    return {
        "oracle": oracle(mdata[test], case.target, median_total),
        "oracle without depth": oracle_without_depth(mdata, test, case.source, case.target, median_total),
    }


def load(case: Case):
    """Paired cells with ``obs["split"]``."""
    if case.data == "laboratory":
        return _laboratory()
    split = _HELD_OUT.get((case.data, case.split), case.split)
    if case.data == "simulated":
        import scmog

        mdata = scmog.datasets.simulate(4000, 1500, 6000, 25, n_batches=3, truth=True, seed=0)
        mdata.obs["split"] = real_data.split_labels(mdata, split)
        return mdata
    if case.split == "published":
        mdata = real_data.load("reapseq", "s5_to_s4")
        mdata.mod["protein"] = mdata["protein"][:, published_proteins()].copy()
        return mdata
    return real_data.load(case.data, split)


def _laboratory():
    """PBMC 10k trains, another laboratory's cells test; shared genes and proteins."""
    import mudata
    import pandas as pd

    import scmog

    training = real_data.load("pbmc10k", "random")
    query = mudata.read_h5mu(Path(os.environ["SCMOG_DATA"]) / "citeseq_pbmc_inhouse_1372.h5mu")
    scmog.model.SCMOG.setup_mudata(training)
    query = scmog.pp.align_features(query, scmog.model.SCMOG(training), min_matched=0)
    joined = {}
    for name in ("rna", "protein"):
        shared = ~query[name].var["scmog_missing"].to_numpy(bool)
        parts = [data[name][:, shared].copy() for data in (training, query)]
        counts = np.concatenate([part.X.toarray() for part in parts])
        cells = np.concatenate([part.obs_names for part in parts])
        obs = pd.DataFrame({"batch": np.repeat(["pbmc10k", "laboratory"], [part.n_obs for part in parts])}, index=cells)
        obs["cell_type"] = np.concatenate([part.obs["cell_type"].astype(str) for part in parts])
        joined[name] = _anndata(counts, obs, parts[0].var_names)
    mdata = mudata.MuData(joined)
    kept = np.where(training.obs["split"] == "validation", "validation", "train")  # nothing of PBMC 10k is a test here
    mdata.obs["split"] = np.concatenate([kept, np.repeat("test", query.n_obs)])
    return mdata


def _anndata(counts: np.ndarray, obs, var_names):
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    return AnnData(csr_matrix(counts), obs=obs, var=pd.DataFrame(index=var_names))


def published_proteins() -> list[str]:
    """The 44 proteins for which there are published predictions."""
    import anndata

    adata = anndata.read_h5ad(Path(os.environ["SCMOG_DATA"]) / "reapseq_s4_published_predictions.h5ad")
    filled = np.all([~np.isnan(values).any(axis=0) for values in adata.layers.values()], axis=0)
    return list(adata.var_names[filled])


def median_total_of(mdata, case: Case) -> float:
    counts = {key: mdata[key].X for key in (case.source, case.target)}
    split = mdata.obs["split"].to_numpy().astype(str)
    return prepared.median_total(case.source, counts[case.source], case.target, counts[case.target], split)
