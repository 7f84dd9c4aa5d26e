"""Alignment of queries, which the commands do by themselves."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from anndata import AnnData
from mudata import MuData

from scmog._mudata import measured_keys
from scmog.cli._arguments import PairsAction, name_pair
from scmog.model import SCMOG
from scmog.pp import AlignmentReport, align_features

_MIN_MATCHED = 0.5


def add_alignment(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the alignment."""
    group = parser.add_argument_group("alignment of the features to those of the model")
    group.add_argument(
        "--chain-file",
        type=Path,
        metavar="FILE",
        help="UCSC chain file that lifts the peaks to the model's build first",
    )
    group.add_argument("--build", metavar="NAME", help="genome build of the peaks, e.g. hg19, to be checked")
    group.add_argument(
        "--protein-names",
        nargs="+",
        type=name_pair,
        action=PairsAction,
        metavar="NAME=MODEL_NAME",
        help="proteins of the file and what the model calls them, where their names don't tell",
    )
    group.add_argument(
        "--min-matched",
        type=float,
        default=_MIN_MATCHED,
        metavar="SHARE",
        help="least share of the model's features that must be found (default: %(default)s)",
    )
    group.add_argument("--no-align", action="store_true", help="refuse features that are not exactly the model's")


def refuse_alignment(args: argparse.Namespace, *, because: str) -> None:
    """Raise ValueError if any option of the alignment was given."""
    values = {"--chain-file": args.chain_file, "--build": args.build, "--protein-names": args.protein_names}
    given = [option for option, value in values.items() if value is not None]
    given += ["--min-matched"] * (args.min_matched != _MIN_MATCHED) + ["--no-align"] * args.no_align
    if given:
        message = f"{' and '.join(given)} can't be used here: {because}."
        raise ValueError(message)


def aligned(
    query: MuData | AnnData, model: SCMOG, args: argparse.Namespace, *, modality: str | None = None
) -> MuData | AnnData:
    """The query in the model's features, with a report; the query itself where it has them already.

    Names that are the same say nothing of the build, so that ``--build`` and ``--chain-file`` are never passed over.
    """
    if args.no_align or (args.build is args.chain_file is None and _has_the_features(query, model, modality)):
        return query
    result = align_features(
        query,
        model,
        modality=modality,
        chain_file=args.chain_file,
        build=args.build,
        protein_names=args.protein_names,
        min_matched=args.min_matched,
    )
    print(f"Features aligned to those of the model:\n{AlignmentReport.from_uns(result)}\n", flush=True)
    return result


def _has_the_features(query: MuData | AnnData, model: SCMOG, modality: str | None) -> bool:
    registry = model.training_registry
    if isinstance(query, AnnData):
        measured = [(modality or model.directions[0][0], query)]
    else:
        measured = [
            (name, query.mod[alias])
            for name, key in registry.names.items()
            for alias in measured_keys(query, name, key)[:1]
            if modality in (None, name)
        ]
    return all(
        np.array_equal(adata.var_names.astype(str), np.asarray(registry.var_names[name], dtype=str))
        for name, adata in measured
        if name in registry.var_names
    )
