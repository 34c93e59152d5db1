"""When servers ask to slow down: for how long, how many at once then, and when that ends."""

from __future__ import annotations

import errno
import itertools
import math
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.items.outcomes import heard
from nbexec.model import Chunk, Error, Outcome, SlowDown
from nbexec.options.record import Options
from nbexec.pacing.pacing import Pacing
from nbexec.pacing.parked import Parked
from nbexec.pacing.slowing import LEAST, LONGEST, PATIENCE, TRIES, Slowing


class Refused(Exception):
    """As a server's client raises it."""

    def __init__(self, status, **headers):
        super().__init__(f"status {status}")
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def test_a_key_pauses_for_as_long_as_asked():
    slowing = Slowing(deadline=False)
    assert slowing.asked("a", 10.0, 5.0, begun=9.0, at_once=8) == 15.0
    assert (slowing.until("a"), slowing.most("a")) == (15.0, 4)
    assert (slowing.until("b"), slowing.most("b")) == (-math.inf, math.inf)


def test_items_side_by_side_are_one_reason():
    slowing = Slowing(deadline=False)
    slowing.asked(None, 10.0, 5.0, begun=9.0, at_once=8)
    assert slowing.asked(None, 10.5, 6.0, begun=9.5, at_once=7) == 16.5
    assert slowing.asked(None, 11.0, None, begun=9.5, at_once=6) == 16.5
    assert (slowing.most(None), slowing.pauses, slowing.seconds) == (4, 1, 6.5)
    slowing.asked(None, 17.0, 1.0, begun=16.6, at_once=4)
    assert (slowing.most(None), slowing.pauses) == (2, 2)


def test_more_run_at_once_again_one_by_one():
    slowing = Slowing(deadline=False)
    slowing.asked(None, 10.0, 1.0, begun=9.0, at_once=4)
    seen = []
    for _ in range(9):
        slowing.passed(None, begun=10.5, workers=4)  # one of before
        slowing.passed(None, begun=11.5, workers=4)
        seen.append(slowing.most(None))
    assert seen == [2, 3, 3, 3, math.inf, math.inf, math.inf, math.inf, math.inf]


def test_without_a_time_the_pauses_double():
    slowing, now, waits = Slowing(deadline=True, chance=lambda: 1.0), 0.0, []
    for _ in range(8):
        waits.append(slowing.asked(None, now, None, begun=now, at_once=1) - now)
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST, LONGEST]
    slowing.passed(None, now, workers=1)
    assert slowing.asked(None, now, None, begun=now, at_once=1) == now + 1


@pytest.mark.parametrize("deadline", [False, True])
def test_it_does_not_go_on_for_ever(deadline):
    slowing, now = Slowing(deadline), 0.0
    for _ in range(TRIES):
        now = slowing.asked(None, now, 0.0, begun=now, at_once=1)
    last = slowing.asked(None, now, 0.0, begun=now, at_once=1)
    assert (last is None) == (not deadline)
    assert (Slowing(deadline).asked(None, 0.0, PATIENCE + 1, 0.0, 1) is None) == (not deadline)


# ---------------------------------------------------------------- in runs


def test_tries_are_no_retries_and_the_run_says_so(backend, tmp_path):
    def work(x):
        mark = tmp_path / str(x)
        if x < 3 and not mark.exists():
            mark.touch()
            raise Refused(429, Retry_After="0.2")
        return x

    results = nbexec.map(work, range(6), backend=backend, retries=0)
    assert results == list(range(6))
    assert "slowed down" in results.stats.notes[-1]


def test_a_run_says_why_nothing_begins():
    def work(x):
        raise Refused(503, Retry_After="300")

    run = nbexec.start(work, range(3), backend="threads", deadline=100)
    while not run.stats.waiting:
        run.wait(0.01)
    assert run.stats.waiting == "slowing down, as asked (status 503): about 5 min left"
    run.cancel()
    assert run.wait(5)


@pytest.mark.parametrize("options", [{"slow_down": False}, {"crash_retries": 0}])
def test_it_can_be_switched_off(backend, options):
    def work(x):
        raise Refused(429, Retry_After="100")

    with pytest.raises(Refused) as caught:
        nbexec.map(work, range(3), backend=backend, **options)
    assert caught.value.headers == {"Retry-After": "100"}


def test_a_function_says_what_else_asks(backend, tmp_path):
    def work(x):
        if not (tmp_path / str(x)).exists():
            (tmp_path / str(x)).touch()
            raise ValueError("busy, come back")
        return x

    def busy(error):
        return 0.05 if "busy" in str(error) else None

    assert nbexec.map(work, range(3), backend=backend, slow_down=busy) == [0, 1, 2]
    with pytest.raises(nbexec.OptionError, match="slow_down= must give True, False or seconds"):
        nbexec.map(lambda x: 1 / x, [0], backend="threads", slow_down=lambda error: "soon")


@pytest.mark.parametrize("given", ["threads", "asyncio"])
@pytest.mark.parametrize("workers", [None, 6])
def test_items_that_got_no_thread_are_tried_with_fewer_at_once(given, workers):
    room, waiting = threading.Semaphore(2), threading.Event()

    def work(x):
        if not room.acquire(blocking=False):
            waiting.set()
            raise RuntimeError("can't start new thread")
        waiting.wait(20)  # until one that is at once has found no room
        room.release()
        return x

    results = nbexec.map(work, range(30), backend=given, workers=workers, chunk=1, retries=0)
    assert results == list(range(30))
    assert "out of files or threads" in results.stats.notes[-1]


def test_an_item_that_ran_alone_fails(backend):
    def work(x):
        raise OSError(errno.EMFILE, "Too many open files")

    with pytest.raises(OSError, match="Too many open files"):
        nbexec.map(work, [1], backend=backend, workers=1)


def test_a_run_says_what_it_ran_out_of():
    pacing = Pacing(Options(), Parked())
    chunk = Chunk([0], ["x"])
    error = Error("error", OSError(), "", "", SlowDown(0, 0.0, "open files"))
    outcome = Outcome([None], {0: error}, 0.0, [0.1], 0.0, "w")
    assert pacing.sort_out(chunk, outcome, 10.0, at_once=1, workers=1) == []
    assert pacing.sort_out(chunk, outcome, 10.0, at_once=8, workers=8) == [(0, 10.05)]
    assert (pacing.most(), pacing.due()) == (4, math.inf)
    assert pacing.next(lambda: chunk, 10.0) is None
    assert pacing.words(10.0) == "slowing down, out of open files: about 1 s left"
    assert pacing.next(lambda: chunk, 10.1) is chunk


def test_the_last_of_several_that_failed_side_by_side_did_not_run_alone():
    pacing = Pacing(Options(), Parked())
    chunk = Chunk([0], ["x"])
    error = Error("error", OSError(), "", "", SlowDown(0, 0.0, "open files"))
    outcome = Outcome([None], {0: error}, 0.0, [0.1], 0.0, "w")
    for at_once in (3, 2, 1):  # the others have ended by now
        assert pacing.sort_out(chunk, outcome, 10.0, at_once, workers=8) == [(0, 10.05)]
    assert pacing.most() == 1
    assert pacing.sort_out(chunk, outcome, 10.2, at_once=1, workers=8) == []  # begun since then


def test_those_that_the_run_hears_of_late_are_still_one_reason():
    pacing, chunk = Pacing(Options(), Parked()), Chunk([0], ["x"])
    error = Error("error", OSError(), "", "", SlowDown(0, 0.0, "open files"))
    outcome = Outcome([None], {0: error}, 1000.0, [0.001], 0.0, "w")  # each of 60, side by side
    for late in range(60):
        seen = heard(outcome, 1000.0 + late)
        assert pacing.sort_out(chunk, seen, 10.0 + late, at_once=60 - late, workers=60)
    assert pacing.most() == 30
    assert heard(outcome, 999.0) is outcome


@settings(deadline=None, max_examples=30)
@given(at_once=st.integers(1, 100_000), takes=st.floats(0.0, 0.005))
@example(at_once=1000, takes=0.0)
def test_a_hopeless_item_fails_soon_however_many_ran_beside_it(at_once, takes):
    pacing, chunk, now = Pacing(Options(), Parked()), Chunk([0], ["x"]), 10.0
    error = Error("error", OSError(), "", "", SlowDown(0, 0.0, "open files"))
    outcome = Outcome([None], {0: error}, 0.0, [takes], 0.0, "w")
    running = [at_once]
    while away := pacing.sort_out(chunk, outcome, now + takes, running[-1], workers=at_once):
        running.append(pacing.most())
        now = away[0].until + 0.001
    assert all(new <= max(1, old // 2) for old, new in itertools.pairwise(running))
    assert running[-1] == 1
    assert now - 10.0 < 1.1


def test_a_server_is_given_ever_more_time_though_it_asks_for_none():
    slowing, now, waits = Slowing(deadline=False), 0.0, []
    for _ in range(TRIES):
        waits.append(slowing.asked(None, now, 0.0, begun=now, at_once=8) - now)
        now += waits[-1]
    assert waits == pytest.approx([LEAST * 2**number for number in range(TRIES)])
    assert slowing.asked(None, now, 0.0, begun=now, at_once=8) is None


def test_a_cell_ends_where_the_plain_cell_does():
    def ask(x):
        raise Refused(429, Retry_After="100")

    with pytest.raises(Refused):
        nbexec.parallel("[ask(x) for x in range(3)]", {"ask": ask}, backend="threads")


def test_the_record_says_what_was_asked():
    assert SlowDown(429, None)._asdict() == {"status": 429, "seconds": None, "lacking": ""}
