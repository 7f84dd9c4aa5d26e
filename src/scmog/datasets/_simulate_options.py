"""What can be set in a simulation, with its checks, and what the technologies look like."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

# Peaks are placed in distinct 1-kb bins of the human genome (3 million bins); beyond this they would fill it.
MAX_PEAKS = 1_000_000
# Beyond these limits rates overflow single precision, or numbers mean nothing in a cell.
MAX_LOG_EFFECT = 2.0
MAX_DEPTH = 1e6
MAX_DENSITY = 0.99
OPTIONAL = ("peak_density", "rna_depth", "rna_depth_spread")


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Count statistics of a protocol, as measured on public data sets.

    Parameters
    ----------
    peak_density
        Mean share of peaks that are seen open in a cell.
    atac_depth_spread
        Standard deviation of the log of the cells' ATAC depth.
    double_share
        Share of the open peaks that carry two counts instead of one (both ends of a fragment).
    umi_per_gene
        Median number of transcripts of a cell, divided by the number of genes.
    rna_depth_spread
        Standard deviation of the log of the cells' RNA depth.
    """

    peak_density: float
    atac_depth_spread: float
    double_share: float
    umi_per_gene: float
    rna_depth_spread: float


TECHNOLOGIES = {
    # 10x Multiome PBMC: 7.8 % open, log-depth sd .38, twos eleven times as frequent as ones; 10x BMMC: .58 UMI per gene
    "multiome": Technology(
        peak_density=0.06, atac_depth_spread=0.4, double_share=0.7, umi_per_gene=0.5, rna_depth_spread=0.5
    ),
    # SNARE-seq adult cortex: .4 % open, log-depth sd .61, 2 % of the entries above one; .15 UMI per gene
    "snare": Technology(
        peak_density=0.005, atac_depth_spread=0.6, double_share=0.02, umi_per_gene=0.15, rna_depth_spread=0.6
    ),
}


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """The checked arguments of :func:`scmog.datasets.simulate`; ``None`` stands for the value of the technology."""

    n_cells: int
    n_genes: int
    n_peaks: int
    n_proteins: int
    n_cell_types: int
    n_batches: int
    n_latent: int
    gradient_strength: float
    batch_shift: float
    technology: str
    peak_density: float | None
    rna_depth: float | None
    rna_depth_spread: float | None
    seed: int
    truth: bool

    def __post_init__(self) -> None:
        for name in ("n_cells", "n_genes", "n_cell_types", "n_batches", "n_latent"):
            _check_integer(name, getattr(self, name), minimum=1)
        for name in ("n_peaks", "n_proteins", "seed"):
            _check_integer(name, getattr(self, name), minimum=0)
        self._check_sizes()
        for name in ("batch_shift", "gradient_strength", "rna_depth_spread"):
            _check_number(name, getattr(self, name), maximum=MAX_LOG_EFFECT, zero_allowed=True)
        _check_number("rna_depth", self.rna_depth, maximum=MAX_DEPTH)
        _check_number("peak_density", self.peak_density, maximum=MAX_DENSITY)
        _check_choice("technology", self.technology, allowed=tuple(TECHNOLOGIES))
        _check_choice("truth", self.truth, allowed=(False, True))

    def _check_sizes(self) -> None:
        if self.n_peaks == 0 and self.n_proteins == 0:
            msg = "`n_peaks` and `n_proteins` are both 0: ask for at least one of them, the RNA needs a partner."
            raise ValueError(msg)
        if self.n_peaks > MAX_PEAKS:
            msg = f"`n_peaks` must be at most {MAX_PEAKS}, got {self.n_peaks}."
            raise ValueError(msg)
        for name in ("n_cell_types", "n_batches"):
            if getattr(self, name) > self.n_cells:
                msg = f"`{name}` must not exceed `n_cells` ({self.n_cells}), got {getattr(self, name)}."
                raise ValueError(msg)

    def resolved(self) -> Technology:
        """The technology with the explicitly given values in place of its own."""
        base = TECHNOLOGIES[self.technology]
        return Technology(
            peak_density=base.peak_density if self.peak_density is None else float(self.peak_density),
            atac_depth_spread=base.atac_depth_spread,
            double_share=base.double_share,
            umi_per_gene=base.umi_per_gene if self.rna_depth is None else float(self.rna_depth) / self.n_genes,
            rna_depth_spread=base.rna_depth_spread if self.rna_depth_spread is None else float(self.rna_depth_spread),
        )


def _check_integer(name: str, value: Any, *, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        msg = f"`{name}` must be an integer, got {value!r} ({type(value).__name__})."
        raise TypeError(msg)
    if value < minimum:
        msg = f"`{name}` must be at least {minimum}, got {value}."
        raise ValueError(msg)


def _check_number(name: str, value: Any, *, maximum: float, zero_allowed: bool = False) -> None:
    if value is None and name in OPTIONAL:
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        msg = f"`{name}` must be a number, got {value!r} ({type(value).__name__})."
        raise TypeError(msg)
    # NaN fails every comparison, so it ends up here too.
    number = float(value)
    if not (0 < number <= maximum or (zero_allowed and number == 0)):
        msg = f"`{name}` must be {'at least' if zero_allowed else 'above'} 0 and at most {maximum:g}, got {value!r}."
        raise ValueError(msg)


def _check_choice(name: str, value: Any, *, allowed: tuple[str | bool, ...]) -> None:
    if not isinstance(value, type(allowed[0])):
        msg = f"`{name}` must be one of {list(allowed)}, got {value!r} ({type(value).__name__})."
        raise TypeError(msg)
    if value not in allowed:
        msg = f"`{name}` must be one of {list(allowed)}, got {value!r}."
        raise ValueError(msg)
