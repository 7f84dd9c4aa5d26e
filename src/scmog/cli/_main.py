"""The entry point: arguments in, exit code out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from scmog.cli import _demo, _evaluate, _generate, _prepare, _train
from scmog.cli._session import session

# What a wrong file or argument raises in the library and in what it reads files with; all else is a bug and shows.
_USER_ERRORS = (ValueError, TypeError, KeyError, RuntimeError, OSError, ImportError)
_ERROR, _INTERRUPTED = 2, 130

_DESCRIPTION = """\
Generate the missing modality of single cells: learn on paired cells, then predict ATAC from RNA, RNA from ATAC,
surface protein from RNA, or any other pair."""

_EPILOG = """\
examples:
  scmog demo
  scmog prepare filtered_feature_bc_matrix.h5 --output paired.h5mu --split cluster
  scmog train paired.h5mu --output model --split-key split
  scmog generate rna_only.h5mu --model model --output with_atac.h5mu
  scmog evaluate other_paired.h5mu --model model --output scores.csv

"scmog COMMAND --help" explains each command. Exit code: 0 if all went well, 2 after an error."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``scmog``.

    Parameters
    ----------
    argv
        Arguments without the name of the program; default those of the process.

    Returns
    -------
    Exit code: 0; 2 after an error, which is shown in one line; 130 if interrupted.

    Raises
    ------
    SystemExit
        From :mod:`argparse`, for ``--help``, ``--version`` (code 0) and wrong usage (code 2).
    """
    args = _parser().parse_args(argv)
    try:
        with session(debug=args.debug):
            args.run(args)
    except KeyboardInterrupt:
        print("scmog: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except _USER_ERRORS as error:
        if args.debug:
            raise
        print(f"scmog: error: {_one_line(error)}", file=sys.stderr)
        return _ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="scmog", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=layout, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"scmog {version('scmog')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (_demo, _prepare, _train, _generate, _evaluate):
        command = commands.add_parser(
            module.NAME,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=layout,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.add_argument(
            "--debug", action="store_true", help="show the traceback of an error, and the messages of all libraries"
        )
        command.set_defaults(run=module.run)
    return parser


def _one_line(error: BaseException) -> str:
    # str(KeyError) would show the message in quotes
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split()) or type(error).__name__
