"""Which query features count in which features of a model, however that was found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True, kw_only=True)
class AlignmentOptions:
    """The arguments of :func:`scmog.pp.align_features`, which documents them.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    protein_names: Mapping[str, str] = field(default_factory=dict)
    ignore_case: bool | None = None
    chain_file: str | PathLike[str] | None = None
    build: str | None = None
    min_overlap: int = 1
    min_fraction: float = 0.0
    min_matched: float = 0.5
    warn_below: float = 0.8

    def __post_init__(self) -> None:
        for name in ("min_matched", "warn_below", "min_fraction"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                message = f"{name} must be a share from 0 to 1, got {value}."
                raise ValueError(message)
        if self.min_overlap < 1:
            message = f"min_overlap must be at least 1 base pair, got {self.min_overlap}."
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """Pairs of a query feature and a model feature, each pair once.

    Attributes
    ----------
    query, model
        Positions of the pairs, int64 (n_pairs,).
    n_query, n_model
        Number of features of each side.
    by
        Number of model features by what they were found by.
    n_ambiguous
        Number of model features that were left out because more than one reading was possible.
    lifted
        What became of query peaks that were lifted to another genome build, by status.
    notes
        Sentences for the user: what looks wrong, and what is to be done.
    outdated
        Columns of the query's var that do not hold for the features of the model.
    """

    query: np.ndarray
    model: np.ndarray
    n_query: int
    n_model: int
    by: Mapping[str, int]
    n_ambiguous: int = 0
    lifted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()

    @property
    def selector(self) -> sp.csr_matrix:
        """Ones where a query feature counts in a model feature, CSR float32 ``(n_query, n_model)``."""
        ones = np.ones(len(self.query), dtype=np.float32)
        return sp.csr_matrix((ones, (self.query, self.model)), shape=(self.n_query, self.n_model))

    @property
    def queries_per_model(self) -> np.ndarray:
        """Number of query features in each model feature, ``(n_model,)``."""
        return np.bincount(self.model, minlength=self.n_model)

    @property
    def models_per_query(self) -> np.ndarray:
        """Number of model features that each query feature counts in, ``(n_query,)``."""
        return np.bincount(self.query, minlength=self.n_query)

    @property
    def one_to_one(self) -> np.ndarray:
        """Position of the query feature that alone makes a model feature and counts nowhere else; -1 without one."""
        single = (self.queries_per_model[self.model] == 1) & (self.models_per_query[self.query] == 1)
        position = np.full(self.n_model, -1, dtype=np.int64)
        position[self.model[single]] = self.query[single]
        return position


class Pairing:
    """Collects pairs in steps, from the surest evidence to the weakest.

    Parameters
    ----------
    n_query, n_model
        Number of features of each side.
    """

    def __init__(self, n_query: int, n_model: int) -> None:
        self.n_query, self.n_model = n_query, n_model
        self.by: dict[str, int] = {}
        self._query: list[np.ndarray] = []
        self._model: list[np.ndarray] = []
        self.used_queries = np.zeros(n_query, dtype=bool)
        self.used_models = np.zeros(n_model, dtype=bool)

    def add(self, kind: str, query: np.ndarray, model: np.ndarray) -> None:
        """Add pairs; a model feature counts for the step in which it was found first."""
        new = np.unique(model[~self.used_models[model]])
        if len(query):
            self.by[kind] = self.by.get(kind, 0) + len(new)
            self._query.append(np.asarray(query, dtype=np.int64))
            self._model.append(np.asarray(model, dtype=np.int64))
            self.used_queries[query] = self.used_models[model] = True

    def match(self, **details: Any) -> Match:
        """All pairs so far, with further fields of :class:`Match`."""
        none = np.empty(0, dtype=np.int64)
        return Match(
            query=np.concatenate([none, *self._query]),
            model=np.concatenate([none, *self._model]),
            n_query=self.n_query,
            n_model=self.n_model,
            by={kind: count for kind, count in self.by.items() if count},
            **details,
        )
