"""Features of several data sets in one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Join = Literal["inner", "outer"]
"""Features that all data sets have, or those of any."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureJoin:
    """Features of the merged data.

    Attributes
    ----------
    var
        Table of the n features, names as index.
    targets
        For each data set the position in ``var`` of its own features, ``(n_own,)``; -1 leaves one out.
    """

    var: pd.DataFrame
    targets: list[np.ndarray]

    @property
    def measured(self) -> np.ndarray:
        """Whether a data set has the feature, bool, ``(n, n_datasets)``."""
        has = np.zeros((len(self.var), len(self.targets)), dtype=bool)
        for column, target in enumerate(self.targets):
            has[target[target >= 0], column] = True
        return has
