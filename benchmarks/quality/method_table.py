"""The methods: which file of ``methods/``, with which options and seeds, in which environment, on which cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cases import Case

_LARGE = ("snare", "kidney", "reapseq", "simulated")
"""Data on which a slow peer runs with one seed."""


def _anywhere(case: Case) -> bool:
    return True


def _atac_and_rna(case: Case) -> bool:
    return {case.source, case.target} == {"rna", "atac"}


def _to_protein(case: Case) -> bool:
    return case.target == "protein"


def _has_cell_types(case: Case) -> bool:
    return case.data != "reapseq" and case.split != "type"


def _is_simulated(case: Case) -> bool:
    return case.data == "simulated"


def _shows_budgets(case: Case) -> bool:
    """One real data set per target, split at random."""
    return case.split == "random" and case.data in ("snare", "pbmc10k")


def _has_known_batches(case: Case) -> bool:
    """Whether training cells come from several batches and test cells from the same ones."""
    return case.data in ("snare", "simulated") and case.split != "batch"


def _published(case: Case) -> bool:
    return case.split == "published"


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the tables.

    Attributes
    ----------
    file
        File in ``methods/``.
    options
        Further arguments of its ``predict``.
    environment
        File in ``environments/``; None runs it with the Python of the benchmark.
    where
        Whether it runs on a case.
    seeds, seeds_large
        Seeds, on the large data sets too unless told otherwise. One for what draws nothing at random.
    is_bound
        Not a method but a ceiling or a diagnosis: never in bold.
    """

    file: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: str | None = None
    where: Callable[[Case], bool] = _anywhere
    seeds: tuple[int, ...] = (0, 1, 2)
    seeds_large: tuple[int, ...] | None = None
    is_bound: bool = False

    def seeds_of(self, case: Case) -> tuple[int, ...]:
        return self.seeds_large if self.seeds_large is not None and case.data in _LARGE else self.seeds


def _baseline(name: str, *, given: str = "features", **settings: Any) -> Method:
    """A predictor of scmog.metrics, and what it is given of each cell."""
    return Method(file="baselines", options={"name": name, "given": given}, seeds=(0,), **settings)


def _oracle(name: str) -> Method:
    return Method(file="oracle_method", options={"name": name}, where=_is_simulated, seeds=(0,), is_bound=True)


def _layer(name: str) -> Method:
    return Method(file="published", options={"layer": name}, seeds=(0,), where=_published)


def _budget(**options: Any) -> Method:
    """The default recipe with less time."""
    return Method(file="scmog_method", options=options, where=_shows_budgets)


_PUBLISHED = {
    "BABEL": "babel",
    "cTP-net": "cTPnet",
    "CMAE": "cmae",
    "Dengkw": "Dengkw",
    "LIGER": "Liger",
    "scArches": "scArches",
    "scMoGNN": "scMoGNN",
    "scVAEIT": "scVAEIT",
    "sciPENN": "sciPENN",
    "Seurat": "seurat",
    "totalVI": "totalVI",
}

METHODS = {
    "oracle": _oracle("oracle"),
    "oracle without depth": _oracle("oracle without depth"),
    "mean x true depth (confounder)": _baseline("TargetDepthConfounder", given="target depth", is_bound=True),
    "cell-type mean": _baseline("GroupMean", given="cell type", where=_has_cell_types, is_bound=True),
    "training mean": _baseline("TrainingMean"),
    "mean x source depth": _baseline("DepthMean", given="depth"),
    "kNN": _baseline("KNN"),
    "ridge": _baseline("SVDRidge"),
    "kernel ridge": _baseline("KernelRidge"),
    "MultiVI": Method(file="multivi", where=_atac_and_rna, seeds_large=(0,)),
    "scButterfly": Method(file="scbutterfly", environment="scbutterfly", where=_atac_and_rna, seeds_large=(0,)),
    "totalVI": Method(file="totalvi", where=_to_protein, seeds_large=(0,)),
    "sciPENN": Method(file="scipenn", environment="scipenn", where=_to_protein),
    **{f"{name} (published)": _layer(layer) for name, layer in _PUBLISHED.items()},
    "scmog (authors)": Method(file="scmog_method", options={"preset": "authors"}, seeds_large=(0,)),
    "scmog (paper)": Method(file="scmog_method", options={"preset": "paper"}, seeds_large=(0,)),
    "scmog (no pre-training)": Method(file="scmog_method", options={"pretrain": False}),
    "scmog (1 member)": _budget(n_members=1),
    "scmog (1/4 of the epochs)": _budget(share_of_epochs=0.25),
    "scmog (1 member, 1/4 of the epochs)": _budget(n_members=1, share_of_epochs=0.25),
    "scmog (1 member, 1/12 of the epochs)": _budget(n_members=1, share_of_epochs=1 / 12),
    "scmog": Method(file="scmog_method"),
    "scmog (batch)": Method(file="scmog_method", options={"with_batch": True}, where=_has_known_batches),
    "scmog + mean": Method(file="scmog_method", options={"add_mean": True}, where=_published),
}
"""In the order of the tables."""
