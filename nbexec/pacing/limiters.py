"""Limiters: which limiter a `Limit` means: the same one for the same limit, or name, or file."""

from __future__ import annotations

import threading
import weakref

from ..options.rates import Limit
from ..system import after_fork
from .limiter import Limiter, Limiting

_named: dict[str, Limiter] = {}
_unnamed: weakref.WeakKeyDictionary[Limit, Limiter] = weakref.WeakKeyDictionary()
_lock = threading.Lock()
after_fork.renew(_lock)


def limiter_of(limit: Limit) -> Limiting:
    """Give the limiter of a limit: the same one for the same limit, or name, or file."""
    if limit.shared is not None:
        from .shared_limiter import SharedLimiter  # sqlite3 and psutil

        return SharedLimiter(limit)
    with _lock:
        if limit.name is None:
            found = _unnamed.get(limit)
            if found is None:
                found = _unnamed[limit] = Limiter(limit.rates)
            return found
        found = _named.get(limit.name)
        if found is None:
            found = _named[limit.name] = Limiter(limit.rates)
    found.change(limit.rates)
    return found
