"""What generated values become: thresholds, matrices, and the note of their origin."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from scmog._modalities import MODALITIES, Direction

PAPER_CUT = 0.1  # on the raw sigmoid (paper section 4)


@dataclass(frozen=True, kw_only=True)
class Thresholding:
    """How scores of an on/off modality become 0 and 1.

    Attributes
    ----------
    cut
        A score above it is open; None keeps all scores.
    scale
        What the module must return: ``"probability"`` or ``"raw"``.
    layer
        Layer that keeps the scores of the open entries.
    label
        The user's choice, for ``.uns``.
    """

    cut: float | None
    scale: str
    layer: str
    label: str


def resolve_threshold(
    target: str, threshold: float | str | None, score: str, *, density_cut: float
) -> Thresholding | None:
    """Check ``threshold`` and ``score`` against the target; None where thresholds do not apply.

    Raises
    ------
    ValueError
        If either has an unknown value, lies outside [0, 1], or was given for a target that is not on/off.
    """
    if score not in ("probability", "raw"):
        message = f"score must be 'probability' (calibrated) or 'raw' (the sigmoid), got {score!r}."
        raise ValueError(message)
    if not MODALITIES[target].binary:
        if threshold != "density" or score != "probability":
            names = [modality.name for modality in MODALITIES.values() if modality.binary]
            message = (
                f"threshold and score apply to the targets {names} only, not to {target!r}: leave them out, or name "
                f"target={names[0]!r}."
            )
            raise ValueError(message)
        return None
    if threshold is None:
        return Thresholding(cut=None, scale=score, layer=score, label="none")
    if threshold == "density":
        if not math.isfinite(density_cut):
            message = "the model has no density cut: its training was not finished. Train again, or give a number."
            raise RuntimeError(message)
        if score != "probability":
            message = "threshold='density' is a cut on the calibrated probability; give a number with score='raw'."
            raise ValueError(message)
        return Thresholding(cut=density_cut, scale="probability", layer="probability", label="density")
    if threshold == "paper":
        return Thresholding(cut=PAPER_CUT, scale="raw", layer="raw", label="paper")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number) or not 0 <= threshold <= 1:
        message = f"threshold must be 'density', 'paper', None or a number in [0, 1], got {threshold!r}."
        raise ValueError(message)
    return Thresholding(cut=float(threshold), scale=score, layer=score, label="number")


def check_log1p(target: str, log1p: bool) -> bool:
    """``log1p``, if the target has that scale.

    Raises
    ------
    ValueError
        If not.
    """
    if log1p and not MODALITIES[target].log_scaled:
        names = [modality.name for modality in MODALITIES.values() if modality.log_scaled]
        message = (
            f"log1p applies to the targets {names} only, not to {target!r}: leave it out, or name target={names[0]!r}."
        )
        raise ValueError(message)
    return log1p


def entries_to_csr(positions: np.ndarray, scores: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """CSR, float32, of the entries at rising ``positions`` of the flattened matrix."""
    n_cells, n_features = shape
    indptr = np.searchsorted(positions, np.arange(n_cells + 1) * n_features)
    columns = positions - np.repeat(np.arange(n_cells) * n_features, np.diff(indptr))
    return sp.csr_matrix((scores.astype(np.float32, copy=False), columns.astype(np.int32), indptr), shape=shape)


def assemble(
    blocks: Iterable[np.ndarray | sp.csr_matrix],
    thresholding: Thresholding | None,
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
) -> AnnData:
    """Put blocks of cells together in memory.

    Where a cut applies, the blocks hold the scores above it; ``.X`` is 0/1 and the layer holds the scores of the
    same entries.
    """
    if thresholding is None or thresholding.cut is None:
        return AnnData(np.concatenate(list(blocks)).astype(np.float32, copy=False), obs=obs, var=var)
    scores = sp.vstack(list(blocks), format="csr")
    is_open = ones_like(scores, copy=True)  # users change matrices in place
    return AnnData(is_open, obs=obs, var=var, layers={thresholding.layer: scores})


def ones_like(matrix: sp.csr_matrix, *, copy: bool) -> sp.csr_matrix:
    """1 at the stored entries of ``matrix``; without ``copy`` both share their index arrays."""
    return sp.csr_matrix((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape, copy=copy)


def provenance(
    direction: Direction, thresholding: Thresholding | None, *, log1p: bool = False, **facts: Any
) -> dict[str, Any]:
    """The ``.uns`` entry that marks a modality as generated and says what it is and where it comes from."""
    source, target = direction
    unit = MODALITIES[target].log_unit if log1p else MODALITIES[target].unit
    note: dict[str, Any] = {"generated": True, "source": source, "target": target, "unit": unit}
    if thresholding is not None:
        note["threshold"], note["score"] = thresholding.label, thresholding.scale
        if thresholding.cut is None:
            note["unit"] = "probability to be open" if thresholding.scale == "probability" else "raw score"
        else:
            note["cut"] = thresholding.cut
    versions = {f"{package}_version": importlib.metadata.version(package) for package in ("scmog", "scvi-tools")}
    return {**note, **facts, **{name.replace("-", "_"): version for name, version in versions.items()}}
