"""What is public is importable, documented and listed; what the project says about itself in several files agrees."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import scmog

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SUBMODULES = sorted(info.name for info in pkgutil.walk_packages(scmog.__path__, "scmog."))
NAMESPACES = sorted(
    info.name
    for info in pkgutil.walk_packages(scmog.__path__, "scmog.")
    if info.ispkg and not any(part.startswith("_") for part in info.name.split("."))
)
PUBLIC = [(namespace, name) for namespace in NAMESPACES for name in importlib.import_module(namespace).__all__]
CLASSES = [item for item in PUBLIC if inspect.isclass(getattr(importlib.import_module(item[0]), item[1]))]
# What else is public is a constant or a type alias, and those cannot carry a docstring.
DOCUMENTED = [
    item for item in PUBLIC if item in CLASSES or callable(getattr(importlib.import_module(item[0]), item[1]))
]

COMMANDS = {
    "demo": "python -m pip install -c constraints.txt . && scmog demo",
    "test": 'python -m pip install -c constraints.txt ".[test]" && python -m pytest',
}


def _listed_names(page: Path) -> list[str]:
    """Names that a documentation page lists: in autosummary directives, and constants in their own."""
    names: list[str] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. py:data::"):
            names.append(line.rpartition(".")[2])
        if line.startswith((".. ", "```")):
            inside = line.startswith(".. autosummary::")
        elif inside and line.strip() and not line.strip().startswith(":"):
            names.append(line.strip())
    return names


def _has_own_docstring(obj: object) -> bool:
    doc = inspect.getdoc(obj)
    if isinstance(obj, type):
        # inspect.getdoc would take the parent's text, and a dataclass without one gets its signature.
        doc = obj.__dict__.get("__doc__")
        return bool(doc) and not doc.startswith(f"{obj.__name__}(")
    return bool(doc)


def test_all_names_of_the_root_exist() -> None:
    assert sorted(set(scmog.__all__)) == sorted(scmog.__all__)
    for name in scmog.__all__:
        assert hasattr(scmog, name), name


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_is_reachable_and_documented(namespace: str) -> None:
    module = importlib.import_module(namespace)
    assert getattr(scmog, namespace.removeprefix("scmog.")) is module
    assert namespace.removeprefix("scmog.") in scmog.__all__
    assert module.__doc__
    assert sorted(set(module.__all__)) == sorted(module.__all__)


@pytest.mark.parametrize(("namespace", "name"), [pytest.param(*item, id=".".join(item)) for item in DOCUMENTED])
def test_a_public_name_has_a_docstring(namespace: str, name: str) -> None:
    obj = getattr(importlib.import_module(namespace), name)
    assert _has_own_docstring(obj)


@pytest.mark.parametrize(("namespace", "name"), [pytest.param(*item, id=".".join(item)) for item in CLASSES])
def test_public_methods_have_docstrings(namespace: str, name: str) -> None:
    cls = getattr(importlib.import_module(namespace), name)
    members = {key: value for key, value in vars(cls).items() if not key.startswith("_")}
    functions = {
        key: getattr(cls, key)
        for key, value in members.items()
        if isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
    }
    assert [key for key, value in functions.items() if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_api_page_lists_what_is_public(namespace: str) -> None:
    page = ROOT / "docs" / "api" / f"{namespace.removeprefix('scmog.')}.md"
    listed = _listed_names(page)
    assert sorted(set(listed)) == sorted(listed)
    assert set(listed) == set(importlib.import_module(namespace).__all__)


def test_every_submodule_can_be_imported_first() -> None:
    """A circular import shows only for some orders, so each module gets its turn in a fresh ``scmog``."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [key for key in sys.modules if key.partition(".")[0] == "scmog"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"{name}: {error!r}")
print(len(sys.argv) - 1)
"""
    done = subprocess.run([sys.executable, "-c", code, *SUBMODULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == str(len(SUBMODULES))


def test_the_command_line_entry_point_exists() -> None:
    module, _, function = PROJECT["scripts"]["scmog"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_readme_has_the_command_once_behind_its_marker(kind: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^<!-- {kind} command -->\n+```bash\n(.*?)\n```$", readme, flags=re.MULTILINE | re.DOTALL)
    assert blocks == [COMMANDS[kind]]


def test_the_readme_has_no_other_shell_block() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^```(?:bash|sh|shell|console)$", readme, flags=re.MULTILINE)) == len(COMMANDS)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    printed = subprocess.run([ROOT / ".ci" / "run", "--print"], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == COMMANDS["test"]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    try:
        installed = importlib.metadata.version("scmog")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("scmog is imported from the source tree, not installed")
    assert scmog.__version__ == installed == version


def test_an_installed_scmog_is_marked_as_typed() -> None:
    assert (Path(scmog.__file__).parent / "py.typed").is_file()
