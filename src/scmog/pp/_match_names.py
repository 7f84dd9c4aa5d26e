"""Features matched by their names alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scmog.pp._match import AlignmentOptions, Match, Pairing


def match_names(query: pd.DataFrame, model: pd.DataFrame, options: AlignmentOptions) -> Match:
    """Pair features with equal names; query features that share a name are summed.

    Parameters
    ----------
    query, model
        Features of both sides, names as index.
    options
        Not used here.
    """
    del options
    pairing = Pairing(len(query), len(model))
    pairing.add("name", *find(query.index.to_numpy(), model.index.to_numpy()))
    return pairing.match()


def find(query: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pairs with equal text; texts that are empty, or that the model has twice, pair with nothing."""
    wanted = pd.Series(model, dtype=object)
    unique = (wanted != "") & ~wanted.duplicated(keep=False)
    place = np.flatnonzero(unique.to_numpy())
    position = pd.Index(wanted.to_numpy()[place], dtype=object).get_indexer(pd.Index(query, dtype=object))
    found = np.flatnonzero(position >= 0)
    return found, place[position[found]]
