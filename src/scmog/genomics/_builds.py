"""Which genome builds a set of intervals can belong to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scmog.genomics._intervals import Intervals, parse_intervals

_HUMAN = tuple(f"chr{name}" for name in (*range(1, 23), "X", "Y", "M"))
_MOUSE = tuple(f"chr{name}" for name in (*range(1, 20), "X", "Y", "M"))

# Base pairs of the main chromosomes, in the order of _HUMAN and _MOUSE, as in the chrom.sizes files of UCSC. hg19 has
# the mitochondrion of UCSC (16,571), which is two bases longer than that of GRCh37.
_LENGTHS = {
    "hg19": """
        249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 141213431 135534747 135006516
        133851895 115169878 107349540 102531392 90354753 81195210 78077248 59128983 63025520 48129895 51304566
        155270560 59373566 16571""",
    "hg38": """
        248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 138394717 133797422 135086622
        133275309 114364328 107043718 101991189 90338345 83257441 80373285 58617616 64444167 46709983 50818468
        156040895 57227415 16569""",
    "hs1": """
        248387328 242696752 201105948 193574945 182045439 172126628 160567428 146259331 150617247 134758134 135127769
        133324548 113566686 101161492 99753195 96330374 84276897 80542538 61707364 66210255 45090682 51324926
        154259566 62460029 16569""",
    "mm9": """
        197195432 181748087 159599783 155630120 152537259 149517037 152524553 131738871 124076172 129993255 121843856
        121257530 120284312 125194864 103494974 98319150 95272651 90772031 61342430 166650296 15902555 16299""",
    "mm10": """
        195471971 182113224 160039680 156508116 151834684 149736546 145441459 129401213 124595110 130694993 122082543
        120129022 120421639 124902244 104043685 98207768 94987271 90702639 61431566 171031299 91744698 16299""",
    "mm39": """
        195154279 181755017 159745316 156860686 151758149 149588044 144995196 130127694 124359700 130530862 121973369
        120092757 120883175 125139656 104073951 98008968 95294699 90720763 61420004 169476592 91455967 16299""",
}

_SYNONYMS = {
    "grch37": "hg19",
    "b37": "hg19",
    "hs37d5": "hg19",
    "grch38": "hg38",
    "t2tchm13v2.0": "hs1",
    "t2tchm13": "hs1",
    "chm13": "hs1",
    "ncbi37": "mm9",
    "mgscv37": "mm9",
    "grcm38": "mm10",
    "grcm39": "mm39",
}


def chromosome_sizes(build: str) -> pd.Series:
    """Lengths of the main chromosomes of a human or mouse genome build.

    Parameters
    ----------
    build
        ``"hg19"``, ``"hg38"``, ``"hs1"``, ``"mm9"``, ``"mm10"`` or ``"mm39"``, or another name of one of them
        (``"GRCh37"``, ``"GRCh38"``, ``"T2T-CHM13"``, ``"NCBI37"``, ``"GRCm38"``, ``"GRCm39"``); case and patches
        (``"GRCh38.p14"``) do not matter.

    Returns
    -------
    Base pairs (int64), indexed by the names of UCSC; the name of the series is UCSC's name of the build. Contigs are
    not among them.

    Raises
    ------
    ValueError
        If the build is not one of these.
    """
    name = str(build).strip().lower().replace("-", "").replace("_", "").replace(" ", "")
    name = name.split(".p")[0]
    name = _SYNONYMS.get(name, name)
    if name not in _LENGTHS:
        message = f"build must be one of {list(_LENGTHS)} or a synonym such as 'GRCh38', got {build!r}."
        raise ValueError(message)
    chromosomes = _HUMAN if name.startswith("h") else _MOUSE
    return pd.Series([int(text) for text in _LENGTHS[name].split()], index=chromosomes, name=name)


def possible_builds(intervals: Intervals) -> list[str]:
    """Human and mouse genome builds whose chromosomes hold all intervals.

    Sizes alone seldom leave a single build, but they do tell human from mouse, and with many peaks near the ends of
    chromosomes also one build from the next.

    Parameters
    ----------
    intervals
        n intervals, as :func:`parse_intervals` reads them. Those on contigs say nothing and are passed over.

    Returns
    -------
    Names of UCSC, as in :func:`chromosome_sizes`. Empty if an interval fits into none of them: another species, or
    another build.
    """
    table = parse_intervals(intervals)
    main = table["chrom"].str.fullmatch(r"chr(?:\d+|[XYMWZ])").to_numpy(dtype=bool)
    furthest = table[main].groupby("chrom")["end"].max()
    fits = []
    for name in _LENGTHS:
        sizes = chromosome_sizes(name).reindex(furthest.index)
        if np.all(furthest.to_numpy() <= sizes.to_numpy(dtype=np.float64, na_value=np.nan)):
            fits.append(name)
    return fits
