"""Warnings of an iteration: kept in a worker, so that the kernel issues them in their turn.

Only the kernel knows which of them it has shown before.  A worker keeps what the kernel's
filters may let through, and raises what these make an error.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any, NamedTuple

from ...system import after_fork


class Warned(NamedTuple):
    """A warning, and where it was issued."""

    message: Warning
    filename: str
    line: int


Filters = list[tuple[Any, ...]]

_current = threading.local()  # the list of this thread's item
_lock = threading.Lock()
after_fork.renew(_lock)
_inside = 0  # items, which in a Dask worker may be several
_before: tuple[Any, Any] = ([], None)
_last: tuple[Any, Any, bool] = (None, [], False)  # filters, what was made of them, `begin`'s answer


def filters_here() -> Filters:
    """Give the filters of this process."""
    return [*warnings.filters]


class Keeping:
    """Keeps the warnings of this thread, inside a `with` block, in a worker process.

    Parameters
    ----------
    filters : list
        The kernel's filters.
    into : list
        What the warnings are added to.  One that was issued before from the same place is left
        out, unless there is a filter that always shows it.
    """

    __slots__ = ("_before", "_filters", "_into")

    def __init__(self, filters: Filters, into: list[Warned]) -> None:
        self._filters = filters
        self._into = into

    def __enter__(self) -> None:
        self._before = getattr(_current, "kept", None)
        every = begin(self._filters)
        _current.kept = self._into, None if every else set()

    def __exit__(self, *error: object) -> None:
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
                warnings._filters_mutated()  # type: ignore[attr-defined]  # as `catch_warnings` does
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
    if kept is None:  # of a thread that the item began
        _before[1](message, category, filename, lineno, *more, **named)
        return
    into, seen = kept
    key = type(message), str(message), filename, lineno
    if seen is None or key not in seen:
        into.append(Warned(message, filename, lineno))
        if seen is not None:
            seen.add(key)
