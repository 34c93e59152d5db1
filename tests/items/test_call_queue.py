"""`CallQueue` with a bound, and `items/queue_bound`: what becomes of one call too many."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.errors import RunCancelled
from nbexec.items.call_queue import CallQueue
from nbexec.items.queue_bound import ON_FULL, QueueBound, inside

from ..waiting import until


def queue_of(most, on_full, workers=1):
    queue = CallQueue("mine", QueueBound(most, on_full))
    queue.workers = lambda: workers
    return queue


def add(queue, call, priority=0):
    future = Future()
    own = SimpleNamespace(priority=priority, paced=False) if priority else None
    return future, queue.add(call, future, own)


def finish(queue):
    """End the first call that was taken."""
    index = min(queue.futures.waiting)
    queue.futures.waiting.pop(index).set_result(None)


def drained(queue):
    return [one.call for one in queue.drain()]


def test_a_free_worker_makes_room():
    queue = queue_of(0, "reject", workers=2)
    add(queue, 1), add(queue, 2)
    with pytest.raises(nbexec.QueueFull, match="mine takes no more calls for now: max_queue=0"):
        add(queue, 3)
    queue.take(1)  # it runs, and that makes none
    with pytest.raises(nbexec.QueueFull):
        add(queue, 3)
    finish(queue)
    add(queue, 3)
    assert (queue.rejected, drained(queue)) == (2, [2, 3])


def test_a_cancelled_call_makes_room_and_whoever_waits_for_it_is_told():
    queue = queue_of(1, "reject")
    (first, _), _ = add(queue, 1), add(queue, 2)
    first.cancel()
    add(queue, 3)
    assert wait([first], 10).done == {first}
    assert drained(queue) == [2, 3]


def test_discard():
    queue = queue_of(1, "discard")
    futures = [add(queue, call)[0] for call in range(4)]
    assert [future.cancelled() for future in futures] == [False, False, True, True]
    assert wait(futures[2:], 10).done == {*futures[2:]}
    assert (queue.discarded, drained(queue)) == (2, [0, 1])


def test_discard_oldest_of_the_smallest_priority():
    queue = queue_of(2, "discard_oldest")
    calls = [("a", 5), ("b", 0), ("c", 0), ("d", 0), ("e", 5), ("f", -1)]
    futures = {call: add(queue, call, priority)[0] for call, priority in calls}
    assert [call for call, future in futures.items() if future.cancelled()] == ["b", "c", "f"]
    assert (queue.discarded, drained(queue)) == (3, ["a", "e", "d"])


def test_discard_oldest_where_none_is_pending():
    queue = queue_of(0, "discard_oldest")
    first, _ = add(queue, 1)
    queue.take(1)
    second, _ = add(queue, 2)
    assert (first.cancelled(), second.cancelled()) == (False, True)


def test_caller_runs():
    queue = queue_of(0, "caller_runs")
    assert add(queue, 1)[1]
    assert not add(queue, 2)[1]
    assert (queue.run_by_callers, drained(queue)) == (1, [1])


@pytest.fixture
def waiting():
    """A queue that is full, and a thread that waits for room in it."""
    queue, outcome = queue_of(0, "block"), []
    add(queue, 1)
    queue.take(1)

    def submit():
        try:
            outcome.append(add(queue, 2)[1])
        except RuntimeError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=submit)
    thread.start()
    until(lambda: queue._room._waiters)
    yield queue, thread, outcome
    thread.join(20)


def test_block_goes_on_when_a_call_has_ended(waiting):
    queue, thread, outcome = waiting
    assert not outcome
    finish(queue)
    thread.join(20)
    assert (outcome, drained(queue)) == ([True], [2])


def test_block_goes_on_when_there_is_another_worker(waiting):
    queue, thread, outcome = waiting
    queue.workers = lambda: 2
    thread.join(20)
    assert outcome == [True]


@pytest.mark.parametrize("end", [CallQueue.close, CallQueue.drain])
def test_block_ends_at_shutdown(waiting, end):
    queue, thread, outcome = waiting
    end(queue)
    thread.join(20)
    assert outcome == ["cannot schedule new futures after shutdown of mine"]


def test_block_ends_where_the_executor_breaks(waiting):
    queue, thread, outcome = waiting
    queue.refuse(RuntimeError("it broke"))
    thread.join(20)
    assert outcome == ["it broke"]


def test_block_lets_in_what_a_call_of_its_own_submits():
    queue = queue_of(0, "block")
    token = inside.set((queue.mark,))
    assert all(add(queue, call)[1] for call in range(3))
    inside.reset(token)
    assert drained(queue) == [0, 1, 2]


STEPS = st.lists(st.sampled_from(["submit", "take", "finish", "cancel"]), max_size=40)


@settings(deadline=None)
@given(st.sampled_from([one for one in ON_FULL if one != "block"]), st.integers(0, 3), STEPS)
def test_no_more_than_the_bound_wait_and_none_is_lost(on_full, most, steps):
    queue, futures, refused = queue_of(most, on_full, workers=2), [], 0
    for step in steps:
        if step == "submit":
            try:
                future, accepted = add(queue, len(futures))
            except nbexec.QueueFull:
                refused += 1
            else:
                refused += not accepted
                futures += [future] if accepted else []
        elif step == "take":
            queue.take(1)
        elif step == "finish" and queue.futures.waiting:
            finish(queue)
        elif step == "cancel" and futures:
            futures[-1].cancel()
        alive = sum(not future.done() for future in futures)
        assert alive <= most + 2
    assert refused == queue.rejected + queue.run_by_callers
    queue.drain()
    for index in [*queue.futures.waiting]:
        queue.futures.waiting.pop(index).set_result(None)
    assert all(future.done() for future in futures)
    assert len(wait(futures, 10).not_done) == 0


def test_a_call_of_another_library_hears_that_the_run_was_cancelled():
    class Heard:
        error = None

        def running(self):
            return False

        def set_running_or_notify_cancel(self):
            return True

        def set_exception(self, error):
            self.error = error

    queue, heard = CallQueue(), Heard()
    queue.add("call", heard)
    why = RunCancelled("it was")
    queue.futures.end(why)
    assert heard.error is why


def test_closing_spares_what_a_worker_is_about_to_take_and_nothing_that_has_to_wait():
    queue, futures = CallQueue("mine"), []
    for paced in (True, True, False, False, False):
        futures.append(Future())
        queue.add("call", futures[-1], SimpleNamespace(priority=0, paced=True) if paced else None)
    queue.close(workers=2)
    assert [one.cancelled() for one in futures] == [True, True, False, False, True]
