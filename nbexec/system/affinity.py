"""CPU affinity: a core for each worker, and all of them again afterwards.  Linux has it.

A thread, or a process, begins with the affinity of the thread that starts it.  So what a pinned
thread starts for others is started with that of the whole process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from . import machine

_pinned = False  # whether a thread of this process ever was
_before: set[int] | None = None  # what this process had, where it is pinned as a whole


def possible() -> bool:
    """Whether this system can."""
    return hasattr(os, "sched_setaffinity")


def whole() -> set[int]:
    """Give the cores of this process: those of its main thread, which isn't pinned alone."""
    return os.sched_getaffinity(os.getpid())


def core_of(number: int) -> int:
    """Give the core of worker `number`: they take turns."""
    cores = sorted(whole())
    return cores[number % len(cores)]


def pin_thread(core: int) -> None:
    """Keep this thread on a core."""
    global _pinned
    _pinned = True
    os.sched_setaffinity(threading.get_native_id(), {core})


def unpin_thread() -> None:
    """Have this thread have all cores of its process."""
    if _pinned:
        os.sched_setaffinity(threading.get_native_id(), whole())


@contextlib.contextmanager
def unpinned() -> Iterator[None]:
    """Have what is started meanwhile have all cores of this process."""
    if not _pinned:
        yield
        return
    me = threading.get_native_id()
    mine = os.sched_getaffinity(me)
    os.sched_setaffinity(me, whole())
    try:
        yield
    finally:
        os.sched_setaffinity(me, mine)


def pin_process(core: int | None) -> None:
    """Keep every thread of this process on a core; None: on those that it had before."""
    global _before
    if core is None and _before is None:
        return
    _before = _before or whole()
    cores = _before if core is None else {core}
    try:
        threads = [int(one) for one in os.listdir("/proc/self/task")]
    except OSError:
        threads = [0]
    for thread in threads:
        with contextlib.suppress(OSError):  # it has ended
            os.sched_setaffinity(thread, cores)
    if core is None:
        _before = None
    machine.cores.cache_clear()
