"""What is promised of a backend where items fail, take too long, or end their worker."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..backends import get_backend
from ..errors import DeadlineExceeded, ItemsError, ItemTimeout, OptionError, PickleError, WorkerDied
from ..model import Failure
from . import called
from .backend_results import BackendPromises
from .conformance import expect, needs, raised


class FailurePromises(BackendPromises):
    """Failures, retries, timeouts and deaths."""

    def test_the_first_failing_item_is_raised(self) -> None:
        """`map` raises the exception of the first item in order that fails, whoever is first."""

        def fail(x: int) -> int:
            if x in (3, 4):
                time.sleep(0.02 if x == 3 else 0)
                raise ValueError(f"item {x}")
            return x

        for chunk in (1, None):
            call = functools.partial(self.map, fail, range(40), chunk=chunk)
            error = raised(ValueError, call, "the exception of item 3")
            expect(str(error), "item 3", "which item")
            partial = error.partial_results[:3]  # type: ignore[attr-defined]
            expect(partial, [0, 1, 2], "the results before it")
            note = " ".join(error.__notes__)
            expect("item 3 of 40" in note, True, f"the item in a note: {note}")

    def test_exceptions_come_whole(self) -> None:
        """An exception has its class, arguments, attributes, notes and the function's own frame."""
        call = functools.partial(self.map, called.fail, ["why"])
        error = raised(called.Complaint, call, "the item's exception")
        expect(error.args, ("why", 7), "its arguments")
        expect(vars(error).get("code"), 42, "an attribute")
        expect("a note of the function's" in error.__notes__, True, "a note")
        frames, at = [], error.__traceback__
        while at is not None:
            frames.append(at.tb_frame.f_code.co_name)
            at = at.tb_next
        expect("fail" in frames, True, f"the frame of `fail` among {frames}")

    def test_failures_are_collected(self) -> None:
        """With `on_error="collect"` a Failure stands in each failed item's place."""
        results = self.map(called.fail_on_odd, range(40), on_error="collect")
        expect(results.ok(), [*range(0, 40, 2)], "values")
        expect([one.index for one in results.failures], [*range(1, 40, 2)], "failures")
        one = results[7]
        expect(isinstance(one, Failure), True, "a Failure in its place")
        wanted = (7, 7, 1, "error")
        expect((one.index, one.item, one.attempt, one.kind), wanted, "index, item, attempt, kind")
        expect(type(one.exception), ValueError, "its exception")
        expect("fail_on_odd" in one.traceback, True, f"`fail_on_odd` in its traceback, {one}")
        expect(bool(one.worker), True, "the name of its worker")
        stats = results.run.stats if results.run is not None else None
        counts = stats and (stats.done, stats.failed, stats.total, stats.phase)
        expect(counts, (20, 20, 40, "done"), "stats: done, failed, total, phase")

    def test_system_exit_is_the_items_own_failure(self) -> None:
        """An item that raises SystemExit, or the like, fails, and costs no other item."""

        def leave(x: int) -> int:
            if x == 1:
                raise SystemExit(3)
            return x

        results = self.map(leave, range(6), on_error="collect")
        expect(results.ok(), [0, 2, 3, 4, 5], "the others")
        expect(type(results[1].exception), SystemExit, "the failure's exception")

    def test_what_setup_raises_is_the_items_failure(self) -> None:
        """Where `setup` raises, the items fail with its exception."""

        def setup() -> None:
            raise OSError("no model")

        results = self.map(lambda x, state: x, range(4), setup=setup, on_error="collect")
        expect([str(one.exception) for one in results], ["no model"] * 4, "the failures")

    def test_items_are_tried_again(self, tmp_path: Path) -> None:
        """With `retries` an item that raises is tried again, and others are not."""

        def flaky(x: int) -> int:
            path = tmp_path / str(x)
            called.note(path, "try")
            tries = len(path.read_text().split())
            if x % 3 == 0 and tries < 3:
                raise OSError("not yet")
            return tries

        results = self.map(flaky, range(12), retries=2, retry_wait=0)
        expect(results, [3 if x % 3 == 0 else 1 for x in range(12)], "tries of each item")
        results = self.map(called.fail, ["why"], retries=1, retry_wait=0, on_error="collect")
        expect(results[0].attempt, 2, "the attempt that failed for good")

    def test_an_input_that_raises_keeps_what_was_finished(self) -> None:
        """Where the iterable raises, `map` raises ItemsError, with all results before it."""

        def items() -> Iterator[int]:
            yield from range(20)
            raise KeyError("row 20")

        error = raised(ItemsError, lambda: self.map(called.square, items()), "ItemsError")
        expect(type(error.__cause__), KeyError, "its cause")
        kept = error.partial_results
        expect(kept, [x * x for x in range(20)], "the results before it")

    def test_an_item_can_take_too_long(self, tmp_path: Path) -> None:
        """With `timeout` the item that hangs fails with ItemTimeout, or the option is refused."""
        paths = [tmp_path / str(n) for n in range(6)]
        for path in paths:
            if path.name != "3":
                path.touch()
        call = functools.partial(
            self.map, called.wait_for, paths, timeout=1.5, on_error="collect", workers=2
        )
        if not get_backend(self.backend).can_time_out:
            raised(OptionError, call, "timeout= where can_time_out is False")
            return
        results = call()
        paths[3].touch()  # what was left behind ends
        expect([one.index for one in results.failures], [3], "the items that failed")
        expect(type(results[3].exception), ItemTimeout, "the failure's exception")
        expect(self.map(called.square, [3]), [9], "the next run")

    def test_a_run_can_take_too_long(self, tmp_path: Path) -> None:
        """With `deadline` the run ends with DeadlineExceeded, though items hang."""
        go = tmp_path / "go"
        leaves = get_backend(self.backend).can_time_out
        hang = called.wait_for if leaves else called.wait_while_wanted
        call = functools.partial(self.map, hang, [go] * 6, deadline=0.3)
        raised(DeadlineExceeded, call, "deadline=0.3")
        go.touch()
        expect(self.map(called.square, [3]), [9], "the next run")

    @needs("hedging")
    def test_a_second_try_may_win(self, tmp_path: Path) -> None:
        """With `hedge_after` a late item is tried on another worker, and the first value counts."""
        if not get_backend(self.backend).can_time_out or self.at_once() < 2:
            pytest.skip("no item can be left while it runs, or there is one worker")
        first, go = tmp_path / "first", tmp_path / "go"

        def late(_: int) -> str:
            try:
                first.open("x").close()
            except FileExistsError:
                return "the second try"
            return called.wait_for(go)

        results = self.map(late, [0], hedge_after=0.05)
        go.touch()
        expect(results, ["the second try"], "the value that counts")

    @needs("deaths")
    def test_a_worker_that_dies_costs_its_item(self, tmp_path: Path) -> None:
        """An item that ends its process is lost, with WorkerDied; no other item is."""
        if not self.in_other_processes():
            pytest.skip("items run in this process: it would end")

        def work(x: int) -> int:
            if x == 7:
                called.die()
            return x

        results = self.map(work, range(20), on_error="collect")
        expect(results.ok(), [x for x in range(20) if x != 7], "the others")
        one = results[7]
        found = (one.kind, type(one.exception), one.attempt)
        expect(found, ("lost", WorkerDied, 2), "kind, exception, attempt")
        expect(self.map(called.square, [3]), [9], "the next run")

    @needs("deaths")
    def test_without_crash_retries_nothing_is_begun_twice(self, tmp_path: Path) -> None:
        """With `crash_retries=0` no item is begun twice, though a worker dies."""
        if not self.in_other_processes():
            pytest.skip("items run in this process: it would end")

        def work(x: int) -> Any:
            called.once(tmp_path, x)
            return called.die() if x == 5 else x

        results = self.map(work, range(16), on_error="collect", crash_retries=0)
        expect(results.ok(), [x for x in range(16) if x != 5], "the others")
        expect([one.attempt for one in results.failures], [1], "the attempt that was lost")

    def test_what_can_not_be_sent_is_told(self) -> None:
        """Where things are pickled, one that can't be costs its item, and a function the run."""
        if not get_backend(self.backend).remote:
            pytest.skip("nothing is pickled")
        lock = threading.Lock()

        def locked(x: int) -> int:
            with lock:
                return x

        raised(PickleError, lambda: self.map(locked, [1]), "a function that can't be sent")
        results = self.map(called.kind_of, [1, lock, 2], on_error="collect")
        expect([type(f.exception) for f in results.failures], [PickleError], "an item")

        def make(x: int) -> Any:
            return threading.Lock() if x == 1 else x

        results = self.map(make, range(3), on_error="collect")
        kinds = [type(one.exception) for one in results.failures]
        expect((kinds, results.ok()), ([PickleError], [0, 2]), "a result")
