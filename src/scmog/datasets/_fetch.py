"""Download public data sets once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from scmog.datasets._catalogue import PublicDataset, PublicFile, find_dataset

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "SCMOG_CACHE"
_CHUNK = 2**18  # bytes


def fetch(name: str, *, cache: str | Path | None = None, progress: bool = True) -> list[Path]:
    """Download the files of a public data set, unless they are in the cache already.

    A file counts only when it has arrived whole and, where its checksum is known, unchanged; so an interrupted download
    leaves nothing behind. Where no checksum is known, the sha256 of what came is logged.

    Parameters
    ----------
    name
        Name in :func:`available`.
    cache
        Directory for downloads, with a subdirectory per data set. Default: the environment variable ``SCMOG_CACHE``,
        or else the usual place of the operating system (Linux: ``~/.cache/scmog``).
    progress
        Whether to show a progress bar.

    Returns
    -------
    Paths of the files, in the order of the table.

    Raises
    ------
    KeyError
        If there is no such data set.
    ConnectionError
        If a file can't be downloaded; the message says from where, and where to put it by hand.
    ValueError
        If a file does not have its checksum, or the set has no fixed address.

    Examples
    --------
    >>> import scmog
    >>> scmog.datasets.fetch("pbmc_multiome_3k")  # doctest: +SKIP
    """
    entry = find_dataset(name)
    return list(fetch_files(entry, cache=cache, progress=progress).values())


def fetch_files(entry: PublicDataset, *, cache: str | Path | None, progress: bool) -> dict[str, Path]:
    """Paths of the files of a data set by their role; errors as :func:`fetch`."""
    if not entry.files:
        message = (
            f"{entry.name!r} ({entry.reference}) has no file at a fixed address: get its files from {entry.page} and "
            "read them with scmog.datasets.read_10x."
        )
        raise ValueError(message)
    folder = _cache_folder(cache) / entry.name
    return {file.role: _fetch_one(file, folder, progress=progress) for file in entry.files}


def _cache_folder(cache: str | Path | None) -> Path:
    import pooch

    chosen = cache or os.environ.get(CACHE_VARIABLE)
    return Path(chosen or pooch.os_cache("scmog")).expanduser()


def _fetch_one(file: PublicFile, folder: Path, *, progress: bool) -> Path:
    import pooch

    path = folder / file.name
    cached = path.is_file()
    # 10x refuses clients without a name, and a server must not unpack a .gz on the way.
    headers = {"User-Agent": f"scmog/{version('scmog')}", "Accept-Encoding": "identity"}
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=_CHUNK, headers=headers)
    if not cached:
        logger.info("downloading %s to %s", file.url, path)
    try:
        with _quiet_pooch():
            pooch.retrieve(file.url, known_hash=file.hash, fname=file.name, path=folder, downloader=downloader)
    except ValueError as error:
        message = f"what {file.url} sends is not the file that was published: {error} Nothing was kept."
        raise ValueError(message) from error
    except OSError as error:  # that of requests, too
        message = (
            f"{file.url} could not be downloaded ({type(error).__name__}: {error}). Without a connection, get the file "
            f"on another machine and put it at {path}; cache= or {CACHE_VARIABLE} choose another directory."
        )
        raise ConnectionError(message) from error
    if not cached and file.hash is None:
        logger.info("no checksum is known for %s; what came has sha256:%s", file.name, pooch.file_hash(str(path)))
    return path


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Without pooch's own lines; we say the same in the words of this package."""
    import pooch

    log = pooch.get_logger()
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)
