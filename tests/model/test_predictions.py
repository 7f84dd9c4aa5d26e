from __future__ import annotations

import numpy as np
import pytest

from scmog.model import _predictions
from scmog.model._predictions import collect, row_blocks


@pytest.mark.parametrize("limit", [pytest.param(1 << 30, id="memory"), pytest.param(100, id="file")])
def test_blocks_are_put_together(monkeypatch, limit):
    monkeypatch.setattr(_predictions, "_MAX_BYTES", limit)
    values = np.random.default_rng(0).normal(size=(10, 7))
    matrix = collect((values[rows] for rows in (slice(0, 4), slice(4, 5), slice(5, 10))), 10)
    assert isinstance(matrix, np.memmap) == (limit == 100)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, values.astype(np.float32))


def test_a_file_has_no_name(monkeypatch, tmp_path):
    monkeypatch.setattr(_predictions, "_MAX_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    matrix = collect([np.ones((3, 2))], 3)
    assert not list(tmp_path.iterdir())
    assert matrix.sum() == 6


def test_missing_cells_are_noticed():
    with pytest.raises(RuntimeError, match="predictions of 3 cells were expected, got 2"):
        collect([np.ones((2, 2))], 3)
    with pytest.raises(RuntimeError, match="expected, got 0"):
        collect([], 3)


@pytest.mark.parametrize(("n_cells", "n_features"), [(0, 5), (1, 1 << 30), (1000, 1 << 20), (7, 0)])
def test_every_cell_is_in_one_block(n_cells, n_features):
    rows = [row for block in row_blocks(n_cells, n_features) for row in range(block.start, block.stop)]
    assert rows == list(range(n_cells))
    assert all(
        (b.stop - b.start) * n_features <= 1 << 24 or b.stop - b.start == 1 for b in row_blocks(n_cells, n_features)
    )
