"""Imports point down: a file imports from a lower layer or from its own folder, and only what its layer may know."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "scmog"
HARD_LINE_LIMIT = 350

# Lowest first; names on one line are independent of each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"_constants", "_labels", "_modalities", "_quiet"}),
    frozenset({"_mudata"}),
    frozenset({"nn", "genomics", "metrics"}),
    frozenset({"module"}),
    frozenset({"train", "data", "pp"}),
    frozenset({"model"}),
    frozenset({"tl", "pl", "datasets"}),
    frozenset({"cli"}),
    frozenset({"__init__", "__main__"}),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

FORBIDDEN: dict[str, frozenset[str]] = {
    "nn": frozenset({"scvi", "anndata", "mudata", "scanpy", "pandas"}),
    "metrics": frozenset({"torch", "scvi", "anndata", "mudata", "matplotlib"}),
    "genomics": frozenset({"torch", "scvi", "anndata"}),
    "pl": frozenset({"torch", "scvi", "lightning"}),
}
# Importing scmog must not pull these in; inside functions they are fine.
ONLY_INSIDE_FUNCTIONS = frozenset({"matplotlib", "seaborn"})


@dataclass(frozen=True)
class Import:
    """One imported module with the place where it stands."""

    module: str
    line: int
    inside_function: bool
    for_type_checkers: bool


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _imports(node: ast.AST, *, inside_function: bool = False, for_type_checkers: bool = False) -> Iterator[Import]:
    """Walk a syntax tree; ``from scmog import nn`` counts as an import of ``scmog.nn``."""
    for child in ast.iter_child_nodes(node):
        names: list[str] = []
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            names = [f"scmog.{alias.name}" for alias in child.names] if base == "scmog" else [base]
        for name in names:
            yield Import(name, child.lineno, inside_function, for_type_checkers)
        yield from _imports(
            child,
            inside_function=inside_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
            for_type_checkers=for_type_checkers or _is_type_checking(child),
        )


def _complaint(owner: str, found: Import) -> str | None:
    """Say what is wrong with an import in a file of ``owner``, the package or top-level file below ``scmog``."""
    if found.module.startswith("."):
        return f"relative import {found.module!r}"
    package, _, rest = found.module.partition(".")
    if package == "scmog":
        target = rest.partition(".")[0]
        if target == owner:
            return None
        if not target:
            return "imports the root package, which imports everything"
        if target not in LEVEL:
            return f"imports {found.module}, which is in no layer"
        if LEVEL[target] >= LEVEL[owner]:
            return f"imports {found.module}, which is not below {owner}"
        return None
    if package in FORBIDDEN.get(owner, frozenset()):
        return f"imports {package}, which {owner} must not know"
    if package in ONLY_INSIDE_FUNCTIONS and not (found.inside_function or found.for_type_checkers):
        return f"imports {package} outside a function"
    return None


def _files(source: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a source tree with its owner."""
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        yield path, relative.parts[0] if len(relative.parts) > 1 else relative.stem


def violations(source: Path) -> list[str]:
    """List what breaks the rules in a source tree, as ``file:line: complaint``."""
    found: list[str] = []
    for path, owner in _files(source):
        name = path.relative_to(source).as_posix()
        if owner not in LEVEL:
            found.append(f"{name}:1: {owner} is in no layer")
            continue
        for item in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            complaint = _complaint(owner, item)
            if complaint is not None:
                found.append(f"{name}:{item.line}: {complaint}")
    return found


def test_imports_point_down() -> None:
    assert list(_files(SOURCE)), f"no source files under {SOURCE}"
    assert violations(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        pytest.param("nn/_a.py", "from scmog.model import SCMOG", "nn/_a.py:1: imports scmog.model", id="upward"),
        pytest.param("nn/_a.py", "from scmog import model", "nn/_a.py:1: imports scmog.model", id="from-root"),
        pytest.param("nn/_a.py", "import scmog.cli", "nn/_a.py:1: imports scmog.cli", id="plain-import"),
        pytest.param("nn/_a.py", "import scmog", "imports the root package", id="root-package"),
        pytest.param("nn/_a.py", "from scmog.metrics import auroc", "not below nn", id="sideways"),
        pytest.param("train/_a.py", "def f():\n    import scmog.model", "train/_a.py:2", id="inside-a-function"),
        pytest.param(
            "pp/_a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from scmog.model import SCMOG",
            "pp/_a.py:3",
            id="for-type-checkers",
        ),
        pytest.param("_constants.py", "from scmog._modalities import MODALITIES", "not below", id="lowest-sideways"),
        pytest.param("nn/_a.py", "from . import _b", "relative import '.'", id="relative"),
        pytest.param("model/_a.py", "from ..nn import _b", "relative import '..nn'", id="parent-relative"),
        pytest.param("model/_a.py", "import scmog.elsewhere", "in no layer", id="unknown-target"),
        pytest.param("elsewhere/_a.py", "import numpy", "elsewhere is in no layer", id="unknown-package"),
        pytest.param("nn/_a.py", "import scvi.nn", "imports scvi", id="nn-scvi"),
        pytest.param("nn/_a.py", "from pandas import DataFrame", "imports pandas", id="nn-pandas"),
        pytest.param(
            "metrics/_a.py", "def f():\n    import torch", "metrics/_a.py:2: imports torch", id="metrics-torch"
        ),
        pytest.param("pl/_a.py", "import lightning.pytorch", "imports lightning", id="pl-lightning"),
        pytest.param("genomics/_a.py", "import anndata", "imports anndata", id="genomics-anndata"),
        pytest.param("pl/_a.py", "import matplotlib.pyplot as plt", "outside a function", id="matplotlib-on-top"),
        pytest.param("cli.py", "if True:\n    import seaborn", "cli.py:2", id="seaborn-in-a-branch"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, file: str, code: str, expected: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    found = violations(tmp_path)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        pytest.param(
            "model/_a.py", "from scmog.nn import Encoder\nfrom scmog.model._b import c", id="down-and-own-folder"
        ),
        pytest.param("nn/_a.py", "import torch\nfrom scmog._constants import SCMOG_KEYS", id="constants"),
        pytest.param("pl/_a.py", "def f():\n    import matplotlib.pyplot as plt", id="matplotlib-inside-a-function"),
        pytest.param("__init__.py", "from scmog import model, nn", id="root-re-exports"),
        pytest.param(
            "pl/_a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from matplotlib.axes import Axes",
            id="matplotlib-for-type-checkers",
        ),
    ],
)
def test_allowed_imports_pass(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    assert violations(tmp_path) == []


def test_files_stay_short() -> None:
    lengths = {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path, _ in _files(SOURCE)
    }
    assert {name: lines for name, lines in lengths.items() if lines > HARD_LINE_LIMIT} == {}


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_third_party_imports_are_declared() -> None:
    """What is imported on top of a file is a dependency; inside a function an extra will do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {_normalised(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in requirements}

    required = names(project["dependencies"])
    optional = required.union(*(names(extra) for extra in project["optional-dependencies"].values()))
    distributions = importlib.metadata.packages_distributions()
    undeclared: list[str] = []
    for path, _ in _files(SOURCE):
        for item in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            package = item.module.partition(".")[0]
            if package in {"scmog", ""} or package in sys.stdlib_module_names or item.for_type_checkers:
                continue
            providers = {_normalised(name) for name in distributions.get(package, [package])}
            if not providers & (optional if item.inside_function else required):
                undeclared.append(f"{path.relative_to(SOURCE)}:{item.line}: {package}")
    assert undeclared == []
