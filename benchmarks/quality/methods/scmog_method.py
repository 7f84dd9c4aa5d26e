"""scmog: a preset of the model, one direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from accelerator import ACCELERATOR
from anndata import AnnData
from mudata import MuData
from sklearn.linear_model import LinearRegression

import scmog
from scmog.metrics import SVDRidge, with_log_depth
from scmog.model._presets import find_preset

# Most epochs (pre-training, supervised) of the paper's and the authors' presets, by target, to save time. The authors'
# preset pre-trains that long in most cases; supervised training mostly stops before.
_CAPS = {
    "atac": {"n_epochs_pretrain": 20, "max_epochs": 40},
    "rna": {"n_epochs_pretrain": 20},
    "protein": {"n_epochs_pretrain": 20},
}
_SCALES = {"atac": "probability", "rna": "truth", "protein": "clr"}


def predict(
    case,
    *,
    seed: int,
    quick: bool,
    preset: str = "default",
    pretrain: bool = True,
    with_batch: bool = False,
    add_mean: bool = False,
    n_members: int | None = None,
    share_of_epochs: float = 1.0,
):
    """Train the preset; with ``add_mean`` the log1p of counts follow from the CLR and the mean of a cell.

    ``with_batch`` tells the model the experimental batch, which no other method of the benchmark is told. For a smaller
    budget of time there are fewer members, and a share of the epochs of the supervised training.
    """
    fitted, test = case.cells("train", "validation"), case.cells("test")
    source, target = (
        AnnData(counts, obs=pd.DataFrame(index=case.obs.index[cells]), var=pd.DataFrame(index=case.names[modality]))
        for modality, counts, cells in (
            (case.source, case.source_counts[fitted], fitted),
            (case.target, case.target_counts(fitted), fitted),
        )
    )
    mdata = MuData({case.source: source, case.target: target})
    mdata.obs["split"], mdata.obs["batch"] = case.split[fitted], case.obs["batch"].to_numpy()[fitted]
    scmog.model.SCMOG.setup_mudata(mdata, batch_key="batch" if with_batch else None)
    sizes = {} if n_members is None else {"n_members": n_members}
    model = scmog.model.SCMOG(mdata, directions=[(case.source, case.target)], preset=preset, **sizes)
    options = dict(_CAPS[case.target]) if preset != "default" else {}
    if share_of_epochs < 1:
        most, plan = find_preset(preset).schedule(len(case.cells("train")))
        most = plan.max_epochs_by_target.get(case.target, most)
        options["max_epochs"] = max(1, round(share_of_epochs * most))
    if preset == "authors" and case.target == "rna":
        options["batch_size"] = 64  # the authors' code has another size for this direction
    if not pretrain:
        options["n_epochs_pretrain"] = 0
    if quick:
        options |= {"n_epochs_pretrain": int(pretrain), "max_epochs": 2}
    model.train(split_key="split", seed=seed, accelerator=ACCELERATOR, enable_progress_bar=False, **options)
    if add_mean:
        return _log1p(case, model), "log1p"
    return _generated(case, model, test), _SCALES[case.target]


def _generated(case, model, cells):
    query = AnnData(
        case.source_counts[cells],
        obs=case.obs.iloc[cells][["batch"]],
        var=pd.DataFrame(index=case.names[case.source]),
    )
    chosen = {"atac": {"threshold": None}, "rna": {"log1p": True}}.get(case.target, {})
    return model.get_generated(query, source=case.source, target=case.target, **chosen).X


def _log1p(case, model):
    """log1p of the target counts of test cells: the CLR takes the mean of a cell out, which its RNA tells a little of.

    The mean is predicted by ridge on what scmog sees of the RNA. A linear regression for each protein on validation
    cells says how much of it, and of the CLR, is to be believed.
    """
    cells = {part: case.cells(part) for part in ("train", "validation", "test")}
    counts = {part: case.source_counts[rows] for part, rows in cells.items()}
    x = {part: with_log_depth(rows.log1p(), np.asarray(rows.sum(axis=1)).ravel()) for part, rows in counts.items()}
    measured = {part: case.target_counts(cells[part]).log1p().toarray() for part in ("train", "validation")}
    mean = {part: logs.mean(axis=1, keepdims=True) for part, logs in measured.items()}
    ridge = SVDRidge().fit(x["train"], mean["train"], x["validation"], mean["validation"])
    known, asked = (
        np.stack(np.broadcast_arrays(_generated(case, model, cells[part]), ridge.predict(x[part])), axis=-1)
        for part in ("validation", "test")
    )  # each (n_cells, n_proteins, 2)
    return np.column_stack(
        [
            LinearRegression().fit(known[:, i], measured["validation"][:, i]).predict(asked[:, i])
            for i in range(known.shape[1])
        ]
    )
