"""The notebooks run, in a kernel and in a terminal, and were saved with their outputs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from . import quick_imports

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# What takes long for a reader to see is made shorter here, where the output that is compared
# doesn't depend on it.  The quickstart runs whole in a terminal, below.
SHORTER = {
    "01-quickstart": [("not in p.parts]", "not in p.parts][::6]")],
    "02-parallel-cells": [
        ("10**15 + 50_000", "10**15 + 20_000"),
        ("perfect_numbers(18_000)", "perfect_numbers(10_000)"),
        ("rounds=40_000", "rounds=10_000"),
        (".peak(60_000)", ".peak(15_000)"),
    ],
}

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def python(*arguments, timeout=280):
    paths = [quick_imports.folder(), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def shorter(path):
    """Give a notebook, with less to do."""
    notebook = nbformat.read(path, as_version=4)
    for long, short in SHORTER.get(path.stem, ()):
        (cell,) = (cell for cell in notebook.cells if long in cell.source)
        assert not _is_checked(cell)
        cell.source = cell.source.replace(long, short)
    return notebook


@pytest.mark.timeout(300)
@every_notebook
def test_it_runs_in_a_kernel_and_gives_what_was_saved(path, tmp_path):
    """nbval runs each cell, and compares the outputs of those that are tagged for it."""
    notebook = shorter(path)
    assert any(map(_is_checked, notebook.cells)), "no cell is tagged nbval-check-output"
    copy = tmp_path / path.name
    nbformat.write(notebook, copy)
    # a configuration of its own: the suite's is for the suite's own tests
    plain = ["-c", "/dev/null", "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    done = python("-m", "pytest", *plain, "--nbval-lax", "--nbval-current-env", str(copy))
    assert done.returncode == 0, done.stdout + done.stderr


def _is_checked(cell):
    return "nbval-check-output" in cell.metadata.get("tags", ())


@pytest.mark.extended  # it runs in a kernel, too
@pytest.mark.timeout(300)
def test_the_quickstart_runs_in_a_terminal():
    """The README's first command."""
    done = python("-m", "IPython", "notebooks/01-quickstart.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        r"^Python's standard library: [\d,]+ files, \d+ MB of source$",
        r"^[\d,]+ files were measured, \d+ can't be parsed:$",
        r"^All three runs give the same rows\.$",
        r"^  plain loop  1 worker +\d\.\d cores used +\d+\.\d s  █+$",
        r"^  %%parallel  \d+ workers? +\d\.\d cores used +\d+\.\d s  █+$",
        r"^  nbexec\.map  \d+ workers? +\d\.\d cores used +\d+\.\d s  █+$",
        r"^  \S+\.py +\w+ +\d+  █{20}$",
        r"^  jupyter lab notebooks/01-quickstart\.ipynb$",
    ):
        assert re.search(line, done.stdout, re.MULTILINE), f"{line}\n{done.stdout}"
    assert re.search(r"[\d,]+ / [\d,]+", done.stderr)  # progress
    assert "<table" not in done.stdout


def test_a_cell_that_fails_fails_the_command(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 / 0", "print('went on')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "fails.ipynb")
    done = python("-m", "IPython", str(tmp_path / "fails.ipynb"))
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr
    assert "went on" not in done.stdout


@every_notebook
def test_it_was_saved_as_it_ran(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    for output in outputs:  # a widget would be gone when the file is opened again
        assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
    assert "widgets" not in notebook.metadata
    text = path.read_text()
    assert len(text) < 100_000
    for private in (str(ROOT), str(Path.home()), sys.base_prefix):
        assert private not in text


def test_the_saved_quickstart_tells_what_happened():
    """What a reader sees who opens the file and runs nothing."""
    notebook = nbformat.read(ROOT / "notebooks" / "01-quickstart.ipynb", as_version=4)
    seen = {cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    (parallel,) = (seen[source] for source in seen if source.startswith("%%parallel"))
    (mapped,) = (seen[source] for source in seen if "nbexec.map(" in source)
    for outputs in (parallel, mapped):
        data = outputs[0].data
        assert re.search(r"([\d,]+) / \1", data["text/plain"]), data["text/plain"]
        assert "cores used" in data["text/plain"]
        assert "nbexec-summary" in data["text/html"]


def test_the_saved_cells_tell_what_ran_where():
    """Of each kind of reason one, and loops of the cell and of a function in parallel."""
    notebook = nbformat.read(ROOT / "notebooks" / "02-parallel-cells.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.source.startswith("%%parallel")]
    assert len(cells) >= 10
    told = "\n".join(o.data["text/plain"] for c in cells for o in c.outputs if "data" in o)
    for line in (
        r"for loop, [\d,]+ items on processes × 2",
        r"list comprehension in `perfect_numbers`, line 6, [\d,]+ items on",
        r"dict comprehension in `scenarios`, line \d+, [\d,]+ items on",
        r"serial: calls `random\.random`, which draws random numbers, which come in an order",
        r"serial: reads `x` before it is assigned in the same iteration",
        r"serial: all of it took .*: workers would not pay",
        r"serial: calls `account.year`|calls `year`",
        r"left out: 1 that failed",
    ):
        assert re.search(line, told), f"{line}\n{told}"


TOLD = {  # what runs have left in the saved outputs
    # a service that was asked too often, a limit, and a budget that was spent
    "05-ten-thousand-calls": (
        r"slowed down .*, as asked",
        r"nbexec for_account: 60 / 60",
        r"spent 50 of 50",
        r"80 / 80, .*, spent 30 of 50, 50 from the journal",
        r"nbexec ensemble: 2 / 4",
    ),
    "08-records": (  # rows that stay in the kernel, a slow validator that does not, and a journal
        r"49,529 / 50,000, .*, 471 failed, serial: items take .*, and sending one would take",
        r"989 / 1,000, .*, 11 failed, processes",
        r"395 / 400, .* from the journal, 5 failed",
    ),
    # a sweep, a run that was stopped early, a search by its name, and batches
    "04-machine-learning": (
        r"nbexec train: 16 / 16",
        r"nbexec train_long: \d+ / 16, cancelled after",
        r"nbexec GridSearchCV: 3 folds × 6 candidates: 18 / 18",
        r"nbexec classify: 540 / 540",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_saved_runs_tell_what_happened(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    told = "\n".join(o.data["text/plain"] for c in code for o in c.outputs if "data" in o)
    for line in TOLD[name]:
        assert re.search(line, told), f"{line}\n{told}"
