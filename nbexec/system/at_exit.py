"""Exit hooks: calls that must come before the interpreter waits for its threads.

concurrent.futures, loky and distributed wait at exit, with the private
`threading._register_atexit`, since plain `atexit` comes after threads are joined.  The last
one registered runs first: so `arm` is called after each of theirs (loky registers its own
again with every executor).

A child process of multiprocessing ends otherwise: it waits for its own children first, and
never comes to `atexit` (before Python 3.14).  It has finalisers for that.
"""

from __future__ import annotations

import sys

from . import after_fork

TYPE_CHECKING = False  # typing takes 10 ms, and this comes with the package
if TYPE_CHECKING:
    from collections.abc import Callable

_first: list[Callable[[], None]] = []  # called once each, the latest first
_last: list[Callable[[], None]] = []  # called each time, after those
_FIRST, _TIDYING = 100, 50  # priorities of finalisers; what is below 0 comes after the waiting
_finalising = False  # whether multiprocessing has the hooks, too


def arm() -> None:
    """Have `run` called at Python's end, before what was registered up to now."""
    import atexit
    import threading

    global _finalising
    register = getattr(threading, "_register_atexit", atexit.register)
    try:
        register(run)
    except RuntimeError:  # Python is at its end, and an executor finishes what it has
        pass
    if not _finalising:
        _finalising = _finalise(_FIRST, run)


def _finalise(priority: int, hook: Callable[..., None], *args: object) -> bool:
    """Have multiprocessing call `hook` before it waits for children; give whether it will."""
    util = sys.modules.get("multiprocessing.util")  # where this is a child of its, it is loaded
    if util is None:
        return False
    util.Finalize(None, hook, args, exitpriority=priority)
    return True


def tidy(hook: Callable[..., None], *args: object) -> None:
    """Have ``hook(*args)`` called at the end of this process, after workers are ended."""
    import atexit

    atexit.register(hook, *args)
    _finalise(_TIDYING, hook, *args)


def _forget() -> None:
    global _finalising
    _finalising = False  # multiprocessing empties its list of them in a child
    _first.clear()


after_fork.add(_forget)


def add(hook: Callable[[], None]) -> None:
    """Have `hook` called once at Python's end, before workers are ended."""
    if hook not in _first:
        _first.append(hook)
        arm()


def add_last(hook: Callable[[], None]) -> None:
    """Have `hook` called whenever hooks are run, after all others; it does not `arm`."""
    if hook not in _last:
        _last.append(hook)


def run() -> None:
    """Call the hooks: at Python's end, or at that of a sub-interpreter."""
    while _first:
        _first.pop()()
    for hook in _last:
        hook()
