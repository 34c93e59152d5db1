"""Runs within runs: all workers, about their square root, then one, wherever they are."""

from __future__ import annotations

import itertools
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


COUNTED = '''
import os
import threading
import time

import nbexec

ITEMS = list(range(4))


def times(level, way, backend):
    """Give when each call began and ended that has no run in it, `level` runs further in."""
    if not level:
        began = time.monotonic()
        time.sleep(0.005)
        return [(began, time.monotonic())]

    def call(item):
        from counted_runs import times

        return times(level - 1, way, "threads")

    found = WAYS[way](call, {"backend": backend, "workers": None, "progress": "off"})
    return [one for part in found for one in part]


def of_executor(call, options):
    with nbexec.Executor(**options) as executor:
        return list(executor.map(call, ITEMS))


def of_pipeline(call, options):
    def found(item):
        return call(item)

    pipe = nbexec.Pipeline(found, backend=options["backend"])
    return pipe.map(over="item", item=ITEMS)["found"]


def of_cell(call, options):
    names = {"call": call, "ITEMS": ITEMS}
    nbexec.parallel("found = [call(item) for item in ITEMS]", names, **options)
    return names["found"]


WAYS = {
    "map": lambda call, options: nbexec.map(call, ITEMS, **options),
    "Executor": of_executor,
    "Pipeline": of_pipeline,
    "vmap": lambda call, options: nbexec.vmap(call, **options)(ITEMS),
    "cell": of_cell,
}
'''


@pytest.fixture
def counted(tmp_path, monkeypatch):
    home = tmp_path / "site-packages"
    home.mkdir()
    (home / "counted_runs.py").write_text(COUNTED)
    monkeypatch.syspath_prepend(str(home))
    yield str(home)
    sys.modules.pop("counted_runs", None)


@pytest.mark.extended
@pytest.mark.parametrize("way", ["map", "Executor", "Pipeline", "vmap", "cell"])
def test_three_runs_deep_no_more_calls_run_at_once_than_the_rule_has(counted, backend, way):
    home, workers = counted, 2

    def outermost(item):
        import sys

        sys.path.insert(0, home)
        from counted_runs import times

        return times(2, way, "threads")

    parts = nbexec.map(outermost, range(4), backend=backend, workers=workers)
    spans = [one for part in parts for one in part]
    assert len(spans) == 4**3
    most = get_backend("threads").default_workers()
    rule = workers * machine.default_workers(most, 1) * machine.default_workers(most, 2)
    edges = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    at_once = list(itertools.accumulate(change for _, change in edges))
    assert max(at_once) <= rule
