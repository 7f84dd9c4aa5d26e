from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mudata import MuData

from scmog.cli import main
from scmog.datasets import simulate

N_CELLS, N_GENES, N_PEAKS = 120, 30, 60


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny files: paired cells with a split, the RNA alone as .h5mu and as .h5ad. Tests only read them."""
    path = tmp_path_factory.mktemp("data")
    mdata = simulate(N_CELLS, N_GENES, N_PEAKS, seed=1)
    mdata.obs["split"] = np.resize(["train"] * 7 + ["validation", "test", "test"], N_CELLS)
    mdata.obs["no_test"] = np.resize(["train"] * 9 + ["validation"], N_CELLS)
    mdata.obs["only_train"] = "train"
    mdata.write_h5mu(path / "paired.h5mu")
    renamed = MuData({"gex": mdata["rna"].copy(), "peaks": mdata["atac"].copy()})
    renamed["gex"].layers["counts"] = renamed["gex"].X.copy()
    renamed["gex"].X = renamed["gex"].X.log1p()
    renamed.write_h5mu(path / "renamed.h5mu")
    MuData({"rna": mdata["rna"].copy()}).write_h5mu(path / "rna.h5mu")
    mdata["rna"].write_h5ad(path / "rna.h5ad")
    mdata["atac"].write_h5ad(path / "atac.h5ad")
    shutil.copy(path / "rna.h5mu", path / "mudata.h5ad")
    shutil.copy(path / "rna.h5ad", path / "anndata.h5mu")
    mdata["rna"][:, ::-1].copy().write_h5ad(path / "reversed.h5ad")
    return path


@pytest.fixture(scope="session")
def model_dir(data_dir: Path) -> Path:
    """A model of both directions, trained for two epochs by the command itself."""
    path = data_dir / "model"
    assert main(["train", str(data_dir / "paired.h5mu"), "--output", str(path), *SHORT, "--split-key", "split"]) == 0
    return path


SHORT = ["--max-epochs", "2", "--pretrain-epochs", "1", "--accelerator", "cpu"]


@pytest.fixture(scope="session")
def other_notes() -> Callable[[str], list[str]]:
    """Lines of the error stream beside what ``evaluate`` says of models that were hardly trained."""
    said = ("the predictions have collapsed", "does not beat ridge regression")

    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if not any(words in line for words in said)]

    return lines
