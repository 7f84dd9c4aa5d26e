"""Building MuData objects without a trace."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mudata


@contextmanager
def quiet_mudata(*, pull: bool = False) -> Iterator[None]:
    """Keep mudata's notes to itself, and the random state of Python, from which it draws names of temporary columns.

    The notes are on updates and on names that modalities share (an antibody may be called like a gene), which was so
    before we touched the object. Columns stay in the modalities; with ``pull`` mudata 0.3 may copy them into the global
    tables, as it does on its own.
    """
    random_state = random.getstate()
    # Not `with set_options(...)`: that logs by way of the root logger, which then gets a handler. 0.4 has no option.
    set_options = None if pull else getattr(mudata, "set_options", None)
    before = {} if set_options is None else dict(set_options(pull_on_update=False).opts)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(pull_on_update|not unique|same name|intersecting).*")
            warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
            yield
    finally:
        if set_options is not None:
            set_options(**before)
        random.setstate(random_state)
