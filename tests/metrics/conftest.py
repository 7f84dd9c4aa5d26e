from __future__ import annotations

import pytest

from scmog.metrics import _arrays, _ranks


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the data into many blocks and ranges, the last of them incomplete."""
    monkeypatch.setattr(_arrays.blocks, "__kwdefaults__", {"entries": 130})
    monkeypatch.setattr(_ranks.value_bounds, "__kwdefaults__", {"entries": 300})
