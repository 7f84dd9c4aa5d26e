"""Generate the missing modality of single cells: scMOG on MuData, built on scvi-tools."""

from importlib.metadata import version

from scmog import cli, data, datasets, genomics, metrics, model, module, nn, pl, pp, train

__version__ = version("scmog")

__all__ = ["cli", "data", "datasets", "genomics", "metrics", "model", "module", "nn", "pl", "pp", "train"]
