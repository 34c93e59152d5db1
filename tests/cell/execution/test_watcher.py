"""`Watcher`: plain loops are looked at from another thread while an item of theirs lasts."""

from __future__ import annotations

import gc
import itertools
import threading
import time

import pytest

from nbexec.cell.execution import watcher
from nbexec.cell.execution.plain_first import PlainFirst
from nbexec.cell.execution.watcher import Watcher


@pytest.fixture
def watching():
    made = Watcher()
    yield made
    made.close()
    if made._thread is not None:
        made._thread.join(20)
        assert not made._thread.is_alive()


def test_an_item_that_lasts_is_looked_at(watching):
    looked, asked = threading.Event(), []

    def decide(seen, position, running):
        if running:
            asked.append((seen.running_wall, position, threading.current_thread().name))
            looked.set()
        return running

    with PlainFirst([1, 2, 3], decide, watching) as plain:
        taken = []
        for n in plain:
            taken.append(n)
            looked.wait(20)
    assert taken == [1]
    assert plain.handed_over
    (wall, position, thread) = asked[0]
    assert wall > watcher.PATIENCE
    assert position == 1
    assert thread == "nbexec-plain"


def test_one_that_can_not_be_decided_on_is_asked_for_again(watching):
    calls = itertools.count()
    looked = threading.Event()

    def decide(seen, position, running):
        if running and not next(calls):
            raise RuntimeError("dictionary changed size during iteration")
        if running:
            looked.set()
        return running

    with PlainFirst([1, 2], decide, watching) as plain:
        for _ in plain:
            assert looked.wait(20)
    assert plain.handed_over


def test_probes_tell_whether_the_gil_is_held(watching):
    """This thread waits: nobody holds it."""
    began, found = time.perf_counter(), threading.Event()
    with PlainFirst([1], lambda *_: found.set() or False, watching) as plain:
        for _ in plain:
            assert found.wait(20)
    assert len(watching.probes(began)) >= 3
    assert watching.probes(time.perf_counter()) == []


class Loop:
    ended = False

    def __init__(self):
        self.looks = 0

    def look_at_running(self, patience):
        self.looks += 1
        return False


def test_loops_that_have_ended_or_are_gone_are_left_out():
    watching, here, over = Watcher(), Loop(), Loop()
    watching._thread = threading.current_thread()  # it looks when it is told to
    for one in (here, over, Loop()):
        watching.add(one)
    del one
    gc.collect()
    over.ended = True
    watching._look()
    assert (here.looks, over.looks) == (1, 0)
    assert [one() for one in watching._loops] == [here]
