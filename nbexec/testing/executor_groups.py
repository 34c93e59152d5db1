"""What `nbexec.Executor` promises of calls that belong together: continuations and groups."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures import Future
from typing import Any

from . import called
from .conformance import expect, needs, raised
from .executor_futures import ExecutorPromises


class GroupPromises(ExecutorPromises):
    """Calls that wait for others, and calls together: each needs the feature "beyond"."""

    @needs("beyond", "futures_as_arguments")
    def test_futures_may_be_arguments(self, executor: Any) -> None:
        """A call with futures among its arguments begins once they are done, with their results."""
        source: Future[int] = Future()
        two = executor.submit(called.give, 2)
        waiting = executor.submit(called.given, source, [two, 3], key={"two": two})
        expect(executor.submit(called.square, 3).result(self.seconds), 9, "a call meanwhile")
        expect((waiting.done(), waiting.running()), (False, False), "done, running")
        source.set_result(1)
        wanted = ((1, [2, 3]), {"key": {"two": 2}})
        expect(waiting.result(self.seconds), wanted, "the arguments")

    @needs("beyond", "futures_as_arguments")
    def test_a_failure_goes_down_to_calls_that_need_the_result(self, executor: Any) -> None:
        """A call whose argument failed, or was cancelled, ends so too, and is not made."""
        source: Future[int] = Future()
        cancelled = executor.submit(called.square, executor.submit(called.square, source))
        source.cancel()
        done, _ = concurrent.futures.wait([cancelled], self.seconds)
        expect((len(done), cancelled.cancelled()), (1, True), "done, cancelled")
        bad = executor.submit(called.fail, "why")
        down = executor.submit(called.square, bad)
        error = raised(called.Complaint, lambda: down.result(self.seconds), "the call after it")
        expect(error is bad.exception(), True, "whether it is the same exception")

    @needs("beyond", "then")
    def test_then_goes_on_with_a_result_or_an_exception(self, executor: Any) -> None:
        """`then` gives the future of the next call, or passes the exception on."""
        good = executor.submit(called.square, 3).then(called.square)
        expect(good.result(self.seconds), 81, "then(fn)")
        bad = executor.submit(called.fail, "why")
        kind = bad.then(called.square, called.kind_of).result(self.seconds)
        expect(kind, "Complaint", "then(fn, on_error)")
        expect(bad.then(called.square).exception(self.seconds), bad.exception(), "without it")

    @needs("beyond", "groups")
    def test_calls_are_submitted_together(self, executor: Any) -> None:
        """`submit_batch` and `invoke_all` give futures in order; `invoke_all` waits for them."""
        calls = [
            (called.square, (3,)),
            (called.given, (1,), {"key": 2}),
            dict,
            (called.fail, ("x",)),
        ]
        for together in (executor.submit_batch, executor.invoke_all):
            futures = together(calls)
            if together == executor.invoke_all:
                expect([future.done() for future in futures], [True] * 4, "done()")
            found = [future.result(self.seconds) for future in futures[:3]]
            expect(found, [9, ((1,), {"key": 2}), {}], "the results")
            expect(type(futures[3].exception(self.seconds)), called.Complaint, "the failure")
        raised(TypeError, lambda: executor.submit_batch([(called.square, 3)]), "no call")

    @needs("beyond", "groups")
    def test_the_first_success_is_enough(self, executor: Any) -> None:
        """`invoke_any` gives what succeeds first; where none does, all exceptions in a group."""
        calls = [(called.fail, ("x",)), (called.square, (3,))]
        expect(executor.invoke_any(calls), 9, "the value")
        group = raised(
            ExceptionGroup, lambda: executor.invoke_any([calls[0], calls[0]]), "none succeeds"
        )
        kinds = [type(error) for error in group.exceptions]
        expect(kinds, [called.Complaint] * 2, "the exceptions")

    @needs("beyond", "groups")
    def test_its_own_wait_and_as_completed(self, executor: Any) -> None:
        """`wait` and `as_completed` as methods give each future once, and time out."""
        never: Future[int] = Future()
        futures = [executor.submit(called.square, x) for x in range(3)]
        first = executor.wait([*futures, never], self.seconds, concurrent.futures.FIRST_COMPLETED)
        expect(bool(first.done) and never in first.not_done, True, "FIRST_COMPLETED")
        expect(executor.wait(futures, self.seconds).done, {*futures}, "wait()")
        came = [*executor.as_completed([*futures, *futures], self.seconds)]
        expect((len(came), {*came}), (3, {*futures}), "as_completed()")
        raised(TimeoutError, lambda: [*executor.as_completed([never], 0.01)], "as_completed(0.01)")

    @needs("beyond", "on_error")
    def test_map_can_give_all_failures_at_its_end(self) -> None:
        """With `on_error="group"` `map` gives the other results, and then raises all exceptions."""
        found: list[int] = []
        with self.make(2, on_error="group") as executor:
            results = executor.map(called.fail_on_odd, range(5))
            group = raised(ExceptionGroup, lambda: found.extend(results), "the end of map")
        expect(found, [0, 2, 4], "the others' results")
        expect([str(error) for error in group.exceptions], ["odd: 1", "odd: 3"], "the exceptions")

    @needs("beyond", "callbacks_may_wait")
    def test_a_callback_may_wait_for_another_call(self) -> None:
        """A done-callback may submit a call and wait for its result, with one worker, too."""
        found: list[int] = []
        with self.make(1) as executor:
            future = executor.submit(called.square, 3)
            future.add_done_callback(
                lambda it: found.append(
                    executor.submit(called.square, it.result()).result(self.seconds)
                )
            )
            self.until(lambda: found, "the callback ends")
        expect(found, [81], "what the callback got")
