"""Unfinished stores: what is on the way to disk, how far it is, and whose it is.

A store ``x.zarr`` or ``x.h5ad`` is written in a directory ``x.zarr.unfinished`` or ``x.h5ad.unfinished`` and moved to
its name when it is complete, so that what has that name is never half a file. In the directory is a zarr group, also
for ``.h5ad``: an HDF5 file whose process is killed can't be relied on, as its tables of contents are written in any
order, while a zarr array is a folder of chunks that are replaced one by one. Beside it, ``progress.json`` states what
was asked for and how many cells are complete; whatever the group holds beyond them is dropped on resuming.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUFFIX = ".unfinished"
_MARKER = "progress.json"
_SHOWN = 40  # characters of a value in a message


class UnfinishedStore:
    """The directory in which a store is made.

    Parameters
    ----------
    path
        The store.
    request
        What is to be written, as plain values of JSON.

    Attributes
    ----------
    n_rows
        Cells that are complete.

    Raises
    ------
    FileExistsError
        If there is an unfinished store of something else, or a directory of that name which is none.
    """

    def __init__(self, path: Path, request: Mapping[str, Any]) -> None:
        self.path, self.request = path, json.loads(json.dumps(request))
        self.directory = path.with_name(path.name + _SUFFIX)
        self.n_rows = self._find()
        self._writer = uuid.uuid4().hex
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_marker()
        for leftover in self.directory.glob("**/*.partial"):  # chunks that were being written
            leftover.unlink()

    @property
    def group_path(self) -> Path:
        """Where the zarr group is."""
        return self.directory / "store.zarr"

    def commit(self, n_rows: int) -> None:
        """Declare the first ``n_rows`` cells complete.

        Raises
        ------
        UnfinishedStoreError
            If another process has begun to write the same store.
        """
        self.check_writer()
        self.n_rows = n_rows
        self._write_marker()

    def check_writer(self) -> None:
        """Raise an UnfinishedStoreError if another process has begun to write the same store."""
        if self._read_marker()["writer"] != self._writer:
            message = f"another process writes {str(self.path)!r} too and goes on with it; this one stops."
            raise UnfinishedStoreError(message)

    def start_again(self) -> None:
        """Forget what is there."""
        shutil.rmtree(self.group_path, ignore_errors=True)
        self.commit(0)

    def finish(self, made: Path) -> None:
        """Give the complete store its name, and remove the directory.

        Raises
        ------
        FileExistsError
            If something of that name has come to exist.
        UnfinishedStoreError
            If another process has begun to write the same store.
        """
        self.check_writer()
        if self.path.exists():
            message = f"{str(self.path)!r} has come to exist in the meantime; remove it and call again."
            raise FileExistsError(message)
        made.rename(self.path)
        self.remove()

    def remove(self) -> None:
        """Remove all of it, unless another process has taken it over."""
        if self._is_mine():
            shutil.rmtree(self.directory, ignore_errors=True)

    def _is_mine(self) -> bool:
        try:
            return bool(self._read_marker()["writer"] == self._writer)
        except (OSError, ValueError, KeyError):
            return False

    def _find(self) -> int:
        if not self.directory.exists():
            return 0
        if self.directory.is_dir() and all(path.suffix == ".partial" for path in self.directory.iterdir()):
            return 0  # killed at the very start
        try:
            found = self._read_marker()
            before, n_rows = dict(found["request"]), int(found["n_rows"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = (
                f"{str(self.directory)!r} is in the way of an unfinished store and is none, or damaged "
                f"({_MARKER}: {type(error).__name__}: {error}); remove it or choose another store."
            )
            raise FileExistsError(message) from error
        differences = [
            f"{key}: found {_short(before.get(key))}, expected {_short(self.request.get(key))}"
            for key in {**self.request, **before}
            if before.get(key) != self.request.get(key)
        ]
        if differences:
            message = (
                f"{str(self.directory)!r} holds an unfinished store of something else ({'; '.join(differences)}). To "
                "go on with that one, call generate as it was called before; otherwise remove it or choose another "
                "store."
            )
            raise FileExistsError(message)
        return n_rows

    def _read_marker(self) -> dict[str, Any]:
        marker: dict[str, Any] = json.loads((self.directory / _MARKER).read_text(encoding="utf-8"))
        return marker

    def _write_marker(self) -> None:
        marker = {"n_rows": self.n_rows, "writer": self._writer, "request": self.request}
        beside = self.directory / f"{self._writer}.partial"
        beside.write_text(json.dumps(marker, indent=1), encoding="utf-8")
        os.replace(beside, self.directory / _MARKER)  # all of it or nothing


class UnfinishedStoreError(RuntimeError):
    """It is not possible to go on with an unfinished store, which is left as it is."""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
