"""What `nbexec.Executor` promises of its workers, of jobs, and of what it tells."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from typing import Any

from . import called
from .conformance import expect, needs
from .executor_futures import ExecutorPromises


class WorkersBeyondPromises(ExecutorPromises):
    """Workers, jobs and accounts: each promise needs the feature "beyond"."""

    @needs("beyond", "setup")
    def test_setup_and_teardown(self, tmp_path: Path) -> None:
        """Each call has what `setup` gave as its last argument; `teardown` gets it at the end."""
        path = tmp_path / "events"

        def setup() -> str:
            called.note(path, "setup")
            return "state"

        def teardown(state: str) -> None:
            called.note(path, f"teardown-of-{state}")

        with self.make(2, setup=setup, teardown=teardown) as executor:
            futures = [executor.submit(called.given, x, key=x) for x in range(8)]
            found = [future.result(self.seconds) for future in futures]
        expect(found, [((x, "state"), {"key": x}) for x in range(8)], "what calls were given")
        events = path.read_text().split()
        begun = events.count("setup")
        expect(1 <= begun <= 2, True, f"setup was called {begun} times on 2 workers")
        expect(events.count("teardown-of-state"), begun, "how often teardown was called")
        expect(events[-1], "teardown-of-state", "what came last")

    @needs("beyond", "recycle_after")
    def test_workers_can_be_recycled(self) -> None:
        """With `recycle_after` a worker has no more calls than that, and no call is lost."""
        with self.make(1, recycle_after=3) as executor:  # to start a worker may take seconds
            futures = [executor.submit(_native) for _ in range(4)]
            found = [future.result(self.seconds) for future in futures]
        most = max(len([*those]) for _, those in itertools.groupby(found))
        expect(most <= 3, True, f"{most} calls one after the other on a worker, of at most 3")

    @needs("beyond", "restart_workers")
    def test_workers_can_be_restarted(self) -> None:
        """After `restart_workers` calls run on new workers, and pending ones are not lost."""
        with self.make(1) as executor:
            before = executor.submit(_native).result(self.seconds)
            executor.restart_workers()
            after = [executor.submit(_native) for _ in range(4)]
            found = {future.result(self.seconds) for future in after}
        expect(before in found, False, "whether a call ran on the old worker")

    @needs("beyond", "schedule")
    def test_calls_can_be_scheduled(self, executor: Any, tmp_path: Path) -> None:
        """`schedule` makes a call once after a delay, or some times at a rate."""
        once = executor.schedule(called.square, 3, delay=0.01)
        path = tmp_path / "runs"
        often = executor.schedule(called.note, path, "run", every=0.01, times=3)
        expect(once.result(self.seconds), 9, "the result of a call after a delay")
        expect(often.wait(self.seconds), True, "the job ends after its last run")
        expect((often.runs, often.failures, often.state), (3, 0, "done"), "runs, failures, state")
        expect(len(path.read_text().split()), 3, "how often the call was made")

    @needs("beyond", "schedule")
    def test_a_job_ends_with_its_executor(self) -> None:
        """Where the executor is shut down, what is scheduled for later is cancelled."""
        for shut_down in ("shutdown", "shutdown_now"):
            executor = self.make(1)
            job = executor.schedule(called.square, 3, delay=3600)
            if shut_down == "shutdown_now" and "lifecycle" in self.missing:
                shut_down = "shutdown"
            getattr(executor, shut_down)()
            expect(job.wait(self.seconds), True, f"the job ends with {shut_down}()")
            expect((job.runs, job.state), (0, "cancelled"), "its runs, its state")

    @needs("beyond", "stats")
    def test_it_says_what_waits_and_what_runs(self, tmp_path: Path) -> None:
        """`stats` has the calls that run and those that wait, and each worker's part."""
        with self.one_busy(tmp_path) as (executor, _):
            futures = [executor.submit(called.square, x) for x in range(3)]
            self.until(lambda: executor.stats.active == 1, "stats.active")
            self.until(lambda: executor.stats.queued == 3, "stats.queued")
        for future in futures:
            future.result(self.seconds)
        executor.shutdown()
        stats = executor.stats
        expect(
            (stats.completed, stats.queued, stats.active), (4, 0, 0), "completed, queued, active"
        )
        expect(sum(one.calls for one in stats.by_worker.values()), 4, "calls of all workers")

    @needs("beyond", "on_event")
    def test_events_are_told(self) -> None:
        """`on_event` is called with each event: RunStarted first, RunEnded last."""
        events: list[Any] = []
        with self.make(1, on_event=events.append) as executor:
            expect(executor.submit(called.square, 3).result(self.seconds), 9, "a result")
        names = [type(event).__name__ for event in events]
        expect((names[0], names[-1]), ("RunStarted", "RunEnded"), "the first and the last")
        expect((names.count("Submitted"), names.count("Finished")), (1, 1), "of the call")


def _native() -> tuple[int, int]:
    return os.getpid(), threading.get_native_id()
