"""Intervals on the genome: names, overlaps, pooling, liftover, gene positions. NumPy, SciPy and pandas only.

All coordinates are 0-based and half-open, as in BED files and in the peak names of 10x: ``chr1:0-100`` are the first
100 bases.
"""

from scmog.genomics._annotation import read_gtf
from scmog.genomics._builds import chromosome_sizes, possible_builds
from scmog.genomics._chance import chance_overlap, exceeds_chance
from scmog.genomics._gene_columns import find_gene_columns, guess_species, strip_versions
from scmog.genomics._intervals import interval_names, normalize_chromosomes, parse_intervals
from scmog.genomics._liftover import LiftedIntervals, lift_over
from scmog.genomics._locate import find_intervals, interval_columns
from scmog.genomics._overlap import merge_intervals, overlap_join
from scmog.genomics._pool import PeakPooling, pool_peaks

__all__ = [
    "LiftedIntervals",
    "PeakPooling",
    "chance_overlap",
    "chromosome_sizes",
    "exceeds_chance",
    "find_gene_columns",
    "find_intervals",
    "guess_species",
    "interval_columns",
    "interval_names",
    "lift_over",
    "merge_intervals",
    "normalize_chromosomes",
    "overlap_join",
    "parse_intervals",
    "pool_peaks",
    "possible_builds",
    "read_gtf",
    "strip_versions",
]
