"""Public data sets as MuData, one function for each kind of sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from mudata import MuData

from scmog.datasets._catalogue import PublicDataset, find_dataset
from scmog.datasets._fetch import fetch_files
from scmog.datasets._geo import read_share_seq, read_snare_seq
from scmog.datasets._read_10x import read_10x

_NOTED = ("name", "title", "species", "build", "licence", "reference")


def _read_cell_ranger(files: Mapping[str, Path]) -> MuData:
    return read_10x(files["counts"])


READERS: dict[str, Callable[[Mapping[str, Path]], MuData]] = {
    "cell_ranger_h5": _read_cell_ranger,
    "snare_seq": read_snare_seq,
    "share_seq": read_share_seq,
}
"""Functions behind the column ``reader`` of ``public.yaml``: from paths by role to a MuData."""


def pbmc_multiome(
    size: Literal["10k", "3k", "10k_unsorted"] = "10k", *, cache: str | Path | None = None, progress: bool = True
) -> MuData:
    """RNA and ATAC of human PBMC (10x Multiome), downloaded once.

    Parameters
    ----------
    size
        ``"10k"``: 11,909 cells without granulocytes, a training set of the paper. ``"3k"``: 2,711 such cells.
        ``"10k_unsorted"``: a sample with granulocytes.
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"atac"``, raw counts; ``.uns["dataset"]`` states source and licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.pbmc_multiome("3k")  # doctest: +SKIP
    """
    return _load("pbmc_multiome", size, cache=cache, progress=progress)


def pbmc_citeseq(
    size: Literal["10k", "5k"] = "10k", *, cache: str | Path | None = None, progress: bool = True
) -> MuData:
    """RNA and surface protein of human PBMC (10x, TotalSeq-B), downloaded once: the paper's training and test set.

    Parameters
    ----------
    size
        ``"10k"``: 7,865 cells, 17 antibodies. ``"5k"``: 5,527 cells of another donor and panel.
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"protein"``, raw counts; ``.uns["dataset"]`` states source and licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.
    """
    return _load("pbmc_citeseq", size, cache=cache, progress=progress)


def lymphoma_multiome(*, cache: str | Path | None = None, progress: bool = True) -> MuData:
    """RNA and ATAC of a human lymph node with B cell lymphoma (10x Multiome, 14,566 cells), downloaded once.

    Parameters
    ----------
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"atac"``, raw counts; ``.uns["dataset"]`` states source and licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.
    """
    return _load("lymphoma_multiome", "14k", cache=cache, progress=progress)


def mouse_brain_multiome(*, cache: str | Path | None = None, progress: bool = True) -> MuData:
    """RNA and ATAC of embryonic mouse brain (E18, 10x Multiome), downloaded once.

    Parameters
    ----------
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"atac"``, raw counts; ``.uns["dataset"]`` states source and licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.
    """
    return _load("mouse_brain_multiome", "5k", cache=cache, progress=progress)


def snareseq_cortex(*, cache: str | Path | None = None, progress: bool = True) -> MuData:
    """RNA and ATAC of adult mouse cortex (SNARE-seq, 10,309 cells), downloaded once.

    Parameters
    ----------
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"atac"``, raw counts; ``.uns["dataset"]`` states source and licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.
    """
    return _load("snareseq", "cortex", cache=cache, progress=progress)


def shareseq(
    tissue: Literal["skin", "brain"] = "skin", *, cache: str | Path | None = None, progress: bool = True
) -> MuData:
    """RNA and ATAC of mouse skin or brain (SHARE-seq), with the authors' cell types, downloaded once.

    Parameters
    ----------
    tissue
        ``"skin"``: 34,774 cells. ``"brain"``: 3,293 cells.
    cache, progress
        As in :func:`fetch`.

    Returns
    -------
    MuData with ``"rna"`` and ``"atac"``, raw counts; ``.obs["cell_type"]``; ``.uns["dataset"]`` states source and
    licence.

    Raises
    ------
    ConnectionError, ValueError
        As :func:`fetch`.
    """
    return _load("shareseq", tissue, cache=cache, progress=progress)


def _load(kind: str, which: str, *, cache: str | Path | None, progress: bool) -> MuData:
    try:
        entry = find_dataset(f"{kind}_{which}")
    except KeyError as error:
        message = f"{which!r} is none of the data sets of this kind. {error.args[0]}"
        raise ValueError(message) from error
    return load_dataset(entry, cache=cache, progress=progress)


def load_dataset(entry: PublicDataset, *, cache: str | Path | None, progress: bool) -> MuData:
    """Fetch and read one row of the table."""
    files = fetch_files(entry, cache=cache, progress=progress)
    mdata = READERS[str(entry.reader)](files)
    mdata.uns["dataset"] = {key: getattr(entry, key) for key in _NOTED}
    return mdata
