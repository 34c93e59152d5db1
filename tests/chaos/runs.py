"""Random runs, and the laws that hold for each.  For a night: ``python -m tests.chaos 10000``.

A run is random in its items and what they do, its options, and what is asked of it while
it goes on.  Whatever that is: every index ends exactly once, with the right value or a
failure of its own; the events follow the grammar; and the run ends.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest import mock

from hypothesis import strategies as st

import nbexec
from nbexec.model import Failure

from ..conftest import REMOTE, Log
from ..telemetry.test_events import check, refold

PATIENCE = 60.0  # seconds until a run that hasn't ended never will

runs = itertools.count()
began: Counter[tuple[int, int]] = Counter()  # how often each item of each run was, in this process


def work(item: Any) -> Any:
    """Do what the item says."""
    run, index, what = item[:3]
    began[run, index] += 1
    if what == "raise":
        raise ValueError(index)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "nap":
        time.sleep(0.002)
    if what == "flaky" and began[run, index] == 1:
        raise OSError(index)
    return threading.Lock() if what == "unpicklable" else -index


@dataclass(frozen=True)
class Plan:
    """A run, and what is asked of it."""

    backend: str
    whats: list[str]
    options: dict[str, Any]
    lazy: bool
    orders: list[tuple[str, float]]

    def items(self, run: int) -> list[Any]:
        """Give the run's number, an index, what to do there, and what may not pickle."""
        lock = threading.Lock()
        return [(run, i, w, *[lock] * (w == "unsendable")) for i, w in enumerate(self.whats)]

    @property
    def remote(self) -> bool:
        return self.backend in REMOTE

    def fails(self, what: str) -> bool:
        """Whether an item that does this has no value in the end."""
        if what == "flaky":  # a remote worker that tries it again may be another
            return self.options["retries"] == 0
        return what in ("raise", "kill") or (self.remote and what in ("unpicklable", "unsendable"))


@st.composite
def plans(draw: st.DrawFn, backend: str, most: int = 60) -> Plan:
    """Give random plans for a backend."""
    sorts = ["raise", "nap", "unpicklable", "unsendable"]
    if backend not in REMOTE:
        sorts.append("flaky")
    count = draw(st.integers(0, most))
    odd = draw(st.dictionaries(st.integers(0, most), st.sampled_from(sorts), max_size=8))
    whats = [odd.get(i, "value") for i in range(count)]
    if backend in REMOTE and count and draw(st.integers(0, 3)) == 0:
        whats[draw(st.integers(0, count - 1))] = "kill"
    once = draw(st.integers(0, 4)) == 0
    options = {
        "workers": draw(st.integers(1, 4)),
        "chunk": draw(st.none() | st.integers(1, 12)) if not once else None,
        "retries": draw(st.integers(0, 2)),
        "retry_wait": draw(st.sampled_from([0.0, 0.001])),
        "crash_retries": 0 if once else 1,
        "on_error": draw(st.sampled_from(["collect", "collect", "raise"])),
    }
    order = st.sampled_from(
        ["pause", "resume", "cancel", "deadline", "workers 1", "workers 2", "workers 5"]
    )
    orders = draw(st.lists(st.tuples(order, st.sampled_from([0.0, 0.001, 0.005])), max_size=5))
    if any(order == "deadline" for order, _ in orders):
        options["deadline"] = draw(st.sampled_from([0.0001, 0.01]))
    return Plan(backend, whats, options, draw(st.booleans()), orders)


def carry_out(plan: Plan) -> None:
    """Run a plan, and assert every law."""
    log, number = Log(), next(runs)
    items = plan.items(number)
    given = iter(items) if plan.lazy else items
    with mock.patch("nbexec.observers.watchers", return_value=[log]):
        run = nbexec.start(work, given, backend=plan.backend, progress="off", **plan.options)
        for order, wait in plan.orders:
            time.sleep(wait)
            give(run, order)
        run.resume()
        if not run.wait(PATIENCE):
            faulthandler.dump_traceback(all_threads=True)
            raise AssertionError(f"the run never ended: {run!r}")
    obey(plan, run, log)
    times = [began.pop((number, index), 0) for index in range(len(items))]
    most = 1 + plan.options["retries"]
    assert plan.remote or max(times, default=0) <= most, "run more often than it was tried"


def give(run: nbexec.Run, order: str) -> None:
    """Do what an order says."""
    verb, _, number = order.partition(" ")
    if verb == "workers":
        run.workers = int(number)
    elif verb != "deadline":
        getattr(run, verb)()


def obey(plan: Plan, run: nbexec.Run, log: Log) -> None:
    """Assert the laws."""
    finished = check(log.events)  # every index that was submitted ended exactly once
    assert refold(log.events) == run.stats
    stopped = run.stats.phase in ("cancelled", "failed")
    assert run.stats.phase != "crashed", run._error
    assert set(finished) <= set(range(len(plan.whats)))
    results, count = run.results, len(plan.whats)
    bad = [i for i, what in enumerate(plan.whats) if plan.fails(what)]
    if not stopped:
        assert set(finished) == set(range(count))
        assert len(results) == count
        assert plan.options["on_error"] == "collect" or not bad
    elif (
        run.stats.phase == "failed"
        and plan.options["on_error"] == "raise"
        and not run._loop.stopping.late
    ):
        first = run._loop.context.stop_after
        assert first == min(bad), "not the first that a plain loop would have failed at"
        assert set(range(first + 1)) <= set(finished)
    for index, result in enumerate(results):
        check_result(plan, index, result, stopped)


def check_result(plan: Plan, index: int, result: Any, stopped: bool) -> None:
    """Assert that a result is that of its item."""
    what = plan.whats[index]
    if isinstance(result, Failure):
        assert result.index == index
        if result.kind == "cancelled":
            assert stopped
            return
        assert plan.fails(what), (what, result)
        assert result.kind == ("lost" if what == "kill" else "error")
        if what in ("raise", "flaky"):
            assert isinstance(result.exception, (ValueError, OSError))
            assert result.exception.args == (index,)
            assert result.attempt == 1 + plan.options["retries"]
        elif what == "kill":
            assert isinstance(result.exception, nbexec.WorkerDied)
            assert "SIGKILL" in str(result.exception)
            assert result.attempt == 1 + plan.options["crash_retries"]
        else:
            assert isinstance(result.exception, nbexec.PickleError)
    else:
        assert not plan.fails(what), (what, result)
        assert what == "unpicklable" or result == -index


def main(count: int) -> None:
    """Carry out `count` runs on each backend."""
    from hypothesis import HealthCheck, Phase, given, settings

    for backend in ("serial", "threads", "asyncio", "auto", "processes", "dask"):
        examples = count if backend not in REMOTE else max(1, count // 20)

        @settings(
            max_examples=examples,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(plan=plans(backend))
        def obeys(plan: Plan) -> None:
            carry_out(plan)

        begun = time.monotonic()
        obeys()
        sys.stdout.write(f"{backend}: {examples} runs, {time.monotonic() - begun:.0f} s\n")
