"""``scmog generate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anndata import AnnData
from mudata import MuData

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES
from scmog._mudata import is_generated
from scmog.cli._align import add_alignment, aligned
from scmog.cli._arguments import add_overwrite, threshold
from scmog.cli._files import check_ending, check_model, check_output, read, write
from scmog.model import SCMOG
from scmog.model._directions import add_modalities

NAME = "generate"
SUMMARY = "generate the missing modality of cells"
DESCRIPTION = """\
Generate the missing modality of cells, from raw counts of another one. Genes, peaks or proteins with other names, in
another order or partly missing are first aligned to those of the model, with a report. An output that ends in .h5mu is
the query as it was with the generated modalities added; one that ends in .h5ad is the generated modality alone."""
EXAMPLES = """\
examples:
  scmog generate rna_only.h5mu --model model --output with_atac.h5mu
  scmog generate rna_only.h5ad --model model --source rna --target atac --output atac.h5ad
  scmog generate rna_only.h5mu --model model --threshold none --output probabilities.h5ad

units:
  ATAC     0/1 in .X and the calibrated probability of the open entries in a layer
  RNA      expected counts at the median library size of the training cells, or (--log1p) expected log1p of them
  protein  centred log-ratio over the proteins of a cell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("query", type=Path, metavar="QUERY", help=".h5mu, or .h5ad with the source modality")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory that scmog train wrote")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help=".h5mu or .h5ad, see above")
    add_overwrite(parser)
    parser.add_argument("--source", choices=MODALITIES, help="source (default: those that the query has)")
    parser.add_argument("--target", choices=MODALITIES, help="target (default: all that the model can make)")
    parser.add_argument("--key-added", metavar="NAME", help="name of the modality (default: <target>_generated)")
    parser.add_argument(
        "--threshold",
        type=threshold,
        default="density",
        metavar="CUT",
        help="for ATAC, what is open: density, as many peaks as in the training cells; paper, 0.1 on the raw score; a "
        "number from 0 to 1, a cut on the score; none, keep all scores, dense (default: %(default)s)",
    )
    parser.add_argument(
        "--score",
        choices=["probability", "raw"],
        default="probability",
        help="for ATAC, calibrated probability or the network's raw score (default: %(default)s)",
    )
    parser.add_argument(
        "--log1p", action="store_true", help="for RNA, expected log1p of counts instead of expected counts"
    )
    add_alignment(parser)


def run(args: argparse.Namespace) -> None:
    """Read, generate, write."""
    check_model(args.model)
    check_ending(args.output, [".h5mu", ".h5ad"])
    check_output(args.output, overwrite=args.overwrite)
    query = read(args.query, endings=[".h5mu", ".h5ad"])
    model = SCMOG.load(args.model, adata=False)
    sources = {source for source, _ in model.directions}
    cells = aligned(query, model, args, modality=args.source or (sources.pop() if len(sources) == 1 else None))
    options = {name: getattr(args, name) for name in ("source", "target", "threshold", "score", "log1p")}
    options["show_progress"] = sys.stdout.isatty()  # a log file would get hundreds of bars
    if args.output.suffix == ".h5ad":
        generated = _generated_alone(model, cells, args.key_added, options)
        write(generated, args.output)
        _show("generated", generated)
    else:
        completed, new = _completed(model, query, cells, args.key_added, options)
        write(completed, args.output)
        for name in new:
            _show(name, completed.mod[name])
    print(f"Written: {args.output}")


def _generated_alone(
    model: SCMOG, query: MuData | AnnData, key_added: str | None, options: Mapping[str, Any]
) -> AnnData:
    if key_added is not None:
        message = "--key-added names a modality in a .h5mu output; an .h5ad output has none."
        raise ValueError(message)
    return model.get_generated(query, **options)


def _completed(
    model: SCMOG, query: MuData | AnnData, cells: MuData | AnnData, key_added: str | None, options: Mapping[str, Any]
) -> tuple[MuData, list[str]]:
    """The query, in its own features, with what was generated from its aligned cells, and the names of that."""
    if not isinstance(query, MuData) or not isinstance(cells, MuData):
        message = "an .h5ad query gives an .h5ad output: choose an --output that ends in .h5ad."
        raise ValueError(message)
    before = {name: adata for name, adata in cells.mod.items() if is_generated(adata)}
    model.generate(cells, key_added=key_added, **options)
    new = {name: adata for name, adata in cells.mod.items() if is_generated(adata) and adata is not before.get(name)}
    if cells is not query:
        add_modalities(query, new)
        query.uns[SCMOG_KEYS.ALIGNMENT_UNS] = cells.uns[SCMOG_KEYS.ALIGNMENT_UNS]
    return query, list(new)


def _show(name: str, generated: AnnData) -> None:
    note = generated.uns[SCMOG_KEYS.UNS]
    features = MODALITIES[note["target"]].features
    print(f"{name}: {generated.n_obs:,} cells x {generated.n_vars:,} {features}, {note['unit']}")
