"""The documentation builds without a warning, and says what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import nbformat
import pytest

import nbexec

from . import quick_imports

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text, language):
    """Give the fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(300)
def test_the_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(tmp_path / "doctrees"), "docs", str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "html" / "reference.html").read_text()
    described = set(re.findall(r'id="nbexec\.(\w+)"', reference))
    assert described == set(nbexec.__all__)
    quickstart = (tmp_path / "html" / "quickstart.html").read_text()
    assert "All three runs give the same rows." in quickstart


def test_the_quick_start_is_two_commands():
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("\n## Quick start\n")[2].partition("\n## ")[0]
    (block,) = blocks(section, "bash")
    run, test = block.splitlines()
    assert run.startswith('pip install -e ".[lab]"')
    assert run.endswith("notebooks/01-quickstart.ipynb")
    assert test == 'pip install -e ".[test]" && pytest'


def test_the_readme_tells_of_every_option():
    readme = (ROOT / "README.md").read_text()
    options = readme.partition("\n## Options\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| (.*?) \|", options, re.MULTILINE)
    defaults = [(name, default.strip("`").strip('"')) for name, default in told]
    assert defaults == [
        (knob.name, f"{knob.default:g}" if knob.type == "float" else str(knob.default))
        for knob in fields(nbexec.Options)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_on_a_page_run(page, tmp_path):
    """All Python blocks of a page, in order, as the cells of one IPython session."""
    sources = blocks(page.read_text(), "(?:python|ipython)")
    if not sources:
        pytest.skip("no examples")
    cells = [nbformat.v4.new_code_cell(source) for source in [SETTING, *sources]]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "IPython", str(tmp_path / "page.ipynb")],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,  # some examples leave files
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), quick_imports.folder()])},
    )
    assert done.returncode == 0, done.stdout + done.stderr


# What the examples take for granted: a slow function and its input.  What else they use, they
# import: a page is to work for a reader who copies its blocks one by one.
SETTING = """
%load_ext nbexec
from pathlib import Path as _Path
from time import sleep as _sleep

import nbexec as _nbexec

paths = sorted(_Path(_nbexec.__file__).parent.rglob("*.py"))

def measure(path):
    _sleep(0.001)
    return len(path.read_text())
"""


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_between_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
