"""What is promised of `submit` and of the futures that it gives."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import logging
import threading
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from . import called
from .conformance import Conformance, expect, needs, raised

_SHARED = pytest.StashKey[dict[str, Any]]()  # of a class: its executors, by parameters of tests


class ExecutorPromises(Conformance):
    """What every part of the executor suite uses."""

    def make(self, workers: int, **options: Any) -> Any:
        """Make an executor; override it."""
        raise NotImplementedError(f"{type(self).__name__}.make(workers, **options) makes executors")

    @pytest.fixture
    def executor(self, request: pytest.FixtureRequest) -> Any:
        """Give an executor that others of the class with the same parameters have, too."""
        suite = request.node.getparent(pytest.Class)
        shared = suite.stash.setdefault(_SHARED, {})
        call = getattr(request.node, "callspec", None)
        key = "" if call is None else repr(call.params)
        if key not in shared:
            shared[key] = executor = self.make(2)
            suite.addfinalizer(functools.partial(executor.shutdown, cancel_futures=True))
        return shared[key]

    @contextlib.contextmanager
    def one_busy(self, folder: Path) -> Iterator[tuple[Any, Future[str]]]:
        """Give an executor whose one worker is in a call until the block ends, and its future."""
        begun, go = folder / "begun", folder / "go"
        with self.make(1) as executor:
            future = executor.submit(called.begin_and_wait, begun, go)
            try:
                self.until(begun.exists, "a submitted call begins")
                yield executor, future
            finally:
                go.touch()


class FuturesPromises(ExecutorPromises):
    """submit, and its futures."""

    def test_it_is_an_executor(self, executor: Any) -> None:
        """It is a `concurrent.futures.Executor`, and its futures are that module's."""
        expect(isinstance(executor, concurrent.futures.Executor), True, "an Executor")
        future = executor.submit(called.square, 3)
        expect(isinstance(future, Future), True, "a concurrent.futures.Future")
        expect(future.result(self.seconds), 9, "its result")

    def test_arguments_arrive_as_they_were_given(self, executor: Any) -> None:
        """Arguments arrive as they were given, also those named like submit's own."""
        future = executor.submit(called.given, 1, "two", fn=3, self=4, args=5)
        wanted = ((1, "two"), {"fn": 3, "self": 4, "args": 5})
        expect(future.result(self.seconds), wanted, "the arguments")

    def test_each_call_is_made_once(self, executor: Any, tmp_path: Path) -> None:
        """Each of many calls is made exactly once, and each future has its own call's value."""
        futures = [executor.submit(called.once, tmp_path, x) for x in range(60)]
        expect([f.result(self.seconds) for f in futures], [*range(60)], "the values")

    def test_results_of_any_size_and_kind(self, executor: Any) -> None:
        """None, an exception that is given and not raised, and a megabyte come as they are."""
        for value in (None, False, b"x" * 1_000_000, {"a": [1, (2, 3)]}):
            same = executor.submit(called.give, value).result(self.seconds) == value
            expect(same, True, f"the {type(value).__name__} that the call gave")
        given = executor.submit(called.give, ValueError("a value")).result(self.seconds)
        expect(repr(given), "ValueError('a value')", "an exception as a value")

    def test_what_a_call_raises_is_what_result_raises(self, executor: Any) -> None:
        """`result` raises the call's own exception, and `exception` gives it."""
        future = executor.submit(called.fail, "why")
        error = raised(called.Complaint, lambda: future.result(self.seconds), "result()")
        expect(error.args, ("why", 7), "the exception's arguments")
        expect(future.exception(), error, "exception()")
        expect(future.done(), True, "done()")
        expect(executor.submit(called.square, 2).exception(self.seconds), None, "no exception()")

    def test_the_traceback_names_the_function_that_raised(self, executor: Any) -> None:
        """The traceback of a call's exception shows the line that raised it."""
        error = executor.submit(called.fail, "why").exception(self.seconds)
        shown = "".join(traceback.format_exception(error))
        expect("in fail" in shown and "raise error" in shown, True, f"the line, in:\n{shown}")

    def test_an_exception_is_its_futures_alone(self, executor: Any) -> None:
        """A call that raises, even SystemExit, costs no other call."""
        leave = SystemExit(3)
        bad = [executor.submit(called.throw, leave), executor.submit(called.fail, "why")]
        good = [executor.submit(called.square, x) for x in range(20)]
        expect([f.result(self.seconds) for f in good], [x * x for x in range(20)], "the others")
        kinds = [type(f.exception(self.seconds)) for f in bad]
        expect(kinds, [SystemExit, called.Complaint], "exceptions")

    def test_a_cancelled_error_of_the_call_is_no_cancellation(self, executor: Any) -> None:
        """A call that raises CancelledError itself has failed, and was not cancelled."""
        error = concurrent.futures.CancelledError("its own")
        future = executor.submit(called.throw, error)
        self.until(future.done, "a future is done once its call has ended")
        expect(future.cancelled(), False, "cancelled()")
        kind = type(future.exception())
        expect(kind, concurrent.futures.CancelledError, "exception()")

    def test_waiting_for_a_result_can_time_out(self, tmp_path: Path) -> None:
        """`result` and `exception` raise TimeoutError in time, and the call goes on."""
        with self.one_busy(tmp_path) as (_, future):
            raised(TimeoutError, lambda: future.result(0.01), "result(0.01)")
            raised(TimeoutError, lambda: future.exception(0.01), "exception(0.01)")
        expect(future.result(self.seconds), "begun", "the result, later")

    def test_a_running_call_is_not_cancelled(self, tmp_path: Path) -> None:
        """A call that runs says so, can't be cancelled, and gives its value."""
        with self.one_busy(tmp_path) as (_, future):
            states = (future.running(), future.done(), future.cancelled(), future.cancel())
            expect(states, (True, False, False, False), "running, done, cancelled, cancel()")
        expect(future.result(self.seconds), "begun", "the result")
        states = (future.running(), future.done(), future.cancelled(), future.cancel())
        expect(states, (False, True, False, False), "the same, after its end")

    def test_a_pending_call_can_be_cancelled(self, tmp_path: Path) -> None:
        """A pending call that was cancelled is never made; who waits for it is told."""
        told: list[Future[Any]] = []
        with self.one_busy(tmp_path) as (executor, _):
            futures = [executor.submit(called.once, tmp_path, f"call-{n}") for n in range(8)]
            last = futures[-1]
            last.add_done_callback(told.append)
            expect((last.cancel(), last.cancelled(), last.done()), (True,) * 3, "cancel()")
            raised(concurrent.futures.CancelledError, last.result, "result()")
            expect((told, last.cancel()), ([last], True), "its callback; cancel() once more")
        done, _ = concurrent.futures.wait([last], self.seconds)
        expect(done, {last}, "wait() gives a cancelled future")
        expect([f.result(self.seconds) for f in futures[:-1]][-1], "call-6", "the others")
        expect((tmp_path / "call-7").exists(), False, "whether the cancelled call was made")

    def test_callbacks_are_called_once_in_order(self, tmp_path: Path) -> None:
        """Done-callbacks are called once, in order, with the future; late ones at once."""
        told: list[tuple[str, Future[Any]]] = []
        with self.one_busy(tmp_path) as (_, future):
            future.add_done_callback(lambda it: told.append(("a", it)))
            future.add_done_callback(lambda it: told.append(("b", it)))
            expect(told, [], "callbacks before the end")
        future.result(self.seconds)
        self.until(lambda: len(told) >= 2, "callbacks are called")
        future.add_done_callback(lambda it: told.append(("late", it)))
        expect(told, [(name, future) for name in ("a", "b", "late")], "callbacks")

    def test_a_callback_that_raises_breaks_nothing(
        self, executor: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What a callback raises is logged; later callbacks and other calls go on."""
        told: list[Any] = []
        with caplog.at_level(logging.CRITICAL + 1, "concurrent.futures"):
            future = executor.submit(called.square, 3)
            future.add_done_callback(lambda _: called.fail("in a callback"))
            future.add_done_callback(told.append)
            self.until(lambda: told, "the callback after one that raised is called")
            expect(executor.submit(called.square, 4).result(self.seconds), 16, "another call")

    def test_a_callback_may_submit(self, executor: Any) -> None:
        """A done-callback may submit another call to the same executor."""
        made: list[Future[int]] = []
        first = executor.submit(called.square, 3)
        first.add_done_callback(lambda it: made.append(executor.submit(called.square, it.result())))
        self.until(lambda: made, "the callback submits")
        expect(made[0].result(self.seconds), 81, "the result of what a callback submitted")

    def test_wait_and_as_completed(self, executor: Any, tmp_path: Path) -> None:
        """`wait` and `as_completed` give each future once, beside those of other executors."""
        go = tmp_path / "go"
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            theirs = other.submit(called.wait_for, go)
            futures = [executor.submit(called.square, x) for x in range(5)]
            everything = concurrent.futures.FIRST_COMPLETED
            done, pending = concurrent.futures.wait([*futures, theirs], self.seconds, everything)
            expect(bool(done) and theirs in pending, True, "FIRST_COMPLETED: one, at least")
            go.touch()
            came = list(concurrent.futures.as_completed([*futures, theirs, *futures], self.seconds))
        expect((len(came), {*came}), (6, {*futures, theirs}), "as_completed")
        bad = executor.submit(called.fail, "why")
        first = concurrent.futures.FIRST_EXCEPTION
        done, _ = concurrent.futures.wait([bad, *futures], self.seconds, first)
        expect(bad in done, True, "FIRST_EXCEPTION: the one that raised")

    def test_many_threads_may_submit(self, executor: Any, tmp_path: Path) -> None:
        """Threads may submit at once: each call is made once, for its own future."""
        found: dict[int, list[object]] = {}

        def use(n: int) -> None:
            mine = [executor.submit(called.once, tmp_path, f"{n}-{x}") for x in range(8)]
            found[n] = [future.result(self.seconds) for future in mine]

        threads = [threading.Thread(target=use, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.seconds)
        expect(found, {n: [f"{n}-{x}" for x in range(8)] for n in range(4)}, "the results")

    def test_asyncio_awaits_its_calls(self, executor: Any) -> None:
        """`run_in_executor` and `asyncio.wrap_future` work with it."""

        async def main() -> list[int]:
            loop = asyncio.get_running_loop()
            wrapped = asyncio.wrap_future(executor.submit(called.square, 4))
            return [await loop.run_in_executor(executor, called.square, 3), await wrapped]

        expect(asyncio.run(main()), [9, 16], "what was awaited")

    @needs("lets_go")
    def test_what_a_call_was_given_is_let_go(self, executor: Any) -> None:
        """Once a call has ended, nobody holds its arguments any more."""
        argument = called.Argument()
        ref = weakref.ref(argument)
        future = executor.submit(called.kind_of, argument)
        del argument
        expect(future.result(self.seconds), "Argument", "the result")
        self.until(lambda: gc.collect() >= 0 and ref() is None, "the argument is let go")
