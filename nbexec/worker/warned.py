"""Warnings of items: kept in a worker, so that the kernel issues them in their turn.

Only the kernel knows which of them it has shown before.  A worker keeps what the kernel's
filters may let through, and raises what these make an error.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any, NamedTuple, Protocol

from ..system import after_fork, silence


class Warned(NamedTuple):
    """A warning, and where it was issued."""

    message: Warning
    filename: str
    line: int


class Takes(Protocol):
    """Takes in warnings, one by one."""

    def append(self, warned: Any, /) -> None: ...


Filters = list[tuple[Any, ...]]

_current = threading.local()  # what takes those of this thread's item
_latest: list[tuple[Takes, set[Any] | None]] = []  # of the items that run here
_lock = threading.Lock()
after_fork.renew(_lock)
_inside = 0  # items, which in a Dask worker may be several
_before: tuple[Any, Any] = ([], None)
_last: tuple[Any, Any, bool] = (None, [], False)  # filters, what was made of them, `begin`'s answer


def filters_here() -> Filters:
    """Give the filters of this process."""
    return [one for one in warnings.filters if one is not silence.FILTER]


class Keeping:
    """Keeps the warnings of this thread, inside a `with` block, in a worker process.

    Parameters
    ----------
    filters : list
        The kernel's filters.
    into : list
        What the warnings are appended to.  One that was issued before from the same place is left
        out, unless there is a filter that always shows it.
    """

    __slots__ = ("_before", "_filters", "_into", "_kept")

    def __init__(self, filters: Filters, into: Takes) -> None:
        self._filters = filters
        self._into = into

    def __enter__(self) -> None:
        self._before = getattr(_current, "kept", None)
        every = begin(self._filters)
        seen: set[Any] | None = None if every else set()
        self._kept = _current.kept = self._into, seen
        _latest.append(self._kept)

    def __exit__(self, *error: object) -> None:
        _latest[:] = [one for one in _latest if one is not self._kept]
        _current.kept = self._before
        end()


def begin(filters: Filters) -> bool:
    """Use the kernel's filters in this process, but for those that show a warning once.

    Gives whether one of them always shows a warning.
    """
    global _inside, _before, _last
    with _lock:
        if not _inside:
            _before = warnings.filters, warnings.showwarning
            known, passing, every = _last
            if known is not filters:  # of another run: what was shown before counts no more
                passing = [*map(_passing, filters), _passing(("default", *_ANY))]
                every = any(action in ("always", "all") for action, *_ in filters)
                _last = filters, passing, every
                warnings.filters = passing
                _filters_changed()
            warnings.filters = passing
            warnings.showwarning = _keep
        _inside += 1
        return _last[2]


def end() -> None:
    """Undo `begin`."""
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            warnings.filters, warnings.showwarning = _before


_ANY = (None, Warning, None, 0)


def _passing(given: tuple[Any, ...]) -> tuple[Any, ...]:
    action, *rest = given
    return (action if action in ("error", "ignore") else "always", *rest)


def _keep(
    message: Any, category: Any, filename: str, lineno: int, *more: Any, **named: Any
) -> None:
    kept = getattr(_current, "kept", None)
    if kept is None:  # of a thread that an item began
        kept = _latest[-1] if _latest else None
    if kept is None:
        _before[1](message, category, filename, lineno, *more, **named)
        return
    into, seen = kept
    key = type(message), str(message), filename, lineno
    if seen is None or key not in seen:
        into.append(Warned(message, filename, lineno))
        if seen is not None:
            seen.add(key)


def _filters_changed() -> None:
    """Have what was shown before count no more, as `catch_warnings` does."""
    for name in ("_filters_mutated", "_filters_mutated_lock_held"):  # the second since Python 3.14
        if hasattr(warnings, name):
            getattr(warnings, name)()
            return
