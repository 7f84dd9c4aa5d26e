"""Names of batches, cell types, chromosomes: labels as text."""

from __future__ import annotations

import numpy as np
import pandas as pd


def as_names(column: pd.Series) -> pd.Series:
    """Labels as text (object, the same index); missing ones stay missing.

    A whole number is called "1" whether it came as 1 or as 1.0: pandas makes floats of integers where one is missing.
    No name depends on the other values, so that parts of a column have the same names as the whole.
    """
    codes, unique = pd.factorize(np.asarray(column, dtype=object))
    names = np.array([*map(_name, unique), np.nan], dtype=object)  # the last is that of the code -1, for missing values
    return pd.Series(names[codes], index=column.index, dtype=object)


def _name(value: object) -> str:
    is_whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)  # type: ignore[call-overload]
