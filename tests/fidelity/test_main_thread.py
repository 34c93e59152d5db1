"""Items that work in one thread alone: "auto" tries them there, others say what to do.

Covers `nbexec.placement.pin`, `nbexec.worker.signals_taken` and `nbexec.worker.thread_bound`.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import threading
import time

import pytest

import nbexec
from nbexec.placement.pin import sets_signals
from nbexec.worker.thread_bound import note, place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no alarms")

ITEMS = range(8)


class Late(Exception):
    """The time is up."""


def late(number, frame):
    raise Late


def limited(x):
    """Set a handler and a timer, as timeouts do."""
    before = signal.signal(signal.SIGALRM, late)
    try:
        return timed(x)
    finally:
        signal.signal(signal.SIGALRM, before)


def hidden(x):
    """Do the same where the code doesn't show it."""
    return vars(sys.modules[__name__])["limited"](x)


def timed(x):
    """Set a timer alone: its handler is the kernel's."""
    signal.setitimer(signal.ITIMER_REAL, 0.2 if x == 3 else 20)  # a busy machine is late, too
    try:
        time.sleep(5 if x == 3 else 0.04)
        return x
    except Late:
        return f"late {x}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


async def listens(x):
    """Have the event loop listen to a signal."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, print)
    await asyncio.sleep(0.01)
    return loop.remove_signal_handler(signal.SIGUSR1), x


def plain_loop(work):
    return [work(x) for x in ITEMS]


@pytest.fixture
def handler():
    """A handler of alarms that was set before the run."""
    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("work", [limited, hidden])
@pytest.mark.parametrize("options", [{}, {"timeout": 30.0}, {"on_error": "collect"}])
@pytest.mark.parametrize("backend", ["auto", "processes", "serial"])
def test_signal_handlers_of_items_work(work, options, backend):
    if backend == "serial" and "timeout" in options:
        pytest.skip("serial items can't be left behind")
    assert nbexec.map(work, ITEMS, backend=backend, **options) == plain_loop(work)


def test_auto_goes_where_they_work():
    run = nbexec.map(hidden, ITEMS).run
    assert run.choice.backend == "processes"
    assert run.stats.failed == run.stats.retried == 0


def test_auto_does_so_with_runs_that_nobody_waits_for():
    wanted = plain_loop(hidden)
    assert nbexec.start(hidden, ITEMS).result() == wanted
    assert [*nbexec.imap(hidden, ITEMS)] == wanted
    with nbexec.Executor("auto", workers=2) as executor:
        assert [*executor.map(hidden, ITEMS)] == wanted


def test_auto_stays_in_the_callers_thread_with_what_cannot_be_sent():
    lock = threading.Lock()
    run = nbexec.map(lambda x: (lock.locked(), hidden(x)), ITEMS).run
    assert run.results == [(False, value) for value in plain_loop(hidden)]
    assert run.choice.backend == "serial"


def test_event_loops_that_listen_to_signals_are_in_processes():
    results = nbexec.map(listens, range(4))
    assert results == [(True, x) for x in range(4)]
    assert results.run.choice.backend == "processes"


@pytest.mark.parametrize("backend", ["processes", "auto", "serial"])
def test_timers_have_the_handlers_of_the_kernel(handler, backend):
    assert nbexec.map(timed, ITEMS, backend=backend) == plain_loop(timed)


def test_warm_workers_follow_the_kernels_handlers(handler):
    def handled(x):
        return signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN)

    assert nbexec.map(handled, range(2), backend="processes") == [True, True]
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert nbexec.map(handled, range(2), backend="processes") == [False, False]


def test_calls_of_an_executor_have_the_handlers_of_their_moment(handler):
    def handled(x):
        return signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN)

    with nbexec.Executor("processes", workers=1) as executor:
        assert executor.submit(handled, 1).result() == handled(1)
        for wanted in (signal.SIG_IGN, late):
            signal.signal(signal.SIGALRM, wanted)
            # other runs on that worker change nothing of it
            assert nbexec.map(handled, [1], backend="processes", workers=1) == [handled(1)]
            assert executor.submit(handled, 1).result() == handled(1)


@pytest.mark.parametrize("backend", ["threads", "dask", "asyncio"])
def test_elsewhere_the_error_says_what_to_do(backend):
    with pytest.raises(ValueError, match="signal only works in main thread") as caught:
        nbexec.map(limited, ITEMS, backend=backend)
    said = "\n".join(caught.value.__notes__)
    assert said.count("backend='processes'") == 1


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:")
    yield made
    made.close()


def test_auto_stays_in_the_thread_that_an_object_belongs_to(connection):
    def ask(x):
        time.sleep(0.04)
        return connection.execute("select ?", (x,)).fetchone()

    assert nbexec.map(ask, ITEMS) == plain_loop(ask)
    with pytest.raises(sqlite3.ProgrammingError):  # nobody's thread is lent to these items
        list(nbexec.imap(ask, ITEMS))


def test_a_connection_of_another_thread_says_what_to_do(connection):
    with pytest.raises(sqlite3.ProgrammingError) as caught:
        nbexec.map(lambda x: connection.execute("select 1"), ITEMS, backend="threads")
    said = "\n".join(caught.value.__notes__)
    assert "setup=" in said
    assert "check_same_thread=False" in said


def test_a_cell_with_signal_handlers_is_as_the_plain_cell():
    cell = "found = []\nfor x in items:\n    found.append(limited(x))"
    left = []
    for run in (exec, lambda cell, names: nbexec.parallel(cell, names, backend="threads")):
        names = {"items": list(ITEMS), "limited": limited}
        run(cell, names)
        left.append(names["found"])
    assert left[0] == left[1]


def test_code_shows_whether_it_sets_signals():
    def by_name(x):
        from signal import alarm

        alarm(x)

    def within(x):
        return [limited(one) for one in x]

    assert all(map(sets_signals, (limited, timed, listens, by_name, within)))
    assert not any(map(sets_signals, (hidden, late, len, print, plain_loop, Late)))


def test_errors_are_known_by_what_they_come_from():
    error = RuntimeError("it did not work")
    assert place(error) == ""
    error.__cause__ = ValueError("signal only works in main thread of the main interpreter")
    assert place(error) == "main"
    for _ in range(2):
        note(error)
    assert len(error.__notes__) == 1


def leaves_timers(x):
    for one, number in (
        (signal.ITIMER_PROF, signal.SIGPROF),
        (signal.ITIMER_VIRTUAL, signal.SIGVTALRM),
    ):
        signal.signal(number, lambda *_: None)
        signal.setitimer(one, 60)
    return x


def test_timers_that_an_item_left_do_not_end_a_worker_of_the_next_run():
    nbexec.map(leaves_timers, range(2), backend="processes", workers=1)
    kinds = signal.ITIMER_REAL, signal.ITIMER_PROF, signal.ITIMER_VIRTUAL
    found = nbexec.map(lambda x: signal.getitimer(x)[0], kinds, backend="processes", workers=1)
    assert found == [0, 0, 0]
