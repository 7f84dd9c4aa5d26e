"""``scmog prepare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mudata import MuData

from scmog._constants import SPLIT_LABELS
from scmog._modalities import MODALITIES
from scmog.cli._arguments import PairsAction, add_overwrite, assignment, bound, split_method
from scmog.cli._files import check_ending, check_output, read, write
from scmog.data import find_modalities, find_obs_column
from scmog.datasets import read_10x
from scmog.pp import prepare, split_by_cluster, split_by_obs, split_random

NAME = "prepare"
SUMMARY = "filter paired cells as in the paper, and split them"
DESCRIPTION = """\
Read paired cells, drop what the paper drops (cells with few or many genes, features on sex chromosomes, rare and
frequent peaks), split the cells into train, validation and test if asked to, and write a MuData file for scmog train.
Counts stay raw. The input is a .h5mu file, or what Cell Ranger wrote (multiome or CITE-seq): the .h5 file or the
directory with matrix.mtx."""
EXAMPLES = """\
examples:
  scmog prepare filtered_feature_bc_matrix.h5 --output paired.h5mu --split cluster
  scmog prepare paired.h5mu --output prepared.h5mu --max-genes 2500 --gtf genes.gtf.gz
  scmog prepare paired.h5mu --output prepared.h5mu --keep-sex-chromosomes --split obs:donor --test d2 --validation d3

splits, written to the column split of obs:
  random      shares of the cells, --validation-size and --test-size
  cluster     the paper's: whole Leiden clusters of the RNA, by default the largest and the second
  obs:COLUMN  whole donors, batches or cell types: the values that --validation and --test name"""

_SPLIT_COLUMN = "split"
# Which options belong to which kind of split
_OPTIONS = {
    "random": ("validation_size", "test_size"),
    "cluster": ("validation", "test", "resolution"),
    "obs": ("validation", "test"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("input", type=Path, metavar="INPUT", help=".h5mu, or Cell Ranger's .h5 or matrix directory")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.h5mu", help="file for the prepared cells")
    add_overwrite(parser)
    data = parser.add_argument_group("data")
    data.add_argument("--genome", help="genome to keep in a Cell Ranger file with several")
    data.add_argument("--prefix", help="what file names begin with, in a directory with several matrices")
    data.add_argument(
        "--layer",
        nargs="+",
        type=assignment,
        action=PairsAction,
        metavar="MODALITY=LAYER",
        help="layers with the raw counts of rna and atac, e.g. rna=counts (default: .X)",
    )
    filters = parser.add_argument_group("filters; none as a bound means no bound")
    filters.add_argument(
        "--min-genes", type=int, default=200, metavar="N", help="fewest genes of a cell (default: %(default)s)"
    )
    filters.add_argument(
        "--max-genes",
        type=bound(int),
        default=7000,
        metavar="N",
        help="most genes of a cell (default: %(default)s; the paper's mouse data: 2500)",
    )
    filters.add_argument(
        "--min-cells", type=int, default=5, metavar="N", help="fewest cells of a peak (default: %(default)s)"
    )
    filters.add_argument(
        "--max-share",
        type=bound(float),
        default=0.1,
        metavar="SHARE",
        help="largest share of the cells in which a peak is open (default: %(default)s)",
    )
    sex = filters.add_mutually_exclusive_group()
    sex.add_argument(
        "--gtf", type=Path, metavar="FILE", help="annotation with the positions of genes, if the file lacks them"
    )
    sex.add_argument("--keep-sex-chromosomes", action="store_true", help="do not drop genes and peaks on chrX and chrY")
    filters.add_argument(
        "--autosomes-only", action="store_true", help="drop all that is not on a numbered chromosome, as the authors do"
    )
    split = parser.add_argument_group("split")
    split.add_argument(
        "--split",
        type=split_method,
        default=None,
        metavar="METHOD",
        help="random, cluster, obs:COLUMN or none, see below (default: none)",
    )
    for label, size in ((SPLIT_LABELS.VALIDATION, "validation"), (SPLIT_LABELS.TEST, "test")):
        split.add_argument(f"--{size}", nargs="+", metavar="VALUE", help=f"clusters or values of COLUMN for {label}")
        split.add_argument(
            f"--{size}-size", type=float, metavar="SHARE", help=f"share of the {label} cells (random: 0.15)"
        )
    split.add_argument("--resolution", type=float, metavar="R", help="resolution of Leiden (cluster: 1.5)")
    split.add_argument("--seed", type=int, default=0, help="seed of the split, 0 or more (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Read, filter, split, write."""
    check_ending(args.output, [".h5mu"])
    check_output(args.output, overwrite=args.overwrite)
    _check_options(args)
    mdata = _read(args.input, args.genome, args.prefix)
    _show("Read", mdata)
    _filter(mdata, args)
    _split(mdata, args)
    write(mdata, args.output)
    _show("Kept", mdata)
    if args.split is not None:
        sizes = mdata.obs[_SPLIT_COLUMN].value_counts()
        print("Split: " + ", ".join(f"{sizes.get(label, 0):,} {label}" for label in SPLIT_LABELS))
    print(f"Written: {args.output}")


def _read(path: Path, genome: str | None, prefix: str | None) -> MuData:
    if path.is_dir() or path.suffix == ".h5":
        return read_10x(path, genome=genome, prefix=prefix)
    if genome is not None or prefix is not None:
        message = "--genome and --prefix are for the output of Cell Ranger, a .h5 file or a directory."
        raise ValueError(message)
    if not path.exists():
        message = f"{path} does not exist."
        raise FileNotFoundError(message)
    # A .h5 file was read above; the ending is here for the message
    return read(path, endings=[".h5mu", ".h5"])


def _filter(mdata: MuData, args: argparse.Namespace) -> None:
    layers = {f"{modality}_layer": layer for modality, layer in (args.layer or {}).items()}
    try:
        prepare(
            mdata,
            min_genes=args.min_genes,
            max_genes=args.max_genes,
            remove_sex=not args.keep_sex_chromosomes,
            gtf=args.gtf,
            autosomes_only=args.autosomes_only,
            min_cells=args.min_cells,
            max_share=args.max_share,
            **layers,
        )
    except ValueError as error:
        if "gtf=" not in str(error):
            raise
        message = f"{error} On the command line: --gtf FILE, or --keep-sex-chromosomes to drop none."
        raise ValueError(message) from error


def _check_options(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if args.keep_sex_chromosomes and args.autosomes_only:
        message = "--keep-sex-chromosomes and --autosomes-only contradict each other."
        raise ValueError(message)
    if "protein" in (args.layer or {}):
        message = "--layer protein= has no effect here: proteins are not filtered. Give it to scmog train."
        raise ValueError(message)
    allowed = () if args.split is None else _OPTIONS[args.split.partition(":")[0]]
    known = {name for names in _OPTIONS.values() for name in names}
    wrong = sorted(name for name in known.difference(allowed) if getattr(args, name) is not None)
    if wrong:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in wrong)
        message = f"{options} can't be combined with --split {args.split or 'none'}; see scmog prepare --help."
        raise ValueError(message)


def _split(mdata: MuData, args: argparse.Namespace) -> None:
    if args.split is None:
        return
    kind, _, column = args.split.partition(":")
    given = {name: getattr(args, name) for name in _OPTIONS[kind] if getattr(args, name) is not None}
    if kind == "random":
        split_random(mdata, seed=args.seed, key_added=_SPLIT_COLUMN, **given)
    elif kind == "cluster":
        chosen = {name if name == "resolution" else f"{name}_clusters": value for name, value in given.items()}
        layer = (args.layer or {}).get("rna")
        split_by_cluster(mdata, seed=args.seed, key_added=_SPLIT_COLUMN, layer=layer, **chosen)
    else:
        validation, test = (_as_in(mdata, column, given.get(name, [])) for name in _OPTIONS["obs"])
        split_by_obs(mdata, column, validation=validation, test=test, key_added=_SPLIT_COLUMN)


def _as_in(mdata: MuData, column: str, texts: list[str]) -> list[object]:
    """Values of a column from what was typed, e.g. the number 1 from ``1``; what is not there stays as it is."""
    found = find_obs_column(mdata, column)
    values = {} if found is None else {str(value): value for value in found.dropna().unique()}
    return [values.get(text, text) for text in texts]


def _show(verb: str, mdata: MuData) -> None:
    parts = [f"{mdata.mod[key].n_vars:,} {MODALITIES[name].features}" for name, key in find_modalities(mdata).items()]
    print(f"{verb}: {mdata.n_obs:,} cells x {', '.join(parts)}", flush=True)
