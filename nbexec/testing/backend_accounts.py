"""What is promised of what a backend's run tells: output, progress, events, journal, seed."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from .. import api, observers
from ..telemetry.events import Event, Finished, Retried, RunEnded, RunStarted, Submitted
from ..telemetry.observer import Observer
from ..telemetry.state import RunState
from ..worker.capture import progress
from . import called
from .backend_results import BackendPromises
from .conformance import expect, needs, of_a_notebook, raised


class _Log(Observer):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def observe(self, event: Event, state: RunState) -> None:
        self.events.append(event)


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Have what is logged about an observer that raises not be shown."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class AccountsPromises(BackendPromises):
    """Output, progress, events, checkpoints, random numbers and context."""

    @needs("output")
    def test_output_is_told_by_item(self) -> None:
        """What an item prints is that item's in `run.output`, also what has no newline."""

        def speak(x: int) -> int:
            sys.stdout.write(f"item {x}" + ("" if x == 2 else "\n"))
            if x == 3:
                sys.stderr.write("aside\n")
            return x

        run = self.ended(self.start(speak, range(5)))
        found = [run.output[n] for n in (0, 1, 2, 4)]
        expect(found, ["item 0\n", "item 1\n", "item 2", "item 4\n"], "the output of items")
        expect("item 3\n" in run.output[3] and "aside\n" in run.output[3], True, "both streams")

    @needs("progress")
    def test_progress_of_an_item_is_told_while_it_runs(self, tmp_path: Path) -> None:
        """What an item says with `nbexec.progress` is in `stats.items` while it runs."""
        go = tmp_path / "go"

        def work(x: int) -> int:
            progress(0.5, "half")
            called.wait_for(go)
            return x

        run = self.start(work, [0])
        self.until(lambda: (0, 0.5, "half") in run.stats.items, "its progress is told")
        go.touch()
        expect(self.ended(run).result(), [0], "the result")

    def test_events_keep_to_their_grammar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """RunStarted is first and RunEnded last; each item is submitted, then finished once."""
        log = _Log()
        monkeypatch.setattr(observers, "watchers", lambda options, task: [log])
        self.map(called.fail_on_odd, range(30), on_error="collect", retries=1, retry_wait=0)
        events = log.events
        ends = type(events[0]), type(events[-1])
        expect(ends, (RunStarted, RunEnded), "the first event and the last")
        submitted: Counter[int] = Counter()
        finished: Counter[int] = Counter()
        retried: Counter[int] = Counter()
        for event in events:
            if isinstance(event, Submitted):
                submitted.update(event.chunk.indices)
            elif isinstance(event, Retried):
                retried[event.index] += 1
            elif isinstance(event, Finished):
                early = [n for n in event.chunk.indices if not submitted[n]]
                expect(early, [], "items finished before they were submitted")
                finished.update(event.chunk.indices)
        expect(finished, Counter(range(30)), "how often each item finished")
        expect(retried, Counter(range(1, 30, 2)), "how often each was tried again")

    def test_functions_are_told_of_each_end(self) -> None:
        """`on_event` is told of each end; a function that raises there changes no result."""
        ends: list[int] = []

        def told(event: Event) -> None:
            if isinstance(event, Finished):
                ends.extend(event.chunk.indices)

        def bad(event: Event) -> None:
            raise called.Complaint("of an observer")

        with _without_log():
            results = self.map(called.square, range(20), on_event=[bad, told])
        expect(results, [x * x for x in range(20)], "the results")
        expect(sorted(ends), [*range(20)], "the items that ended")

    def test_the_run_says_where_it_ran(self) -> None:
        """`run.choice` names the backend; `stats` counts the items and the workers' time."""
        run = self.ended(self.start(called.span, range(10)))
        if isinstance(self.backend, str):
            expect(run.choice.backend, self.backend, "run.choice.backend")
        stats = run.stats
        found = (stats.done, stats.failed, stats.running, stats.total)
        expect(found, (10, 0, 0, 10), "done, failed, running, total")
        expect(stats.busy_seconds > 0, True, "the time that workers were busy is known")

    def test_a_checkpoint_has_what_is_finished(self, tmp_path: Path) -> None:
        """With `checkpoint` the same call runs only what is not finished yet."""
        there = tmp_path / "there"

        def work(x: int) -> int:
            if x == 7 and not there.exists():
                raise OSError("not yet")
            called.note(tmp_path / f"item-{x}", "run")
            return x

        call = functools.partial(self.map, work, range(12), checkpoint=tmp_path / "journal")
        first = call(on_error="collect")
        expect([one.index for one in first.failures], [7], "what failed at first")
        there.touch()
        expect(call(), [*range(12)], "the results of the second call")
        runs = [len((tmp_path / f"item-{x}").read_text().split()) for x in range(12)]
        expect(runs, [1] * 12, "how often each item ran to its end")

    @needs("seed")
    def test_a_seed_gives_the_same_numbers_as_anywhere(self) -> None:
        """With `seed` items draw what they draw on any backend, with any number of workers."""

        @of_a_notebook
        def draw(_: int) -> float:
            return random.random()

        plain = api.map(draw, range(12), backend="serial", seed=7, progress="off")
        expect(len({*plain}), 12, "how many of 12 numbers differ")
        expect(self.map(draw, range(12), seed=7), plain, "the numbers, on 2 workers")
        expect(self.map(draw, range(12), seed=7, workers=1, chunk=5), plain, "on 1 worker")

    @needs("context")
    def test_items_see_the_callers_context(self) -> None:
        """Context variables have in items the values that they have where the run began."""
        variable: ContextVar[str] = ContextVar("of_the_suite", default="unset")
        token = variable.set("mine")
        try:
            found = self.map(lambda _: variable.get(), range(3))
            expect(found, ["mine"] * 3, "the variable's value")
        finally:
            variable.reset(token)

    def test_a_bad_argument_is_told_before_anything_runs(self, tmp_path: Path) -> None:
        """An option that can't be is told at once, and no item runs."""
        once = functools.partial(called.once, tmp_path)
        call: Any = functools.partial(self.map, once, range(3), retries=-1)
        raised(ValueError, call, "retries=-1")
        expect([*tmp_path.iterdir()], [], "what ran")
