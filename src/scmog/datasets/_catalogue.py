"""The table of public data sets, ``public.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import yaml

_SHAPE = ("cells", "genes", "peaks", "proteins")


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """One file to download.

    Attributes
    ----------
    url
        Address.
    name
        Name in the cache.
    hash
        ``"md5:..."`` or ``"sha256:..."``; None where none is known.
    role
        What the reader calls it.
    """

    url: str
    name: str
    hash: str | None
    role: str


@dataclass(frozen=True, kw_only=True)
class PublicDataset:
    """One row of the table; see the head of ``public.yaml``."""

    name: str
    title: str
    technology: str
    species: str
    build: str
    licence: str
    reference: str
    page: str
    reader: str | None
    files: tuple[PublicFile, ...]
    cells: int | None = None
    genes: int | None = None
    peaks: int | None = None
    proteins: int | None = None


@cache
def catalogue() -> Mapping[str, PublicDataset]:
    """All public data sets by name."""
    table = yaml.safe_load((files("scmog.datasets") / "public.yaml").read_text(encoding="utf-8"))
    return MappingProxyType({name: parse_dataset(name, row) for name, row in table.items()})


def parse_dataset(name: str, row: Mapping[str, Any]) -> PublicDataset:
    """One entry of ``public.yaml``."""
    listed = tuple(
        PublicFile(
            url=entry["url"],
            name=entry.get("name") or urlsplit(entry["url"]).path.rpartition("/")[2],
            hash=entry["hash"],
            role=entry.get("role", "counts"),
        )
        for entry in row["files"]
    )
    return PublicDataset(name=name, **{**row, "files": listed})


def find_dataset(name: str) -> PublicDataset:
    """Row of the table.

    Raises
    ------
    KeyError
        If there is none of this name.
    """
    if name not in catalogue():
        message = f"no public data set is called {name!r}; scmog.datasets.available() lists {list(catalogue())}."
        raise KeyError(message)
    return catalogue()[name]


def available() -> pd.DataFrame:
    """List the public data sets that :func:`fetch` downloads: those of the paper, and some of their kind.

    Returns
    -------
    Table with one row per set, indexed by ``name``: ``title``, ``technology``, ``species``, genome ``build``, the shape
    as far as a source states it (``cells``, ``genes``, ``peaks``, ``proteins``), ``files`` (how many; 0 where there
    is no fixed address, see ``page`` then), ``checked`` (whether a checksum is known for all of them), ``licence``,
    ``reference`` and ``page``.

    Examples
    --------
    >>> import scmog
    >>> table = scmog.datasets.available()
    >>> list(table.index[table["species"] == "mouse"])
    ['mouse_brain_multiome_5k', 'snareseq_cortex', 'shareseq_skin', 'shareseq_brain']
    """
    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "technology": entry.technology,
            "species": entry.species,
            "build": entry.build,
            **{key: getattr(entry, key) for key in _SHAPE},
            "files": len(entry.files),
            "checked": bool(entry.files) and all(file.hash is not None for file in entry.files),
            "licence": entry.licence,
            "reference": entry.reference,
            "page": entry.page,
        }
        for entry in catalogue().values()
    ]
    return pd.DataFrame(rows).set_index("name").astype(dict.fromkeys(_SHAPE, "Int64"))
