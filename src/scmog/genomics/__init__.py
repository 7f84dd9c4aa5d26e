"""Intervals on the genome: names, overlaps, pooling, liftover, gene positions. NumPy, SciPy and pandas only.

All coordinates are 0-based and half-open, as in BED files and in the peak names of 10x: ``chr1:0-100`` are the first
100 bases.
"""

from scmog.genomics._annotation import read_gtf
from scmog.genomics._intervals import interval_names, normalize_chromosomes, parse_intervals
from scmog.genomics._liftover import LiftedIntervals, lift_over
from scmog.genomics._overlap import merge_intervals, overlap_join
from scmog.genomics._pool import PeakPooling, pool_peaks

__all__ = [
    "LiftedIntervals",
    "PeakPooling",
    "interval_names",
    "lift_over",
    "merge_intervals",
    "normalize_chromosomes",
    "overlap_join",
    "parse_intervals",
    "pool_peaks",
    "read_gtf",
]
