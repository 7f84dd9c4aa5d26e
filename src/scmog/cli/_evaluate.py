"""``scmog evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from scmog._constants import SPLIT_LABELS
from scmog.cli._align import add_alignment, aligned
from scmog.cli._arguments import add_directions, add_overwrite
from scmog.cli._files import check_ending, check_model, check_output, read
from scmog.cli._table import format_scores
from scmog.model import SCMOG

NAME = "evaluate"
SUMMARY = "score a model on paired cells, beside baselines"
DESCRIPTION = """\
Score a model on paired cells, beside the mean of its training cells and a ridge regression. All cells of the file are
scored, on the features that both the file and the model have; for the file that the model was trained on, choose cells
that it has not seen with --split test."""
EXAMPLES = """\
examples:
  scmog evaluate other_paired.h5mu --model model
  scmog evaluate paired.h5mu --model model --split test --output scores.csv

scores:
  AUROC      for ATAC, 0.5 is chance
  Pearson r  for RNA (log1p of size-normalised counts) and protein (centred log-ratio), 0 is chance
  over all entries, or the mean over features of the score across cells; the .csv adds 95 % intervals of the latter"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("data", type=Path, metavar="DATA.h5mu", help="MuData file with paired cells, raw counts")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="directory that scmog train wrote")
    parser.add_argument("--output", type=Path, metavar="TABLE.csv", help="file for the table (default: only shown)")
    add_overwrite(parser)
    parser.add_argument(
        "--split",
        choices=list(SPLIT_LABELS),
        help="score these cells of the training data, which DATA then must be (default: all cells)",
    )
    add_directions(parser, default="all of the model")
    add_alignment(parser)


def run(args: argparse.Namespace) -> None:
    """Score, show, write."""
    check_model(args.model)
    if args.output is not None:
        check_ending(args.output, [".csv"])
        check_output(args.output, overwrite=args.overwrite)
    mdata = read(args.data, endings=[".h5mu"])
    if args.split is None:
        model, cells = SCMOG.load(args.model, adata=False), f"all {mdata.n_obs:,}"
        scores = model.evaluate(aligned(mdata, model, args), directions=args.directions)
    else:
        model, cells = SCMOG.load(args.model, adata=mdata), f"the {args.split}"
        scores = model.evaluate(split=args.split, directions=args.directions)
    print(f"Scores of {cells} cells of {args.data} (higher is better)\n")
    print(format_scores(scores))
    if args.output is not None:
        scores.to_csv(args.output, index=False)
        print(f"\nTable: {args.output}")
