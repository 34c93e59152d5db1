"""GIL switch interval: how soon a thread that waits for the GIL gets it.

Code that computes in Python hands the GIL over when the switch interval is up, 5 ms.  The
loop releases it with each system call: to open worker processes while an item computes in
the kernel took 40 to 60 ms, ten switches and more, in which nothing ran on the other cores.
So the interval is shorter while a run has both to do.
"""

from __future__ import annotations

import sys
import threading

from . import after_fork

SHORT = 0.001  # seconds; half of it shows whether the GIL is held (`probe.LATE`)

_lock = threading.Lock()
_holders: set[int] = set()
_before = 0.0  # the interval as it was


def _forget() -> None:
    """Put the interval back in a forked child: no run goes on there."""
    global _lock
    _lock = threading.Lock()
    if _holders and sys.getswitchinterval() == SHORT:
        sys.setswitchinterval(_before)
    _holders.clear()


after_fork.add(_forget)


def shorten(holder: object) -> None:
    """Make the switch interval short until `holder` calls `leave`; once is enough.

    Examples
    --------
    >>> import sys
    >>> before, me = sys.getswitchinterval(), object()
    >>> shorten(me)
    >>> sys.getswitchinterval() <= 0.001
    True
    >>> leave(me)
    >>> sys.getswitchinterval() == before
    True
    """
    global _before
    with _lock:
        if not _holders:
            _before = sys.getswitchinterval()
            if _before > SHORT:
                sys.setswitchinterval(SHORT)
        _holders.add(id(holder))


def leave(holder: object) -> None:
    """End the short interval of `holder`; one that other code has set stays."""
    with _lock:
        if id(holder) not in _holders:
            return
        _holders.discard(id(holder))
        if not _holders and sys.getswitchinterval() == SHORT:
            sys.setswitchinterval(_before)


def has_gil() -> bool:
    """Whether one thread at a time computes in Python here."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
