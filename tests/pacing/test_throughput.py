"""The law of throughput: what a limit allows is used, less a tenth, on a clock of its own.

Between the backlog and workers of each kind.  Covers `nbexec.pacing.pacing`.
"""

from __future__ import annotations

import heapq
import itertools

import pytest

from nbexec.model import Chunk, Outcome
from nbexec.options.rates import limit_of
from nbexec.options.record import Options
from nbexec.pacing.pacing import Pacing
from nbexec.pacing.parked import Parked
from nbexec.pacing.windows import Windows

# Seconds until a worker begins what it was sent, and until the kernel knows that it did.
WAYS = {
    "serial": (0.0, 0.0),
    "threads": (0.0005, 0.0005),
    "asyncio": (0.0002, 0.001),
    "processes": (0.002, 0.005),
    "dask": (0.01, 0.02),
}
# With as many items as fill each window several times.
RATES = {
    "20/s": 200,
    "1000/s": 5000,
    "100/min": 450,
    "5/h": 24,
    ("10/s", "200/min"): 650,
    ("3/s", "90/min", "2000/h"): 300,
}
TAKES = 0.3  # seconds an item


def simulate(rate, count, way, key=None):
    """Give when each item began, with a worker for each."""
    begins, says = WAYS[way]
    pacing = Pacing(Options(rate=rate, rate_key=key), Parked())
    pacing.unwanted = lambda chunk: False
    waiting = iter([Chunk(range(at, at + 1), [at]) for at in range(count)])
    now, starts, order = 0.0, {}, itertools.count()
    events = []  # a heap: when, and what the kernel learns
    ended = Outcome([None], {}, 0.0, [TAKES], 0.0, "worker")
    while len(starts) < count or events:
        while (chunk := pacing.next(lambda: next(waiting, None), now)) is not None:
            at = starts[chunk.indices[0]] = now + begins
            heapq.heappush(events, (at + says, next(order), pacing.began, (chunk,)))
            heapq.heappush(
                events, (at + says + TAKES, next(order), pacing.came_back, (chunk, ended))
            )
        now = max(now, min(pacing.due(), events[0][0] if events else float("inf")))
        while events and events[0][0] <= now:
            _, _, learns, given = heapq.heappop(events)
            learns(*given, now)
    return starts


def ideal(rate, count):
    """Give when the last item may begin, where all is known at once."""
    windows, now = Windows(limit_of("rate", rate).rates), 0.0
    for _ in range(count):
        now = windows.free_at(now, {"calls": 1})
        windows.known(windows.reserve({"calls": 1}), now)
    return now


def most_in_a_window(starts, seconds):
    starts, first, most = sorted(starts), 0, 0
    for last, at in enumerate(starts):
        while starts[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_limit_is_kept_and_used(rate, way):
    count = RATES[rate]
    rate = list(rate) if isinstance(rate, tuple) else rate
    starts = simulate(rate, count, way)
    assert sorted(starts) == list(range(count))
    for one in limit_of("rate", rate).rates:
        assert most_in_a_window(starts.values(), one.seconds) <= one.most
    assert max(starts.values()) <= 1.1 * ideal(rate, count) + 0.05


@pytest.mark.parametrize("way", WAYS)
def test_each_key_uses_its_own(way):
    starts = simulate("20/s", 600, way, key=lambda at: at % 3)
    for key in range(3):
        own = [at for index, at in starts.items() if index % 3 == key]
        assert most_in_a_window(own, 1.0) <= 20
        assert max(own) <= 1.1 * ideal("20/s", 200) + 0.05
