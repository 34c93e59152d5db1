"""Pipelines: many brief steps at once, and many items through a few."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import nbexec

from .catalog import Setting, benchmark
from .fresh import fresh
from .goals import at_least, value
from .measure import Sides, timed
from .streaming import peak

WORKERS, SECONDS = 2, 0.001


def steps(count: int) -> list[Callable[[Any], Any]]:
    """Give functions that each wait for a millisecond, all of one input."""
    made = []
    for number in range(count):

        def waits(x: Any) -> Any:
            time.sleep(SECONDS)
            return x

        waits.__name__ = f"step{number}"
        made.append(waits)
    return made


def halves(functions: Sequence[Callable[[Any], Any]]) -> None:
    """Call each, in as many threads as there are workers: the least that it can take."""

    def some(first: int) -> None:
        for function in functions[first::WORKERS]:
            function(None)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(WORKERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


@benchmark("graph", "1,000 steps of 1 ms, 2 threads", {"ideal": at_least(0.9)})
def graph(setting: Setting) -> Iterator[Sides]:
    functions = steps(setting.size(1_000, 50))
    pipe = nbexec.Pipeline(*functions, backend="threads", workers=WORKERS)
    yield Sides(timed(lambda: pipe.run(x=1, progress="off")), timed(lambda: halves(functions)))


@benchmark(
    "graph-stream",
    "100,000 items through 5 steps of a pipeline, 2 threads",
    {"time": value(100, "µs a call"), "memory": value(5, "MB")},
)
def stream(setting: Setting) -> Iterator[Sides]:
    count = setting.size(100_000, 500)
    if setting.against == "memory":
        code = f"from tests.benchmarks.pipelines import grown; print(grown({count}))"
        yield Sides(
            lambda: fresh(code),
            note="peak RSS of the kernel, by how much more in the second half",
        )
        return
    side = timed(lambda: deque(_streamed(count), maxlen=0))
    yield Sides(lambda: side() / count / 5 * 1e6)


def _streamed(count: int) -> Iterator[Any]:
    def one(x: int) -> int:
        return x + 1

    def two(one: int) -> int:
        return one * 2

    def three(two: int) -> int:
        return two - 1

    def four(three: int, x: int) -> int:
        return three + x

    def five(four: int) -> int:
        return four

    pipe = nbexec.Pipeline(one, two, three, four, five, backend="threads", workers=WORKERS)
    items = (item for item in range(count))
    return pipe.imap(over="x", x=items, progress="off")


def grown(count: int) -> float:
    """Give by how many MB this process grows in the second half."""
    early = 0
    for number, _ in enumerate(_streamed(count)):
        if number == count // 2:
            early = peak()
    return (peak() - early) / 1024
