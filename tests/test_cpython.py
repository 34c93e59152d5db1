"""CPython's own tests of executors, run against `nbexec.Executor`.

They are not in this repository.  Those of Python 3.11 come with Debian's package of Python's
test suite (``apt-get install libpython3.11-testsuite``), those of 3.12 and 3.13 with Python
itself, unless it was made without.  They are skipped where they are missing; in CI that is an
error for 3.11.  `NOT_OURS` names every test that doesn't apply, and why.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nbexec
from nbexec.executor.future import CallFuture

from . import cpython_suite

pytestmark = pytest.mark.slow

if why := cpython_suite.missing():
    if os.environ.get("CI") and sys.version_info[:2] == (3, 11):
        raise FileNotFoundError(why)
    pytest.skip(why, allow_module_level=True)

PRIVATE = "looks at private attributes of CPython's executors"
NAMES = "tells the names of its threads, which are ours to choose"
WORDS = "wants its own words in the message; ours name the option, or the class"
ALONE = "one call's fault breaks the whole pool there; here it costs that call alone"
LOGGED = "reads the log on stderr, which pytest keeps for itself"
EARLY = "Python 3.12.0 and 3.12.1 start no thread once the main thread has ended; 3.12.2 does"
CHILD = "an option that ours doesn't have"

NOT_OURS = {
    "test_threads_terminate": PRIVATE,
    "test_processes_terminate": PRIVATE,
    "test_context_manager_shutdown": PRIVATE,
    "test_del_shutdown": PRIVATE,
    "test_shutdown_no_wait": PRIVATE,
    "test_default_workers": PRIVATE,
    "test_saturation": PRIVATE,
    "test_idle_thread_reuse": PRIVATE,
    "test_idle_process_reuse_one": PRIVATE,
    "test_idle_process_reuse_multiple": PRIVATE,
    "test_shutdown_deadlock_pickle": PRIVATE,
    "test_traceback": PRIVATE,
    "test_thread_names_assigned": NAMES,
    "test_thread_names_default": NAMES,
    "test_max_workers_negative": WORDS,
    "test_multiple_set_result": WORDS,
    "test_multiple_set_exception": WORDS,
    "test_done_callback_raises": LOGGED,
    "test_done_callback_raises_already_succeeded": LOGGED,
    "test_max_workers_too_large": "Windows alone",
    "test_killed_child": ALONE,
    "test_exit_during_result_pickle_on_worker": "ours says which result could not be sent",
    "test_max_tasks_per_child": CHILD,
    "test_max_tasks_per_child_defaults_to_spawn_context": CHILD,
    "test_max_tasks_early_shutdown": CHILD,
}
if sys.version_info >= (3, 13):
    NOT_OURS["test_python_finalization_error"] = "has the second thread fail, by private names"
if (3, 12) <= sys.version_info < (3, 12, 2):
    NOT_OURS["test_interpreter_shutdown"] = EARLY
    NOT_OURS["test_hang_gh83386"] = EARLY


suite = cpython_suite.load()


def run_script(*args: str) -> tuple[int, bytes, bytes]:
    """Run a test's script in a fresh interpreter that finds ours in `concurrent.futures`."""
    code = args[-1]
    paths = [str(Path(nbexec.__file__).parents[1]), str(Path(__file__).parents[1])]
    if suite.folder is not None:
        code = code.replace("test.test_concurrent_futures", "test_concurrent_futures")
        paths.append(suite.folder)
    names = ", ".join(one.__name__ for one in (Threads, Processes, Dask))
    prelude = (
        "import concurrent.futures, multiprocessing\n"
        f"from tests.cpython_executors import {names}\n"
        + "".join(f"concurrent.futures.{name} = {name}\n" for name in names.split(", "))
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", prelude + code], env=env, capture_output=True, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.returncode, done.stdout, done.stderr


from .cpython_executors import Dask, Processes, Threads  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def fresh_workers():
    """Use workers that can import the suite, which those that are warm can't."""
    from nbexec.backends import dask, processes

    made = {"processes": processes.Processes(), "dask": dask.Dask()}
    Processes.backend, Dask.backend = made["processes"], made["dask"]
    yield
    Processes.backend, Dask.backend = "processes", "dask"
    for backend in made.values():
        backend.close()
    suite.close()


suite.put("assert_python_ok", run_script)
suite.put("BrokenProcessPool", (nbexec.WorkerDied, nbexec.PickleError))
suite.put("PicklingError", nbexec.PickleError)
suite.put("Future", CallFuture)  # what `FutureTests` make
# Ours keep their workers warm: neither threads nor children are gone after a test, and
# reaping children would take their exit codes.
suite.BaseTestCase.setUp = lambda self: None
suite.BaseTestCase.tearDown = lambda self: None


class OnThreads(suite.ExecutorMixin):
    executor_type = Threads


class OnProcesses(suite.ExecutorMixin):
    executor_type = Processes
    ctx = "spawn"

    def get_context(self):
        return multiprocessing.get_context("spawn")


class OnDask(OnProcesses):
    executor_type = Dask


EVERYWHERE = (
    suite.InitializerMixin,
    suite.ExecutorShutdownTest,
    suite.WaitTests,
    suite.AsCompletedTests,
    suite.ExecutorTest,
)
OF_FUTURES = (suite.WaitTests, suite.AsCompletedTests)  # whose futures they are hardly matters
IN_KERNEL = (suite.ThreadPoolShutdownTest, suite.ThreadPoolWaitTests, suite.ThreadPoolExecutorTest)
REMOTE = (suite.ProcessPoolExecutorTest, suite.ExecutorDeadlockTest)


def inherited(case: type) -> list[str]:
    """Give what a case has from one of EVERYWHERE, where it runs already."""
    return [
        name
        for base in EVERYWHERE
        if issubclass(case, base) and case is not base
        for name in dir(base)
        if name.startswith("test") and getattr(case, name) is getattr(base, name)
    ]


def cases_on(mixin: type, *cases: type) -> dict[str, type]:
    """Give a test class for each case, without what doesn't apply."""
    classes = {}
    for case in cases:
        bases = (
            (mixin, case)
            if issubclass(case, suite.BaseTestCase)
            else ((case, mixin, suite.BaseTestCase))
        )
        left_out = dict.fromkeys(name for name in NOT_OURS if hasattr(case, name))
        left_out |= dict.fromkeys(inherited(case))
        name = f"Test{mixin.__name__}{case.__name__}"
        marks = {"pytestmark": [pytest.mark.xdist_group(f"cpython {mixin.__name__}")]}
        if mixin is OnDask and (case in OF_FUTURES or sys.version_info >= (3, 12)):
            marks["pytestmark"].append(pytest.mark.extended)
        classes[name] = type(name, bases, {**left_out, **marks, "__module__": __name__})
    return classes


globals().update(cases_on(OnThreads, *EVERYWHERE, *IN_KERNEL))
globals().update(cases_on(OnProcesses, *EVERYWHERE, *REMOTE))
globals().update(cases_on(OnDask, *EVERYWHERE, *REMOTE))


class TestFutures(suite.FutureTests):
    """Those of the future itself."""

    locals().update(dict.fromkeys(name for name in NOT_OURS if hasattr(suite.FutureTests, name)))


def test_what_is_left_out_is_there():
    cases = (*EVERYWHERE, *IN_KERNEL, *REMOTE, suite.ProcessPoolShutdownTest, suite.FutureTests)
    assert all(any(hasattr(case, name) for case in cases) for name in NOT_OURS)
