"""The scMOG model."""

from scmog.model._presets import PRESETS, Preset
from scmog.model._scmog import SCMOG

__all__ = ["PRESETS", "SCMOG", "Preset"]
