"""Full garbage collections: the seconds that they took in each thread.

A full collection looks at every object of the kernel: a second where there are millions.  It is
no cost of the item in which it happened to begin.

What the collector calls here is made of functions in C, and runs no Python code.  Where Python
code runs, other threads get their turn: in the midst of `ast.parse`, say, which in Python 3.11
fails if another thread parses something then ("AST constructor recursion depth mismatch").
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from operator import call, itemgetter, methodcaller
from typing import Any, NamedTuple, TypeVar

from . import after_fork

T = TypeVar("T")


class Collected(NamedTuple):
    """Seconds of full collections."""

    wall: float
    cpu: float


NONE = Collected(0.0, 0.0)


def collected(thread: int) -> Collected:
    """Give the seconds that full collections took in a thread since the first call of this.

    Parameters
    ----------
    thread : int
        Its `threading.get_ident()`.

    Examples
    --------
    >>> import gc, threading
    >>> before = collected(threading.get_ident())
    >>> found = gc.collect()
    >>> collected(threading.get_ident()).wall > before.wall
    True
    """
    global _clock
    if _clock is None or _clock.call not in gc.callbacks:
        _clock = _Clock()
        gc.callbacks.append(_clock.call)
    return _clock.read().get(thread, NONE)


class _Clock:
    """What the clocks showed when each full collection began and ended.

    The collector gets an attribute of it: `start` or `stop`, as the phases are called.
    """

    start = property(methodcaller("note_start"))
    stop = property(methodcaller("note_stop"))

    def __init__(self) -> None:
        self.call = partial(getattr, self)
        self._by_thread: dict[int, Collected] = {}
        self._lock = threading.Lock()

        begun = deque([(0.0, 0.0)], maxlen=1)
        self._ended: deque[Any] = deque()
        clocks = _each(time.perf_counter), _each(time.thread_time)
        end = zip(_each(threading.get_ident), _each(begun.copy), *clocks, strict=False)
        self.note_start = map(begun.append, zip(*clocks, strict=False)).__next__
        # A full collection alone leaves no lesser one to count.
        lesser = map(any, map(itemgetter(slice(1, None)), _each(gc.get_count)))
        note = {False: map(self._ended.append, end).__next__, True: bool}
        ended: Iterator[Any] = map(call, map(note.__getitem__, lesser))  # type: ignore[arg-type]
        self.note_stop = ended.__next__

    def read(self) -> dict[int, Collected]:
        """Give the seconds of each thread."""
        with self._lock:
            while self._ended:
                thread, [(wall, cpu)], *now = self._ended.popleft()
                before = self._by_thread.get(thread, NONE)
                self._by_thread[thread] = Collected(
                    before.wall + now[0] - wall, before.cpu + now[1] - cpu
                )
            return self._by_thread


def _each(function: Callable[[], T]) -> Iterator[T]:
    """Give what a function returns, without an end."""
    return iter(function, object())


_clock: _Clock | None = None


def _forget() -> None:
    """Have a forked child make a clock of its own: another thread may have held the lock."""
    global _clock
    if _clock is not None and _clock.call in gc.callbacks:
        gc.callbacks.remove(_clock.call)
    _clock = None


after_fork.add(_forget)
