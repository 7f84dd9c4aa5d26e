"""Which scores a table can hold: their names, axes and what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from scmog.metrics._auprc import auprc
from scmog.metrics._auroc import auroc
from scmog.metrics._brier_skill import brier_skill
from scmog.metrics._calibration_slope import calibration_slope
from scmog.metrics._correlation_matrix_distance import correlation_matrix_distance
from scmog.metrics._pearson import pearson
from scmog.metrics._pseudobulk import pseudobulk_correlation
from scmog.metrics._reliability import expected_calibration_error
from scmog.metrics._rmse import rmse
from scmog.metrics._spearman import spearman
from scmog.metrics._variance_share import variance_share

AXES = ("flat", "feature", "cell")
KINDS = ("binary", "continuous")


@dataclass(frozen=True)
class Inputs:
    """What the scores of one prediction are computed from; as in :func:`scmog.metrics.summarize`."""

    truth: Any
    prediction: Any
    kind: Literal["binary", "continuous"]
    reference: Any = None
    groups: Any = None
    features: Any = None
    min_positives: int = 5

    @property
    def values(self) -> Any:
        """Truth on the scale of the predictions: 0/1 where they are probabilities."""
        return self.truth > 0 if self.kind == "binary" and self.truth.dtype != bool else self.truth

    def part(self, cells: np.ndarray, features: np.ndarray) -> Inputs:
        """Inputs of some cells and features, for scores per feature."""
        truth = self.truth[:, features]
        reference = None
        if self.reference is not None:
            reference = np.asarray(self.reference)[..., features]
            reference = reference if reference.ndim == 1 else reference[cells]
        return replace(
            self,
            truth=(sparse.csr_array(truth) if sparse.issparse(truth) else truth)[cells],
            prediction=self.prediction[:, features][cells],
            reference=reference,
            # Who has a score is settled on all cells; a part of them may fall below the bound.
            min_positives=1,
        )


@dataclass(frozen=True)
class Metric:
    """One name in the column `metric`.

    Parameters
    ----------
    kinds
        Kinds of data it is for.
    axes
        Axes it can be asked for; a single one is given whatever is asked for.
    score
        Returns a number or one for each feature, cell or group.
    needs
        Input without which there is no score, beside the two that are always there.
    """

    kinds: tuple[str, ...]
    axes: tuple[str, ...]
    score: Callable[[Inputs, Any], Any]
    needs: str = "prediction"


METRICS: dict[str, Metric] = {
    "auroc": Metric(
        ("binary",), AXES, lambda x, axis: auroc(x.truth, x.prediction, axis=axis, min_positives=x.min_positives)
    ),
    "auprc_normalized": Metric(
        ("binary",),
        AXES,
        lambda x, axis: auprc(x.truth, x.prediction, axis=axis, min_positives=x.min_positives, normalized=True),
    ),
    "pearson": Metric(("continuous",), AXES, lambda x, axis: pearson(x.truth, x.prediction, axis=axis)),
    "spearman": Metric(("continuous",), AXES, lambda x, axis: spearman(x.truth, x.prediction, axis=axis)),
    "rmse": Metric(("continuous",), AXES, lambda x, axis: rmse(x.truth, x.prediction, axis=axis)),
    "brier_skill": Metric(
        ("binary",),
        AXES[:2],
        lambda x, axis: brier_skill(x.truth, x.prediction, x.reference, axis=axis, min_positives=x.min_positives),
        needs="reference",
    ),
    "calibration_slope": Metric(("binary",), ("flat",), lambda x, _: calibration_slope(x.truth, x.prediction)[1]),
    "calibration_error": Metric(("binary",), ("flat",), lambda x, _: expected_calibration_error(x.truth, x.prediction)),
    "pseudobulk_lfc": Metric(
        KINDS,
        ("group",),
        lambda x, _: pseudobulk_correlation(
            x.values, x.prediction, x.groups, features=x.features, scale="rate" if x.kind == "binary" else "log"
        ),
        needs="groups",
    ),
    "cmd": Metric(KINDS, ("feature",), lambda x, _: correlation_matrix_distance(x.values, x.prediction)),
    "variance_share": Metric(KINDS, ("flat",), lambda x, _: variance_share(x.prediction)),
}
