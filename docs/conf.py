"""Configuration of the documentation, see https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

from sphinx.ext.napoleon import NumpyDocstring

HERE = Path(__file__).parent
ROOT = HERE.parent

# -- Project ---------------------------------------------------------------------------------------------------------

metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
project = metadata["name"]
author = metadata["authors"][0]["name"]
copyright = f"2026, {author}"
release = metadata["version"]
version = ".".join(release.split(".")[:2])

# -- Extensions ------------------------------------------------------------------------------------------------------

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
# ".rst" comes first: autosummary writes its pages under the first suffix.
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}

# Notebooks are committed with their output: a build must not train models.
nb_execution_mode = "off"
nb_output_stderr = "remove"
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
default_role = "literal"
napoleon_google_docstring = False
napoleon_numpy_docstring = True
typehints_document_rtype_none = False  # "Returns None" would be put in the middle of the last section
typehints_defaults = "braces"
always_use_bars_union = True
suppress_warnings = [
    # Types that a dependency imports only for type checkers cannot be followed from here.
    "sphinx_autodoc_typehints.forward_reference",
    "sphinx_autodoc_typehints.guarded_import",
]

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

# -- Links to other packages -----------------------------------------------------------------------------------------

# Inventories are downloaded, and a site that is down would fail a build with -W. So they are asked for, not assumed;
# without them the same pages are built with plain names in place of links.
if os.environ.get("SCMOG_DOCS_ONLINE") == "1":
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "lightning": ("https://lightning.ai/docs/pytorch/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "mudata": ("https://mudata.readthedocs.io/en/latest/", None),
        "muon": ("https://muon.readthedocs.io/en/latest/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "scvi": ("https://docs.scvi-tools.org/en/stable/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }

# Links to our own public names must always work; those to other packages only where their inventories are there.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!scmog\b).*"), ("py:.*", r"scmog\.(.*\.)?_.*")]

# -- Pages -----------------------------------------------------------------------------------------------------------

html_theme = "sphinx_book_theme"
html_title = project
html_theme_options = {"show_navbar_depth": 1, "navigation_with_keys": False}
html_show_sourcelink = False
pygments_style = "default"

# -- Notebooks -------------------------------------------------------------------------------------------------------

# The tutorials live at the top of the repository, where users look for them; Sphinx reads only below its own folder.
for _notebook in sorted((ROOT / "tutorials").glob("*.ipynb")):
    shutil.copy2(_notebook, HERE / "tutorials" / _notebook.name)

# -- Docstrings ------------------------------------------------------------------------------------------------------


def _parse_returns(self: NumpyDocstring, section: str) -> list[str]:
    """Take "Returns" as plain text: types stand in signatures only, but napoleon would read each line as one."""
    lines = self._dedent(self._consume_to_next_section())
    if lines[:1] == [":"]:  # sphinx_autodoc_typehints puts it there for the same reason; it helps only one line
        del lines[0]
    return [*self._format_block(":returns: ", lines), ""]


NumpyDocstring._parse_returns_section = _parse_returns
