"""backend="interpreters": where it is there, and what a sub-interpreter can't do.

Covers `nbexec.worker.interpreter` and `nbexec.system.subinterpreter`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import types

import pytest

import nbexec
from nbexec.backends import get_backend
from nbexec.system import subinterpreter

from ..waiting import until

HERE = sys.version_info >= (3, 14)
there = pytest.mark.skipif(not HERE, reason="needs Python 3.14")


def test_it_is_listed_where_python_has_it():
    assert ("interpreters" in nbexec.backends()) == HERE


@pytest.mark.skipif(HERE, reason="is about Pythons that don't have it")
def test_an_older_python_says_what_it_needs_and_what_to_use():
    here = ".".join(map(str, sys.version_info[:3]))
    with pytest.raises(nbexec.BackendError, match=f"needs Python 3.14 or newer.* {here}") as caught:
        nbexec.map(abs, [-1], backend="interpreters")
    assert "backend='processes'" in str(caught.value)
    with pytest.raises(nbexec.BackendError, match="needs Python 3"):
        nbexec.Executor("interpreters")


# ---------------------------------------------------------------- what can't be imported there


def refusing(name: str) -> ImportError:
    return ImportError(f"module {name} does not support loading in subinterpreters")


def test_the_module_that_refused_is_found_behind_what_came_of_it():
    inner, outer = refusing("spam._eggs"), ImportError("please reinstall spam")
    outer.__cause__ = inner
    subinterpreter.note(outer)
    subinterpreter.note(outer)
    (note,) = outer.__notes__
    assert note.startswith("the module spam._eggs can't be loaded in a sub-interpreter: use ")
    other = ImportError("No module named 'spam'")
    other.__cause__ = other.__context__ = None
    subinterpreter.note(other)
    assert not hasattr(other, "__notes__")


@there
def test_an_import_within_an_item_that_is_refused_is_told():
    def use(x):
        import readline

        return readline

    with pytest.raises(ImportError, match="readline") as caught:
        nbexec.map(use, [1], backend="interpreters")
    assert "use backend='processes' or 'threads'" in "".join(caught.value.__notes__)


@there
@pytest.mark.parametrize("which", ["function", "item"])
def test_what_needs_a_module_that_is_refused_is_told(which):
    np = pytest.importorskip("numpy")
    array = np.arange(3)
    fn, item = (lambda x: array, 1) if which == "function" else (lambda x: 1, array)
    with pytest.raises(
        nbexec.PickleError, match=f"the {which} can't .*numpy.* sub-interpreter: use"
    ):
        nbexec.map(fn, [item], backend="interpreters")


# ---------------------------------------------------------------- whose process it is


@there
def test_the_process_is_still_the_kernels(capfd):
    def speak(x):
        sys.stdout.write(f"of item {x}\n")
        return threading.get_native_id()

    run = nbexec.map(speak, range(2), backend="interpreters", workers=2).run
    assert run.output == {0: "of item 0\n", 1: "of item 1\n"}
    os.write(1, b"of the kernel\n")
    assert "of the kernel\n" in capfd.readouterr().out  # descriptor 1 is not the worker's pipe
    assert all(lane.startswith("interpreter ") for lane in run.timeline().lanes)


@there
def test_cpu_seconds_are_the_threads():
    def burn(x):
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    stats = nbexec.map(burn, range(4), backend="interpreters", workers=2, chunk=1).stats
    assert 0.35 < stats.cpu_seconds < 0.7  # the process's clock would count both, twice


@there
def test_python_code_that_takes_too_long_is_interrupted_and_its_interpreter_ends():
    from nbexec.backends.interpreters import _living

    def spin(x):
        while x:
            pass
        return x

    before = len(_living)
    results = nbexec.map(
        spin, [1, 0], backend="interpreters", workers=1, timeout=0.2, on_error="collect"
    )
    assert results.failures[0].exception.abandoned
    assert results[1] == 0
    until(lambda: len(_living) <= max(before, 1), 10)


@there
def test_idle_ones_end_for_the_memory_that_they_hold():
    from nbexec.backends.interpreters import _living

    assert nbexec.map(abs, [-1, -2], backend="interpreters") == [1, 2]
    get_backend("interpreters")._pool.trim()
    until(lambda: not _living, 10)
    assert nbexec.map(abs, [-1, -2], backend="interpreters") == [1, 2]


@there
def test_pythons_own_pool_of_them_is_sent_bytes():
    from concurrent.futures import InterpreterPoolExecutor

    with InterpreterPoolExecutor(2) as pool:
        assert nbexec.map(lambda x: x * x, range(20), backend=pool) == [x * x for x in range(20)]


@there
@pytest.mark.parametrize("within", ["threads", "processes", "asyncio"])
def test_a_run_within_an_item_is_on_serial_alone(within):
    def outer(x):
        return [nbexec.map(abs, [x], backend="serial"), nbexec.map(abs, [x], backend=within)]

    with pytest.raises(nbexec.BackendError, match=f"'{within}' can't .* sub-interpreter.*'serial'"):
        nbexec.map(outer, [-1], backend="interpreters")


ENDS = {
    "while one sleeps": "nbexec.start(time.sleep, [1000] * 3, **options); time.sleep(0.5)",
    "while one spins": "nbexec.start(spin, [1000] * 3, **options); time.sleep(0.5)",
    "after one": "nbexec.map(time.sleep, [9, 0], timeout=1, on_error='collect', **options)",
    "before they are there": "nbexec.start(time.sleep, [1000] * 3, **options)",
    "with a thread of theirs": "nbexec.map(thread, [1, 2], **options)",
}


@there
@pytest.mark.parametrize("what", ENDS.values(), ids=ENDS)
def test_python_ends_well(what):
    code = f"""
import sys, threading, time, nbexec
options = dict(backend="interpreters", workers=2, progress="off")
def spin(x):
    while True: pass
def thread(x):
    threading.Thread(target=time.sleep, args=(0.3,)).start()
{what}
print("done")
sys.exit(3)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


# ---------------------------------------------------------------- without one


def test_a_name_stands_for_an_interpreter_of_a_process(monkeypatch):
    assert subinterpreter.name() == ""
    assert subinterpreter.worker().isdecimal()
    monkeypatch.setattr(subinterpreter, "number", 3)
    assert subinterpreter.name() == "interpreter 3"
    assert subinterpreter.worker().endswith("i3")


def test_threads_are_no_daemons_where_python_refuses_them(monkeypatch):
    refuses = types.SimpleNamespace(daemon_threads_allowed=lambda: False)
    monkeypatch.setattr(subinterpreter, "_thread", refuses)
    assert subinterpreter.daemons() is False
    run = nbexec.start(abs, [-1, -2], backend="serial")
    assert run.result(10) == [1, 2]
    until(lambda: not any(t.name.startswith("nbexec-run") for t in threading.enumerate()), 5)
