"""Data sets: simulated paired cells whose true probabilities are known."""

from __future__ import annotations

from scmog.datasets._simulate import simulate

__all__ = ["simulate"]
