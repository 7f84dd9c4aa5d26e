from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from scmog.cli import main
from scmog.cli._demo import in_words, one_thread
from scmog.datasets import simulate
from scmog.model import SCMOG

TINY = ["demo", "--cells", "150", "--genes", "30", "--peaks", "50", "--seed", "3"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Directory and printed text of a tiny demo."""
    output = tmp_path_factory.mktemp("demo") / "results"
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda *values, **kwargs: lines.append(" ".join(map(str, values))))
        assert main([*TINY, "--output", str(output)]) == 0
    return output, "\n".join(lines)


def _scores(text: str) -> dict[tuple[str, str], dict[str, float]]:
    """The printed table: {(direction, axis): {model: score}}."""
    rows = re.findall(r"^  (\w+ -> \w+) (?:AUROC|Pearson r) +(all entries|per \w+) +(.*)$", text, flags=re.MULTILINE)
    models = ["scmog", "ridge", "training mean", "oracle"]
    return {(d, axis): dict(zip(models, map(float, v.split()), strict=True)) for d, axis, v in rows}


def _png_size(path: Path) -> tuple[int, ...]:
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    return struct.unpack(">II", header[16:])


def test_files(demo: tuple[Path, str]) -> None:
    output, _ = demo
    assert sorted(path.name for path in output.iterdir()) == [
        "model",
        "query_generated.h5mu",
        "roc.png",
        "training_curves.png",
    ]
    assert min(_png_size(output / "roc.png") + _png_size(output / "training_curves.png")) > 300


def test_the_query_is_what_was_measured_and_generated(demo: tuple[Path, str]) -> None:
    output, _ = demo
    query = mudata.read_h5mu(output / "query_generated.h5mu")
    assert list(query.mod) == ["rna", "atac_generated"]
    truth = simulate(150, 30, 50, seed=3)[query.obs_names]
    np.testing.assert_array_equal(query["rna"].X.toarray(), truth["rna"].X.toarray())
    assert list(query["atac_generated"].var_names) == list(truth["atac"].var_names)
    assert not query["rna"].layers
    assert query.n_obs == 30
    expected = SCMOG.load(output / "model", adata=False).get_generated(query, source="rna", target="atac")
    np.testing.assert_array_equal(query["atac_generated"].X.toarray(), expected.X.toarray())


def test_the_table_against_scikit_learn_and_scipy(demo: tuple[Path, str]) -> None:
    output, text = demo
    scores = _scores(text)
    assert list(scores) == [
        ("RNA -> ATAC", "all entries"),
        ("RNA -> ATAC", "per peak"),
        ("ATAC -> RNA", "all entries"),
        ("ATAC -> RNA", "per gene"),
    ]
    names = mudata.read_h5mu(output / "query_generated.h5mu").obs_names
    test = simulate(150, 30, 50, seed=3, truth=True)[names].copy()
    atac, rna = test["atac"].X.toarray() > 0, test["rna"].X.toarray()
    probability = test["atac"].layers["probability"]
    model = SCMOG.load(output / "model", adata=False)
    predicted = model.get_generated(test, source="rna", target="atac", threshold=None).X
    shown = scores["RNA -> ATAC", "all entries"]
    assert shown["oracle"] == pytest.approx(roc_auc_score(atac.ravel(), probability.ravel()), abs=6e-4)
    assert shown["scmog"] == pytest.approx(roc_auc_score(atac.ravel(), predicted.ravel()), abs=6e-4)
    scored = atac.sum(axis=0) >= 5
    per_peak = [roc_auc_score(atac[:, j], probability[:, j]) for j in np.flatnonzero(scored)]
    assert scores["RNA -> ATAC", "per peak"]["oracle"] == pytest.approx(np.mean(per_peak), abs=6e-4)
    median = np.median(simulate(150, 30, 50, seed=3)["rna"].X.toarray()[model.train_indices_].sum(axis=1))
    mean = test["rna"].layers["mean"]
    truth, logs = (np.log1p(median * x / x.sum(axis=1, keepdims=True)) for x in (rna, mean))
    logs *= truth.mean(axis=0) / np.maximum(logs.mean(axis=0), 1e-9)  # the mean of logarithms
    expected = pearsonr(truth.ravel(), logs.ravel()).statistic
    assert scores["ATAC -> RNA", "all entries"]["oracle"] == pytest.approx(expected, abs=6e-4)
    assert scores["RNA -> ATAC", "per peak"]["training mean"] == 0.5
    assert scores["ATAC -> RNA", "per gene"]["training mean"] == 0


def test_a_second_demo_is_equal(
    demo: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    other_notes: Callable[[str], list[str]],
) -> None:
    output, text = demo
    assert main([*TINY, "--output", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert other_notes(captured.err) == []
    # all but the seconds and the directory
    assert captured.out.partition("Took")[0] == text.partition("Took")[0]
    first, second = (SCMOG.load(path / "model", adata=False).module.state_dict() for path in (output, tmp_path))
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=0, equal_nan=True)
    assert (output / "roc.png").read_bytes() == (tmp_path / "roc.png").read_bytes()


def test_results_of_an_earlier_demo_are_replaced(demo: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "query_generated.h5mu").write_text("old")
    assert main([*TINY, "--output", str(tmp_path)]) == 0
    assert mudata.read_h5mu(tmp_path / "query_generated.h5mu").n_obs == 30
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("ridge", "ours", "verdict"),
    [
        pytest.param(0.60, 0.70, "it is ahead of ridge (+0.100)", id="ahead"),
        pytest.param(0.695, 0.70, "it is close to ridge (+0.005)", id="close"),
        pytest.param(0.72, 0.70, "it is behind ridge (-0.020)", id="behind"),
    ],
)
def test_in_words(ridge: float, ours: float, verdict: str) -> None:
    values = {"scmog": ours, "training mean": 0.5, "ridge": ridge, "oracle": 0.75}
    rows = [
        ("rna_to_atac", model, axis, value if axis == "feature" else 0.99)
        for model, value in values.items()
        for axis in ("flat", "feature")
    ]
    (line,) = in_words(pd.DataFrame(rows, columns=["direction", "model", "axis", "value"]))
    assert line.startswith("RNA -> ATAC, per peak: scmog covers 80% of the way from the training mean to the oracle")
    assert verdict in line


def test_one_thread_is_put_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ValueError, match="inside"), one_thread():
            assert torch.get_num_threads() == 1
            raise ValueError("inside")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_wrong_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--cells", "0", "--output", str(tmp_path)]) == 2
    assert "`n_cells` must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.slow
def test_full_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default demo beats the training mean clearly in both directions and does not pass the ceiling."""
    assert main(["demo", "--output", str(tmp_path)]) == 0
    scores = _scores(capsys.readouterr().out)
    gains = {row: values["scmog"] - values["training mean"] for row, values in scores.items()}
    assert gains["RNA -> ATAC", "all entries"] > 0.04
    assert gains["RNA -> ATAC", "per peak"] > 0.15
    assert gains["ATAC -> RNA", "all entries"] > 0.05
    assert gains["ATAC -> RNA", "per gene"] > 0.15
    assert all(values["scmog"] < values["oracle"] for values in scores.values())
