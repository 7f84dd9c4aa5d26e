"""Arguments that several commands share, and how their text is read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from scmog._modalities import MODALITIES, Direction

_NAMES = ", ".join(MODALITIES)


def direction(text: str) -> Direction:
    """``rna:atac`` as ``("rna", "atac")``."""
    source, separator, target = text.partition(":")
    if not (source and separator and target):
        message = f"expected SOURCE:TARGET, e.g. rna:atac, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return source, target


def assignment(text: str) -> tuple[str, str]:
    """``rna=gex`` as ``("rna", "gex")``; the first part must be a modality that scmog knows."""
    modality, separator, value = text.partition("=")
    if modality not in MODALITIES or not separator or not value:
        message = f"expected MODALITY=NAME with a modality of {_NAMES}, e.g. rna=gex, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return modality, value


def name_pair(text: str) -> tuple[str, str]:
    """``NAME=OTHER`` as a pair; names may hold ``=`` themselves only on the right."""
    left, separator, right = text.partition("=")
    if not (left and separator and right):
        message = f"expected NAME=MODEL_NAME, e.g. CD8=CD8a, got {text!r}"
        raise argparse.ArgumentTypeError(message)
    return left, right


class PairsAction(argparse.Action):
    """Collects ``rna=gex atac=peaks`` into a dictionary; a name that stands twice is an error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the pairs of one option to those of earlier ones."""
        collected: dict[str, str] = dict(getattr(namespace, self.dest) or {})
        for name, value in values:
            if name in collected:
                parser.error(f"argument {option_string}: {name!r} is named twice")
            collected[name] = value
        setattr(namespace, self.dest, collected)


def threshold(text: str) -> float | str | None:
    """A number, ``density``, ``paper``, or ``none`` as None."""
    if text in ("density", "paper"):
        return text
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        message = f"expected density, paper, none or a number from 0 to 1, got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def bound(kind: type[int] | type[float]) -> Callable[[str], float | None]:
    """Reader of a number, or ``none`` as None."""

    def read(text: str) -> float | None:
        if text == "none":
            return None
        try:
            return kind(text)
        except ValueError:
            message = f"expected {'a whole number' if kind is int else 'a number'} or none, got {text!r}"
            raise argparse.ArgumentTypeError(message) from None

    return read


def split_method(text: str) -> str | None:
    """``random``, ``cluster``, ``obs:COLUMN``, or ``none`` as None."""
    if text == "none":
        return None
    if text in ("random", "cluster") or (text.startswith("obs:") and text != "obs:"):
        return text
    message = f"expected random, cluster, obs:COLUMN or none, got {text!r}"
    raise argparse.ArgumentTypeError(message)


def devices(text: str) -> int | str:
    """``2`` as a number of devices; ``auto`` and lists such as ``0,1`` as Lightning reads them."""
    return int(text) if text.isdecimal() else text


def add_directions(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Add ``--directions``; ``default`` says which are taken without it."""
    parser.add_argument(
        "--directions",
        nargs="+",
        type=direction,
        metavar="SOURCE:TARGET",
        help=f"directions, e.g. rna:atac atac:rna, of {_NAMES} (default: {default})",
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``."""
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
