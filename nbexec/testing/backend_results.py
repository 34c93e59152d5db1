"""What is promised of a backend's results: which, in which order, of which inputs."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from .. import api
from ..backends import get_backend
from ..errors import OptionError
from ..executor.executor import Executor
from ..run.handle import Run
from ..run.results import Results
from . import called
from .conformance import Conformance, expect, needs, raised


class BackendPromises(Conformance):
    """What every part of the backend suite uses."""

    backend: ClassVar[Any] = None
    workers: ClassVar[int] = 2

    def options(self, **more: Any) -> dict[str, Any]:
        """Give the options of a run on the backend."""
        if self.backend is None:
            raise NotImplementedError(f"{type(self).__name__}.backend says which one it is")
        return {"backend": self.backend, "workers": self.workers, "progress": "off", **more}

    def map(self, fn: Any, *iterables: Any, **options: Any) -> Results:
        return api.map(fn, *iterables, **self.options(**options))

    def start(self, fn: Any, *iterables: Any, **options: Any) -> Run:
        return api.start(fn, *iterables, **self.options(**options))

    def ended(self, run: Run) -> Run:
        """Wait until a run is over."""
        expect(run.wait(self.seconds), True, "the run ends")
        return run

    def at_once(self) -> int:
        """How many items run at the same time."""
        return min(self.workers, get_backend(self.backend).most_workers)

    def in_other_processes(self) -> bool:
        """Whether items run in other processes, which may die."""
        return self.map(_process, [0]) != [os.getpid()]


def _process(_: object) -> int:
    return os.getpid()


def _noted(items: Iterable[int], pulled: list[int]) -> Iterator[int]:
    for item in items:
        pulled.append(item)
        yield item


class ResultsPromises(BackendPromises):
    """Results, in order, of any input."""

    def test_results_come_in_order_and_each_item_runs_once(self, tmp_path: Path) -> None:
        """Results come in the order of the items, and each item runs exactly once."""
        once = functools.partial(called.once, tmp_path)
        expect(self.map(once, range(120)), [*range(120)], "chunks that adapt")
        expect(self.map(once, range(120, 150), chunk=1), [*range(120, 150)], "chunk=1")
        expect(self.map(once, range(150, 200), chunk=7), [*range(150, 200)], "chunk=7")

    def test_any_iterable_will_do(self) -> None:
        """No items, one, strings, iterators and several iterables are what they are for `map`."""
        expect(self.map(called.square, []), [], "no items")
        expect(self.map(called.square, iter([3])), [9], "an iterator")
        expect(self.map(called.give, "abc"), ["a", "b", "c"], "a string")
        expect(self.map(pow, itertools.count(2), [5, 2]), [32, 9], "two, to the shortest")
        expect(self.map(called.give, [None, (1, [2])]), [None, (1, [2])], "None and nested items")

    def test_many_tiny_items(self) -> None:
        """Thousands of tiny items come back whole."""
        expect(self.map(called.square, range(5000)) == [x * x for x in range(5000)], True, "all")

    def test_large_items_and_results(self) -> None:
        """Megabytes go there and come back unchanged."""
        items = [bytes([n]) * 2_000_000 for n in range(4)]
        expect(self.map(called.give, items) == items, True, "4 items of 2 MB, as they were")

    @needs("closures")
    def test_functions_from_a_notebook_travel(self) -> None:
        """Lambdas, closures, partials and objects of local classes are used and given."""

        class Point:
            def __init__(self, x: int) -> None:
                self.x = x

        offset = 10
        expect(self.map(lambda x: x + offset, [1, 2]), [11, 12], "a closure")
        expect(self.map(functools.partial(pow, 2), [3]), [8], "a partial")
        expect([p.x for p in self.map(Point, [1, 2])], [1, 2], "objects of a local class")
        expect(self.map(lambda p: p.x, [Point(5)]), [5], "one as an item")

    @needs("coroutines")
    def test_coroutine_functions_are_awaited(self) -> None:
        """A coroutine function's results are what it returns."""
        expect(self.map(called.awaited, range(20)), [2 * x for x in range(20)], "the results")

    def test_a_generator_is_pulled_in_the_callers_thread(self) -> None:
        """A blocking `map` pulls its input in the thread that called it."""
        threads = set()

        def items() -> Iterator[int]:
            for x in range(50):
                threads.add(threading.get_ident())
                yield x

        expect(self.map(called.square, items()), [x * x for x in range(50)], "the results")
        expect(threads, {threading.get_ident()}, "threads that pulled")

    def test_an_endless_input_is_pulled_as_results_are_taken(self) -> None:
        """`imap` pulls no more than `window` items ahead, in order or not, until it is closed."""
        for ordered in (True, False):
            pulled: list[int] = []
            options = self.options(ordered=ordered, window=10)
            results = api.imap(called.square, _noted(itertools.count(), pulled), **options)
            found = []
            for taken in range(1, 41):
                found.append(next(results))
                ahead = len(pulled) - taken
                expect(ahead <= 11, True, f"{ahead} items ahead of a window of 10")
            results.close()
            expect(len({*found}), 40, "results, each once")
            if ordered:
                expect(found, [x * x for x in range(40)], "the order")

    def test_setup_is_called_once_in_each_worker(self, tmp_path: Path) -> None:
        """`setup` is called once in a worker and a run; its value is the last argument."""
        path = tmp_path / "setups"

        def setup() -> list[int]:
            called.note(path, "setup")
            return []

        def count(item: int, state: list[int]) -> int:
            state.append(item)
            return len(state)

        for run in (1, 2):
            found = self.map(count, range(30), setup=setup)
            times = len(path.read_text().split())
            path.unlink()
            expect(1 <= times <= self.workers, True, f"setup was called {times} times in run {run}")
            expect(found.count(1), times, "workers with a state of their own")

    @needs("teardown")
    def test_teardown_is_called_in_each_worker(self, tmp_path: Path) -> None:
        """`teardown` gets what `setup` gave, once in each worker, at the end; or it is refused."""
        path = tmp_path / "events"

        def setup() -> str:
            called.note(path, "setup")
            return "state"

        def teardown(state: str) -> None:
            called.note(path, f"teardown-of-{state}")

        call = functools.partial(self.map, called.given, range(12), setup=setup, teardown=teardown)
        if "teardown" not in get_backend(self.backend).takes:
            raised(OptionError, call, "teardown= where `takes` has none")
            return
        expect(call(), [((x, "state"), {}) for x in range(12)], "what items were given")
        events = path.read_text().split()
        times = events.count("setup")
        expect(events.count("teardown-of-state"), times, "how often teardown was called")
        expect(events[-1], "teardown-of-state", "what came last")

    def test_invoke_and_an_executor_use_it(self) -> None:
        """`invoke` calls different functions on it, and an `Executor` its calls."""
        thunks = [functools.partial(called.square, 3), functools.partial(called.give, "two")]
        expect(api.invoke(*thunks, **self.options()), [9, "two"], "invoke")
        with Executor(**self.options()) as executor:
            expect(executor.submit(called.square, 4).result(self.seconds), 16, "submit")

    @needs("lets_go")
    def test_items_are_let_go(self) -> None:
        """Once a run is over, and is not the last one any more, nobody holds its items."""
        items = [called.Argument() for _ in range(5)]
        refs = [weakref.ref(item) for item in items]
        expect(self.map(called.kind_of, items), ["Argument"] * 5, "the results")
        del items
        expect(self.map(called.square, [3]), [9], "the next run")

        def gone() -> bool:
            gc.collect()
            return not any(ref() is not None for ref in refs)

        self.until(gone, "the items are let go")
