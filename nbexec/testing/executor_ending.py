"""What is promised of `shutdown`, and of what is there after it."""

from __future__ import annotations

import concurrent.futures
import gc
import threading
from pathlib import Path
from typing import Any

from . import called
from .conformance import expect, needs, raised
from .executor_futures import ExecutorPromises


class EndingPromises(ExecutorPromises):
    """shutdown, and `with`."""

    def test_shutdown_waits_for_every_call(self, tmp_path: Path) -> None:
        """After `shutdown()` every call that was accepted is done, pending ones too."""
        executor = self.make(2)
        futures = [executor.submit(called.once, tmp_path, x) for x in range(20)]
        executor.shutdown()
        expect({f.done() for f in futures}, {True}, "done() after shutdown()")
        expect([f.result(0) for f in futures], [*range(20)], "the results")

    def test_nothing_is_accepted_after_shutdown(self) -> None:
        """After `shutdown` both `submit` and `map` raise RuntimeError; again, it is harmless."""
        executor = self.make(1)
        future = executor.submit(called.square, 3)
        executor.shutdown()
        executor.shutdown()
        executor.shutdown(wait=False, cancel_futures=True)
        raised(RuntimeError, lambda: executor.submit(called.square, 4), "submit")
        raised(RuntimeError, lambda: list(executor.map(called.square, [4])), "map")
        expect(future.result(0), 9, "a result from before")

    def test_with_waits(self, tmp_path: Path) -> None:
        """The end of a `with` block waits for the calls, also where the block raised."""
        futures: list[Any] = []

        def block() -> None:
            with self.make(2) as executor:
                futures.extend(executor.submit(called.once, tmp_path, x) for x in range(20))
                raise called.Complaint("of the block")

        raised(called.Complaint, block, "the block's own exception")
        expect([f.done() and f.result() for f in futures], [*range(20)], "its calls")

    def test_shutdown_need_not_wait(self, tmp_path: Path) -> None:
        """With `wait=False` it returns while calls run, and these and pending ones go on."""
        with self.one_busy(tmp_path) as (executor, busy):
            pending = executor.submit(called.once, tmp_path, "pending")
            executor.shutdown(wait=False)
            expect((busy.done(), pending.done()), (False, False), "done() after shutdown")
            raised(RuntimeError, lambda: executor.submit(called.square, 4), "submit")
        expect(busy.result(self.seconds), "begun", "the call that ran")
        expect(pending.result(self.seconds), "pending", "the call that was pending")

    def test_shutdown_can_cancel_what_is_pending(self, tmp_path: Path) -> None:
        """With `cancel_futures` pending calls are cancelled, and those that run go on."""
        with self.one_busy(tmp_path) as (executor, busy):
            futures = [executor.submit(called.once, tmp_path, f"call-{n}") for n in range(20)]
            executor.shutdown(wait=False, cancel_futures=True)
            self.until(futures[-1].cancelled, "the last of the pending calls is cancelled")
        executor.shutdown()
        expect(busy.result(self.seconds), "begun", "the call that ran")
        for n, future in enumerate(futures):
            self.until(future.done, "each future is done")
            made = (tmp_path / f"call-{n}").exists()
            expect(future.cancelled(), not made, f"call {n}: cancelled, or else made")
        at_least = sum(future.cancelled() for future in futures) >= 10
        expect(at_least, True, "most of 20 calls behind a busy worker are cancelled")

    def test_who_waits_for_a_cancelled_call_is_woken(self, tmp_path: Path) -> None:
        """A thread that waits for a call is told at once when `cancel_futures` cancels it."""
        told = threading.Event()

        def wait(future: Any) -> None:
            try:
                future.result(self.seconds)
            except concurrent.futures.CancelledError:
                told.set()

        with self.one_busy(tmp_path) as (executor, _):
            futures = [executor.submit(called.square, x) for x in range(20)]
            waiting = threading.Thread(target=wait, args=(futures[-1],))
            waiting.start()
            executor.shutdown(wait=False, cancel_futures=True)
            expect(told.wait(self.seconds), True, "CancelledError where somebody waits")
            waiting.join()

    @needs("drops_threads")
    def test_an_executor_that_is_dropped_ends_its_threads(self) -> None:
        """An executor that nobody shut down or holds any more leaves no thread that it began."""
        with self.make(1) as executor:  # so that workers that are kept are there
            executor.submit(called.square, 3).result(self.seconds)
        before = {*threading.enumerate()}
        executor = self.make(1)
        expect(executor.submit(called.square, 3).result(self.seconds), 9, "a result")
        begun = {*threading.enumerate()} - before
        del executor

        def ended() -> bool:
            gc.collect()
            return not any(thread.is_alive() and not thread.daemon for thread in begun)

        self.until(ended, "its threads end")
