"""Full garbage collections: the seconds that they took in each thread.

A full collection looks at every object of the kernel: a second where there are millions.  It is
no cost of the item in which it happened to begin.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import Any, NamedTuple

FULL = 2  # the oldest generation


class Collected(NamedTuple):
    """Seconds of full collections."""

    wall: float
    cpu: float


NONE = Collected(0.0, 0.0)

_by_thread: dict[int, Collected] = {}
_begun = NONE  # the clocks when the collection that runs began: there is one at a time


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
    if _take_in not in gc.callbacks:
        gc.callbacks.append(_take_in)
    return _by_thread.get(thread, NONE)


def _take_in(phase: str, info: dict[str, Any]) -> None:
    global _begun
    if info["generation"] < FULL:
        return
    if phase == "start":
        _begun = Collected(time.perf_counter(), time.thread_time())
    elif _begun is not NONE:
        thread = threading.get_ident()
        before, begun, _begun = _by_thread.get(thread, NONE), _begun, NONE
        wall, cpu = time.perf_counter() - begun.wall, time.thread_time() - begun.cpu
        _by_thread[thread] = Collected(before.wall + wall, before.cpu + cpu)
