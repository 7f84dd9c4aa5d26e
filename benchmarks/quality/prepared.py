"""A case on disk: plain files, so that a method of any age reads it, and the measured target of test cells kept apart.

Folder of a case::

    case.json           name, source, target, truth, median_total, names of the features
    obs.csv             one row per cell: split, batch, cell_type
    source.npz          raw counts of the source, all cells (SciPy, CSR)
    target.npz          raw counts of the target, training and validation cells only, in the order of obs.csv
    hidden/target.npz   raw counts of the target, test cells: read by scores.py alone
    hidden/oracle*.npy  simulated data: the best possible predictions, on the scale of the truth

This file is read by the interpreters of all methods: NumPy, SciPy and pandas only, syntax of Python 3.7.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp


class Prepared:
    """What a method sees of a case; nothing of it depends on the target of test cells.

    Attributes
    ----------
    name, source, target
        Of the case, and of its two modalities: ``"rna"``, ``"atac"`` or ``"protein"``.
    truth
        Scale on which predictions are scored, see :mod:`scales`.
    median_total
        Median of the RNA totals of training cells without empty ones: the size to which RNA is normalised.
    obs
        ``split``, ``batch``, ``cell_type`` of all cells.
    source_counts
        Raw counts ``(n_cells, n_source)``, CSR float32.
    """

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        facts = json.loads((self.folder / "case.json").read_text())
        self.name, self.source, self.target = facts["name"], facts["source"], facts["target"]
        self.truth, self.median_total = facts["truth"], float(facts["median_total"])
        self.names = facts["names"]  # of the features, by modality
        self.obs = pd.read_csv(self.folder / "obs.csv", index_col=0, dtype=str, keep_default_na=False)
        self.split = self.obs["split"].to_numpy()
        self.source_counts = sp.csr_matrix(sp.load_npz(str(self.folder / "source.npz")))
        self._target = sp.csr_matrix(sp.load_npz(str(self.folder / "target.npz")))
        self._target_row = np.cumsum(self.split != "test") - 1

    @property
    def n_target(self):
        return self._target.shape[1]

    @property
    def n_test(self):
        return int((self.split == "test").sum())

    def cells(self, *labels):
        """Rows of the cells of these parts of the split, e.g. ``cells("train", "validation")``."""
        return np.flatnonzero(np.isin(self.split, labels))

    def target_counts(self, cells):
        """Raw target counts of training and validation cells, CSR float32."""
        if (self.split[cells] == "test").any():
            raise ValueError("the target of test cells is hidden from methods; ask for train and validation cells")
        return self._target[self._target_row[cells]]

    def target_counts_or_zeros(self):
        """Raw target counts of all cells, with empty rows for test cells."""
        known = self.cells("train", "validation")
        place = sp.csr_matrix((np.ones(len(known)), (known, np.arange(len(known)))), (len(self.split), len(known)))
        return sp.csr_matrix(place @ self._target, dtype=np.float32)


def write(folder, *, name, source, target, truth, source_counts, target_counts, names, obs, oracles=None):
    """Write a case, unless it exists; ``target_counts`` holds all cells, ``oracles`` (by name) test cells.

    Raises
    ------
    ValueError
        If the split lacks training, validation or test cells.
    """
    folder = Path(folder)
    split = obs["split"].to_numpy().astype(str)
    if set(split) != {"train", "validation", "test"}:
        raise ValueError(f"{name} must have train, validation and test cells, got {sorted(set(split))}")
    source_counts, target_counts = (sp.csr_matrix(x, dtype=np.float32) for x in (source_counts, target_counts))
    folder.parent.mkdir(parents=True, exist_ok=True)
    # written elsewhere and moved, so that a run beside this one never sees half a case
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    (draft / "hidden").mkdir()
    sp.save_npz(draft / "source.npz", source_counts)
    sp.save_npz(draft / "target.npz", target_counts[split != "test"])
    sp.save_npz(draft / "hidden" / "target.npz", target_counts[split == "test"])
    for oracle, values in (oracles or {}).items():
        np.save(draft / "hidden" / f"{oracle}.npy", values.astype(np.float32))
    table = pd.DataFrame({key: obs[key].astype(str) if key in obs else "" for key in ("split", "batch", "cell_type")})
    table.index = obs.index.astype(str)
    table.to_csv(draft / "obs.csv")
    facts = {
        "name": name,
        "source": source,
        "target": target,
        "truth": truth,
        "median_total": median_total(source, source_counts, target, target_counts, split),
        "names": {key: [str(feature) for feature in value] for key, value in names.items()},
    }
    (draft / "case.json").write_text(json.dumps(facts))
    try:
        os.rename(draft, folder)
    except OSError:  # a run beside this one was first
        shutil.rmtree(draft)


def median_total(source, source_counts, target, target_counts, split):
    """Median RNA total of the training cells that are not empty; 1 where there is no RNA."""
    counts = {source: source_counts, target: target_counts}.get("rna")
    if counts is None:
        return 1.0
    totals = np.asarray(counts[split == "train"].sum(axis=1)).ravel()
    return float(np.median(totals[totals > 0]))
