"""How many at once: nbexec's own number against the best number picked by hand.

    python -m tests.benchmarks.at_once [--only WORD] [--rounds N] [--backend NAME] [--quick]

What earlier runs of a function have shown is forgotten before each run; `again` is the next
run, which remembers.  The servers are objects of this process, in which calls wait.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import nbexec
from nbexec.placement import profiles

from .matrix import burn
from .measure import timed

NUMBERS = (2, 4, 8, 16, 32, 64, 128, 256)
MEDIAN, WORST = 1.15, 1.4  # goals: the time over that with the best number
LATER = 2.0  # seconds, after which a server may get no more than twice what it serves


@dataclass
class Server:
    """Serves `capacity` calls at once, in their order; each takes `load(served)` times as long."""

    capacity: int
    load: Callable[[int], float] = lambda _: 1.0
    at_once: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free = [0.0] * self.capacity
        self._lock, self._inside, self._begun = threading.Lock(), 0, time.perf_counter()

    def call(self, seconds: float) -> None:
        time.sleep(self._enter(seconds))
        self._leave()

    async def call_async(self, seconds: float) -> None:
        await asyncio.sleep(self._enter(seconds))
        self._leave()

    def _enter(self, seconds: float) -> float:
        """Give how long a call takes that comes now."""
        now = time.perf_counter()
        with self._lock:
            self._inside += 1
            self.at_once.append((now - self._begun, self._inside))
            place = self._free.index(min(self._free))
            done = max(now, self._free[place]) + seconds * self.load(self._inside)
            self._free[place] = done
        return max(0.0, done - now)

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1

    def later(self) -> int:
        """Give the most that were at it at once after a while."""
        return max((count for at, count in self.at_once if at > LATER), default=0)


@dataclass
class Kind:
    """A way to wait."""

    name: str
    items: Sequence[float]
    make: Callable[[], tuple[Callable[[float], object], Server | None]]


def sleeps(seconds: float) -> None:
    time.sleep(seconds)


def plain() -> tuple[Callable[[float], object], None]:
    return sleeps, None


def served(capacity: int, load: Callable[[int], float] = lambda _: 1.0) -> Callable[..., object]:
    def make() -> tuple[Callable[[float], object], Server]:
        server = Server(capacity, load)
        return server.call, server

    return make


def mixed(share: float) -> Callable[[], tuple[Callable[[float], object], None]]:
    def wait_and_compute(seconds: float) -> None:
        time.sleep(seconds * (1 - share))
        burn(seconds * share)

    return lambda: (wait_and_compute, None)


def kinds(quick: bool) -> list[Kind]:
    draw, part = random.Random(3), 4 if quick else 1
    tail = [min(2.0, 0.02 * draw.paretovariate(1.3)) for _ in range(1000 // part)]
    normal = [0.05 * draw.lognormvariate(-0.5, 1) for _ in range(1000 // part)]
    many = 1000
    return [
        Kind("2,000 of 1 ms", [0.001] * (2000 // part), plain),
        Kind("400 of 5 ms", [0.005] * (400 // part), plain),
        Kind("400 of 50 ms", [0.05] * (400 // part), plain),
        Kind("40 of 0.2 s", [0.2] * 40, plain),
        Kind("100 of 2 s", [2.0] * 100, plain),
        Kind("10 of 50 ms", [0.05] * 10, plain),
        Kind("a heavy tail, 20 ms to 2 s", tail, plain),
        Kind("log-normal around 50 ms", normal, plain),
        Kind("8 at once, 20 ms", [0.02] * (1200 // part), served(8)),
        Kind("4 at once, 50 ms", [0.05] * (300 // part), served(4)),
        Kind("32 at once, 0.1 s", [0.1] * (1500 // part), served(32)),
        Kind("slower with load", [0.01] * many, served(512, lambda n: 1 + n / 20)),
        Kind("breaks down with load", [0.01] * many, served(512, lambda n: 1 + (n / 30) ** 2)),
        Kind("1 % CPU of 10 ms", [0.01] * (1000 // part), mixed(0.01)),
        Kind("10 % CPU of 10 ms", [0.01] * (500 // part), mixed(0.1)),
        Kind("50 % CPU of 10 ms", [0.01] * (200 // part), mixed(0.5)),
        Kind("5 ms, then 0.1 s", [0.005] * 500 + [0.1] * 300, plain),
    ]


def run(kind: Kind, workers: int | None, backend: str, again: bool = False) -> tuple[float, str]:
    """Give the seconds of a run, and how many there were at the end."""
    fn, server = kind.make()
    if workers is None and not again:
        profiles.forget()
    last = []

    def go() -> None:
        found = nbexec.map(fn, kind.items, backend=backend, workers=workers, progress="off")
        last.append(found.run.choice)

    seconds = timed(go)()
    said = f"{last[0].backend} x {last[0].workers}"
    if server is not None and workers is None:
        said += f", later {server.later() / server.capacity:.1f} times what it serves"
    return seconds, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", default="threads")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    lines, ratios = [], []
    for kind in kinds(given.quick):
        if given.only not in kind.name:
            continue
        times: dict[int | str, list[float]] = {}
        said = ""
        for _ in range(given.rounds):
            for number in NUMBERS:
                times.setdefault(number, []).append(run(kind, number, "threads")[0])
            seconds, said = run(kind, None, given.backend)
            times.setdefault("own", []).append(seconds)
            times.setdefault("again", []).append(run(kind, None, given.backend, again=True)[0])
        medians = {key: statistics.median(found) for key, found in times.items()}
        best = min(NUMBERS, key=lambda number: medians[number])
        ratio, again = medians["own"] / medians[best], medians["again"] / medians[best]
        ratios.append(ratio)
        lines.append(
            f"| {kind.name} | {medians[best]:.3f} | {best} | {medians['own']:.3f} "
            f"| {ratio:.2f} | {again:.2f} | {said} |"
        )
        print(lines[-1], flush=True)
    print(f"median {statistics.median(ratios):.2f} ({MEDIAN}), worst {max(ratios):.2f} ({WORST})")


if __name__ == "__main__":
    main()
