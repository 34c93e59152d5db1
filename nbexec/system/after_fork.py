"""After a fork: what a forked child must not take for its own.

A child has its parent's memory, but none of its threads: a lock that one of them held stays
held, a pool has workers that nobody serves, and folders and processes are the parent's.  So
what has such a state is made new in the child, before any other code runs there.  What it was
is kept alive: its finalisers would wait for threads, or end what is the parent's.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes 10 ms, and this comes with the package
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol
    from weakref import WeakSet

    class Forked(Protocol):
        """Something with a state that is its process's own."""

        def after_fork(self) -> None:
            """Begin anew: this is the child."""


IMPORTING = 5.0  # seconds that a fork waits at most for imports in other threads

count = 0  # of the forks between the process that loaded this and this one

_resets: list[Callable[[], None]] = []  # of modules
_objects: WeakSet[Any] | None = None


def add(reset: Callable[[], None]) -> None:
    """Have `reset` called in each forked child."""
    if not _resets and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=let_imports_end, after_in_child=_begin)
    _resets.append(reset)


def watch(one: Forked) -> None:
    """Have ``one.after_fork()`` called in each forked child, as long as it lives."""
    global _objects
    if _objects is None:
        from weakref import WeakSet

        _objects = WeakSet()
        add(_reset_objects)
    _objects.add(one)


def renew(lock: Any) -> None:
    """Have a lock that nobody holds in each forked child; the standard library does the same."""
    add(lock._at_fork_reinit)


def keep(*inherited: object) -> None:
    """Keep what is the parent's alive in this child, so that no finaliser of it runs.

    Not even at Python's end, which clears all modules: nothing lets go of them.
    """
    import ctypes

    for one in inherited:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


def let_imports_end() -> None:
    """Wait a moment while another thread imports a module: a child would for ever.

    Python has a lock for each, which is nobody's in the child, where the module is half made.
    Our threads import what they need when they first need it.
    """
    import time

    locks = getattr(getattr(sys.modules.get("importlib"), "_bootstrap", None), "_module_locks", {})
    end = time.monotonic() + IMPORTING
    while _importing(locks) and time.monotonic() < end:
        time.sleep(0.001)


def _importing(locks: dict[str, Any]) -> bool:
    from _thread import get_ident

    owners = {getattr(ref(), "owner", None) for ref in [*locks.values()]}
    return bool(owners - {None, get_ident()})


def _reset_objects() -> None:
    for one in list(_objects or ()):
        keep(one)
        _call(one.after_fork)


def _begin() -> None:
    global count
    count += 1
    for reset in _resets:
        _call(reset)


def _call(reset: Callable[[], None]) -> None:
    try:
        reset()
    except Exception:  # the others must have their turn
        sys.excepthook(*sys.exc_info())


def end_child(error: BaseException | None) -> None:
    """End this process: an item forked, and the child came back from it, or raised `error`.

    The parent has the item and all after it.  The child ends as a script does: with what
    `sys.exit` was given, or with a traceback, after the exit hooks.
    """
    import atexit
    import traceback

    code: Any = getattr(error, "code", None) if isinstance(error, SystemExit) else error
    try:
        if isinstance(code, BaseException):
            traceback.print_exception(code)
        elif not isinstance(code, int | None):
            sys.stderr.write(f"{code}\n")
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit((0 if code is None else code & 0xFF) if isinstance(code, int | None) else 1)
