"""The table of :meth:`scmog.model.SCMOG.evaluate`, for reading on a terminal."""

from __future__ import annotations

import pandas as pd

from scmog._modalities import MODALITIES

_MODELS = ("scmog", "ridge", "training mean", "oracle")
_METRICS = {"auroc": "AUROC", "pearson": "Pearson r"}
_ROW = ["direction", "metric", "axis"]


def format_scores(scores: pd.DataFrame) -> str:
    """One line per direction, metric and axis, one column per model, aligned and indented.

    Parameters
    ----------
    scores
        Tidy table with the columns ``direction``, ``metric``, ``axis``, ``model`` and ``value``.
    """
    rows = scores[_ROW].drop_duplicates()
    values = scores.set_index([*_ROW, "model"])["value"].unstack("model").loc[list(rows.itertuples(index=False))]
    table = pd.DataFrame(
        {
            "direction": [arrow(name) for name in rows["direction"]],
            "score": [_METRICS.get(metric, metric) for metric in rows["metric"]],
            "axis": [_over(name, axis) for name, axis in zip(rows["direction"], rows["axis"], strict=True)],
        }
    )
    widths = {name: table[name].str.len().max() for name in table}
    for name, width in widths.items():
        table[name] = table[name].str.ljust(width)
    for model in sorted(values, key=lambda name: _MODELS.index(name) if name in _MODELS else len(_MODELS)):
        table[model] = values[model].to_numpy()
    headings = [str(name).ljust(widths.get(name, 0)) for name in table]
    text: str = table.set_axis(headings, axis="columns").to_string(index=False, float_format="{:.3f}".format)
    return "\n".join(f"  {line}" for line in text.splitlines())


def arrow(direction: str) -> str:
    """``rna_to_atac`` as ``RNA -> ATAC``."""
    return " -> ".join(_title(modality) for modality in direction.split("_to_"))


def _title(modality: str) -> str:
    return modality.upper() if modality in ("rna", "atac") else modality


def _over(direction: str, axis: str) -> str:
    """What a score runs over, in words."""
    target = MODALITIES[direction.split("_to_")[1]]
    return {"flat": "all entries", "feature": f"per {target.features.removesuffix('s')}", "cell": "per cell"}[axis]
