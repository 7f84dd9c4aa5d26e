"""How each modality enters an encoder and what a decoder learns to return.

One class per modality turns raw counts into the input of an encoder (:meth:`Representation.encoder_input`) and into
the target of a decoder (:meth:`Representation.target`). What it needs to know about the training cells is fitted
once, on those cells alone, and kept in buffers: a single new cell can be translated, and nothing leaks from
validation or test cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from scmog.nn._encoder_input import EncoderInput
from scmog.nn._rows import append_column, column_sums, is_sparse, map_values, row_sums, scale_columns, scale_rows

_ROUNDING = 1e-10  # of the squared mean: single-precision input carries 1e-7 of the mean
MAX_COMPENSATION = 10.0  # beyond it the noise of few features is what grows

Batches = Callable[[], Iterable[Tensor]]
"""Starts a pass over the raw counts of the training cells, in blocks ``(n_cells, n_features)``, dense or CSR."""


class Representation(nn.Module, ABC):
    """Statistics of one modality's training cells, and the transforms that use them.

    Parameters
    ----------
    n_features
        Number of features of the modality.

    Attributes
    ----------
    average
        Mean of the target over the training cells, ``(n_features,)``; also what a missing feature is taken to be.
    """

    styles: tuple[str, ...]
    """Names of the encoder inputs that the modality offers."""
    average: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.n_features = n_features
        self.register_buffer("average", torch.zeros(n_features))

    def n_input(self, style: str) -> int:
        """Number of encoder inputs of ``style``."""
        self._check(style)
        return self.n_features

    def _check(self, style: str) -> None:
        if style not in self.styles:
            message = f"{type(self).__name__} has the inputs {self.styles}, got {style!r}."
            raise ValueError(message)

    @abstractmethod
    def fit(self, batches: Batches) -> None:
        """Fit the buffers on the training cells, in as many passes as needed, in double precision."""

    @abstractmethod
    def target(self, counts: Tensor) -> Tensor:
        """What a decoder of this modality learns to return for raw ``counts``, ``(n_cells, n_features)``.

        CSR where the counts are, but for proteins.
        """

    def exposure(self, counts: Tensor) -> Tensor | None:
        """Factor between the target and what was counted in a cell, ``(n_cells, 1)``; None where there is none."""
        del counts
        return None

    @abstractmethod
    def encoder_input(self, counts: Tensor, style: str, missing: Tensor | None = None) -> EncoderInput:
        """Input of an encoder for raw ``counts``, ``(n_cells, n_input)``.

        ``missing``, boolean ``(n_features,)``, marks features that the query has not measured. They enter as average,
        and what the others add to the average is scaled up in their place, see :func:`compensate`.
        """

    def _blocks(self, batches: Batches) -> Iterator[Tensor]:
        """The blocks on the device of the buffers."""
        return (counts.to(self.average.device) for counts in batches())

    def _target_moments(self, batches: Batches) -> tuple[Tensor, Tensor]:
        return _moments(self.target(counts) for counts in self._blocks(batches))


def compensate(values: Tensor, average: Tensor, missing: Tensor | None, variance: Tensor) -> EncoderInput:
    """Deviations of ``values``, ``(n_cells, n_features)``, from their average where some features are missing.

    Missing features are average, so their deviation is zero. The others are divided by the share of the ``variance``,
    ``(n_features,)``, that they have in the training cells: the sum that a layer of the encoder forms keeps its size,
    as with the inputs that dropout leaves in training.
    """
    if missing is None:
        return EncoderInput(values, average)
    share = variance[~missing].sum() / variance.sum().clamp_min(1e-12)
    factor = (1 / share.clamp_min(1e-12)).clamp(1.0, MAX_COMPENSATION)
    factors = torch.where(missing, torch.zeros_like(average), factor.to(average))
    return EncoderInput(scale_columns(values, factors), average * factors)


def _divisor(sd: Tensor) -> Tensor:
    # a feature that is constant in training carries no information: it stays at zero
    return torch.where(sd > 0, sd, torch.ones_like(sd))


def _moments(blocks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (unbiased) of each column over all blocks, in single precision."""
    n, total, squares = 0, torch.zeros(()), torch.zeros(())
    for block in blocks:
        values = map_values(block, Tensor.double)
        n += values.shape[0]
        total = total + column_sums(values)
        squares = squares + column_sums(map_values(values, torch.square))
    mean = total / n
    variance = (squares / n - mean.square()).clamp_min(0) * (n / max(n - 1, 1))
    # a column that is constant but for rounding has no spread to divide by
    variance = torch.where(variance > _ROUNDING * mean.square(), variance, torch.zeros_like(variance))
    return mean.float(), variance.sqrt().float()


class LogDepth(nn.Module):
    """Logarithm of a cell's total, standardised over the training cells: how deeply the cell is sequenced."""

    mean: Tensor
    sd: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("sd", torch.ones(()))

    def fit(self, totals: Tensor) -> None:
        """Fit mean and standard deviation on the totals of the training cells, ``(n_cells,)``."""
        logs = torch.log1p(totals.double())
        sd = logs.std() if len(logs) > 1 else logs.new_ones(())
        self.mean, self.sd = logs.mean().to(self.mean), _divisor(sd).to(self.sd)

    def forward(self, totals: Tensor) -> Tensor:
        """Standardised log depth, shape of ``totals``; average for a cell without counts."""
        depth = (torch.log1p(totals) - self.mean) / self.sd
        return torch.where(totals > 0, depth, torch.zeros_like(depth))


class CountRepresentation(Representation):
    """RNA: counts of a cell brought to the median library size of the training cells (paper section 4).

    Encoder inputs: ``"counts"``, size-normalised counts (the authors' code); ``"log"``, their log1p, centred;
    ``"zscore"``, log1p standardised per gene (the paper); ``"log_depth"``, log1p of the *raw* counts, centred, and the
    cell's log library size as one more input, so that depth is told instead of divided out.
    """

    styles = ("counts", "log", "zscore", "log_depth")
    median_total: Tensor
    log_mean: Tensor
    log_sd: Tensor
    raw_log_mean: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        for name, value in {
            "median_total": torch.ones(()),
            "log_mean": torch.zeros(n_features),
            "log_sd": torch.ones(n_features),
            "raw_log_mean": torch.zeros(n_features),
        }.items():
            self.register_buffer(name, value)
        self.depth = LogDepth()

    def n_input(self, style: str) -> int:
        """Number of encoder inputs: one per gene, and the library size for ``"log_depth"``."""
        return super().n_input(style) + (style == "log_depth")

    def fit(self, batches: Batches) -> None:
        """Fit library size, then gene-wise means and standard deviations."""
        totals = torch.cat([_totals(counts) for counts in self._blocks(batches)])
        measured = totals[totals > 0]
        # scanpy's normalize_total takes the median of the cells that have counts, as here
        self.median_total = (measured.quantile(0.5) if len(measured) else totals.new_ones(())).to(self.median_total)
        self.depth.fit(totals)
        self.average = self._target_moments(batches)[0].to(self.average)
        mean, sd = _moments(map_values(self.target(counts), torch.log1p) for counts in self._blocks(batches))
        self.log_mean, self.log_sd = mean.to(self.log_mean), sd.to(self.log_sd)
        raw_mean, _ = _moments(map_values(counts, torch.log1p) for counts in self._blocks(batches))
        self.raw_log_mean = raw_mean.to(self.raw_log_mean)

    def size_factors(self, counts: Tensor, missing: Tensor | None = None) -> Tensor:
        """Library size over the median, ``(n_cells, 1)``; 1 where nothing is known of it, as for a cell without counts.

        With ``missing`` genes both are taken over the genes that are present.
        """
        expected = self.median_total
        if missing is not None:
            expected = expected * self.average[~missing].sum() / self.average.sum().clamp_min(1e-12)
        factors = row_sums(counts) / expected.clamp_min(1e-12)
        # of genes that no training cell expressed there is no telling either
        return torch.where((factors > 0) & (expected > 0), factors, torch.ones_like(factors))

    def target(self, counts: Tensor) -> Tensor:
        """Size-normalised counts, ``(n_cells, n_features)``."""
        return scale_rows(counts, 1 / self.size_factors(counts))

    def exposure(self, counts: Tensor) -> Tensor:
        """Library size over the median, ``(n_cells, 1)``: 0 for a cell without counts, which has nothing to say."""
        return row_sums(counts) / self.median_total.clamp_min(1e-12)

    def encoder_input(self, counts: Tensor, style: str, missing: Tensor | None = None) -> EncoderInput:
        """Input of an RNA encoder in one of the styles, ``(n_cells, n_input)``."""
        self._check(style)
        factors = self.size_factors(counts, missing)
        variance = self.log_sd.square()
        if style == "log_depth":
            x = compensate(map_values(counts, torch.log1p), self.raw_log_mean, missing, variance)
            # the library size that the cell would have if no gene were missing
            totals = torch.where(row_sums(counts) > 0, factors * self.median_total, 0)
            return _with_depth(x, self.depth(totals))
        normalised = scale_rows(counts, 1 / factors)
        if style == "counts":
            return _onto(self.average, compensate(normalised, self.average, missing, variance))
        logs, average = map_values(normalised, torch.log1p), self.log_mean
        if style == "zscore":
            scale = 1 / _divisor(self.log_sd)
            logs, average, variance = scale_columns(logs, scale), average * scale, (self.log_sd > 0).float()
        return compensate(logs, average, missing, variance)


class BinaryRepresentation(Representation):
    """ATAC: open or closed, no other scaling (paper section 4).

    Encoder inputs: ``"binary"``, 0 or 1 (the paper and the authors' code); ``"centred"``, minus the peak's frequency;
    ``"centred_depth"``, with the logarithm of the cell's number of open peaks as one more input.
    """

    styles = ("binary", "centred", "centred_depth")

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        self.depth = LogDepth()

    def n_input(self, style: str) -> int:
        """Number of encoder inputs: one per peak, and the number of open peaks for ``"centred_depth"``."""
        return super().n_input(style) + (style == "centred_depth")

    def fit(self, batches: Batches) -> None:
        """Fit the frequency at which each peak is open, and the number of open peaks."""
        self.average = self._target_moments(batches)[0].to(self.average)
        self.depth.fit(torch.cat([_totals(self.target(counts)) for counts in self._blocks(batches)]))

    def target(self, counts: Tensor) -> Tensor:
        """1 where there is any count, else 0, ``(n_cells, n_features)``."""
        return map_values(counts, lambda values: (values > 0).to(self.average.dtype))

    def encoder_input(self, counts: Tensor, style: str, missing: Tensor | None = None) -> EncoderInput:
        """Input of an ATAC encoder in one of the styles, ``(n_cells, n_input)``."""
        self._check(style)
        is_open = self.target(counts)
        x = compensate(is_open, self.average, missing, self.average * (1 - self.average))
        if style == "binary":
            return _onto(self.average, x)
        if style == "centred_depth":
            n_open = row_sums(is_open)
            if missing is not None:  # what the cell would have if no peak were missing; unknown where none is open
                expected = self.average[~missing].sum()
                n_open = torch.where(expected > 0, n_open * self.average.sum() / expected, 0)
            x = _with_depth(x, self.depth(n_open))
        return x


def _totals(counts: Tensor) -> Tensor:
    return row_sums(map_values(counts, Tensor.double)).squeeze(1)


def _with_depth(x: EncoderInput, depth: Tensor) -> EncoderInput:
    centre = None if x.centre is None else torch.cat([x.centre, x.centre.new_zeros(1)])
    return EncoderInput(append_column(x.values, depth), centre)


def _onto(average: Tensor, x: EncoderInput) -> EncoderInput:
    """The input around ``average`` instead of around zero."""
    return x._replace(centre=None if x.centre is None or x.centre is average else x.centre - average)


class ProportionRepresentation(Representation):
    """Protein: centred log-ratio over the proteins of a cell, with a pseudo-count of 1 (paper equation 7).

    Encoder inputs: ``"clr"``, the target itself; ``"zscore"``, standardised per protein.
    """

    styles = ("clr", "zscore")
    sd: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        self.register_buffer("sd", torch.ones(n_features))

    def fit(self, batches: Batches) -> None:
        """Fit mean and standard deviation of each protein."""
        mean, sd = self._target_moments(batches)
        self.average, self.sd = mean.to(self.average), sd.to(self.sd)

    def target(self, counts: Tensor) -> Tensor:
        """Centred log-ratio, ``(n_cells, n_features)``, dense."""
        logs = torch.log1p(_dense(counts))
        return logs - logs.mean(dim=1, keepdim=True)

    def encoder_input(self, counts: Tensor, style: str, missing: Tensor | None = None) -> EncoderInput:
        """Input of a protein encoder in one of the styles, ``(n_cells, n_features)``."""
        self._check(style)
        if missing is None:
            x = self.target(counts)
        else:
            logs = torch.log1p(_dense(counts))
            present = logs[:, ~missing].mean(dim=1, keepdim=True)
            # centre the present proteins where they are centred in training, not at zero
            x = torch.where(missing, self.average, logs - present + self.average[~missing].mean())
        if style == "zscore":
            scale = 1 / _divisor(self.sd)
            return compensate(x * scale, self.average * scale, missing, (self.sd > 0).float())
        return _onto(self.average, compensate(x, self.average, missing, self.sd.square()))


def _dense(counts: Tensor) -> Tensor:
    return counts.to_dense() if is_sparse(counts) else counts


REPRESENTATIONS: dict[str, type[Representation]] = {
    "rna": CountRepresentation,
    "atac": BinaryRepresentation,
    "protein": ProportionRepresentation,
}
