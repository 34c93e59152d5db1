"""What is promised of an executor's workers: what runs at once, in which order, made ready how."""

from __future__ import annotations

import concurrent.futures
import functools
from pathlib import Path
from typing import Any

from . import called
from .conformance import expect, needs, raised
from .executor_futures import ExecutorPromises


class WorkersPromises(ExecutorPromises):
    """Workers, and their initializer."""

    @needs("parallel")
    def test_calls_run_at_the_same_time(self, executor: Any, tmp_path: Path) -> None:
        """Two workers run two calls at the same time: they may wait for each other."""
        a, b = tmp_path / "a", tmp_path / "b"
        futures = [executor.submit(called.meet, a, b), executor.submit(called.meet, b, a)]
        expect([f.result(self.seconds) for f in futures], ["a", "b"], "calls that meet")

    def test_no_more_run_at_once_than_there_are_workers(self, executor: Any) -> None:
        """Two workers run at most two calls at the same time."""
        futures = [executor.submit(called.span, x) for x in range(16)]
        most = called.most_at_once([future.result(self.seconds) for future in futures])
        expect(most <= 2, True, f"{most} calls at once on 2 workers: at most 2")

    def test_calls_begin_in_the_order_of_their_submission(self, tmp_path: Path) -> None:
        """One worker makes its calls in the order in which they were submitted."""
        path = tmp_path / "order"
        with self.make(1) as executor:
            for x in range(12):
                executor.submit(called.note, path, x)
        expect(path.read_text().split(), [str(x) for x in range(12)], "the order")

    def test_at_least_one_worker(self) -> None:
        """An executor with no worker, or fewer, is a ValueError when it is made."""
        for workers in (0, -1):
            make = functools.partial(self.make, workers)
            raised(ValueError, make, f"{workers} workers")

    @needs("initializer")
    def test_an_initializer_is_called_before_the_calls(self, tmp_path: Path) -> None:
        """The initializer is called with its arguments in a worker, once, before its first call."""
        mine = str(tmp_path)
        with self.make(2, initializer=called.prepare_worker, initargs=(mine,)) as executor:
            futures = [executor.submit(called.prepared, mine) for _ in range(20)]
            found = {future.result(self.seconds) for future in futures}
        expect(found <= {1, 2}, True, f"initializers in a process, of 2 workers: {found}")

    @needs("initializer", "own_threads")
    def test_an_initializer_is_called_in_the_thread_of_the_calls(self) -> None:
        """What the initializer left in its thread is there for the worker's calls."""
        with self.make(2, initializer=called.prepare_worker, initargs=("me",)) as executor:
            futures = [executor.submit(called.prepared_thread) for _ in range(20)]
            found = [future.result(self.seconds)[-1:] for future in futures]
        expect(found, [["me"]] * 20, "what the initializer left")

    @needs("initializer")
    def test_an_initializer_that_raises_breaks_the_executor(self) -> None:
        """Where the initializer raises, calls fail with BrokenExecutor, and none is accepted."""
        raises = {"initializer": called.fail, "initargs": ("no model",)}
        broken = concurrent.futures.BrokenExecutor
        with self.make(1, **raises) as executor:
            future = executor.submit(called.square, 3)
            raised(broken, lambda: future.result(self.seconds), "result()")
            raised(broken, lambda: executor.submit(called.square, 3), "submit, after that")

    @needs("initializer")
    def test_an_initializer_must_be_callable(self) -> None:
        """An initializer that can't be called is a TypeError when the executor is made."""
        raised(TypeError, lambda: self.make(1, initializer=3), "initializer=3")
