"""Silence: what one thread does shows no warnings, and those of other threads are as they were."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from . import after_fork

_silent: dict[int, int] = {}  # threads, and in how many blocks each of them is
_lock = threading.Lock()


class _OfSilentThreads:
    """Stands where a filter has a pattern for texts: it matches those of silent threads."""

    def match(self, text: str) -> bool:
        return threading.get_ident() in _silent


FILTER: Any = ("ignore", _OfSilentThreads(), Warning, None, 0)
_TELLING = {
    name: getattr(warnings, name)
    for name in ("_filters_mutated", "_filters_mutated_lock_held")  # the second since Python 3.14
    if hasattr(warnings, name)
}
_ours: list[Any] = []  # the list of filters that has ours
_before: Any = []  # the list that it was made of


@contextlib.contextmanager
def silently() -> Iterator[None]:
    """Show no warnings, nor raise them, inside a `with` block: they were shown before.

    Python isn't told of the change of its filters, as `warnings.catch_warnings` does: it would
    forget what it has shown.  Nor does library code tell it that enters `catch_warnings` here.

    Examples
    --------
    >>> with silently():
    ...     warnings.warn("nobody sees this", stacklevel=1)
    """
    thread = threading.get_ident()
    with _lock:
        _silent[thread] = _silent.get(thread, 0) + 1
        _begin()
    try:
        yield
    finally:
        with _lock:
            _silent[thread] = _silent.get(thread, 1) - 1  # none in the child of a fork
            if not _silent[thread]:
                del _silent[thread]
            if not _silent:
                _end()


def _begin() -> None:
    global _ours, _before
    if warnings.filters[:1] != [FILTER]:
        _before = warnings.filters
        # A new list: a thread may be going through the other one.
        _ours = warnings.filters = [FILTER, *_before]
    for name, tell in _TELLING.items():
        setattr(warnings, name, _unless_silent(tell))


def _end() -> None:
    if warnings.filters is _ours:  # else a thread is in a `catch_warnings` block
        rest = [one for one in _ours if one is not FILTER]
        warnings.filters = _before if rest == _before else rest
    for name, tell in _TELLING.items():
        setattr(warnings, name, tell)


def _unless_silent(tell: Callable[[], None]) -> Callable[[], None]:
    return lambda: None if threading.get_ident() in _silent else tell()


def _after_fork() -> None:
    """Forget the parent's threads."""
    _silent.clear()
    _end()


after_fork.renew(_lock)
after_fork.add(_after_fork)
