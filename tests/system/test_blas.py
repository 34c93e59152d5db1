"""BLAS threads: each worker has its share of the cores, and the kernel all of them after."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import nbexec
from nbexec.system import blas, machine


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """Workers that have loaded NumPy: OpenBLAS begins with no more threads than real cores."""
    for backend in ("processes", "dask"):
        nbexec.map(threads, range(4), backend=backend, workers=2, chunk=1, progress="off")


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    """More than there are, perhaps: OpenBLAS starts as many threads as it is told to."""
    monkeypatch.setattr(blas, "machine", SimpleNamespace(cores=lambda: 8))
    for variable in blas.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    before = threads()
    yield
    assert threads() == before


@pytest.fixture
def kernel():
    """The kernel's own BLAS, set to eight threads."""
    with threadpool_limits(8):
        assert threads() == 8
        yield
        assert threads() == 8


def threads(_=None):
    np.ones(1)  # in a worker NumPy is not loaded before
    found = threadpool_info()  # the count of an OpenMP is of each thread, not of the process
    return max(one["num_threads"] for one in found if one["user_api"] == "blas")


def held(backend, workers, fn=threads, items=6, **options):
    options = {"chunk": 1, **options}
    found = nbexec.map(fn, range(items), backend=backend, workers=workers, **options)
    return sorted(set(found))


SHARING = ["threads", "processes", "asyncio", "dask"]  # asyncio: plain functions in threads


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.usefixtures("kernel")
def test_each_worker_has_its_share_of_the_cores(sharing):
    assert held(sharing, 2) == [4]
    at_once = min(8, machine.cores()) if sharing == "dask" else 8
    assert held(sharing, 8) == [8 // at_once]  # also in workers that are new
    assert held(sharing, 1) == [8]  # a warm worker has more again


@pytest.mark.usefixtures("kernel")
def test_who_works_alone_has_all():
    assert held("serial", 1) == [8]

    async def alone(x):
        return threads()

    assert held("asyncio", 4, alone) == [8]


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.usefixtures("kernel")
def test_a_lower_number_of_the_users_stands(sharing, monkeypatch):
    def limited(x):
        with threadpool_limits(1):
            return threads()

    assert held(sharing, 2, limited, items=1) == [1]
    if sharing in ("processes", "dask"):  # the kernel's BLAS has read its own long ago
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
        assert held(sharing, 2) == [3]
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
        monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
        assert held(sharing, 2) == [2]
        monkeypatch.setenv("OMP_NUM_THREADS", "many")
        assert held(sharing, 2) == [4]
    with threadpool_limits(3):
        assert held("threads", 2) == [3]


def test_what_is_loaded_later_finds_it_in_the_environment(remote):
    def environment(x):
        return tuple(os.environ.get(variable) for variable in blas.VARIABLES)

    assert held(remote, 2, environment) == [("4",) * len(blas.VARIABLES)]


@pytest.mark.parametrize("sharing", ["threads", "asyncio"])
@pytest.mark.usefixtures("kernel")
def test_a_run_that_breaks_leaves_all_as_it_was(sharing):
    def bad(x):
        if x == 1:
            raise ValueError(x)
        return threads()

    with pytest.raises(ValueError, match="1"):
        held(sharing, 2, bad)
    assert threads() == 8
    with pytest.raises(nbexec.DeadlineExceeded):
        held(sharing, 2, lambda x: time.sleep(5), deadline=0.1)
    assert threads() == 8


@pytest.mark.usefixtures("kernel")
def test_runs_at_the_same_time_share_and_the_last_one_restores():
    go, here = threading.Event(), threading.Barrier(3)

    def wait(x):
        if x < 2:
            here.wait(10)
            go.wait(10)
        return threads()

    first = nbexec.start(wait, range(2), backend="threads", workers=2, chunk=1)
    here.wait(10)
    assert threads() == 4
    assert held("threads", 2) == [2]  # four threads in all
    assert threads() == 4
    go.set()
    assert first.result() == [4, 4]
    first.wait()
    assert threads() == 8


@pytest.mark.parametrize("sharing", ["threads", "processes", "dask"])
@pytest.mark.usefixtures("kernel")
def test_more_workers_while_it_runs_have_less_each(sharing):
    with nbexec.Executor(sharing, workers=1) as executor:
        assert executor.submit(threads).result() == 8
        executor.run.workers = 2
        assert [executor.submit(threads).result() for _ in range(4)] == [4] * 4


@pytest.mark.usefixtures("kernel")
def test_a_run_within_a_run_shares_what_its_worker_has():
    def outer(x):
        inner = nbexec.map(threads, range(4), backend="processes", workers=2, progress="off")
        return tuple(inner)

    assert held("processes", 2, outer, items=2) == [(2, 2, 2, 2)]
    assert held("threads", 2, outer, items=2) == [(2, 2, 2, 2)]


def test_nothing_is_imported_where_there_is_nothing_to_hold():
    code = (
        "import nbexec, sys, time\n"
        "nbexec.map(time.sleep, [0.001] * 9, backend='threads', workers=3, progress='off')\n"
        "assert not {'numpy', 'threadpoolctl'} & {*sys.modules}, sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_threadpoolctl_cannot_tell_breaks_no_run(monkeypatch):
    def broken():
        raise OSError("no /proc here")

    with monkeypatch.context() as patch:
        patch.setattr("threadpoolctl.ThreadpoolController", broken)
        patch.setattr(blas, "_found", (0, []))
        assert nbexec.map(abs, [-1] * 9, backend="threads", workers=3) == [1] * 9


class Library:
    """One of OpenMP: what is set counts for the thread that set it, and no other."""

    user_api = "openmp"
    internal_api = "openmp"
    filepath = "libgomp.so"

    def __init__(self):
        self._of = threading.local()

    @property
    def num_threads(self):
        return getattr(self._of, "count", 8)

    def set_num_threads(self, count):
        self._of.count = count


def test_openmp_is_told_in_each_thread_and_once_more_when_it_may_use_all(monkeypatch):
    library = Library()
    monkeypatch.setattr(blas, "_libraries", lambda: [library])

    def count(x):
        time.sleep(0.01)
        return library.num_threads

    assert held("threads", 4, count, items=12) == [2]
    assert held("threads", 2, count, items=12) == [4]
    assert held("threads", 1, count) == [8]
    assert library.num_threads == 8  # the caller's own was never touched
