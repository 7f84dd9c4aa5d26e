"""What surrounds a command: other libraries are quiet, ours speaks in plain lines."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

# Lightning's lines on devices, tips and the end of a run, and scvi-tools' on its own steps
_CHATTY_LOGGERS = ("lightning.pytorch", "lightning.fabric", "scvi")
# Advice to programmers, not to who types a command: on the number of workers, on names shared by two modalities ...
_IRRELEVANT = (
    r".*(does not have many workers|smaller than the logging interval|names are not unique|Transforming to str|"
    r"var_names are intersecting).*"
)


@contextmanager
def session(*, debug: bool) -> Iterator[None]:
    """Surround one command; logging levels and warning filters of the process are put back at the end.

    Notes of scmog and warnings go to the standard error stream, one line each. With ``debug`` all is left as it is.
    """
    if debug:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(_notes())
        stack.enter_context(_plain_warnings())
        for name in _CHATTY_LOGGERS:
            stack.enter_context(_level(logging.getLogger(name), logging.ERROR))
        yield


@contextmanager
def _level(logger: logging.Logger, level: int) -> Iterator[None]:
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _notes() -> Iterator[None]:
    """Show what scmog logs, e.g. which modalities it leaves alone."""
    logger, handler = logging.getLogger("scmog"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("scmog: %(message)s"))
    logger.addHandler(handler)
    try:
        with _level(logger, logging.INFO):
            yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show warnings that concern users, in one line; not those that libraries address to each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", category=UserWarning)
        warnings.filterwarnings("ignore", message=_IRRELEVANT)
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.showwarning = _show
        yield


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> Any:
    del category, filename, lineno, file, line
    print(f"scmog: warning: {' '.join(str(message).split())}", file=sys.stderr)
