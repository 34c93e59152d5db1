"""The law of throughput: what a limit allows is used, less a tenth, on a clock of its own.

Between the backlog and workers of each kind.  Covers `nbexec.pacing.pacing`.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from random import Random

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
COUNT = 2850  # what comes back unstarted has used up some of the limit: it has room for that


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


@pytest.mark.parametrize("takes", [0.001, 0.05])
@pytest.mark.parametrize("rate", ["300/s", "1000/s", ["1000/s", "3000/min"]], ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_items_that_travel_together_keep_to_it_and_use_it(way, rate, takes):
    begins, says = WAYS[way]
    pacing = Pacing(Options(rate=rate), Parked())
    pacing.unwanted = lambda chunk: False
    left, back = deque(range(COUNT)), deque()
    now, starts, sizes, events, order = 0.0, {}, [], [], itertools.count()

    def take():
        if back:  # a worker has handed it in before it began
            return back.popleft()
        size = min(pacing.together(now, takes), len(left))
        return Chunk([left.popleft() for _ in range(size)], [None] * size) if size else None

    def send(chunk):
        if random.random() < 0.1 and len(chunk) > 1:  # its last items come back, unstarted
            kept, chunk = chunk, chunk.part(0, len(chunk) - 1)
            learn(begins + takes, returned, kept.part(len(chunk)))
        learn(begins + says, pacing.began, chunk)
        for offset, index in enumerate(chunk.indices):
            starts[index] = now + begins + offset * takes
        half = len(chunk) // 2  # brought in before its chunk has ended
        for part, ended in (chunk.part(0, half), half), (chunk.part(half), len(chunk)):
            if len(part):
                ends = [takes * (at + 1) for at in range(len(part))]
                outcome = Outcome([None] * len(part), {}, 0.0, ends, 0.0, "worker")
                learn(begins + says + ended * takes, pacing.came_back, part, outcome)

    def learn(after, *told):
        heapq.heappush(events, (now + after, next(order), *told))

    def returned(chunk, at):
        pacing.returned(chunk, at)
        back.extend(chunk.part(at, at + 1) for at in range(len(chunk)))

    random = Random(repr((way, rate, takes)))
    while len(starts) < COUNT or events:
        while (chunk := pacing.next(take, now)) is not None:
            sizes.append(len(chunk))
            send(chunk)
        now = max(now, min(pacing.due(), events[0][0] if events else float("inf")))
        while events and events[0][0] <= now:
            _, _, learns, *given = heapq.heappop(events)
            learns(*given, now)
    for one in limit_of("rate", rate).rates:
        window = one.seconds - 1e-9  # times are sums
        assert most_in_a_window(starts.values(), window) <= one.most
    assert max(starts.values()) <= 1.1 * ideal(rate, COUNT) + 0.1
    assert max(sizes) > 1  # where the limit isn't near
    assert sizes.count(1) > 1000  # and where it is
