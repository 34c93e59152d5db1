"""What `nbexec.Executor` promises beyond `concurrent.futures`."""

from __future__ import annotations

import itertools
import os
import random
import threading
from pathlib import Path
from typing import Any

from ..errors import ItemTimeout, OptionError, PickleError, RunCancelled, WorkerDied
from . import called
from .conformance import expect, needs, of_a_notebook, raised
from .executor_futures import ExecutorPromises


class BeyondPromises(ExecutorPromises):
    """What is promised beyond `concurrent.futures`: each needs the feature "beyond"."""

    def in_other_processes(self) -> bool:
        """Whether calls run in other processes."""
        with self.make(1) as executor:
            return bool(executor.submit(os.getpid).result(self.seconds) != os.getpid())

    @needs("beyond", "closures")
    def test_functions_from_a_notebook_travel(self, executor: Any) -> None:
        """Lambdas, closures and objects of local classes can be submitted and given."""

        class Point:
            def __init__(self, x: int) -> None:
                self.x = x

        offset = 10
        expect(executor.submit(lambda x: x + offset, 3).result(self.seconds), 13, "a closure")
        expect(executor.submit(Point, 5).result(self.seconds).x, 5, "an object that was given")
        expect(executor.submit(lambda p: p.x, Point(6)).result(self.seconds), 6, "an argument")

    @needs("beyond", "coroutines")
    def test_coroutine_functions_run_to_their_end(self, executor: Any) -> None:
        """The future of a coroutine function has what it returns."""
        expect(executor.submit(called.awaited, 4).result(self.seconds), 8, "the result")
        expect(list(executor.map(called.awaited, [1, 2])), [2, 4], "map")

    @needs("beyond", "exceptions")
    def test_exceptions_come_whole(self, executor: Any) -> None:
        """A call's exception has its attributes and notes, and its traceback the call's frames."""
        error = executor.submit(called.fail, "why").exception(self.seconds)
        expect(vars(error).get("code"), 42, "an attribute")
        expect("a note of the function's" in error.__notes__, True, "a note")
        frames, at = [], error.__traceback__
        while at is not None:
            frames.append(at.tb_frame.f_code.co_name)
            at = at.tb_next
        expect("fail" in frames, True, f"the frame of `fail` among {frames}")

    @needs("beyond", "pickle_errors")
    def test_a_call_that_can_not_be_sent_is_its_futures_error(self) -> None:
        """What can't be sent to another process is that future's PickleError, and no other's."""
        if not self.in_other_processes():
            return
        with self.make(2) as executor:
            lock = threading.Lock()
            bad = [executor.submit(called.kind_of, lock), executor.submit(threading.Lock)]
            good = executor.submit(called.square, 3)
            raised(PickleError, lambda: bad[0].result(self.seconds), "an argument")
            raised(PickleError, lambda: bad[1].result(self.seconds), "a result")
            expect(good.result(self.seconds), 9, "another call")

    @needs("beyond", "deaths")
    def test_a_worker_that_dies_costs_its_call(self) -> None:
        """The call that ended its process fails with WorkerDied; the others go on."""
        if not self.in_other_processes():
            return
        with self.make(2, crash_retries=0) as executor:
            futures = [executor.submit(called.square, x) for x in range(6)]
            dead = executor.submit(called.die)
            futures += [executor.submit(called.square, x) for x in range(6, 12)]
            raised(WorkerDied, lambda: dead.result(self.seconds), "the call that died")
            wanted = [x * x for x in range(12)]
            expect([f.result(self.seconds) for f in futures], wanted, "the others")

    @needs("beyond", "retries")
    def test_calls_are_tried_again(self, tmp_path: Path) -> None:
        """With `retries` a call that raises is tried again, and its future has the last try."""
        path = tmp_path / "tries"

        def flaky(most: int) -> int:
            called.note(path, "try")
            if len(path.read_text().split()) < most:
                raise OSError("not yet")
            return most

        with self.make(1, retries=2, retry_wait=0) as executor:
            expect(executor.submit(flaky, 3).result(self.seconds), 3, "the third try")
            future = executor.submit(called.fail, "why")
            raised(called.Complaint, lambda: future.result(self.seconds), "the last try")
            expect(executor.stats.retried, 4, "stats.retried")

    @needs("beyond", "timeout")
    def test_a_call_can_take_too_long(self, tmp_path: Path) -> None:
        """With `timeout` a call that takes longer fails with ItemTimeout; others go on."""
        go = tmp_path / "go"
        with self.make(1, timeout=1.0) as executor:
            late = executor.submit(called.wait_for, go)
            raised(ItemTimeout, lambda: late.result(self.seconds), "a call that never ends")
            expect(executor.submit(called.square, 3).result(self.seconds), 9, "another call")
            go.touch()

    @needs("beyond", "run")
    def test_its_calls_are_counted(self) -> None:
        """`stats` counts calls that have a value and calls that failed."""
        with self.make(2) as executor:
            futures = [executor.submit(called.fail_on_odd, x) for x in range(10)]
            for future in futures:
                future.exception(self.seconds)
        stats = executor.stats
        expect((stats.done, stats.failed), (5, 5), "done, failed")

    @needs("beyond", "run")
    def test_its_run_can_be_cancelled(self, tmp_path: Path) -> None:
        """`run.cancel()` ends every call: each future is done, with RunCancelled or cancelled."""
        go = tmp_path / "go"
        executor = self.make(1)
        futures = [executor.submit(called.wait_for, go) for _ in range(6)]
        executor.run.cancel()
        expect(executor.run.wait(self.seconds), True, "the run ends")
        for future in futures:
            self.until(future.done, "each future is done")
        kinds = {"cancelled" if f.cancelled() else type(f.exception()) for f in futures}
        expect(kinds <= {"cancelled", RunCancelled}, True, f"how they ended: {kinds}")
        go.touch()
        raised(Exception, lambda: executor.submit(called.square, 3), "submit, after that")

    @needs("beyond", "seed")
    def test_a_seed_gives_the_same_numbers(self) -> None:
        """With `seed` calls draw the same random numbers in each executor, and one's own each."""

        @of_a_notebook
        def draw(_: int) -> float:
            return random.random()

        def drawn() -> list[float]:
            with self.make(2, seed=7) as executor:
                return list(executor.map(draw, range(8)))

        first = drawn()
        expect(len({*first}), 8, "how many of 8 numbers differ")
        expect(drawn(), first, "the same seed, again")

    @needs("beyond", "chunks")
    def test_map_may_be_endless(self, executor: Any) -> None:
        """`map` with `buffersize` and `chunksize` gives results of an endless input."""
        results = executor.map(called.square, itertools.count(), buffersize=3, chunksize=4)
        found = [next(results) for _ in range(20)]
        expect(found, [x * x for x in range(20)], "the results")
        results.close()

    @needs("beyond", "options")
    def test_bad_options_are_told_at_once(self) -> None:
        """An option that isn't there, or a value that can't be used, is an OptionError."""
        raised(OptionError, lambda: self.make(1, retrys=1), "retrys=1")
        raised(OptionError, lambda: self.make(1, retries=-1), "retries=-1")
