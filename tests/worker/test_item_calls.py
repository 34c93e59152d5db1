"""Brief items of a chunk, which are timed as a group.

Covers `nbexec.worker.item_errors`.
"""

from __future__ import annotations

import threading
import time

import pytest

import nbexec
from nbexec.model import Task
from nbexec.telemetry.events import Finished
from nbexec.worker import item_calls
from nbexec.worker.chunk_state import LONG, SharedChunkState
from nbexec.worker.execute import ExecutionSpec, StopFlag, run_chunk
from nbexec.worker.item_errors import failed
from nbexec.worker.setup_once import SetupOnce

from ..telemetry.test_events import check

MANY = 200  # the first 16 are timed one by one


@pytest.fixture(autouse=True)
def all_are_brief(monkeypatch):
    """Have items run in groups of 64 after the first, however busy this machine is."""
    monkeypatch.setattr(item_calls, "BRIEF", 1e9)
    monkeypatch.setattr(item_calls, "PART", 1e9)
    monkeypatch.setattr(item_calls, "LARGEST", 64)


def run(fn, state, stop_flag=None, **more):
    task = Task(fn, "fn")
    return run_chunk(ExecutionSpec(task, SetupOnce(task), stop_flag or StopFlag(), **more), state)


def brief(items=MANY):
    return SharedChunkState(list(range(items)), watched=True)


def groups(outcome):
    """Give how many items ended at the same time, in order."""
    ends = list(outcome.ends)
    return [ends.count(end) for end in dict.fromkeys(ends)]


def test_brief_items_are_timed_together():
    outcome = run(lambda x: x + 1, brief())
    assert outcome.values == list(range(1, MANY + 1))
    assert list(outcome.ends) == sorted(outcome.ends)
    assert len(outcome.ends) == MANY
    assert max(groups(outcome)) == 64 or outcome.ends[-1] > LONG  # then they are drawn apart


def test_where_nobody_looks_each_is_timed():
    outcome = run(lambda x: time.perf_counter(), SharedChunkState(list(range(MANY))))
    assert set(groups(outcome)) == {1}


@pytest.mark.parametrize("kind", [ZeroDivisionError, StopIteration, IndexError, GeneratorExit])
def test_an_exception_is_that_of_its_item(kind):
    def work(x):
        if x in (100, MANY - 1):
            raise kind(x)
        return x

    state = SharedChunkState(list(range(MANY)), after_failure=60, watched=True)
    outcome = run(work, state)
    assert list(outcome.errors) == [100, MANY - 1]
    assert [str(one.exception) for one in outcome.errors.values()] == ["100", str(MANY - 1)]
    assert "nbexec/worker" not in outcome.errors[100].traceback
    assert [at for at, value in enumerate(outcome.values) if value is None] == [100, MANY - 1]
    assert len(outcome.ends) == MANY


def test_the_time_of_an_item_that_fails_is_its_own():
    def work(x):
        if x == 100:
            time.sleep(0.5)
            raise ValueError

    ends = run(work, SharedChunkState(list(range(MANY)), 60, watched=True)).ends
    assert ends[100] - ends[99] >= 0.4
    assert ends[101] - ends[100] < 0.4


def test_a_failure_ends_the_chunk_soon():
    def work(x):
        time.sleep(0.001)
        if x == 20:
            raise ValueError

    assert len(run(work, brief()).values) == 21


def test_a_stopped_chunk_begins_no_item():
    stop_flag, begun = StopFlag(), []

    def work(x):
        begun.append(x)
        if x == 100:
            stop_flag.stop()

    assert len(run(work, brief(), stop_flag).values) == 101
    assert begun == list(range(101))


def test_each_item_goes_to_one_of_two():
    state, begun = brief(), []

    def work(x):
        begun.append(x)
        if x == 100:
            work.back = state.take_back(30)
        return x

    assert run(work, state).values == begun == list(range(MANY - 30))
    assert work.back == 30
    state = brief()

    def all_back(x):
        return state.take_back(MANY) if x == 100 else x

    assert run(all_back, state).values == [*range(100), MANY - 101]


def test_finished_values_are_there_before_their_group_is():
    state, seen = brief(), []

    def work(x):
        if x == 100:
            seen.append(state.so_far("me"))
        return x

    run(work, state)
    assert seen[0].values == list(range(100))
    assert len(seen[0].ends) == 100


@pytest.mark.parametrize("looked", [True, False])
def test_an_item_that_lasts_is_known_where_it_was_looked_at(looked):
    state = brief()

    def work(x):
        if x == 100:
            time.sleep(0.02)
            if looked:
                state.look()
            time.sleep(0.02)

    outcome = run(work, state)
    took = [end - before for before, end in zip(outcome.ends, outcome.ends[1:], strict=False)]
    assert len(outcome.values) == MANY
    longest = max(took)
    if looked:
        assert took.index(longest) + 1 == 100
        assert longest >= 0.04
    else:  # nobody knows which it was: no one of them is said to have taken that long
        assert longest < 0.01


def test_a_look_between_two_items_ends_nothing():
    class LookedAt(SharedChunkState):
        looks = 0

        def group(self, most):
            group = super().group(most)
            self.looks += 1
            if self.looks % 2:
                self.look()
            return group

    state = LookedAt(list(range(MANY)), watched=True)
    assert run(lambda x: x, state).values == list(range(MANY))
    state = brief()
    assert run(lambda x: state.look() or x, state).values == list(range(MANY))


def test_an_interrupt_keeps_what_was_finished():
    def work(x):
        if x == 100:
            raise KeyboardInterrupt
        return x

    interrupts = []
    outcome = run(work, brief(), interrupt=interrupts.append)
    assert outcome.values == list(range(100))
    assert len(outcome.ends) == 100
    assert len(interrupts) == 1


def test_an_interrupt_amid_a_failure_leaves_no_error_without_an_item(monkeypatch):
    def interrupted(error, stop_flag):
        made = failed(error)
        state.errors[len(state.values)] = made
        raise KeyboardInterrupt

    monkeypatch.setattr(item_calls, "ended", interrupted)
    state = brief()
    outcome = run(lambda x: 1 // (x - 100), state, interrupt=lambda error: None)
    assert len(outcome.values) == 100
    assert outcome.errors == {}


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_nothing_waits_for_an_item_amid_brief_ones(backend, log):
    """On threads others take what is behind it, and its value alone is awaited."""
    done, others = [], threading.Event()

    def work(x):
        if x == 500:
            assert backend == "serial" or others.wait(30)
            time.sleep(0.05)
        else:
            done.append(x)
            if len(done) >= 999:
                others.set()
        return x

    assert nbexec.map(work, range(1000), backend=backend, workers=2) == list(range(1000))
    assert check(log.events)
    ended = [event for event in log.events if isinstance(event, Finished)]
    assert sum(len(event.outcome.ends) for event in ended) == 1000


def test_the_timeline_names_the_item_that_lasted(monkeypatch):
    """Though it was timed with others: the run looks at it meanwhile."""

    def work(x):
        if x == 30_000:
            time.sleep(1.0)

    bars = nbexec.map(work, range(40_000), backend="serial").timeline()
    longest = max(bars, key=lambda bar: bar.end - bar.start)
    assert (longest.first, longest.items) == (30_000, 1)
