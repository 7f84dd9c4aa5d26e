"""The table that says what a modality is.

Adding a modality means adding a row here and, where its likelihood is new, one decoder and one loss in
:mod:`scmog.nn`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = tuple[str, str]
"""Source and target modality, e.g. ``("rna", "atac")``."""


@dataclass(frozen=True, kw_only=True)
class Modality:
    """What scmog knows about one kind of measurement.

    Attributes
    ----------
    name
        Canonical name, used in ``directions``, ``source``, ``target`` and in all keys.
    registry_key
        Key of the counts in the scvi-tools data registry (and in the mini-batches).
    aliases
        Names in ``mdata.mod`` under which the modality is found without being told, best first.
    title, feature
        What it and one of its variables are called in messages and figures.
    likelihood
        Which decoder and loss the modality has as a target.
    unit
        Unit of the generated values, as stated in ``.uns``.
    binary
        Whether the target is on/off, so that a threshold applies.
    log_unit
        Unit of the generated values on the logarithmic scale, for targets that have one.
    least_features
        With fewer of them there is nothing to learn.
    """

    name: str
    registry_key: str
    aliases: tuple[str, ...]
    title: str
    feature: str
    likelihood: Literal["negative_binomial", "bernoulli", "gaussian"]
    unit: str
    binary: bool = False
    log_unit: str | None = None
    least_features: int = 1

    @property
    def features(self) -> str:
        """What its variables are called."""
        return f"{self.feature}s"

    @property
    def log_scaled(self) -> bool:
        """Whether the target is also had as expected log1p."""
        return self.log_unit is not None


MODALITIES: dict[str, Modality] = {
    modality.name: modality
    for modality in (
        Modality(
            name="rna",
            registry_key="X",
            aliases=("rna", "gex", "RNA"),
            title="RNA",
            feature="gene",
            likelihood="negative_binomial",
            unit="expected counts at the median library size of the training cells",
            log_unit="expected log1p of counts at the median library size of the training cells",
        ),
        Modality(
            name="atac",
            registry_key="atac",
            aliases=("atac", "peaks", "ATAC"),
            title="ATAC",
            feature="peak",
            likelihood="bernoulli",
            unit="open (1) or closed (0)",
            binary=True,
        ),
        Modality(
            name="protein",
            registry_key="proteins",
            aliases=("protein", "prot", "adt", "ADT"),
            title="protein",
            feature="protein",
            likelihood="gaussian",
            unit="centred log-ratio over the proteins of a cell, ln((x + 1) / gmean(x + 1))",
            least_features=2,  # the centred log-ratio of a single one is 0
        ),
    )
}

PAPER_DIRECTIONS: tuple[Direction, ...] = (("rna", "atac"), ("atac", "rna"), ("rna", "protein"))
"""The three directions of the paper, trained by default as far as the data allow."""


def direction_name(direction: Direction) -> str:
    """Name of a direction in histories and state dictionaries, e.g. ``"rna_to_atac"``."""
    return f"{direction[0]}_to_{direction[1]}"
