"""Settings of the site: python -m sphinx -W -b html docs docs/_build"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import forecastkit  # noqa: E402

project = "forecastkit"
author = "The forecastkit authors"
project_copyright = "The forecastkit authors, Apache-2.0"
version = release = forecastkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "generated", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_ext"]

highlight_language = "none"
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "forecastkit"
html_static_path: list[str] = []
html_show_sphinx = False
html_copy_source = False
