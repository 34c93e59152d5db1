"""Runs within runs: all workers, about their square root, then one, wherever they are."""

from __future__ import annotations

import sys

import pytest

import nbexec
from nbexec.backends import get_backend
from nbexec.system import machine

LIBRARY = """
import nbexec
from nbexec.cell.execution import plain_first


def levels(left):
    \"""Give how many workers a run has that begins here, and one within it, and so on.\"""
    inner = levels if left else abs
    options = {"backend": "asyncio", "workers": None, "progress": "off"}
    results = nbexec.map(inner, [left - 1], **options)
    return [results.run.workers, *(results[0] if left else [])]


def levels_of_executors(left):
    \"""Give the same of executors.\"""
    with nbexec.Executor("asyncio", workers=None) as executor:
        inner = executor.submit(levels_of_executors if left else abs, left - 1).result()
        return [executor.run.workers, *(inner if left else [])]


def levels_of_cells(left):
    \"""Give the same of cells, whose last item has what is within it.\"""
    plain_first.ENABLED = False  # this process's own: all items are to be a run's
    cell = "from nested_runs import levels_of_cells\\nout = [levels_of_cells(n) for n in [left]]"
    if not left:
        cell = "out = [abs(n) for n in [1, 2]]"
    names = {"left": left - 1}
    report = nbexec.parallel(cell, names, backend="asyncio", workers=None, progress="off")
    return [report.steps[-1].stats.workers, *(names["out"][0] if left else [])]
"""
WAYS = ["levels", "levels_of_executors", "levels_of_cells"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A module that was installed: a cell may call what it has without a look at it."""
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "nested_runs.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(home))
    import nested_runs

    yield nested_runs
    del sys.modules["nested_runs"]


def here(library, path, way):
    """Give what a worker calls, which may not have the module's folder yet."""

    def call(left):
        import sys

        sys.path.insert(0, path)
        try:
            import nested_runs

            return getattr(nested_runs, way)(left)
        finally:
            sys.path.remove(path)

    return call


@pytest.mark.parametrize("way", WAYS)
def test_in_the_kernel_runs_have_all_workers_and_those_within_few(library, way):
    assert getattr(library, way)(3) == [100, 10, 1, 1]


@pytest.mark.parametrize("way", WAYS)
def test_within_a_map(library, backend, way, tmp_path):
    call = here(library, str(tmp_path / "site-packages"), way)
    assert nbexec.map(call, [2], backend=backend) == [[10, 1, 1]]


@pytest.mark.parametrize("way", WAYS)
def test_within_an_executor(library, backend, way, tmp_path):
    call = here(library, str(tmp_path / "site-packages"), way)
    with nbexec.Executor(backend) as executor:
        assert executor.submit(call, 2).result() == [10, 1, 1]


@pytest.mark.parametrize("way", WAYS)
def test_within_a_cell(library, backend, way):
    cell = f"from nested_runs import {way}\nout = [{way}(n) for n in [2, 2]]"
    names = {}
    report = nbexec.parallel(cell, names, backend=backend)
    if report.steps[-1].stats is None:  # the loop ran in the kernel, with nothing around
        assert backend == "serial"
        assert names["out"] == [[100, 10, 1]] * 2
    else:
        assert names["out"] == [[10, 1, 1]] * 2


def test_each_backend_has_all_its_workers_outside(backend):
    most = get_backend(backend).default_workers()
    results = nbexec.map(abs, [-1], backend=backend, workers=None)
    assert results.run.workers == machine.default_workers(most, 0) == most


def test_a_number_that_was_asked_for_stands(backend):
    inner = lambda x: nbexec.map(abs, [x], backend="threads", workers=3).run.workers
    assert nbexec.map(inner, [1], backend=backend) == [3]
