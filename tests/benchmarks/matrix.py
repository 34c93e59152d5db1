"""backend="auto" against the best backend that could have been picked by hand.

    python -m tests.benchmarks.matrix [--quick] [--json FILE] [--only WORD] [--rounds N]

Pools are warm, and what auto remembers of earlier runs is forgotten before each of its runs:
each is the first of its function.  `again` is the next one, which remembers.  Where the
ratios differ much from round to round there are up to three times as many rounds, whatever
they are.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import json
import random
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import nbexec
from nbexec.model import Choice
from nbexec.placement import profiles
from nbexec.run.registry import forget_last

from .measure import timed

HAND_PICKED = ("serial", "threads", "processes")
SIDES = (*HAND_PICKED, "auto", "again")
MEDIAN, WORST = 1.10, 1.25  # goals: auto's time over the best's
SURE = 0.02  # where a ratio may be off by more, there are more rounds
MORE = 3  # times as many, at most
LONG = 3.0  # seconds
HEADER = """\
| Kind | Workload | `serial` | `threads` | `processes` | `auto` | auto / best | ± | again | chose |
|---|---|--:|--:|--:|--:|--:|--:|--:|---|"""


# ------------------------------------------------------------ what items do


def burn(seconds: float) -> float:
    """Compute in Python for so many seconds of CPU."""
    end, total = time.thread_time() + seconds, 0
    while time.thread_time() < end:
        total += sum(range(50))
    return seconds


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def increment(x: int) -> int:
    return x + 1


def polynomial(x: int) -> int:
    return sum(x**k for k in range(12))


def words(x: int) -> int:
    return len({word[::-1] for word in f"{x} some words of a line {x * x}".split()})


def fetch_then_parse(x: int) -> int:
    """Wait, and then compute about as long."""
    time.sleep(0.005)
    burn(0.005)
    return x


def mostly_wait(x: int) -> int:
    time.sleep(0.009)
    burn(0.001)
    return x


def mostly_burn(x: int) -> int:
    time.sleep(0.001)
    burn(0.009)
    return x


def hashing(size: int) -> str:
    return hashlib.sha256(bytes(size)).hexdigest()


BLOB = random.Random(1).randbytes(40_000) * 5


def compress(level: int) -> int:
    return len(zlib.compress(BLOB, level))


def hash_given(data: bytes) -> str:
    return hashlib.blake2b(data).hexdigest()


def sorting(seed: int) -> float:
    return float(np.sort(np.random.default_rng(seed).random(200_000))[0])


def multiply(seed: int) -> float:
    matrix = np.full((300, 300), float(seed))
    for _ in range(3):
        matrix = matrix @ matrix % 7
    return float(matrix[0, 0])


def mean(array: Any) -> float:
    return float(array.mean())


def python_over(array: Any) -> float:
    """Compute in Python over a little of a large argument."""
    burn(0.01)
    return float(array[0])


def make_array(seed: int) -> Any:
    return np.full(1_000_000, float(seed))


def make_list(seed: int) -> list[int]:
    return [seed + x for x in range(100_000)]


def total(numbers: list[int]) -> int:
    return sum(numbers)


def parse(text: str) -> int:
    return len(json.loads(text))


def python_makes_array(seed: int) -> Any:
    burn(0.01)
    return np.full(250_000, float(seed))


async def awaits(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def awaits_and_burns(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return burn(seconds / 50)


# ------------------------------------------------------------ the workloads


@dataclass(frozen=True)
class Workload:
    """A function and its items; what is large is made at its first use."""

    kind: str
    name: str
    fn: Callable[..., Any]
    items: Callable[[], Sequence[Any]]


def drawn(seed: int, count: int, draw: Callable[[random.Random], float]) -> list[float]:
    source = random.Random(seed)
    return [draw(source) for _ in range(count)]


def arrays(count: int, size: int) -> list[Any]:
    return [np.full(size, float(x)) for x in range(count)]


W = Workload
WORKLOADS = [
    W("tiny", "3,000,000 x + 1", increment, lambda: range(3_000_000)),
    W("tiny", "150,000 polynomials of 3 µs", polynomial, lambda: range(150_000)),
    W("small", "20,000 of 30 µs", burn, lambda: [3e-5] * 20_000),
    W("small", "3,000 of 0.2 ms", burn, lambda: [2e-4] * 3_000),
    W("small", "200,000 strings of 2 µs", words, lambda: range(200_000)),
    W("cpu", "1,000 of 1 ms", burn, lambda: [0.001] * 1_000),
    W("cpu", "100 of 10 ms", burn, lambda: [0.01] * 100),
    W("cpu", "20 of 50 ms", burn, lambda: [0.05] * 20),
    W("cpu", "6 of 200 ms", burn, lambda: [0.2] * 6),
    W("cpu", "20 of 1 to 100 ms", burn, lambda: drawn(1, 20, lambda r: r.uniform(0.001, 0.1))),
    W("cpu", "2,000, heavy tail", burn,
      lambda: drawn(2, 2_000, lambda r: 1e-4 * r.paretovariate(1.3))),
    W("i/o", "2,000 waits of 1 ms", wait, lambda: [0.001] * 2_000),
    W("i/o", "200 waits of 10 ms", wait, lambda: [0.01] * 200),
    W("i/o", "30 waits of 100 ms", wait, lambda: [0.1] * 30),
    W("i/o", "6 waits of 400 ms", wait, lambda: [0.4] * 6),
    W("mixed", "100: 5 ms of waiting, 5 of CPU", fetch_then_parse, lambda: range(100)),
    W("mixed", "200: 9 ms of waiting, 1 of CPU", mostly_wait, lambda: range(200)),
    W("mixed", "100: 1 ms of waiting, 9 of CPU", mostly_burn, lambda: range(100)),
    W("frees the GIL", "60 SHA-256 of 10 MB", hashing, lambda: [10_000_000] * 60),
    W("frees the GIL", "2,000 SHA-256 of 200 kB", hashing, lambda: [200_000] * 2_000),
    W("frees the GIL", "100 zlib of 200 kB", compress, lambda: [6] * 100),
    W("frees the GIL", "100 NumPy sorts", sorting, lambda: range(100)),
    W("frees the GIL", "200 matrix products", multiply, lambda: range(200)),
    W("bursty", "0.1 and 20 ms in turn, by 50", burn, lambda: ([1e-4] * 50 + [0.02] * 15) * 3),
    W("bursty", "waits and computes, by 30", lambda s: burn(-s) if s < 0 else wait(s),
      lambda: ([0.01] * 30 + [-0.01] * 30) * 2),
    W("lying", "10 of 1 µs, then 100 of 10 ms", burn, lambda: [0.0] * 10 + [0.01] * 100),
    W("lying", "1,000 of 1 µs, then 10 of 100 ms", burn, lambda: [0.0] * 1_000 + [0.1] * 10),
    W("lying", "5 of 20 ms, then 100,000 of 1 µs", lambda s: burn(s) if s else 0.0,
      lambda: [0.02] * 5 + [0.0] * 100_000),
    W("lying", "8 waits of 20 ms, then 80 of 10 ms CPU", lambda s: burn(-s) if s < 0 else wait(s),
      lambda: [0.02] * 8 + [-0.01] * 80),
    W("lying", "5 of 20 ms CPU, then 60 waits of 20 ms", lambda s: burn(-s) if s < 0 else wait(s),
      lambda: [-0.02] * 5 + [0.02] * 60),
    W("lying", "a first one of 0.5 s, then 50 of 10 ms", burn, lambda: [0.5] + [0.01] * 50),
    W("big arguments", "40 arrays of 16 MB: mean", mean, lambda: arrays(20, 2_000_000) * 2),
    W("big arguments", "60 arrays of 2 MB, 10 ms of Python", python_over,
      lambda: arrays(60, 250_000)),
    W("big arguments", "100 bytes of 4 MB hashed", hash_given, lambda: [bytes(4_000_000)] * 100),
    W("big arguments", "60 lists of 100,000 numbers summed", total,
      lambda: [list(range(100_000))] * 60),
    W("big arguments", "100 JSON texts of 600 kB", parse,
      lambda: [json.dumps(list(range(80_000)))] * 100),
    W("big results", "100 arrays of 8 MB made", make_array, lambda: range(100)),
    W("big results", "100 lists of 100,000 numbers made", make_list, lambda: range(100)),
    W("big results", "60 arrays of 2 MB, 10 ms of Python", python_makes_array, lambda: range(60)),
    W("async", "300 sleeps of 10 ms", awaits, lambda: [0.01] * 300),
    W("async", "60 sleeps of 50 ms, 1 ms of CPU", awaits_and_burns, lambda: [0.05] * 60),
]  # fmt: skip


# ------------------------------------------------------------ measuring


@dataclass
class Row:
    """What was measured of a workload: the median seconds."""

    kind: str
    name: str
    seconds: dict[str, float] = field(default_factory=dict)
    chose: str = ""
    reason: str = ""
    spread: float = 0.0  # by which that over the best's may be off
    spread_again: float = 0.0
    rounds: int = 0

    @property
    def best(self) -> str:
        return min(HAND_PICKED, key=lambda backend: self.seconds[backend])

    @property
    def ratio(self) -> float:
        return self.seconds["auto"] / self.seconds[self.best]

    @property
    def ratio_again(self) -> float:
        return self.seconds["again"] / self.seconds[self.best]

    @property
    def doubtful(self) -> bool:
        """Whether a few more rounds may change what a ratio is said to be."""
        return max(self.spread, self.spread_again) > SURE

    def line(self) -> str:
        times = " ".join(f"{self.seconds[one] * 1e3:7.0f}" for one in (*HAND_PICKED, "auto"))
        mark = " " if self.ratio <= WORST else "!"
        return (
            f"{self.kind:<13} {self.name:<40} {times} ms  {self.ratio:5.2f}{mark}"
            f"± {self.spread:.2f} {self.ratio_again:5.2f} ± {self.spread_again:.2f} "
            f"{self.rounds:2} rounds  {self.chose}: {self.reason}"
        )

    def markdown(self) -> str:
        times = " | ".join(_short(self.seconds[one]) for one in (*HAND_PICKED, "auto"))
        ratios = f"{self.ratio:.2f} | {self.spread:.2f} | {self.ratio_again:.2f}"
        return f"| {self.kind} | {self.name} | {times} | {ratios} | {self.chose} |"


def _short(seconds: float) -> str:
    return f"{seconds * 1e3:.0f}" if seconds >= 0.0995 else f"{seconds * 1e3:.1f}"


def tidy() -> None:
    """Leave nothing of the run before: to free its results would take the next one's time."""
    forget_last()
    gc.collect()


def measure(workload: Workload, rounds: int) -> Row:
    """Time every backend in turn, after a turn that isn't counted, until the ratios are sure.

    There are `rounds` turns at least, and MORE times as many at most.  Every other one goes
    the other way round, so that what one leaves behind meets all.
    """
    items = workload.items()
    row = Row(workload.kind, workload.name)
    taken: dict[str, list[float]] = {one: [] for one in SIDES}
    chosen: list[Choice] = []
    slow: set[str] = set()

    def run(backend: str) -> None:
        chosen.append(nbexec.map(workload.fn, items, backend=backend, progress="off").run.choice)

    for turn in range(1 + MORE * rounds):
        for one in SIDES if turn % 2 else (*SIDES[-2:], *SIDES[-3::-1]):  # `again` after `auto`
            if one in slow:
                continue
            if one == "auto":
                profiles.forget()
            tidy()
            took = timed(lambda one=one: run("auto" if one == "again" else one))()
            if one == "auto":
                row.chose, row.reason = chosen[-1].backend, chosen[-1].reason
            if turn or took > LONG:
                taken[one].append(took)
                slow.update({one} if took > LONG else ())  # nobody's best: once is enough
        if turn >= rounds:
            row.seconds = {one: statistics.median(times) for one, times in taken.items()}
            row.spread, row.spread_again = (_spread(taken, one, row.best) for one in SIDES[-2:])
            row.rounds = turn
            if not row.doubtful:
                break
    return row


def _spread(taken: dict[str, list[float]], ours: str, best: str) -> float:
    """Give by how much the ratio of medians may be off: the error of the median of the pairs'."""
    ratios = sorted(mine / its for mine, its in zip(taken[ours], taken[best], strict=False))
    if len(ratios) < 2:
        return 0.0
    first, _, third = statistics.quantiles(ratios, n=4, method="inclusive")
    return (third - first) / 2 / len(ratios) ** 0.5


def main() -> None:
    """Measure and print a line a workload, and what came of the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="workloads with this in their kind or name")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    rows: list[Row] = []
    if given.markdown:
        print(HEADER)
    with nbexec.options(progress="off"):
        for workload in WORKLOADS:
            if given.only in f"{workload.kind}: {workload.name}":
                rows.append(measure(workload, 1 if given.quick else given.rounds))
                print(rows[-1].markdown() if given.markdown else rows[-1].line(), flush=True)
    for what, ratios in {
        "first run": [row.ratio for row in rows],
        "second run": [row.ratio_again for row in rows],
    }.items():
        median, worst = statistics.median(ratios), max(ratios)
        met = "met" if median <= MEDIAN and worst <= WORST else "NOT MET"
        print(f"{what}: {len(rows)} workloads, auto / best: median {median:.2f}, "
              f"worst {worst:.2f}; goals {MEDIAN:.2f} and {WORST:.2f} {met}")  # fmt: skip
    if given.json is not None:
        ratios_too = [
            asdict(row) | {"ratio": row.ratio, "ratio_again": row.ratio_again} for row in rows
        ]
        given.json.write_text(json.dumps(ratios_too, indent=1))


if __name__ == "__main__":
    sys.exit(main())
