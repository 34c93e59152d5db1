"""`imap`: results one by one, bounded memory, infinite inputs.

Covers `nbexec.items.sinks` and `nbexec.run.streaming`.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import nbexec
from nbexec.backends import listener

ROOT = Path(__file__).parents[1]


def square(x):
    return x * x


def test_results_come_in_order(backend):
    assert list(nbexec.imap(square, iter(range(500)), backend=backend)) == [
        x * x for x in range(500)
    ]


def test_unordered_results_are_the_same_ones(backend):
    results = nbexec.imap(square, range(300), ordered=False, backend=backend)
    assert sorted(results) == [x * x for x in range(300)]


def test_an_infinite_input_is_pulled_no_further_than_the_window(backend):
    pulled = 0

    def items():
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    results = nbexec.imap(square, items(), backend=backend, window=10)
    for consumed in range(1, 60):
        assert next(results) == consumed**2
        assert pulled <= consumed + 11
    results.close()
    left = pulled
    time.sleep(0.05)
    assert pulled == left


def test_what_items_are_pulled_from_is_left_when_it_is_closed(backend):
    asked = threading.Event()

    def items():
        yield from range(4)
        asked.set()
        time.sleep(0.3)  # amid this the results are closed
        yield 4

    source = items()
    results = nbexec.imap(square, source, backend=backend)
    assert next(results) == 0
    assert asked.wait(10)
    results.close()
    source.close()  # a ValueError while it is being executed


def test_the_collector_may_drop_it_where_the_end_of_its_run_is_held_up():
    """Seen where it did so in a thread that had the lock of who reads from worker processes."""
    results = nbexec.imap(square, itertools.count(), backend="processes")
    assert next(results) == 0
    run, cycle = results.run, [iter(results)]
    cycle.append(cycle)
    del results
    dropped = threading.Event()

    def drop():
        with listener._listener._lock:
            cycle.clear()
            dropped.set()

    threading.Thread(target=drop, daemon=True).start()
    assert dropped.wait(20)
    assert run.wait(20)


def test_closing_it_unused_ends_the_run(backend):
    results = nbexec.imap(square, itertools.count(), backend=backend)
    results.close()
    assert results.run.done


def test_closing_cancels_the_run(backend):
    results = nbexec.imap(square, itertools.count(), backend=backend)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    results.close()
    assert nbexec.last_run().done
    assert nbexec.last_run().stats.phase == "cancelled"


def test_an_exception_comes_after_the_results_before_it(backend):
    def fail(x):
        return 1 // (3 - x)

    got = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        for value in nbexec.imap(fail, range(100), backend=backend, chunk=1):
            got.append(value)
    assert got == [0, 0, 1]


def test_failures_are_given_in_place(backend):
    results = list(nbexec.imap(lambda x: 1 // x, [1, 0, 1], backend=backend, on_error="collect"))
    assert results[0] == results[2] == 1
    assert isinstance(results[1].exception, ZeroDivisionError)


def test_a_generator_that_raises_midway_raises_after_its_results(backend):
    def items():
        yield from range(20)
        raise KeyError("end")

    got = []
    with pytest.raises(nbexec.ItemsError):  # noqa: PT012
        for value in nbexec.imap(square, items(), backend=backend):
            got.append(value)
    assert got == [x * x for x in range(20)]


def test_a_slow_consumer_holds_the_input_back(backend):
    pulled = []

    def items():
        for x in range(1000):
            pulled.append(x)
            yield x

    results = nbexec.imap(square, items(), backend=backend, window=20)
    next(results)
    time.sleep(0.1)  # nothing can be awaited: the point is that nothing happens
    assert len(pulled) <= 22
    assert sum(1 for _ in results) == 999


def test_chained_imaps_stream(backend):
    first = nbexec.imap(square, range(100), backend=backend)
    second = nbexec.imap(lambda x: x + 1, first, backend="threads")
    assert list(second) == [x * x + 1 for x in range(100)]


def test_threads_end_with_their_runs():
    list(nbexec.imap(square, range(10), backend="threads"))
    deadline = time.monotonic() + 20
    ours = ("nbexec-run", "nbexec-caller", "nbexec-display", "nbexec-usage")
    while time.monotonic() < deadline:
        if not [t for t in threading.enumerate() if t.name in ours]:
            return
        time.sleep(0.01)
    pytest.fail(f"left: {threading.enumerate()}")


FLAT = """
import itertools, psutil, sys, nbexec

if __name__ == "__main__":
    me, most = psutil.Process(), 0
    stream = nbexec.imap(abs, itertools.count(), backend=sys.argv[1], workers=2, progress="off")
    for n, value in enumerate(stream):
        assert value == n
        if n == 500_000:  # the pool is there, and the window is as wide as it gets
            first = me.memory_info().rss
        if n > 500_000 and n % 100_000 == 0:
            most = max(most, me.memory_info().rss - first)
        if n == int(sys.argv[2]):
            break
    stream.close()
    sys.stdout.write(str(most))
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("millions", [2, pytest.param(10, marks=pytest.mark.extended)])
@pytest.mark.parametrize("name", ["threads", "processes"])
def test_memory_stays_flat_over_millions_of_items(name, millions, tmp_path):
    script = tmp_path / "flat.py"
    script.write_text(FLAT)
    command = [sys.executable, str(script), name, f"{millions}000000"]
    grown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(grown.stdout) < 50_000_000
