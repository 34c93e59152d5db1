"""GIL switch interval: how soon a thread that waits for the GIL gets it.

Code that computes in Python hands the GIL over when the switch interval is up, 5 ms.  The
loop releases it with each system call: to open worker processes while an item computes in
the kernel took 40 to 60 ms, ten switches and more, in which nothing ran on the other cores.
So the interval is shorter while a run has both to do.
"""

from __future__ import annotations

import sys
import threading
import weakref

from . import after_fork

SHORT = 0.001  # seconds; half of it shows whether the GIL is held (`probe.LATE`)

_lock = threading.Lock()
_holders: weakref.WeakSet[object] = weakref.WeakSet()  # a run that broke doesn't hold it for good
_before: float | None = None  # the interval as it was; None while no run has made it short


def _forget() -> None:
    """Put the interval back in a forked child: no run goes on there."""
    global _lock
    _lock = threading.Lock()
    _holders.clear()
    _put_back()


after_fork.add(_forget)


def _put_back() -> None:
    """Put the interval back, unless other code has set another one meanwhile."""
    global _before
    if _before is not None and sys.getswitchinterval() == SHORT:
        sys.setswitchinterval(_before)
    _before = None


def shorten(holder: object) -> None:
    """Make the switch interval short until `holder` calls `leave`; once is enough."""
    global _before
    with _lock:
        if holder in _holders:
            return
        _holders.add(holder)
        now = sys.getswitchinterval()
        if now > SHORT:
            _before = now
            sys.setswitchinterval(SHORT)


def leave(holder: object) -> None:
    """End the short interval of `holder`; one that other code has set stays."""
    with _lock:
        if holder in _holders:
            _holders.discard(holder)
            if not _holders:
                _put_back()


def interval() -> float:
    """Give the switch interval that the user has set, or the interpreter began with."""
    before, now = _before, sys.getswitchinterval()
    return now if before is None or now != SHORT else before


def has_gil() -> bool:
    """Whether one thread at a time computes in Python here."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
