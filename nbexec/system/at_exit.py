"""Exit hooks: calls that must come before the interpreter waits for its threads.

concurrent.futures, loky and distributed wait at exit, with the private
`threading._register_atexit`, since plain `atexit` comes after threads are joined.  The last
one registered runs first: so `arm` is called after each of theirs (loky registers its own
again with every executor).
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes 10 ms, and this comes with the package
if TYPE_CHECKING:
    from collections.abc import Callable

_first: list[Callable[[], None]] = []  # called once each, the latest first
_last: list[Callable[[], None]] = []  # called each time, after those


def arm() -> None:
    """Have `run` called at Python's end, before what was registered up to now."""
    import atexit
    import threading

    register = getattr(threading, "_register_atexit", atexit.register)
    try:
        register(run)
    except RuntimeError:  # Python is at its end, and an executor finishes what it has
        pass


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
