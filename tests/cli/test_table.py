from __future__ import annotations

import pandas as pd

from scmog.cli._table import _METRICS, format_scores
from scmog.metrics import METRICS

COLUMNS = ["direction", "model", "metric", "axis", "value"]


def test_format_scores() -> None:
    rows = [
        ("rna_to_atac", "training mean", "auroc", "flat", 0.78124),
        ("rna_to_atac", "scmog", "auroc", "flat", 0.8),
        ("rna_to_atac", "training mean", "auroc", "feature", 0.5),
        ("rna_to_atac", "scmog", "auroc", "feature", 0.6996),
        ("atac_to_protein", "training mean", "pearson", "cell", 0.0),
        ("atac_to_protein", "scmog", "pearson", "cell", -0.0314),
    ]
    expected = """\
  direction       score     axis         scmog  training mean
  RNA -> ATAC     AUROC     all entries  0.800          0.781
  RNA -> ATAC     AUROC     per peak     0.700          0.500
  ATAC -> protein Pearson r per cell    -0.031          0.000"""
    assert format_scores(pd.DataFrame(rows, columns=COLUMNS)) == expected


def test_models_are_ordered_and_missing_scores_show() -> None:
    rows = [
        ("rna_to_atac", name, "auroc", "flat", value)
        for name, value in [("oracle", 0.9), ("knn", 0.7), ("ridge", 0.6), ("scmog", float("nan"))]
    ]
    heading, line = format_scores(pd.DataFrame(rows, columns=COLUMNS)).splitlines()
    assert heading.split()[-4:] == ["scmog", "ridge", "oracle", "knn"]
    assert line.split()[-4:] == ["NaN", "0.600", "0.900", "0.700"]


def test_order_of_rows_is_kept_and_the_table_unchanged() -> None:
    rows = [
        ("rna_to_protein", "scmog", "pearson", "feature", 0.5),
        ("rna_to_protein", "scmog", "pearson", "flat", 0.9),
        ("atac_to_rna", "scmog", "pearson", "feature", 0.2),
    ]
    scores = pd.DataFrame(rows, columns=COLUMNS)
    before = scores.copy()
    values = [line.split()[-1] for line in format_scores(scores).splitlines()[1:]]
    assert values == ["0.500", "0.900", "0.200"]
    pd.testing.assert_frame_equal(scores, before)


def test_every_metric_has_a_title_and_small_numbers_keep_their_digits() -> None:
    assert set(_METRICS) == set(METRICS)
    rows = [
        ("rna_to_atac", "scmog", "calibration_error", "flat", 0.00123),
        ("rna_to_atac", "scmog", "variance_share", "flat", 3.14e-5),
        ("rna_to_atac", "scmog", "brier_skill", "flat", 0.00123),
        ("rna_to_atac", "scmog", "pseudobulk_lfc", "group", 0.5),
    ]
    expected = """\
  direction   score               axis             scmog
  RNA -> ATAC calibration error   all entries     0.0012
  RNA -> ATAC variance share      all entries    3.1e-05
  RNA -> ATAC Brier skill         all entries      0.001
  RNA -> ATAC pseudobulk log FC r per cell type    0.500"""
    assert format_scores(pd.DataFrame(rows, columns=COLUMNS)) == expected


def test_long_names_of_models_take_several_lines() -> None:
    names = ["scmog", "training mean", "mean x source depth", "mean x true depth (confounder)"]
    rows = [("rna_to_atac", name, "auroc", "flat", 0.5) for name in names]
    lines = format_scores(pd.DataFrame(rows, columns=COLUMNS)).splitlines()
    assert len(lines) == 4
    assert [line.split() for line in lines] == [
        ["mean", "x", "true"],
        ["mean", "x", "source", "depth"],
        ["direction", "score", "axis", "scmog", "depth", "training", "mean", "(confounder)"],
        ["RNA", "->", "ATAC", "AUROC", "all", "entries", *["0.500"] * 4],
    ]
    assert len({len(line) for line in lines}) == 1
