"""Building MuData objects without a trace."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mudata


@contextmanager
def quiet_mudata() -> Iterator[None]:
    """Keep the random state of Python, from which mudata draws names of temporary columns, and its notes to itself.

    The notes are on updates and on feature names that modalities share, which was so before we touched the object.
    """
    random_state = random.getstate()
    # mudata 0.3 copies columns of the modalities into the global obs unless told not to; 0.4 has neither
    options: Any = mudata.set_options(pull_on_update=False) if hasattr(mudata, "set_options") else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(pull_on_update|not unique|same name).*")
        warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
        try:
            with options or nullcontext():
                yield
        finally:
            random.setstate(random_state)
