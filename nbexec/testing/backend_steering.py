"""What is promised of a backend while a run goes on: what runs at once, and who may stop it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from .. import api
from ..errors import RunCancelled
from ..options.cancel_token import CancelToken
from ..run.handle import Run
from ..run.results import Results
from ..worker.capture import cancelled
from ..worker.sleeping import sleep
from . import called
from .backend_results import BackendPromises
from .conformance import expect, needs, raised


def _begun(folder: Path) -> int:
    return len([*folder.glob("begun-*")])


class SteeringPromises(BackendPromises):
    """Cancel, pause, workers, and several runs."""

    def held(self, folder: Path, count: int, **options: Any) -> Run:
        """Start a run whose items wait for a file, and wait until one of them has begun."""
        begun = [folder / f"begun-{n}" for n in range(count)]
        go = folder / "go"
        run = self.start(called.begin_and_wait, begun, [go] * count, chunk=1, **options)
        self.until(lambda: _begun(folder), "items begin")
        return run

    def test_items_run_at_the_same_time(self, tmp_path: Path) -> None:
        """Two workers run two items at the same time: they may wait for each other."""
        if self.at_once() < 2:
            pytest.skip("it has one worker")
        a, b = tmp_path / "a", tmp_path / "b"
        expect(self.map(called.meet, [a, b], [b, a], chunk=1), ["a", "b"], "items that meet")

    def test_no_more_run_at_once_than_there_are_workers(self) -> None:
        """No more items run at the same time than there are workers."""
        most = called.most_at_once(self.map(called.span, range(30), chunk=1))
        expect(most <= self.at_once(), True, f"{most} at once, of {self.at_once()} workers")

    def test_cancel_ends_the_run_and_keeps_its_results(self, tmp_path: Path) -> None:
        """`cancel` ends a run though items hang, and keeps the results that there are."""
        (tmp_path / "0").touch()
        paths = [tmp_path / str(n) for n in range(30)]
        run = self.start(called.wait_for, paths, chunk=1)
        self.until(lambda: run.stats.done >= 1, "the first item ends")
        run.cancel()
        self.ended(run)
        error = raised(RunCancelled, run.result, "result()")
        kept = error.partial_results
        expect((len(kept), kept[0]), (30, "0"), "the partial results, and the first of them")
        expect({one.kind for one in kept.failures}, {"cancelled"}, "the kind of the others")
        expect(run.stats.phase, "cancelled", "stats.phase")
        for path in paths:
            path.touch()  # what was left behind ends
        expect(self.map(called.square, [3]), [9], "the next run")

    def test_nothing_begins_after_the_end(self, tmp_path: Path) -> None:
        """After a cancelled run no further item of it begins."""
        run = self.held(tmp_path, 30)
        run.cancel()
        self.ended(run)
        begun = _begun(tmp_path)
        expect(begun <= self.at_once(), True, f"{begun} items begun on {self.at_once()} workers")
        (tmp_path / "go").touch()
        expect(self.map(called.square, range(50)), [x * x for x in range(50)], "the next run")
        expect(_begun(tmp_path), begun, "items begun, later")

    @needs("cancelled")
    def test_an_item_can_ask_whether_it_is_wanted(self, tmp_path: Path) -> None:
        """`nbexec.cancelled()` is true in an item whose run was cancelled."""
        begun, noticed = tmp_path / "begun", tmp_path / "noticed"

        def ask(_: int) -> None:
            begun.touch()
            while not cancelled():
                threading.Event().wait(0.002)
            noticed.touch()

        run = self.start(ask, [0])
        self.until(begun.exists, "the item begins")
        run.cancel()
        self.ended(run)
        self.until(noticed.exists, "the item is told")

    @needs("cancelled")
    def test_a_token_ends_runs_whose_items_sleep(self, tmp_path: Path) -> None:
        """A CancelToken ends several runs; items that sleep by `nbexec.sleep` end at once."""
        token = CancelToken()

        def rest(x: int) -> None:
            (tmp_path / f"begun-{x}").touch()
            sleep(called.LONGEST)

        runs = [self.start(rest, [n, n + 1], chunk=1, cancel=token) for n in (0, 2)]
        self.until(lambda: _begun(tmp_path) >= 2, "items of both runs begin")
        token.cancel("of the suite")
        for run in runs:
            error = raised(RunCancelled, self.ended(run).result, "result()")
            expect("of the suite" in str(error), True, f"the reason, in {error}")
        expect(self.map(called.square, [3]), [9], "the next run")

    def test_pause_begins_nothing_and_resume_goes_on(self, tmp_path: Path) -> None:
        """While a run is paused no item begins, and those that run end; `resume` goes on."""
        run = self.held(tmp_path, 12)
        run.pause()
        self.until(lambda: run.stats.phase == "paused", "stats.phase is 'paused'")
        (tmp_path / "go").touch()
        self.until(lambda: run.stats.running == 0, "what runs ends")
        begun = _begun(tmp_path)
        expect(self.map(called.square, range(50)), [x * x for x in range(50)], "another run")
        expect((_begun(tmp_path), begun < 12), (begun, True), "items begun while it was paused")
        run.resume()
        wanted = [f"begun-{n}" for n in range(12)]
        expect(self.ended(run).result(), wanted, "all results")

    def test_the_number_of_workers_can_be_changed(self, tmp_path: Path) -> None:
        """`run.workers` can be set while it runs: more items begin at once."""
        if self.at_once() < 2:
            pytest.skip("it has one worker")
        run = self.held(tmp_path, 8, workers=1)
        run.workers = 2
        self.until(lambda: _begun(tmp_path) == 2, "a second item begins")
        (tmp_path / "go").touch()
        run.workers = 1
        wanted = [f"begun-{n}" for n in range(8)]
        expect(self.ended(run).result(), wanted, "all results")

    def test_closing_imap_ends_its_run(self) -> None:
        """Closing the iterator of `imap` cancels what is left of an endless input."""
        results = api.imap(called.square, itertools.count(), **self.options())
        expect([next(results) for _ in range(3)], [0, 1, 4], "the first results")
        results.close()
        expect(self.map(called.square, [3]), [9], "the next run")

    def test_runs_at_once_have_their_own_results(self) -> None:
        """Runs at the same time, of several threads, each have their own results."""
        found: dict[int, Results] = {}

        def use(n: int) -> None:
            found[n] = self.map(functools.partial(pow, n), range(20))

        threads = [threading.Thread(target=use, args=(n,)) for n in range(2, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.seconds)
        expect(found, {n: [n**x for x in range(20)] for n in range(2, 5)}, "the results")

    @needs("own_workers")
    def test_a_run_that_waits_does_not_hold_up_another(self, tmp_path: Path) -> None:
        """While the items of one run hang, another run goes on."""
        run = self.held(tmp_path, 4)
        expect(self.map(called.square, range(20)), [x * x for x in range(20)], "another run")
        expect(run.done, False, "whether the first one is done")
        (tmp_path / "go").touch()
        expect(len(self.ended(run).result()), 4, "its results")

    @needs("nested")
    def test_an_item_may_run_a_map(self) -> None:
        """An item may itself call `map`, and gets its results."""

        def outer(x: int) -> int:
            inner = api.map(called.square, range(x), backend="serial", progress="off")
            return int(sum(inner))

        expect(self.map(outer, range(5)), [0, 0, 1, 5, 14], "the sums")

    @needs("nested")
    def test_runs_within_runs_do_not_wait_for_each_other(self) -> None:
        """In the kernel's process an item may use the same backend: no run waits for its own."""
        if self.in_other_processes() or not isinstance(self.backend, str):
            pytest.skip("items run in other processes, which may not know it")
        options = self.options()

        def outer(x: int) -> int:
            return int(sum(api.map(called.square, range(x), **options)))

        expect(self.map(outer, range(6)), [0, 0, 1, 5, 14, 30], "the sums")

    def test_an_event_loop_stays_free(self, tmp_path: Path) -> None:
        """`await amap` leaves the caller's event loop to others while items run."""
        go = tmp_path / "go"

        async def main() -> Results:
            waiting = asyncio.create_task(api.amap(called.wait_for, [go] * 3, **self.options()))
            await asyncio.sleep(0)
            go.touch()  # by the loop that awaits it
            return await waiting

        expect(asyncio.run(main()), ["go"] * 3, "the results")
