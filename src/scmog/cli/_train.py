"""``scmog train``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scmog._constants import SPLIT_LABELS
from scmog.cli._arguments import PairsAction, add_directions, add_overwrite, assignment, devices
from scmog.cli._files import check_output, read
from scmog.cli._table import MAIN_METRICS, format_scores
from scmog.model import PRESETS, SCMOG

NAME = "train"
SUMMARY = "train a model on paired cells"
DESCRIPTION = """\
Train a model on paired cells and save it. The file holds two or more of the modalities rna, atac and protein as raw
counts of the same cells. Prints the main score of the test cells (or of the validation cells) beside baselines; scmog
evaluate shows the others."""
EXAMPLES = """\
examples:
  scmog train paired.h5mu --output model
  scmog train paired.h5mu --output model --split-key split --directions rna:atac
  scmog train paired.h5mu --output model --modality rna=gex --layer rna=counts atac=counts --batch-key donor"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("data", type=Path, metavar="DATA.h5mu", help="MuData file with paired cells, raw counts")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory for the model")
    add_overwrite(parser)
    data = parser.add_argument_group("data")
    data.add_argument(
        "--modality",
        nargs="+",
        type=assignment,
        action=PairsAction,
        metavar="MODALITY=NAME",
        help="names of modalities in the file, e.g. rna=gex (default: the usual names are found)",
    )
    data.add_argument(
        "--layer",
        nargs="+",
        type=assignment,
        action=PairsAction,
        metavar="MODALITY=LAYER",
        help="layers with the raw counts, e.g. rna=counts (default: .X)",
    )
    data.add_argument("--batch-key", metavar="COLUMN", help="column of obs with the batch (default: no batches)")
    data.add_argument(
        "--split-key",
        metavar="COLUMN",
        help="column of obs with train, validation and, optionally, test (default: a random split)",
    )
    data.add_argument("--train-size", type=float, metavar="SHARE", help="share of the training cells (default: 0.9)")
    data.add_argument(
        "--validation-size",
        type=float,
        metavar="SHARE",
        help="share of the validation cells (default: the rest); what is left of both are test cells",
    )
    training = parser.add_argument_group("training")
    add_directions(parser, default="those of the paper that the data allow")
    training.add_argument("--preset", choices=PRESETS, default="default", help="recipe (default: %(default)s)")
    training.add_argument("--max-epochs", type=int, metavar="N", help="most epochs (default: the preset's)")
    training.add_argument(
        "--pretrain-epochs",
        type=int,
        metavar="N",
        help="most epochs of the critic pre-training (default: the preset's)",
    )
    training.add_argument("--seed", type=int, default=0, help="seed, 0 or more (default: %(default)s)")
    training.add_argument("--accelerator", default="auto", help="auto, cpu, gpu ... (default: %(default)s)")
    training.add_argument(
        "--devices", type=devices, default="auto", help="number of devices, or a list such as 0,1 (default: auto)"
    )


def run(args: argparse.Namespace) -> None:
    """Train, save, show scores."""
    check_output(args.output, overwrite=args.overwrite, directory=True)
    mdata = read(args.data, endings=[".h5mu"])
    layers = {f"{modality}_layer": layer for modality, layer in (args.layer or {}).items()}
    SCMOG.setup_mudata(mdata, batch_key=args.batch_key, modalities=args.modality, **layers)
    model = SCMOG(mdata, directions=args.directions, preset=args.preset)
    print(model, flush=True)
    model.train(
        args.max_epochs,
        n_epochs_pretrain=args.pretrain_epochs,
        split_key=args.split_key,
        train_size=args.train_size,
        validation_size=args.validation_size,
        seed=args.seed,
        accelerator=args.accelerator,
        devices=args.devices,
        enable_progress_bar=sys.stdout.isatty(),  # a log file would get hundreds of bars
    )
    if not model.trainer.is_global_zero:  # of several devices each runs the command, and one of them writes
        return
    model.save(args.output, overwrite=args.overwrite)
    print(f"Model: {args.output}")
    show_held_out_scores(model)


def show_held_out_scores(model: SCMOG) -> None:
    """Print the scores of the test cells; without any, of the validation cells; without those, say so."""
    if len(model.test_indices_):
        split, note = SPLIT_LABELS.TEST, ""
    elif len(model.validation_indices_):
        split, note = SPLIT_LABELS.VALIDATION, ", which also chose the best epoch and the baselines' parameters"
    else:
        print("No test or validation cells, so no scores.")
        return
    n_cells = len(getattr(model, f"{split}_indices_"))
    print(f"\nScores of {n_cells:,} {split} cells{note} (higher is better)\n")
    print(format_scores(model.evaluate(split=split, metrics=MAIN_METRICS)))
