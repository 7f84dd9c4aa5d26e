"""The baseline predictors of scmog.metrics."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scales import target_values

from scmog import metrics


def predict(case, *, seed: int, quick: bool, name: str, given: str = "features", **options):
    """Fit the class ``name`` on what is ``given`` of each cell; its parameters are tuned on the validation cells."""
    known = _KNOWN[given](case)
    train, validation, test = (case.cells(part) for part in ("train", "validation", "test"))
    target = [target_values(case.truth, case.target_counts(cells), case.median_total) for cells in (train, validation)]
    if given.endswith("depth"):
        options["kind"] = "binary" if case.truth == "binary" else "continuous"
    baseline = getattr(metrics, name)(**options)
    baseline.fit(known[train], target[0], known[validation], target[1])
    return baseline.predict(known[test]), "truth"


def _features(case):
    """Source of all cells on a sensible scale, and its log depth; what is fitted is fitted on training cells."""
    if case.source == "rna":
        features = metrics.log_normalize(case.source_counts, case.median_total)
    elif case.source == "atac":
        idf = metrics.inverse_document_frequency(case.source_counts[case.cells("train")])
        features = metrics.tfidf(case.source_counts, idf)
    else:
        features = metrics.clr(case.source_counts)
    return metrics.with_log_depth(features, _depth(case.source, case.source_counts))


def _depth(modality, counts):
    return np.asarray((counts > 0 if modality == "atac" else counts).sum(axis=1), dtype=float).ravel()


def _target_depth(case):
    """Depth of the target, of test cells too: for what is marked as no competitor."""
    depth = _depth(case.target, case.target_counts_or_zeros())
    depth[case.cells("test")] = _depth(case.target, sp.load_npz(case.folder / "hidden" / "target.npz"))
    return depth


_KNOWN = {
    "features": _features,
    "depth": lambda case: _depth(case.source, case.source_counts),
    "target depth": _target_depth,
    "cell type": lambda case: case.obs["cell_type"].to_numpy(),
}
