"""What an executor can do, combined: each future ends once, as the plain calls say.

Covers `executor/executor`.
"""

from __future__ import annotations

import concurrent.futures
import gc
import os
import random
import signal
import threading
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import pytest

import nbexec
from nbexec.backends import get_backend

from ..waiting import until

pytestmark = pytest.mark.extended
LONG = 100.0  # seconds until something counts as hanging


# ---------------------------------------------------------------- what the calls do


def square(x):
    return x * x


def odd_raises(x):
    if x % 2:
        raise ValueError(x)
    return x


def note(path, line):
    with Path(path).open("a") as file:
        file.write(f"{line}\n")
    return line


def wait_for(begun, go):
    begun.touch()
    until(lambda: go.exists() or nbexec.cancelled(), LONG)
    return "went"


def flaky(folder, x, times=1):
    """Raise so many times, by a file."""
    path = folder / f"tries-of-{x}"
    tries = len(path.read_text().split()) if path.exists() else 0
    note(path, "try")
    if tries < times:
        raise OSError(x)
    return x


def die_once(folder, x):
    path = folder / f"died-{x}"
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die():
    os.kill(os.getpid(), signal.SIGKILL)


# ---------------------------------------------------------------- helpers


class Ends:
    """Counts how often futures tell that they are done."""

    def __init__(self, futures):
        self.futures = futures
        self.told = Counter()
        for place, one in enumerate(futures):
            one.add_done_callback(lambda _, place=place: self.told.update([place]))

    def check(self):
        assert not concurrent.futures.wait(self.futures, LONG).not_done
        until(lambda: len(self.told) == len(self.futures), LONG)
        assert self.told == Counter(range(len(self.futures)))


def results(futures):
    return [one.result(LONG) for one in futures]


def held(backend, folder, **options):
    """Give an executor whose one worker is busy until there is a file, and that call's future."""
    folder.mkdir(exist_ok=True)
    executor = nbexec.Executor(backend, workers=1, **options)
    future = executor.submit(wait_for, folder / "begun", folder / "go")
    until((folder / "begun").exists, LONG)
    return executor, future


def require(backend, *, remote=False, restarts=False, option=""):
    if remote and not get_backend(backend).remote:
        pytest.skip("no worker can die alone")
    if restarts and backend in ("serial", "asyncio", "interpreters"):
        pytest.skip("its workers can't be restarted")
    if option and option not in get_backend(backend).takes:
        pytest.skip(f"no {option}")


# ---------------------------------------------------------------- a bounded queue


def test_discarded_calls_with_priorities(backend, tmp_path):
    executor, busy = held(backend, tmp_path, max_queue=2, on_full="discard_oldest")
    urgent = executor.options(priority=5)
    futures = [urgent.submit(square, 1), executor.submit(square, 2), urgent.submit(square, 3)]
    futures.append(executor.submit(square, 4))
    ends = Ends([*futures, busy])
    assert [one.cancelled() for one in futures] == [False, True, False, True]
    (tmp_path / "go").touch()
    executor.shutdown()
    assert results([futures[0], futures[2]]) == [1, 9]
    ends.check()


def test_calls_that_waited_for_futures_find_room(backend, tmp_path):
    for on_full in ("reject", "discard", "discard_oldest", "block", "caller_runs"):
        folder = tmp_path / on_full
        executor, _ = held(backend, folder, max_queue=1, on_full=on_full)
        source = Future()
        futures = [executor.submit(square, source) for _ in range(5)]
        source.set_result(3)
        (folder / "go").touch()
        assert results(futures) == [9] * 5
        executor.shutdown()


def test_callers_run_calls_with_retries_and_continuations(backend, tmp_path):
    own = {"max_queue": 0, "on_full": "caller_runs", "retries": 2, "retry_wait": 0}
    executor, busy = held(backend, tmp_path, **own)
    here = executor.submit(flaky, tmp_path, 1, 2)
    assert here.done()
    assert isinstance(executor.options(retries=0).submit(flaky, tmp_path, 2).exception(), OSError)
    down = here.then(square)
    (tmp_path / "go").touch()
    assert (down.result(LONG), busy.result(LONG)) == (1, "went")
    executor.shutdown()


def test_cancelling_the_run_wakes_who_waits_for_room(backend, tmp_path):
    executor, busy = held(backend, tmp_path, max_queue=1)
    futures, said = [executor.submit(square, 1)], []

    def submit():
        with pytest.raises(nbexec.RunCancelled, match="because") as caught:
            executor.submit(square, 2)
        said.append(caught.value)

    thread = threading.Thread(target=submit)
    thread.start()
    executor.run.cancel("because")
    thread.join(LONG)
    Ends([*futures, busy]).check()
    assert said


def test_callbacks_submit_to_a_bounded_queue(backend):
    made = []
    with nbexec.Executor(backend, workers=2, max_queue=2) as executor:
        for future in [executor.submit(square, x) for x in range(10)]:
            future.add_done_callback(lambda it: made.append(executor.submit(square, it.result())))
        until(lambda: len(made) == 10, LONG)
        assert sorted(results(made)) == [square(square(x)) for x in range(10)]


def test_map_with_a_bound_retries_and_a_group(backend):
    own = {"max_queue": 2, "retries": 1, "retry_wait": 0, "retry_on": KeyError}
    found = []
    with (
        nbexec.Executor(backend, workers=2, on_error="group", **own) as executor,
        pytest.raises(ExceptionGroup) as caught,
    ):
        found.extend(executor.map(odd_raises, range(9)))
    assert found == [0, 2, 4, 6, 8]
    assert [error.args[0] for error in caught.value.exceptions] == [1, 3, 5, 7]


def test_threads_submit_and_cancel_with_priorities_and_continuations(backend):
    own = {"max_queue": 5, "retries": 1, "retry_wait": 0, "retry_on": OSError}
    found = {}
    with nbexec.Executor(backend, workers=3, **own) as executor:

        def use(number):
            draw = random.Random(number)
            for x in range(number * 100, number * 100 + 20):
                view = executor.options(priority=draw.randrange(3))
                future = view.submit(odd_raises, x)
                cancel = draw.random() < 0.2
                down = future.then(square, on_error=lambda error: -error.args[0])
                found[x] = future, down, cancel and future.cancel()

        threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        Ends([one for future, down, _ in found.values() for one in (future, down)]).check()
    assert len(found) == 80
    for x, (future, down, cancelled) in found.items():
        if cancelled:
            assert future.cancelled()
            assert down.cancelled()
        else:
            assert down.result() == (-x if x % 2 else square(x))


# ---------------------------------------------------------------- ends


def test_a_token_ends_what_runs_waits_and_goes_on(backend):
    token, source = nbexec.CancelToken(), Future()
    executor = nbexec.Executor(backend, workers=2, cancel=token, retries=2, retry_wait=0)
    futures = [executor.submit(nbexec.sleep, LONG), executor.submit(square, source)]
    futures += [one.then(square) for one in futures]
    ends = Ends(futures)
    until(lambda: executor.stats.active, LONG)
    token.cancel("enough")
    ends.check()
    kinds = [one.cancelled() or type(one.exception()) for one in futures]
    assert kinds == [nbexec.RunCancelled, True, nbexec.RunCancelled, True]
    assert ": enough" in str(futures[0].exception())
    executor.shutdown()


def test_shutdown_now_ends_what_waits_in_any_way(backend, tmp_path):
    executor, busy = held(backend, tmp_path)
    futures = [
        executor.submit(square, 1),
        executor.options(priority=3).submit(square, 2),
        executor.submit(square, Future()),
        executor.options(rate="1/h").submit(square, 4),
    ]
    ends = Ends([*futures, futures[0].then(square), busy])
    job = executor.schedule(square, 3, delay=3600)
    never = executor.shutdown_now()
    (tmp_path / "go").touch()
    assert executor.join(LONG)
    ends.check()
    assert all(one.cancelled() for one in futures)
    assert {one.future for one in never} >= {*futures}
    assert job.state == "cancelled"


def test_shutdown_now_ends_a_call_that_waits_to_be_tried_again(backend):
    executor = nbexec.Executor(backend, workers=1, retries=5, retry_wait=1000)
    future = executor.submit(odd_raises, 1)
    ends = Ends([future, future.then(square)])
    until(lambda: executor.stats.retried, LONG)
    assert executor.shutdown_now() == []
    assert executor.join(LONG)
    ends.check()


def test_shutdown_cancels_what_waits_in_any_way(backend, tmp_path):
    executor, busy = held(backend, tmp_path)
    limited = [executor.options(rate="1/h", key=key).submit(square, 1) for key in (None, 2)]
    futures = [executor.submit(square, x) for x in range(6)]
    futures += [*limited, executor.submit(square, Future()), busy.then(str)]
    ends = Ends([*futures, busy])
    executor.shutdown(wait=False, cancel_futures=True)
    (tmp_path / "go").touch()
    assert executor.join(LONG)
    ends.check()
    assert busy.result() == "went"
    assert sum(one.cancelled() for one in futures) >= 8  # a worker may be about to take one


def test_a_dropped_executor_does_what_it_accepted(backend):
    executor, source = nbexec.Executor(backend, workers=1), Future()
    futures = [executor.submit(square, x) for x in range(8)]
    futures += [futures[-1].then(square), executor.options(priority=3).submit(square, source)]
    del executor
    gc.collect()
    source.set_result(4)
    assert results(futures) == [*map(square, range(8)), square(49), 16]


def test_a_deadline_ends_what_waits(backend):
    executor = nbexec.Executor(backend, workers=2, deadline=0.5)
    futures = [executor.submit(nbexec.sleep, LONG) for _ in range(4)]
    futures += [futures[3].then(square), executor.submit(square, Future())]
    Ends(futures).check()
    ways = nbexec.RunCancelled | nbexec.DeadlineExceeded
    assert all(isinstance(one.exception(), ways) for one in futures)
    executor.shutdown()


# ---------------------------------------------------------------- workers


def test_workers_that_die_cost_their_calls_and_what_needs_them(backend):
    require(backend, remote=True)
    with nbexec.Executor(backend, workers=2, crash_retries=0) as executor:
        usual = [executor.submit(square, x) for x in range(10)]
        dead = executor.submit(die)
        down = dead.then(square, on_error=lambda error: type(error).__name__)
        needs = executor.submit(square, dead)
        usual += [executor.options(priority=x % 2).submit(square, x) for x in range(10)]
        assert down.result(LONG) == "WorkerDied"
        assert isinstance(needs.exception(LONG), nbexec.WorkerDied)
        assert results(usual) == [*map(square, range(10))] * 2


def test_workers_that_die_are_recycled_and_restarted(backend, tmp_path):
    require(backend, remote=True, restarts=True, option="recycle_after")
    with nbexec.Executor(backend, workers=2, recycle_after=6, crash_retries=1) as executor:
        futures = [executor.submit(die_once, tmp_path, 3)]
        futures += [executor.options(priority=x % 2).submit(square, x) for x in range(8)]
        executor.restart_workers()
        down = [one.then(square) for one in futures]
        assert results(down) == [9, *(square(square(x)) for x in range(8))]


def test_recycled_workers_are_set_up(backend, tmp_path):
    require(backend, option="recycle_after")
    events = tmp_path / "events"

    def setup():
        return note(events, "setup")

    def teardown(state):
        note(events, f"teardown-of-{state}")

    own = {"recycle_after": 3, "setup": setup, "teardown": teardown}
    with nbexec.Executor(backend, workers=2, **own) as executor:
        futures = [executor.submit(lambda x, state: (x, state), x) for x in range(8)]
        down = futures[0].then(lambda pair, state: (*pair, state))
        assert results(futures) == [(x, "setup") for x in range(8)]
        assert down.result(LONG) == (0, "setup", "setup")
    told = Counter(events.read_text().split())
    assert told["setup"] == told["teardown-of-setup"] >= 3


def test_restarts_and_other_numbers_of_workers_lose_nothing(backend):
    require(backend, restarts=True)
    with nbexec.Executor(backend, workers=2) as executor:
        futures = [executor.submit(square, x) for x in range(10)]
        executor.restart_workers()
        executor.run.workers = 1
        futures += [one.then(square) for one in futures]
        executor.run.workers = 3
        wanted = [*map(square, range(10))]
        assert results(futures) == [*wanted, *map(square, wanted)]


def test_a_broken_initializer_ends_what_waits(backend):
    source = Future()
    executor = nbexec.Executor(backend, workers=2, initializer=odd_raises, initargs=(1,))
    futures = [executor.submit(square, source)]
    futures += [futures[0].then(square), executor.options(retries=2).submit(square, 3)]
    assert isinstance(futures[2].exception(LONG), concurrent.futures.BrokenExecutor)
    source.set_result(3)
    Ends(futures).check()
    assert all(isinstance(one.exception(), concurrent.futures.BrokenExecutor) for one in futures)
    executor.shutdown()


# ---------------------------------------------------------------- options of calls


def test_timeouts_with_retries_and_continuations(backend, tmp_path):
    if not get_backend(backend).can_time_out:
        pytest.skip("no timeout")
    with nbexec.Executor(backend, workers=2, retries=1, retry_wait=0) as executor:
        late = executor.options(timeout=0.3).submit(wait_for, tmp_path / "begun", tmp_path / "go")
        down = late.then(square, on_error=lambda error: type(error).__name__)
        assert executor.submit(flaky, tmp_path, 3).result(LONG) == 3
        assert down.result(LONG) == "ItemTimeout"
        assert executor.stats.retried == 2
        (tmp_path / "go").touch()


def test_calls_that_wait_for_a_rate_are_cancelled(backend, tmp_path):
    with nbexec.Executor(backend, workers=2) as executor:
        slow = executor.options(rate="2/h", key="host")
        futures = [slow.submit(note, tmp_path / "made", x) for x in range(5)]
        ends = Ends([*futures, futures[4].then(square)])
        assert executor.submit(square, 5).result(LONG) == 25
        assert all(one.cancel() for one in futures[2:])
        ends.check()
    assert sorted((tmp_path / "made").read_text().split()) == ["0", "1"]


def test_a_paused_run_goes_on_by_priority(backend, tmp_path):
    with nbexec.Executor(backend, workers=1) as executor:
        assert executor.submit(square, 1).result(LONG) == 1
        executor.run.pause()
        until(lambda: executor.stats.phase == "paused", LONG)
        views = [(x, executor.options(priority=x)) for x in (1, 3, 2)]
        futures = [view.submit(note, tmp_path / "order", x) for x, view in views]
        assert futures[1].cancel()
        down = futures[0].then(square)
        executor.run.resume()
        assert down.result(LONG) == 1
    assert (tmp_path / "order").read_text().split() == ["2", "1"]


def test_a_checkpoint_with_priorities_and_continuations(backend, tmp_path):
    for _ in range(2):
        with nbexec.Executor(backend, workers=2, checkpoint=tmp_path / "journal") as executor:
            views = [executor.options(priority=x) for x in range(5)]
            futures = [view.submit(note, tmp_path / "made", x) for x, view in enumerate(views)]
            assert results([one.then(square) for one in futures]) == [*map(square, range(5))]
    assert sorted((tmp_path / "made").read_text().split()) == list("01234")


def test_groups_of_views_whose_calls_need_others(backend, tmp_path):
    with nbexec.Executor(backend, workers=2) as executor:
        careful = executor.options(priority=3).options(retries=1, retry_wait=0)
        parts = careful.submit_batch([(flaky, (tmp_path, x)) for x in range(5)])
        calls = [(sum, (parts,)), (divmod, (parts[4], parts[2])), (dict, (), {"key": parts[1]})]
        assert results(executor.invoke_all(calls)) == [10, (2, 0), {"key": 1}]
        bad = executor.submit(odd_raises, 1)
        assert executor.invoke_any([(square, (bad,)), (max, (parts,))]) == 4
        with pytest.raises(ExceptionGroup):
            careful.invoke_any([(square, (bad,)), (odd_raises, (bad,))])
        assert careful.schedule(flaky, tmp_path, 9, delay=0.01).result(LONG) == 9
        assert [*careful.map(flaky, [tmp_path] * 2, [20, 21])] == [20, 21]
