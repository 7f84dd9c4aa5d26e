"""Where the simulated genes and peaks lie, and which peak is linked to which gene."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scmog.genomics import chromosome_sizes

BIN = 1_000  # one peak per kilobase at most: peaks never overlap, names are unique
PEAK_WIDTHS = (200, 900)  # base pairs, the range of most 10x peaks
SHARE_NEAR_GENES = 0.7
PEAK_TO_GENE_SCALE = 20_000  # base pairs, scale of the Laplace distribution of peaks around a transcription start
LINK_SCALE = 30_000  # base pairs over which a link fades to 1/e
LINK_LIMIT = 150_000  # base pairs beyond which there is no link

# simulated regions are valid ones; chrX is there because removing it is part of real pipelines
_SIZES = chromosome_sizes("hg38").drop(["chrY", "chrM"])
_LENGTHS = _SIZES.to_numpy()
_NAMES = _SIZES.index.to_numpy(object)


def place_genes(rng: np.random.Generator, *, n_genes: int) -> pd.DataFrame:
    """Transcription starts, uniform on the genome and sorted: columns ``chrom`` and ``start``, index gene names."""
    chrom, position = _uniform_positions(rng, n_genes)
    order = np.lexsort((position, chrom))
    width = max(4, len(str(n_genes)))
    names = pd.Index([f"gene_{i:0{width}d}" for i in range(1, n_genes + 1)])
    return pd.DataFrame({"chrom": _categorical(chrom[order]), "start": position[order]}, index=names)


def place_peaks(rng: np.random.Generator, *, n_peaks: int, genes: pd.DataFrame) -> pd.DataFrame:
    """Disjoint regions, most of them around genes, sorted: columns ``chrom``, ``start``, ``end`` (half-open)."""
    chrom, position = _uniform_positions(rng, n_peaks)
    anchor = rng.integers(len(genes), size=n_peaks)
    near = rng.random(n_peaks) < SHARE_NEAR_GENES
    chrom[near] = genes["chrom"].cat.codes.to_numpy()[anchor[near]]
    centre = np.where(near, genes["start"].to_numpy()[anchor], position)

    bins = np.full(n_peaks, -1)
    pending, scale = np.arange(n_peaks), float(PEAK_TO_GENE_SCALE)
    offsets = np.concatenate([[0], np.cumsum(_LENGTHS // BIN)[:-1]])
    while pending.size:
        offset = np.rint(rng.laplace(scale=scale, size=pending.size)).astype(np.int64)
        usable = _LENGTHS[chrom[pending]] // BIN * BIN
        bins[pending] = offsets[chrom[pending]] + (centre[pending] + offset) % usable // BIN
        first = np.unique(bins, return_index=True)[1]
        pending = np.setdiff1d(np.arange(n_peaks), first)
        scale *= 2  # a crowded neighbourhood spreads out, so that the search ends

    bins = np.sort(bins)
    chrom = np.searchsorted(offsets, bins, side="right") - 1
    width = rng.integers(PEAK_WIDTHS[0], PEAK_WIDTHS[1] + 1, size=n_peaks)
    start = (bins - offsets[chrom]) * BIN + np.floor(rng.random(n_peaks) * (BIN - width)).astype(np.int64)
    end = start + width
    names = pd.Index([f"{_NAMES[c]}:{s}-{e}" for c, s, e in zip(chrom, start, end, strict=True)])
    return pd.DataFrame({"chrom": _categorical(chrom), "start": start, "end": end}, index=names)


def link_peaks(peaks: pd.DataFrame, *, genes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Nearest gene of each peak and the weight of the link.

    Parameters
    ----------
    peaks, genes
        Tables of :func:`place_peaks` and :func:`place_genes`.

    Returns
    -------
    Position of the nearest gene (n_peaks,), -1 where there is none within 150 kb on the chromosome, and the weight
    exp(-distance / 30 kb) (n_peaks,), 0 where there is none. The distance runs from the peak's middle to the start.
    """
    # One coordinate for the whole genome, with gaps between chromosomes that are wider than any link.
    shift = np.concatenate([[0], np.cumsum(_LENGTHS + 10 * LINK_LIMIT)[:-1]])
    starts = shift[genes["chrom"].cat.codes.to_numpy()] + genes["start"].to_numpy()
    middles = shift[peaks["chrom"].cat.codes.to_numpy()] + (peaks["start"] + peaks["end"]).to_numpy() // 2
    right = np.searchsorted(starts, middles).clip(max=len(starts) - 1)
    left = (right - 1).clip(min=0)
    nearest = np.where(np.abs(starts[left] - middles) <= np.abs(starts[right] - middles), left, right)
    distance = np.abs(starts[nearest] - middles)
    linked = distance <= LINK_LIMIT
    return np.where(linked, nearest, -1), np.where(linked, np.exp(-distance / LINK_SCALE), 0.0)


def _uniform_positions(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    chrom = rng.choice(len(_LENGTHS), size=n, p=_LENGTHS / _LENGTHS.sum())
    return chrom, rng.integers(_LENGTHS[chrom])


def _categorical(codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=_NAMES)
