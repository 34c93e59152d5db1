"""Workers that are replaced while a run goes on: every item once, in order.

Covers `nbexec.backends.pool` and `nbexec.backends.process_worker`.
"""

from __future__ import annotations

import collections
import os
import re
import threading

import hypothesis
import pytest
from hypothesis import strategies as st

import nbexec
from nbexec.backends.pool import Pool
from nbexec.items.outcomes import not_begun
from nbexec.model import Outcome
from nbexec.worker import reply
from nbexec.worker.envelope import Envelope


def worker():
    """Name the process and thread; a thread's id may be that of an earlier one."""
    me = threading.current_thread()
    if not hasattr(me, "number"):
        me.number = os.urandom(8).hex()
    return os.getpid(), me.number


def at(x):
    return x, *worker()


def had(found):
    """Give by worker how many items it had."""
    return collections.Counter(one[1:] for one in found)


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_each_item_runs_once_in_order_and_no_worker_has_too_many(backend):
    found = nbexec.map(at, range(20), backend=backend, workers=2, recycle_after=7)
    assert [one[0] for one in found] == [*range(20)]
    assert max(had(found).values()) <= 7


def test_with_chunks_of_one_each_worker_has_as_many_as_it_may():
    given = {"backend": "processes", "workers": 1, "env": "NEW=1"}  # no others have used those
    found = nbexec.map(at, range(9), recycle_after=4, chunk=1, **given)
    assert [*had(found).values()] == [4, 4, 1]


def test_a_worker_that_another_run_has_used_counts():
    with nbexec.options(backend="processes", workers=1):
        nbexec.map(at, range(3))
        found = nbexec.map(at, range(2), recycle_after=1) + nbexec.map(at, [2], recycle_after=1)
        assert [*had(found).values()] == [1, 1, 1]


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(
    items=st.integers(0, 60),
    most=st.integers(1, 9),
    workers=st.integers(1, 4),
    chunk=st.none() | st.integers(1, 9),
)
def test_on_threads_whatever_the_numbers(items, most, workers, chunk):
    ledger = []

    def note(x):
        ledger.append(x)
        return at(x)

    chunk = None if chunk is None else min(chunk, most)
    given = {"backend": "threads", "workers": workers, "chunk": chunk, "recycle_after": most}
    found = nbexec.map(note, range(items), **given)
    assert [one[0] for one in found] == [*range(items)]
    assert sorted(ledger) == [*range(items)]
    assert max(had(found).values(), default=0) <= most


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_teardown_comes_before_the_next_setup(backend, tmp_path):
    log = tmp_path / "log"

    def note(word):
        with log.open("a") as file:
            file.write(f"{word} ")

    given = {"setup": lambda: note("setup"), "teardown": lambda state: note("teardown")}
    nbexec.map(
        lambda x, state: note("item"),
        range(5),
        backend=backend,
        workers=1,
        chunk=1,
        recycle_after=2,
        **given,
    )
    words = log.read_text()  # the first worker may have been another run's
    assert re.fullmatch("(setup (item ){1,2}teardown )+", words)
    assert words.count("item") == 5


def test_failures_and_retries_go_on_elsewhere():
    def fail_once(x, tries=collections.Counter()):  # noqa: B006
        tries[x] += 1
        if x % 3 == 0 and tries[x] < 2:
            raise OSError(x)
        return at(x)

    given = {"backend": "threads", "workers": 2, "retries": 1, "retry_wait": 0}
    found = nbexec.map(fail_once, range(20), recycle_after=3, **given)
    assert [one[0] for one in found] == [*range(20)]


def test_an_executor_recycles(tmp_path):
    with nbexec.Executor("processes", workers=1, recycle_after=2) as executor:
        found = [*executor.map(at, range(4))]
    assert [one[0] for one in found] == [*range(4)]
    assert max(had(found).values()) <= 2


def test_a_worker_that_has_grown_is_replaced():
    def grow(x):
        global kept
        kept = bytearray(80_000_000) if x == 0 else b""
        return at(x)

    given = {"backend": "processes", "workers": 1, "chunk": 1}
    used = nbexec.map(resident, [0], **given)[0]
    found = nbexec.map(grow, range(4), recycle_above=used + 40_000_000, **given)
    assert [*had(found).values()] == [1, 3]


def resident(x):
    from nbexec.system import machine

    return machine.resident_of(os.getpid())


def test_on_the_local_dask_cluster(tmp_path):
    pytest.importorskip("distributed")
    given = {"setup": list, "teardown": lambda seen: (tmp_path / f"{len(seen)}-{seen[0]}").touch()}

    def note(x, seen):
        seen.append(x)
        return at(x)

    found = nbexec.map(note, range(3), backend="dask", workers=1, recycle_after=2, chunk=1, **given)
    assert [one[0] for one in found] == [*range(3)]
    assert max(had(found).values()) <= 2
    seen = [path.name.split("-") for path in tmp_path.iterdir()]
    assert sum(int(count) for count, _ in seen) == 3
    assert len(seen) == len(had(found))


def test_what_a_worker_gave_back_does_not_count():
    """Else one that is slow to start is replaced before it has run anything, again and again."""
    envelope = Envelope("", 0, False, False)
    two = Outcome([1, 2], {}, 0.0, [0.1, 0.2], 0.0, "")
    assert reply.ended(reply.pack(two, envelope)) == 2
    assert reply.ended(reply.pack(not_begun(), envelope)) == 0


class Idle:
    """A worker that does nothing."""

    healthy = True

    def __init__(self, number):
        self.number = number

    def close(self):
        """Nothing to end."""

    end = close


def test_a_pool_gives_the_warm_worker_that_fits():
    pool = Pool(Idle, keep=4)
    workers = [pool.acquire() for _ in range(3)]
    for one in workers:
        pool.release(one)
    assert pool.acquire(lambda one: one.number == 1).number == 1
    assert pool.acquire(lambda one: False).number == 3  # a new one
    assert {one.number for one in pool.idle} == {0, 2}
