"""Reading and writing files: clear errors before the work begins, no half-written results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anndata
import h5py
import mudata
from anndata import AnnData
from mudata import MuData


def read(path: Path, *, endings: Sequence[str]) -> MuData | AnnData:
    """Read a ``.h5mu`` or ``.h5ad`` file into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the ending is none of ``endings``, or the file can't be read.
    """
    check_ending(path, endings)
    if not path.is_file():
        message = f"{path} is not an existing file."
        raise FileNotFoundError(message)
    try:
        _check_content(path)
        return mudata.read_h5mu(path) if path.suffix == ".h5mu" else anndata.read_h5ad(path)
    except (OSError, KeyError, TypeError, ValueError) as error:
        message = f"{path} could not be read as a {path.suffix} file ({type(error).__name__}: {error})."
        raise ValueError(message) from error


def _check_content(path: Path) -> None:
    """Raise a TypeError if the file names what it holds and that is not what its ending says."""
    with h5py.File(path) as file:
        holds = file.attrs.get("encoding-type")
    expected = {".h5mu": "MuData", ".h5ad": "anndata"}[path.suffix]
    if holds in ("MuData", "anndata") and holds != expected:
        message = f"it holds {holds}, not {expected}"
        raise TypeError(message)


def check_model(path: Path) -> None:
    """Raise a FileNotFoundError unless ``scmog train`` could have written the directory."""
    if not (path / "model.pt").is_file():
        message = f"{path} holds no model.pt; give --model a directory that scmog train wrote."
        raise FileNotFoundError(message)


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Raise a ValueError unless the name ends in one of ``endings``."""
    if path.suffix not in endings:
        message = f"{path} must end in {' or '.join(endings)}."
        raise ValueError(message)


def check_output(path: Path, *, overwrite: bool, directory: bool = False) -> None:
    """Find out before the work that a result can be written; makes the directory that it goes into.

    Raises
    ------
    FileExistsError
        If the path exists and may not be replaced, or is a file instead of a directory or the other way round.
    OSError
        If the directory around it can't be made.
    """
    if path.exists() and path.is_dir() != directory:
        message = f"{path} exists and is {'not ' if directory else ''}a directory; choose another --output."
        raise FileExistsError(message)
    if path.exists() and not overwrite:
        message = f"{path} exists; choose another --output, or replace it with --overwrite."
        raise FileExistsError(message)
    path.parent.mkdir(parents=True, exist_ok=True)


def write(data: MuData | AnnData, path: Path) -> None:
    """Write a file so that an earlier one is replaced whole or not at all."""
    with replacing(path) as partial:
        if isinstance(data, MuData):
            data.write_h5mu(partial)
        else:
            data.write_h5ad(partial)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Path beside ``path`` to write to; the file is moved to its place in the end, and removed after an error."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
