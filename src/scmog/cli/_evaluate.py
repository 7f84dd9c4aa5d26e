"""``scmog evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from scmog._constants import SPLIT_LABELS
from scmog.cli._align import add_alignment, aligned, refuse_alignment
from scmog.cli._arguments import add_directions, add_overwrite
from scmog.cli._files import check_ending, check_model, check_output, read, replacing
from scmog.cli._table import format_scores
from scmog.metrics import METRICS
from scmog.model import SCMOG

NAME = "evaluate"
SUMMARY = "score a model on paired cells, beside baselines"
DESCRIPTION = """\
Score a model on paired cells, beside the mean of its training cells, that mean moved by the depth of each cell, and a
ridge regression. All cells of the file are scored, on the features that both the file and the model have; for the file
that the model was trained on, choose cells that it has not seen with --split test."""
EXAMPLES = """\
examples:
  scmog evaluate other_paired.h5mu --model model
  scmog evaluate paired.h5mu --model model --split test --output scores.csv
  scmog evaluate paired.h5mu --model model --split test --all-baselines --labels cell_type

scores (those of other targets and --metrics: see the user guide):
  AUROC, Pearson r     the main score; ATAC: 0.5 is chance; RNA (log1p of size-normalised counts) and protein (centred
                       log-ratio): 0 is chance. Trust the row "per" feature: do the right cells have it? Over all
                       entries and per cell the means of the features do most of it, which the training mean knows too
  AUPRC, normalised    0 is chance, 1 perfect; for open peaks, which are rare
  Brier skill          of probabilities: above 0 is better than the training frequencies
  calibration slope    1 is calibrated, less is too extreme, more too timid;  calibration error  0 is calibrated
  RMSE                 lower is better
  variance share       how much of the predictions differs between cells; far below that of ridge: collapsed
The .csv adds 95 % intervals of the means over features, cells or cell types."""


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
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=["all", *METRICS],
        metavar="METRIC",
        help=f"scores, of {', '.join(METRICS)}; or all (default: those that say most)",
    )
    parser.add_argument(
        "--labels", metavar="COLUMN", help="column of obs with cell types, for the pseudobulk score and their mean"
    )
    parser.add_argument(
        "--all-baselines",
        action="store_true",
        help="also kNN, kernel ridge, the mean of the cell type (with --labels) and, as a confounder, the true depth; "
        "they are fitted anew on the training data, which DATA then must be, with --split",
    )
    add_alignment(parser)


def run(args: argparse.Namespace) -> None:
    """Score, show, write."""
    check_model(args.model)
    if args.output is not None:
        check_ending(args.output, [".csv"])
        check_output(args.output, overwrite=args.overwrite)
    if args.all_baselines and args.split is None:
        message = "--all-baselines are fitted on the training data: give these as DATA, and the cells with --split."
        raise ValueError(message)
    if args.split is not None:
        refuse_alignment(args, because="--split scores cells of the training data, which have the model's features")
    if args.metrics is not None and "all" in args.metrics and len(args.metrics) > 1:
        message = f"--metrics takes all or names, got both: {' '.join(args.metrics)}."
        raise ValueError(message)
    mdata = read(args.data, endings=[".h5mu"])
    options = {
        "directions": args.directions,
        "baselines": "all" if args.all_baselines else True,
        "metrics": "all" if args.metrics == ["all"] else args.metrics,
        "labels_key": args.labels,
    }
    if args.split is None:
        model, cells = SCMOG.load(args.model, adata=False), f"all {mdata.n_obs:,}"
        scores = model.evaluate(aligned(mdata, model, args), **options)
    else:
        model, cells = SCMOG.load(args.model, adata=mdata), f"the {args.split}"
        scores = model.evaluate(split=args.split, **options)
    print(f"Scores of {cells} cells of {args.data} (scmog evaluate --help says how to read them)\n")
    print(format_scores(scores))
    if args.output is not None:
        with replacing(args.output) as partial:
            scores.to_csv(partial, index=False)
        print(f"\nTable: {args.output}")
