"""What is promised of `map`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import called
from .conformance import expect, needs, raised
from .executor_futures import ExecutorPromises


class MappingPromises(ExecutorPromises):
    """map."""

    def test_map_gives_what_the_plain_map_gives(self, executor: Any) -> None:
        """`map` gives the results of the built-in one, in order, to the shortest iterable."""
        expect(list(executor.map(abs, range(-20, 0))), [*range(20, 0, -1)], "map(abs, ...)")
        expect(list(executor.map(pow, [2, 3, 4], iter([3, 2]))), [8, 9], "two iterables")
        expect(list(executor.map(abs, [])), [], "no items")

    def test_map_makes_each_call_once(self, executor: Any, tmp_path: Path) -> None:
        """`map` makes each call once, also in chunks."""
        once = functools.partial(called.once, tmp_path)
        expect(list(executor.map(once, range(30))), [*range(30)], "map")
        expect(list(executor.map(once, range(30, 60), chunksize=7)), [*range(30, 60)], "chunks")

    def test_map_begins_at_once(self, executor: Any, tmp_path: Path) -> None:
        """Calls are made though nobody takes a result yet."""
        results = executor.map(functools.partial(called.once, tmp_path), range(9))
        self.until(lambda: len([*tmp_path.iterdir()]) == 9, "all calls are made")
        expect(list(results), [*range(9)], "the results")

    def test_map_raises_in_the_items_place(self, executor: Any) -> None:
        """What a call raises is raised in its place, after the results before; then it ends."""
        results = executor.map(called.fail_on_odd, [0, 2, 5, 4])
        expect([next(results), next(results)], [0, 2], "results before the one that raises")
        error = raised(ValueError, lambda: next(results), "its place")
        expect(str(error), "odd: 5", "the exception")
        raised(StopIteration, lambda: next(results), "after that")

    def test_map_cancels_what_nobody_takes(self, tmp_path: Path) -> None:
        """An iterator that is closed, or that raised, cancels the calls that are pending."""
        begun, go = ([tmp_path / f"{name}-{n}" for n in range(9)] for name in ("begun", "go"))
        go[0].touch()
        with self.make(1) as executor:
            results = executor.map(called.begin_and_wait, begun, go)
            expect(next(results), "begun-0", "the first result")
            results.close()
            for path in go:
                path.touch()
        expect(begun[-1].exists(), False, "whether the last call was made")

    def test_map_can_time_out(self, tmp_path: Path) -> None:
        """A result that isn't there `timeout` seconds after the call of `map` is a TimeoutError."""
        with self.one_busy(tmp_path) as (executor, _):
            results = executor.map(called.square, range(3), timeout=0.01)
            raised(TimeoutError, lambda: next(results), "next()")

    @needs("chunks")
    def test_map_refuses_a_bad_chunksize(self, executor: Any) -> None:
        """A chunksize below 1 is a ValueError."""
        raised(ValueError, lambda: executor.map(abs, [1], chunksize=0), "chunksize=0")

    @needs("buffersize")
    def test_map_pulls_no_more_than_its_buffer(self, executor: Any) -> None:
        """With `buffersize` an endless input is pulled as results are taken."""
        pulled: list[int] = []

        def endless() -> Iterator[int]:
            for x in itertools.count():
                pulled.append(x)
                yield x

        results = executor.map(called.square, endless(), buffersize=4)
        expect(len(pulled), 4, "items pulled at first")
        expect([next(results) for _ in range(10)], [x * x for x in range(10)], "results")
        expect(len(pulled) <= 15, True, f"no more than 15 pulled, of {len(pulled)}")
        results.close()
