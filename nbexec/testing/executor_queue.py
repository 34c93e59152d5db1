"""What `nbexec.Executor` promises of its queue: order, bounds, options of single calls, its end."""

from __future__ import annotations

import concurrent.futures
import functools
import os
import threading
from pathlib import Path
from typing import Any

from ..errors import ItemTimeout, OptionError, QueueFull, RunCancelled
from ..options.cancel_token import CancelToken
from ..worker.sleeping import sleep
from . import called
from .conformance import expect, needs, raised
from .executor_futures import ExecutorPromises


class QueuePromises(ExecutorPromises):
    """Its queue: each promise needs the feature "beyond"."""

    def held(self, folder: Path, **options: Any) -> tuple[Any, Any]:
        """Give an executor whose one worker waits for the file "go", and that call's future."""
        executor = self.make(1, **options)
        future = executor.submit(called.begin_and_wait, folder / "begun", folder / "go")
        self.until((folder / "begun").exists, "a submitted call begins")
        return executor, future

    @needs("beyond", "priority")
    def test_urgent_calls_begin_sooner(self, tmp_path: Path) -> None:
        """Pending calls with a larger priority begin first; equal ones in their order."""
        order = tmp_path / "order"
        executor, _ = self.held(tmp_path)
        urgent = executor.options(priority=10)
        low = executor.options(priority=-10)
        for view, name in [(low, "low"), (executor, "usual"), (urgent, "urgent")]:
            for n in range(2):
                view.submit(called.note, order, f"{name}-{n}")
        (tmp_path / "go").touch()
        executor.shutdown()
        wanted = [f"{name}-{n}" for name in ("urgent", "usual", "low") for n in range(2)]
        expect(order.read_text().split(), wanted, "the order")

    @needs("beyond", "options")
    def test_calls_may_have_options_of_their_own(self, tmp_path: Path) -> None:
        """`options` gives the same executor for calls with other retries; others have none."""
        executor = self.make(1)
        careful = executor.options(retries=2, retry_wait=0)
        path = tmp_path / "tries"

        def flaky(most: int) -> int:
            called.note(path, "try")
            if len(path.read_text().split()) < most:
                raise OSError("not yet")
            return most

        expect(careful.submit(flaky, 3).result(self.seconds), 3, "the third try")
        path.unlink()
        future = executor.submit(flaky, 3)
        raised(OSError, lambda: future.result(self.seconds), "a call without retries")
        raised(OptionError, lambda: executor.options(nothing=1), "an option that isn't there")
        careful.shutdown()
        raised(RuntimeError, lambda: executor.submit(called.square, 3), "submit, after that")

    @needs("beyond", "timeout")
    def test_a_call_may_have_a_timeout_of_its_own(self, executor: Any, tmp_path: Path) -> None:
        """A call with a `timeout` fails with ItemTimeout; one without takes as long as it takes."""
        go = tmp_path / "go"
        patient = executor.submit(called.wait_for, go)
        late = executor.options(timeout=1.0).submit(called.wait_for, tmp_path / "never")
        raised(ItemTimeout, lambda: late.result(self.seconds), "the call with a timeout")
        (tmp_path / "never").touch()
        go.touch()
        expect(patient.result(self.seconds), "go", "the call without one")

    @needs("beyond", "rate")
    def test_a_rate_loses_no_call(self, executor: Any, tmp_path: Path) -> None:
        """Calls with a `rate` are all made, once each, and those without don't wait for them."""
        slow = executor.options(rate="200/s", key="a host")
        futures = [slow.submit(called.once, tmp_path, x) for x in range(20)]
        expect(executor.submit(called.square, 3).result(self.seconds), 9, "a call without")
        expect([f.result(self.seconds) for f in futures], [*range(20)], "calls with a rate")

    @needs("beyond", "max_queue")
    def test_one_call_too_many_is_rejected(self, tmp_path: Path) -> None:
        """With `on_full="reject"` a call beyond the bound is a QueueFull, and no other is lost."""
        executor, busy = self.held(tmp_path, max_queue=2, on_full="reject")
        pending = [executor.submit(called.once, tmp_path, x) for x in range(2)]
        raised(QueueFull, lambda: executor.submit(called.once, tmp_path, 2), "the third")
        expect(executor.stats.rejected, 1, "stats.rejected")
        (tmp_path / "go").touch()
        executor.shutdown()
        found = [busy.result(0), *(future.result(0) for future in pending)]
        expect((found, (tmp_path / "2").exists()), (["begun", 0, 1], False), "the others")

    @needs("beyond", "max_queue")
    def test_one_call_too_many_waits(self, tmp_path: Path) -> None:
        """With `on_full="block"` `submit` waits for room, and then the call is made."""
        executor, _ = self.held(tmp_path, max_queue=1)
        executor.submit(called.once, tmp_path, 0)
        made: list[Any] = []
        submit = functools.partial(executor.submit, called.once, tmp_path, 1)
        waiting = threading.Thread(target=lambda: made.append(submit()))
        waiting.start()
        expect((made, waiting.is_alive()), ([], True), "submit, while the queue is full")
        (tmp_path / "go").touch()
        waiting.join(self.seconds)
        expect(made[0].result(self.seconds), 1, "the call that waited for room")
        executor.shutdown()

    @needs("beyond", "max_queue")
    def test_one_call_too_many_is_discarded(self, tmp_path: Path) -> None:
        """With "discard" it is cancelled, and with "discard_oldest" the oldest one is."""
        for on_full, gone in (("discard", 2), ("discard_oldest", 0)):
            folder = tmp_path / on_full
            folder.mkdir()
            executor, _ = self.held(folder, max_queue=2, on_full=on_full)
            futures = [executor.submit(called.once, folder, x) for x in range(3)]
            states = [future.cancelled() for future in futures]
            expect(states, [x == gone for x in range(3)], f"cancelled(), with {on_full!r}")
            (folder / "go").touch()
            executor.shutdown()
            expect((folder / str(gone)).exists(), False, "whether that call was made")

    @needs("beyond", "max_queue")
    def test_one_call_too_many_runs_here(self, tmp_path: Path) -> None:
        """With "caller_runs" the thread that submits it runs it."""
        executor, _ = self.held(tmp_path, max_queue=1, on_full="caller_runs")
        executor.submit(called.square, 3)
        future = executor.submit(_who)
        here = os.getpid(), threading.get_ident()
        expect((future.done(), future.result(0)), (True, here), "where it ran")
        (tmp_path / "go").touch()
        executor.shutdown()

    @needs("beyond", "lifecycle")
    def test_shutdown_now_gives_what_never_began(self, tmp_path: Path) -> None:
        """`shutdown_now` cancels pending calls and gives them, and those that run are stopped."""
        executor, busy = self.held(tmp_path)
        futures = [executor.submit(called.once, tmp_path, x) for x in range(5)]
        expect(executor.is_active, True, "is_active")
        never = executor.shutdown_now()
        found = [(one.fn, one.args, one.future) for one in never]
        wanted = [(called.once, (tmp_path, x), future) for x, future in enumerate(futures)]
        expect(found, wanted, "the calls that never began")
        expect([future.cancelled() for future in futures], [True] * 5, "cancelled()")
        expect(executor.is_active, False, "is_active, after that")
        expect(executor.join(self.seconds), True, "join()")
        kind = type(busy.exception(self.seconds))
        expect(kind, RunCancelled, "the exception of the call that ran")
        raised(RuntimeError, lambda: executor.submit(called.square, 3), "submit, after that")
        (tmp_path / "go").touch()
        expect((tmp_path / "4").exists(), False, "whether a pending call was made")

    @needs("beyond", "cancel_token")
    def test_a_token_cancels_every_call(self, tmp_path: Path) -> None:
        """A CancelToken ends calls that sleep by `nbexec.sleep`, and cancels pending ones."""
        token = CancelToken()
        begun = tmp_path / "begun"

        def work() -> None:
            begun.touch()
            sleep(called.LONGEST)

        executor = self.make(1, cancel=token)
        futures = [executor.submit(work), *(executor.submit(called.square, x) for x in range(4))]
        self.until(begun.exists, "the first call begins")
        token.cancel("of the suite")
        executor.run.wait(self.seconds)
        error = raised(RunCancelled, lambda: futures[0].result(self.seconds), "a call that ran")
        expect("of the suite" in str(error), True, f"the reason in its exception, {error}")
        raised(RunCancelled, lambda: executor.submit(called.square, 3), "submit, after that")
        done, pending = concurrent.futures.wait(futures, self.seconds)
        expect((len(done), len(pending)), (5, 0), "done, pending")
        expect([f.cancelled() for f in futures[1:]], [True] * 4, "cancelled() of pending ones")


def _who() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
