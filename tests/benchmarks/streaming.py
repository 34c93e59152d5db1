"""A million items, one by one, of which few are ever in memory."""

from __future__ import annotations

import resource
from collections import deque
from collections.abc import Iterator

import nbexec

from .catalog import Setting, benchmark
from .fresh import fresh
from .goals import value
from .measure import Sides, timed
from .work import noop


@benchmark(
    "imap",
    "1,000,000 items through imap, from a generator, processes",
    {"time": value(2, "µs an item"), "memory": value(5, "MB")},
)
def imap(setting: Setting) -> Iterator[Sides]:
    count = setting.size(1_000_000, 5_000)
    if setting.against == "memory":
        code = f"from tests.benchmarks.streaming import grown; print(grown({count}))"
        yield Sides(
            lambda: fresh(code),
            note="peak RSS of the kernel, by how much more in the second half",
        )
        return
    side = timed(lambda: deque(_results(count), maxlen=0))
    yield Sides(lambda: side() / count * 1e6)


def _results(count: int) -> Iterator[int]:
    items = (item for item in range(count))
    options = {"backend": "processes", "workers": Setting("").workers, "progress": "off"}
    return nbexec.imap(noop, items, **options)


def grown(count: int) -> float:
    """Give by how many MB this process grows in the second half."""
    early = 0
    for item in _results(count):
        if item == count // 2:
            early = peak()
    return (peak() - early) / 1024


def peak() -> int:
    """Give the most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
