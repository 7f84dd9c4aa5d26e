"""The table of :meth:`scmog.model.SCMOG.evaluate`, for reading on a terminal."""

from __future__ import annotations

import textwrap

import pandas as pd

from scmog._modalities import MODALITIES

MAIN_METRICS = ("auroc", "pearson")
"""Of on/off targets and of others."""

_MODELS = (
    "scmog",
    "ridge",
    "kernel ridge",
    "kNN",
    "cell-type mean",
    "mean x source depth",
    "training mean",
    "mean x true depth (confounder)",
    "ceiling",
    "oracle",
)
_METRICS = {
    "auroc": "AUROC",
    "auprc_normalized": "AUPRC, normalised",
    "brier_skill": "Brier skill",
    "calibration_slope": "calibration slope",
    "calibration_error": "calibration error",
    "pearson": "Pearson r",
    "spearman": "Spearman r",
    "rmse": "RMSE",
    "pseudobulk_lfc": "pseudobulk log FC r",
    "cmd": "correlation distance",
    "variance_share": "variance share",
}
_SMALL = ("calibration_error", "variance_share")  # of which the first digits count, however small they are
_ROW = ["direction", "metric", "axis"]
_WIDEST = 13  # characters of a heading; longer names take several lines


def format_scores(scores: pd.DataFrame) -> str:
    """One line per direction, metric and axis, one column per model, aligned and indented.

    Parameters
    ----------
    scores
        Tidy table with the columns ``direction``, ``metric``, ``axis``, ``model`` and ``value``.
    """
    rows = list(scores[_ROW].drop_duplicates().itertuples(index=False))
    values = scores.set_index([*_ROW, "model"])["value"].unstack("model").loc[rows]
    models = sorted(values, key=lambda name: _MODELS.index(name) if name in _MODELS else len(_MODELS))
    labels = [
        (arrow(row.direction), _METRICS.get(row.metric, row.metric), _over(row.direction, row.axis)) for row in rows
    ]
    columns = [
        _text_column(name, texts)
        for name, texts in zip(("direction", "score", "axis"), zip(*labels, strict=True), strict=True)
    ]
    for model in models:
        numbers = [_number(value, row.metric) for value, row in zip(values[model], rows, strict=True)]
        columns.append(_number_column(model, numbers))
    height = max(len(column) for column in columns)
    columns = [[" " * len(column[-1])] * (height - len(column)) + column for column in columns]
    lines = [" ".join(parts[:3]) + "".join(parts[3:]) for parts in zip(*columns, strict=True)]
    return "\n".join(f"  {line}" for line in lines)


def arrow(direction: str) -> str:
    """``rna_to_atac`` as ``RNA -> ATAC``."""
    return " -> ".join(MODALITIES[modality].title for modality in direction.split("_to_"))


def _over(direction: str, axis: str) -> str:
    """What a score runs over, in words."""
    target = MODALITIES[direction.split("_to_")[1]]
    words = {"flat": "all entries", "cell": "per cell", "group": "per cell type"}
    return words.get(axis) or f"per {target.features.removesuffix('s')}"


def _number(value: float, metric: str) -> str:
    if pd.isna(value):
        return "NaN"
    return f"{value:.2g}" if metric in _SMALL and 0 < abs(value) < 0.01 else f"{value:.3f}"


def _text_column(heading: str, texts: tuple[str, ...]) -> list[str]:
    width = max(map(len, (heading, *texts)))
    return [text.ljust(width) for text in (heading, *texts)]


def _number_column(heading: str, texts: list[str]) -> list[str]:
    """Right-aligned, two spaces from the column before; a minus sign may take one of them."""
    headings = textwrap.wrap(heading, _WIDEST)
    width = max(len(text) for text in (*headings, *(text.removeprefix("-") for text in texts)))
    return [text.rjust(width + 2) for text in (*headings, *texts)]
