"""What became of the features of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._constants import SCMOG_KEYS
from scmog._modalities import MODALITIES
from scmog.pp._match import Match


@dataclass(frozen=True, kw_only=True)
class ModalityAlignment:
    """What became of the features of one modality.

    Attributes
    ----------
    modality
        Canonical name of the modality.
    n_model, n_query
        Number of features of the model and of the query.
    matched, missing
        Features of the model with and without a feature of the query.
    dropped
        Features of the query that are in no feature of the model.
    merged
        Features of the model that are the sum of two or more of the query.
    split
        Features of the query that count in two or more of the model.
    ambiguous
        Features of the model that are missing because more than one reading was possible.
    by
        Number of matched features by what they were found by: ``"name"``, ``"id"``, ``"symbol"``, ``"case"``,
        ``"suffix removed"``; ``"same coordinates"``, ``"overlap"``; ``"normalized name"``, ``"isotype class"``,
        ``"alias"``, ``"user mapping"``.
    lifted
        Number of query peaks by what became of them in the liftover; empty without one.
    notes
        What looks wrong, and what is to be done.
    """

    modality: str
    n_model: int
    n_query: int
    matched: int
    missing: int
    dropped: int
    merged: int
    split: int
    ambiguous: int = 0
    by: Mapping[str, int] = field(default_factory=dict)
    lifted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_match(cls, modality: str, match: Match) -> Self:
        """Count what was matched."""
        per_model, per_query = match.queries_per_model, match.models_per_query
        return cls(
            modality=modality,
            n_model=match.n_model,
            n_query=match.n_query,
            matched=int((per_model > 0).sum()),
            missing=int((per_model == 0).sum()),
            dropped=int((per_query == 0).sum()),
            merged=int((per_model > 1).sum()),
            split=int((per_query > 1).sum()),
            ambiguous=match.n_ambiguous,
            by=dict(match.by),
            lifted=dict(match.lifted),
            notes=match.notes,
        )

    @property
    def share(self) -> float:
        """Share of the model's features that were matched."""
        return self.matched / self.n_model if self.n_model else 0.0

    @property
    def summary(self) -> str:
        """The numbers in one sentence."""
        features = MODALITIES[self.modality].features if self.modality in MODALITIES else "features"
        how = f" [{_counts(self.by)}]" if self.by else ""
        parts = [
            f"{self.modality}: {self.matched} of the model's {self.n_model} {features} found ({self.share:.0%}){how}",
            f"{self.missing} missing (taken as average)",
            f"{self.dropped} others dropped",
        ]
        parts += [f"{self.merged} sums of several"] if self.merged else []
        parts += [f"{self.split} of the query's counted more than once"] if self.split else []
        parts += [f"{self.ambiguous} ambiguous"] if self.ambiguous else []
        parts += [f"liftover of the query's: {_counts(self.lifted)}"] if self.lifted else []
        return ", ".join(parts)


@dataclass(frozen=True)
class AlignmentReport:
    """What :func:`align_features` did, by modality; printed as a table.

    Attributes
    ----------
    modalities
        One :class:`ModalityAlignment` for each aligned modality.

    Examples
    --------
    >>> aligned = scmog.pp.align_features(query, model)  # doctest: +SKIP
    >>> print(scmog.pp.AlignmentReport.from_uns(aligned))  # doctest: +SKIP
    """

    modalities: tuple[ModalityAlignment, ...]

    @classmethod
    def from_uns(cls, data: MuData | AnnData) -> Self:
        """Read the report from an object that :func:`align_features` returned, also after it was written and read.

        Parameters
        ----------
        data
            MuData or AnnData with ``.uns["scmog_alignment"]``.

        Raises
        ------
        KeyError
            If there is no report.
        """
        stored = data.uns.get(SCMOG_KEYS.ALIGNMENT_UNS)
        if stored is None:
            message = f".uns has no {SCMOG_KEYS.ALIGNMENT_UNS!r}; scmog.pp.align_features writes it into its result."
            raise KeyError(message)
        return cls(tuple(_read(name, stored[name]) for name in _in_order(stored)))

    def to_uns(self) -> dict[str, dict[str, Any]]:
        """The report as nested dictionaries of plain values, which h5ad, h5mu and zarr files can hold."""
        return {part.modality: _plain(part) for part in self.modalities}

    def to_frame(self) -> pd.DataFrame:
        """Table with one row per modality: the counts of :class:`ModalityAlignment`, then those of each kind of match.

        Kinds that a modality does not have are 0 there. The index is the modality.
        """
        counts = ["n_model", "matched", "missing", "merged", "ambiguous", "n_query", "dropped", "split"]
        rows = {part.modality: {name: getattr(part, name) for name in counts} for part in self.modalities}
        for part in self.modalities:
            rows[part.modality] |= {f"by {kind}": count for kind, count in part.by.items()}
            rows[part.modality] |= {f"liftover: {status}": count for status, count in part.lifted.items()}
        return pd.DataFrame.from_dict(rows, orient="index").fillna(0).astype(np.int64).rename_axis("modality")

    def __str__(self) -> str:
        rows = {
            part.modality: {
                "model": part.n_model,
                "matched": f"{part.matched} ({part.share:.0%})",
                "missing": part.missing,
                "merged": part.merged,
                "query": part.n_query,
                "dropped": part.dropped,
                "split": part.split,
                "by": _counts(part.by) or "-",
            }
            for part in self.modalities
        }
        lines = [pd.DataFrame.from_dict(rows, orient="index").to_string()]
        for part in self.modalities:
            lines += [f"{part.modality}: liftover {_counts(part.lifted)}"] if part.lifted else []
            lines += [f"{part.modality}: {note}" for note in part.notes]
        return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def _plain(part: ModalityAlignment) -> dict[str, Any]:
    # no empty dictionaries and lists: not all formats tell them from nothing
    values = {key: value for key, value in asdict(part).items() if key != "modality"}
    values["notes"] = "\n".join(part.notes)
    return {key: value for key, value in values.items() if not isinstance(value, Mapping | str) or value}


def _read(modality: str, stored: Mapping[str, Any]) -> ModalityAlignment:
    values: dict[str, Any] = {}
    for key, value in stored.items():
        if isinstance(value, Mapping):
            values[key] = {str(name): int(count) for name, count in value.items()}
        else:
            values[key] = tuple(str(value).split("\n")) if key == "notes" else int(value)
    return ModalityAlignment(modality=modality, **values)


def _in_order(names: Mapping[str, Any]) -> list[str]:
    """Files sort keys; the order of the modalities is that of scmog."""
    known = [name for name in MODALITIES if name in names]
    return [*known, *(name for name in names if name not in known)]
