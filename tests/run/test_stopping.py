"""Time limits: `timeout` an item, `deadline` a run, on every backend.

Covers `nbexec.run.intake`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

import nbexec
from nbexec import Failure

from ..waiting import until

LIMITED = ["threads", "processes", "asyncio", "dask", "auto"]


@pytest.fixture(params=LIMITED)
def limited(request):
    """Each backend where an item can be stopped or left behind."""
    return request.param


def hanging():
    """Give a function that is sent by value: to import it may take longer than an item may."""

    def hang_at_5(x):
        time.sleep(30 if x == 5 else 0.01)
        return x

    return hang_at_5


hang_at_5 = hanging()


def test_an_item_that_hangs_costs_itself_alone(limited):
    begun = time.monotonic()
    results = nbexec.map(hang_at_5, range(30), backend=limited, timeout=3.0, on_error="collect")
    assert time.monotonic() - begun < 25
    assert [failure.index for failure in results.failures] == [5]
    assert results.ok() == [x for x in range(30) if x != 5]
    error = results[5].exception
    assert isinstance(error, nbexec.ItemTimeout)
    assert isinstance(error, TimeoutError)
    assert "longer than timeout=3.0 s" in str(error)
    assert nbexec.map(abs, [-1], backend=limited) == [1]


class SlowToLoad:
    """Captured by a function, it keeps a worker busy before the first item begins."""

    def __reduce__(self):
        return _load, (0.8,)


def _load(seconds):
    time.sleep(seconds)
    return SlowToLoad()


@pytest.mark.alone
def test_the_time_of_an_item_begins_when_it_does(limited):
    slow = SlowToLoad()

    def work(x, state):
        return x if isinstance(slow, SlowToLoad) else state

    def setup():
        time.sleep(0.8)

    results = nbexec.map(work, range(6), backend=limited, setup=setup, timeout=0.5)
    assert results == list(range(6))


def test_a_setup_that_hangs_ends_too(limited, monkeypatch):
    monkeypatch.setattr("nbexec.run.stopping.LOADING", 0.5)

    def setup():
        time.sleep(4)

    with pytest.raises(nbexec.ItemTimeout):
        nbexec.map(lambda x, state: x, [1], backend=limited, setup=setup, timeout=0.2)


@pytest.mark.parametrize(("name", "left"), [("threads", 1), ("processes", 0), ("dask", 0)])
def test_what_could_not_be_stopped_is_counted(name, left):
    run = nbexec.map(hang_at_5, [5], backend=name, timeout=0.3, on_error="collect").run
    assert run.stats.abandoned == left
    said = str(run.failures[0].exception)
    assert ("may still be running" in said) == bool(left)


def test_a_hang_in_c_is_stopped_on_processes():
    def work(x):
        if x == 1:
            lock = threading.Lock()
            lock.acquire()
            lock.acquire(timeout=60)
        return x

    results = nbexec.map(work, range(4), backend="processes", timeout=2.0, on_error="collect")
    assert results.ok() == [0, 2, 3]


def test_a_coroutine_that_hangs_is_cancelled():
    cancelled = []

    async def work(x):
        try:
            await asyncio.sleep(60 if x == 2 else 0.001)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise
        return x

    results = nbexec.map(work, range(6), timeout=2.0, on_error="collect")
    assert results.ok() == [0, 1, 3, 4, 5]
    until(lambda: cancelled)  # its loop gets to it in its own time
    assert cancelled == [2]
    assert results.stats.abandoned == 0


def test_starting_a_worker_is_not_the_items_time():
    from nbexec.backends.processes import Processes

    fresh = Processes()  # no warm worker
    try:
        assert nbexec.map(abs, range(-4, 0), backend=fresh, timeout=0.1) == [4, 3, 2, 1]
    finally:
        fresh.close()


def test_an_item_that_timed_out_can_be_retried(limited, tmp_path):
    def work(x):
        mark = tmp_path / str(x)
        if x == 3 and not mark.exists():
            mark.touch()
            time.sleep(20)
        return x

    results = nbexec.map(work, range(8), backend=limited, timeout=3.0, retries=1)
    assert results == list(range(8))
    assert results.stats.retried == 1


def test_with_raise_a_timeout_is_the_runs_exception(limited):
    with pytest.raises(nbexec.ItemTimeout) as caught:
        nbexec.map(hang_at_5, range(30), backend=limited, timeout=3.0)
    assert caught.value.partial_results[:5] == [0, 1, 2, 3, 4]


@pytest.fixture
def shared_cluster():
    """A cluster that is not ours, as good as any: two workers with a thread each."""
    from distributed import Client, LocalCluster

    options = {"dashboard_address": None, "n_workers": 2, "threads_per_worker": 1}
    with (
        LocalCluster(processes=False, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_on_a_shared_cluster_what_is_stuck_is_left_behind(shared_cluster, tmp_path):
    def work(x):
        if x == 5:
            while not (tmp_path / "go").exists():
                time.sleep(0.01)
        with (tmp_path / str(x)).open("a") as file:
            file.write("x")
        return x

    options = {"timeout": 0.5, "on_error": "collect", "workers": 4}
    results = nbexec.map(work, range(20), backend=shared_cluster, **options)
    assert [failure.index for failure in results.failures] == [5]
    assert results[5].exception.abandoned
    assert results.ok() == [x for x in range(20) if x != 5]
    assert results.stats.abandoned == 1
    (tmp_path / "go").touch()
    assert {(tmp_path / str(x)).read_text() for x in range(20) if x != 5} == {"x"}
    assert len(shared_cluster.nthreads()) == 2  # nobody's worker was restarted


def test_on_a_shared_cluster_what_has_begun_unknown_to_us_is_not_sent_again(
    shared_cluster, tmp_path, monkeypatch
):
    from nbexec.backends.dask_given import GivenSession

    take_event = GivenSession._take_event

    def late(session, event):
        numbers = [one.number for one in session._all_sent() if list(one.chunk.items) == [5]]
        if event[1][0] in numbers:
            take_event(session, event)
            threading.Timer(1.0, (tmp_path / "go").touch).start()

    def work(x):
        with (tmp_path / str(x)).open("a") as file:
            file.write("x")
        while not (tmp_path / "go").exists() and (x == 5 or (tmp_path / "5").exists()):
            time.sleep(0.01)
        return x

    monkeypatch.setattr(GivenSession, "_take_event", late)
    options = {"timeout": 0.5, "on_error": "collect", "workers": 4}
    results = nbexec.map(work, range(20), backend=shared_cluster, **options)
    assert [failure.index for failure in results.failures] == [5]
    assert {(tmp_path / str(x)).read_text() for x in range(20)} == {"x"}


def test_on_our_own_cluster_the_worker_is_killed_and_replaced(tmp_path):
    from nbexec.backends import get_backend

    def work(x):
        with (tmp_path / str(x)).open("a") as file:
            file.write("x")
        hang_at_5(x)
        return os.getpid()

    assert nbexec.map(abs, range(-50, 0), backend="dask")[0] == 50  # the cluster is there
    client = get_backend("dask").client
    before = len(client.nthreads())
    # more than it has workers, so that something waits behind the item
    options = {"timeout": 3.0, "on_error": "collect", "workers": 4}
    results = nbexec.map(work, range(20), backend="dask", **options)
    assert [failure.index for failure in results.failures] == [5]
    assert not results[5].exception.abandoned
    written = {x: (tmp_path / str(x)).read_text() for x in range(20)}
    assert written == dict.fromkeys(range(20), "x")  # what waited behind it ran once
    until(lambda: len(client.nthreads()) == before, 60)  # Dask starts it in its own time
    assert nbexec.map(abs, range(-4, 0), backend="dask") == [4, 3, 2, 1]


@pytest.mark.parametrize("name", ["serial"])
def test_a_backend_that_has_no_timeout_says_so(name):
    with pytest.raises(nbexec.OptionError, match=f"timeout= does not work with backend='{name}'"):
        nbexec.map(abs, [1], backend=name, timeout=1)


def test_a_timeout_is_told_by_the_item():
    with pytest.raises(nbexec.OptionError, match="timeout= needs chunk=1, not 5"):
        nbexec.map(abs, [1], timeout=1, chunk=5)


# ---------------------------------------------------------------- deadline


def nap(x):
    time.sleep(0.02)
    return x


@pytest.mark.alone
def test_a_deadline_stops_the_run_and_keeps_what_is_finished(backend):
    nbexec.map(abs, [1], backend=backend)  # warm
    begun = time.monotonic()
    with pytest.raises(nbexec.DeadlineExceeded, match=r"deadline=0.4 s") as caught:
        nbexec.map(nap, range(5000), backend=backend, deadline=0.4)
    assert time.monotonic() - begun < 5
    results = caught.value.partial_results
    assert len(results) == 5000
    kept = [x for x in results if not isinstance(x, Failure)]
    assert kept
    assert kept == [i for i, x in enumerate(results) if not isinstance(x, Failure)]


def test_with_collect_a_deadline_leaves_failures(backend):
    nbexec.map(abs, [1], backend=backend)
    for deadline in (0.3, 1.0, 3.0, 9.0):  # a busy machine needs longer for the first item
        results = nbexec.map(
            nap, range(5000), backend=backend, deadline=deadline, on_error="collect"
        )
        assert len(results) == 5000
        if results[0] == 0:
            break
    assert results[0] == 0
    assert results[-1].kind == "cancelled"
    assert isinstance(results[-1].exception, nbexec.DeadlineExceeded)


def test_a_deadline_that_is_not_reached_changes_nothing(backend):
    assert nbexec.map(abs, range(20), backend=backend, deadline=60) == list(range(20))
