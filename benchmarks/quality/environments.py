"""Environments of methods whose pins clash with ours, made by pip outside the repository.

``environments/<name>.txt`` lists what pip installs, one requirement a line. ``# python: 3.11`` names the interpreter,
looked for on the path; after ``# without dependencies:`` come packages whose own pins are not asked. An environment is
made once, and anew when its file changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FILES = Path(__file__).parent / "environments"
_NO_DEPENDENCIES = "# without dependencies:"


def interpreter(name: str | None, cache: Path) -> str:
    """Python of the environment, made if it is not there; None is this one.

    Raises
    ------
    RuntimeError
        With what pip says, if it can't be made.
    """
    if name is None:
        return sys.executable
    text = (FILES / f"{name}.txt").read_text()
    folder = cache / "environments" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a run beside this one waits until it is made
        done = Path(f"{folder}.done")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, text)
            done.touch()
    return str(python)


def _make(folder: Path, text: str) -> None:
    version = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("# python:")), "3")
    base = shutil.which(f"python{version}") or sys.executable
    _run([base, "-m", "venv", str(folder)])
    first, _, second = text.partition(_NO_DEPENDENCIES)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "setuptools<81", "wheel", *_requirements(first)])
    if second:
        _run([*pip, "--no-deps", "--no-build-isolation", *_requirements(second)])


def _requirements(text: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _run(command: list[str]) -> None:
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode:
        errors = [line for line in child.stderr.splitlines() if line.startswith("ERROR")]
        raise RuntimeError(" ".join(errors) or child.stderr[-500:])
