"""The command ``scmog``: a thin layer over the public functions, for clusters and pipelines."""

from scmog.cli._main import main

__all__ = ["main"]
