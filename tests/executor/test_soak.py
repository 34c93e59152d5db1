"""A soak of `nbexec.Executor`: random calls that fail, hang, die and are cancelled, for long.

Every future ends exactly once, as its call's script says; memory stays where it is, and nothing
is left.  ``NBEXEC_SOAK`` says for how many seconds (20 a backend without it), and
``NBEXEC_SOAK_SEED`` repeats a soak by the seed that it printed.

Covers `executor/executor`, `executor/open_runs` and `items/call_queue`.
"""

from __future__ import annotations

import concurrent.futures
import gc
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

import nbexec

from ..waiting import until

SECONDS = float(os.environ.get("NBEXEC_SOAK", "20"))
LONGEST = 120.0  # seconds that a round may take on a busy machine
FLAT = 24 << 20  # bytes that are no leak: the allocator's own ups and downs
KEPT = 8 << 10  # bytes for a failure that the run keeps, of which there are at most 10,000


# ---------------------------------------------------------------- what the calls do


def perform(kind: str, number: int, folder: Path) -> Any:
    """Do what a call's script says."""
    if kind == "raise":
        raise ValueError(number)
    if kind == "leave":
        raise SystemExit(number)
    if kind == "flaky":  # raises at its first try
        (folder / str(number)).open("x" if not (folder / str(number)).exists() else "a").close()
        if (folder / str(number)).stat().st_size == 0:
            (folder / str(number)).write_text("tried")
            raise OSError(number)
        (folder / str(number)).unlink()
    if kind == "late":
        while not nbexec.cancelled():
            time.sleep(0.002)
    if kind == "exit":
        os._exit(3)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "speak":
        print("call", number)
    if kind == "nested":
        return nbexec.map(abs, [-number], backend="serial", progress="off")[0]
    if kind == "large":
        return bytes(200_000)
    return number


async def awaited(number: int) -> int:
    """Be a coroutine function."""
    return number


# ---------------------------------------------------------------- what must come of them


class Script(NamedTuple):
    """A call, and whether somebody tries to cancel it."""

    kind: str
    number: int
    cancel: bool
    priority: int = 0


class Scripts:
    """Random calls, each with a number of its own."""

    USUAL = ("value", "value", "value", "value", "speak", "raise", "leave", "nested", "large")
    SELDOM = ("flaky", "awaited")
    FATAL = ("exit", "kill")

    def __init__(self, seed: int, fatal: bool) -> None:
        self.random = random.Random(seed)
        self.fatal = fatal
        self.made = 0

    def some(self, count: int) -> list[Script]:
        """Give so many."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Script:
        self.made += 1
        draw = self.random.random()
        kinds = self.USUAL if draw < 0.95 else self.SELDOM
        if self.fatal and draw > 0.998:
            kinds = self.FATAL
        priority = self.random.choice((0, 0, 0, -10, 10))
        return Script(self.random.choice(kinds), self.made, self.random.random() < 0.1, priority)


def check(script: Script, future: concurrent.futures.Future[Any], ends: bool = False) -> None:
    """Assert that a future ended as its call says, or with its executor, where that `ends`."""
    assert future.done(), script
    if future.cancelled():
        assert script.cancel or ends, script
        return
    error, number = future.exception(0), script.number
    if ends and isinstance(error, nbexec.RunCancelled):
        return
    if script.kind == "late":
        assert isinstance(error, nbexec.ItemTimeout), (script, error)
    elif script.kind in Scripts.FATAL:
        assert isinstance(error, nbexec.WorkerDied), (script, error)
    elif script.kind in ("raise", "leave"):
        wanted = ValueError if script.kind == "raise" else SystemExit
        assert (type(error), error.args) == (wanted, (number,)), (script, error)
    else:
        assert error is None, (script, error)
        assert future.result() == (bytes(200_000) if script.kind == "large" else number), script


class Round:
    """Calls that were submitted together, by several threads."""

    def __init__(self, executor: nbexec.Executor, folder: Path) -> None:
        self.executor: Any = executor
        self.folder = folder
        self.calls: list[tuple[Script, concurrent.futures.Future[Any]]] = []
        self.told: Counter[int] = Counter()  # how often each call's callback was called
        self.ends = False  # whether calls may end with their executor, or be one too many
        self.rejected = 0

    def submit(self, scripts: list[Script]) -> None:
        """Submit them, and cancel those that are to be."""
        for script in scripts:
            number, view = script.number, self.executor
            if script.kind == "late":
                view = view.options(timeout=1.0)
            if script.priority:
                view = view.options(priority=script.priority)
            try:
                future = (
                    view.submit(awaited, number)
                    if script.kind == "awaited"
                    else view.submit(perform, script.kind, number, self.folder)
                )
            except nbexec.QueueFull:
                self.rejected += 1
                continue
            future.add_done_callback(lambda _, number=number: self.told.update([number]))
            if script.cancel:
                future.cancel()
            self.calls.append((script, future))

    def submit_at_once(self, scripts: list[Script], threads: int = 3) -> None:
        """Submit them from several threads."""
        parts = [scripts[n::threads] for n in range(threads)]
        with concurrent.futures.ThreadPoolExecutor(threads) as submitters:
            list(submitters.map(self.submit, parts))

    def end(self) -> None:
        """Wait for the calls, and check each."""
        pending = concurrent.futures.wait([one for _, one in self.calls], LONGEST).not_done
        assert not pending, f"{len(pending)} of {len(self.calls)} never ended"
        for script, future in self.calls:
            check(script, future, self.ends)
        numbers = {script.number for script, _ in self.calls}
        until(lambda: len(self.told) == len(numbers))  # the last ones may still be on their way
        assert self.told == Counter(numbers)


def a_short_life(backend: str, scripts: Scripts, folder: Path) -> None:
    """Have an executor that is shut down in one of its ways, or that nobody holds any more."""
    draw = scripts.random
    token = nbexec.CancelToken()
    on_full = draw.choice(("block", "caller_runs", "reject", "discard", "discard_oldest"))
    bound = {"max_queue": draw.choice((0, 3)), "on_full": on_full} if draw.random() < 0.7 else {}
    short = Round(nbexec.Executor(backend, 2, cancel=token, **bound), folder)
    out = {"flaky", *Scripts.FATAL, *(("leave",) if on_full == "caller_runs" else ())}
    some = [one for one in scripts.some(20) if one.kind not in out]
    short.submit(some)
    assert short.executor.stats.rejected == short.rejected
    assert len(short.calls) + short.rejected == len(some)
    how = draw.choice(("shutdown", "shutdown_now", "cancel", "token", "drop"))
    short.ends = how != "drop" or "discard" in on_full
    if how == "shutdown":
        wait, cancel = draw.random() < 0.5, draw.random() < 0.5
        short.executor.shutdown(wait, cancel_futures=cancel)
    elif how == "shutdown_now":
        for one in short.executor.shutdown_now():
            assert one.future.cancelled()
        assert short.executor.join(LONGEST)
    elif how != "drop":
        (short.executor.run if how == "cancel" else token).cancel()
        assert short.executor.run.wait(LONGEST)
    if how != "drop":
        with pytest.raises(RuntimeError):
            short.executor.submit(perform, "value", 1, folder)
    short.executor = None  # nobody holds it
    short.end()


# ---------------------------------------------------------------- what must not grow


class Usage(NamedTuple):
    """What this process has."""

    memory: int  # bytes
    failed: int  # that the executor counts

    @classmethod
    def now(cls, executor: nbexec.Executor) -> Usage:
        gc.collect()
        return cls(psutil.Process().memory_info().rss, min(10_000, executor.stats.failed))


def assert_flat(usages: list[Usage]) -> None:
    """Assert that the second half of a soak took no more memory than it may keep."""
    if len(usages) < 20:  # the first ones fill the allocator's pools: there is nothing to compare
        return
    quarter = len(usages) // 4
    early, late = usages[quarter : 2 * quarter], usages[-quarter:]
    grown = statistics.median(one.memory for one in late) - statistics.median(
        one.memory for one in early
    )
    kept = KEPT * (late[-1].failed - early[0].failed)
    assert grown < FLAT + kept, f"{grown / 2**20:.0f} MiB more, in {len(usages)} rounds"


def holdings() -> dict[str, int]:
    """Give what a process may leave behind: threads, children, descriptors."""
    me = psutil.Process()
    return {
        "threads": threading.active_count(),
        "children": len(me.children(recursive=True)),
        "descriptors": me.num_fds() if hasattr(me, "num_fds") else 0,
    }


SLACK = {"threads": 6, "children": 3, "descriptors": 30}  # workers that are kept, warm


# ---------------------------------------------------------------- the soak


def soak(backend: str, scripts: Scripts, folder: Path, seconds: float, size: int) -> int:
    """Submit rounds of calls until the time is over; give how many calls there were."""
    usages: list[Usage] = []
    due = time.monotonic() + seconds
    fatal = {"crash_retries": 0} if scripts.fatal else {}
    options = {"workers": 3, "retries": 1, "retry_wait": 0, "retry_on": "OSError", **fatal}
    with nbexec.Executor(backend, **options) as executor:
        while time.monotonic() < due or not usages:
            one = Round(executor, folder)
            one.submit([Script("late", -len(usages), False, 10)])
            one.submit_at_once(scripts.some(size))
            a_short_life(backend, scripts, folder)
            mapped = executor.map(abs, range(-200, 0), chunksize=scripts.random.randrange(1, 50))
            assert list(mapped) == [*range(200, 0, -1)]
            one.end()
            usages.append(Usage.now(executor))
    assert_flat(usages)
    return scripts.made


@pytest.mark.extended
@pytest.mark.timeout(SECONDS + 2 * LONGEST + 120)
@pytest.mark.parametrize(("backend", "size"), [("threads", 2000), ("asyncio", 1000)])
def test_many_calls_in_the_kernel(backend, size, tmp_path):
    run(backend, size, tmp_path)


@pytest.mark.extended
@pytest.mark.timeout(SECONDS + 2 * LONGEST + 120)
def test_many_calls_in_processes_that_die(tmp_path):
    run("processes", 500, tmp_path)


def run(backend: str, size: int, folder: Path) -> None:
    """Soak a backend, and look at what is left."""
    seed = int(os.environ.get("NBEXEC_SOAK_SEED", random.SystemRandom().randrange(2**32)))
    print(f"NBEXEC_SOAK_SEED={seed}")
    scripts = Scripts(seed, fatal=backend == "processes")
    soak(backend, scripts, folder, 0.0, size)  # until workers are there, and kept
    before = holdings()
    made = soak(backend, scripts, folder, SECONDS, size)
    print(f"{made:,} calls on {backend}")

    def none_left() -> bool:
        gc.collect()
        now = holdings()
        return all(now[name] <= before[name] + SLACK[name] for name in SLACK)

    try:
        until(none_left, 60)
    except AssertionError:
        raise AssertionError(f"{before} before, and {holdings()} at the end") from None
