"""Calls that wait in a pool of threads, while other calls hold the interpreter.

The pool begins as ever.  Once its threads have computed for a moment, and calls wait, those that
wait go to worker processes: two threads can't compute in Python at the same time.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ...backends import get_backend
from ...system import machine
from ..analysis.analysis import Refusal
from ..analysis.object_facts import frozen
from .deciding import there
from .pool_calls import Agreed, Arguments, agree
from .pool_notes import PoolStep, UserLine, around, user_line
from .pool_run import PoolFuture, PoolRun

TICK = 0.02  # seconds between two looks
LOOKED = 0.03  # seconds that threads have computed, at least, when calls leave
COMPUTING = 0.6, 1.3  # cores that threads want, and have, which hold the interpreter in turn
LONG = 5.0  # seconds that are left, for which worker processes are started


@dataclass(frozen=True)
class WaitingCall:
    """A task that waits in a pool of threads.

    Attributes
    ----------
    function : callable
        The user's function.
    calls : list
        The arguments of its calls: several where the library sends some together.
    whole : tuple
        What is called by the library's thread, and with what.
    outer : Future or None
        The library's own future.
    ended : callable
        Is told of the worker's future.
    put_back : callable
        Gives the task back to the pool.
    """

    function: Any
    calls: list[Arguments]
    whole: tuple[Any, tuple[Any, ...], dict[str, Any]]
    outer: Any
    ended: Callable[[PoolFuture], None]
    put_back: Callable[[], None]


class WatchedThreads(Protocol):
    """A pool of threads."""

    def nbexec_threads(self) -> list[threading.Thread]:
        """Give its threads."""

    def nbexec_waiting(self) -> int:
        """Give how many tasks wait."""

    def nbexec_take(self) -> list[WaitingCall]:
        """Take all tasks that wait."""


class ThreadWatcher:
    """Looks at a pool of threads while a step of a cell runs.

    Parameters
    ----------
    pool : WatchedThreads
        The pool.
    what : str
        What it is called in messages.
    """

    def __init__(self, pool: WatchedThreads, what: str) -> None:
        self._pool = weakref.ref(pool)
        self._what = what
        self._ended = threading.Event()
        self._step: PoolStep | None = None
        self._where = UserLine(0, "")
        self._runs: list[PoolRun] = []
        self._thread: threading.Thread | None = None
        self._most = 0, 0.0  # tasks that waited when most did, and when

    def calls(self, name: str) -> None:
        """Take in that calls were made by a method of the pool; begin to look."""
        step = around()
        if step is None or step is self._step:
            return
        if machine.computing(threading.get_native_id()) is None:
            return  # nobody can tell whether its threads compute
        if step.options.backend not in ("auto", "processes") or step.options.workers == 1:
            return
        self._step, self._where, self._name = step, user_line(), name
        self._ended = threading.Event()
        given = self._ended, step, f"`{self._what}.{name}`"
        self._thread = threading.Thread(
            target=self._look, args=given, name="nbexec-pool", daemon=True
        )
        self._thread.start()
        step.pools.at_end(self, self.end_step)

    def end_step(self) -> None:
        """Look no more: the step has ended."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._step = self._thread = None
        for run in self._runs:
            run.close()
        self._runs.clear()

    def cancel(self) -> None:
        """Drop the calls that workers have."""
        for run in self._runs:
            run.cancel()

    # ------------------------------------------------------------ in a thread of its own

    def _look(self, ended: threading.Event, step: PoolStep, what: str) -> None:
        spent, missing = 0.0, False
        since, before = time.perf_counter(), self._computed()
        while not ended.wait(TICK):
            now, computed = time.perf_counter(), self._computed()
            wall, cpu = now - since, computed[0] - before[0]
            wanted = cpu + computed[1] - before[1]  # on a busy machine there is less to be had
            in_turn = wanted >= COMPUTING[0] * wall and cpu <= COMPUTING[1] * wall
            spent = spent + wall if in_turn else 0.0
            since, before = now, computed
            pool = self._pool()
            if pool is None:
                return
            if spent >= LOOKED and pool.nbexec_waiting():
                try:
                    missing = not self._leave(pool, step, what)
                    if missing:
                        del pool
                        continue
                except Refusal as refusal:
                    step.pools.decline(what, refusal)
                except Exception as error:  # leaving it alone is always right
                    why = f"can't be looked into: {type(error).__name__}"
                    step.pools.decline(what, Refusal(self._where.line, why))
                return
            del pool
        if missing:
            why = "worker processes are not there yet"
            step.pools.decline(what, Refusal(self._where.line, why))

    def _computed(self) -> tuple[float, float]:
        """Give the seconds that the pool's threads have been on a core, and ready for one."""
        pool = self._pool()
        threads = [] if pool is None else pool.nbexec_threads()
        found = [machine.computing(one.native_id) for one in threads if one.native_id is not None]
        on_core, waited = zip((0.0, 0.0), *(one for one in found if one is not None), strict=True)
        return sum(on_core), sum(waited)

    def _leave(self, pool: WatchedThreads, step: PoolStep, what: str) -> bool:
        """Have workers do what waits; give False to look once more later."""
        wanted = os.cpu_count() or 1
        workers = there(step, wanted)
        if workers < 2:
            if wanted > 1 and self._rest(pool.nbexec_waiting()) > LONG:
                get_backend("processes").warm_up(step.options.workers or wanted)
            return False
        taken = pool.nbexec_take()
        try:
            left = self._sent(taken, step, workers)
        except BaseException:
            for one in taken:
                one.put_back()
            raise
        if left is not None:
            step.pools.take(what, self._where, left.get_stats)
        return True

    def _rest(self, waiting: int) -> float:
        """Estimate the seconds that the pool needs for what waits."""
        now = time.perf_counter()
        if waiting >= self._most[0]:
            self._most = waiting, now
            return 0.0
        return waiting * (now - self._most[1]) / (self._most[0] - waiting)

    def _sent(self, taken: list[WaitingCall], step: PoolStep, workers: int) -> PoolRun | None:
        if not taken:
            return None
        line = self._where.line
        function = taken[0].function
        if any(one.function is not function for one in taken):
            raise Refusal(line, "has calls of different functions waiting")
        calls = [call for one in taken for call in one.calls]
        agreed = agree(function, calls, line, step.options, by_value=True)
        apart = _apart(agreed, calls)
        if agreed.waits:
            raise Refusal(line, "may wait for something else")
        name = getattr(function, "__name__", type(function).__name__)
        run = PoolRun(f"{self._what} of {name}", workers, step.options, step.pools.account)
        self._runs.append(run)
        for one in taken:
            fits = _any if apart else _frozen if one.whole[0] is function else _all_frozen
            inner = PoolFuture(one.outer, fits)
            inner.add_done_callback(one.ended)  # type: ignore[arg-type]
            run.submit(*one.whole, plain, inner)
        return run


def plain(error: Exception, _: Any) -> Exception:
    """Give an exception as it is: the library raises its own."""
    return error


def _any(value: Any) -> bool:
    return True


def _frozen(value: Any) -> bool:
    """Whether it makes no difference that a value is a copy."""
    return frozen(value)


def _all_frozen(values: Any) -> bool:
    return type(values) is list and all(map(frozen, values))


def _apart(agreed: Agreed, calls: list[Arguments]) -> bool:
    """Whether what the function gives is new, or can't be changed."""
    if agreed.captured:
        return False
    return all(frozen(one) for args, named in calls for one in (*args, *named.values()))
