"""Preprocessing: what a query needs before a model reads it."""

from scmog.pp._align_features import align_features

__all__ = ["align_features"]
