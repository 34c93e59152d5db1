"""Sphinx configuration: `sphinx-build -W --keep-going -b html docs docs/_build/html`."""

import nbexec

project = "nbexec"
copyright = "2026, The nbexec developers"
author = "The nbexec developers"
release = version = nbexec.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"

myst_enable_extensions = ["colon_fence"]
nb_execution_mode = "off"  # the tests execute the notebooks; the pages show what was saved

autodoc_member_order = "bysource"
for _name, _module in nbexec._WHERE.items():  # autodoc looks for the source there
    getattr(nbexec, _name).__module__ = f"nbexec.{_module}"
autodoc_typehints = "none"  # the docstrings say it, in words
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"nbexec {version}"
