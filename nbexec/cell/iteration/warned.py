"""Warnings of an iteration: kept in a worker, so that the kernel issues them in their turn.

Only the kernel knows which of them it has shown before.  A worker keeps what the kernel's
filters may let through, and raises what these make an error.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple


class Warned(NamedTuple):
    """A warning, and where it was issued."""

    message: Warning
    filename: str
    line: int


Filters = list[tuple[Any, ...]]

_current = threading.local()  # the list of this thread's item
_lock = threading.Lock()
_inside = 0  # items, which in a Dask worker may be several
_before: tuple[Any, Any] = ([], None)


def filters_here() -> Filters:
    """Give the filters of this process."""
    return [*warnings.filters]


@contextlib.contextmanager
def keeping(filters: Filters, into: list[Warned]) -> Iterator[None]:
    """Keep the warnings of this thread, inside a `with` block, in a worker process.

    Parameters
    ----------
    filters : list
        The kernel's filters.
    into : list
        What the warnings are added to.  One that was issued before from the same place is left
        out, unless there is a filter that always shows it.
    """
    begin(filters)
    before = getattr(_current, "kept", None)
    every = any(action in ("always", "all") for action, *_ in filters)
    _current.kept = into, None if every else set()
    try:
        yield
    finally:
        _current.kept = before
        end()


def begin(filters: Filters) -> None:
    """Use the kernel's filters in this process, but for those that show a warning once."""
    global _inside, _before
    with _lock:
        if not _inside:
            _before = warnings.filters, warnings.showwarning
            warnings.filters = [*map(_passing, filters), _passing(("default", *_ANY))]
            warnings.showwarning = _keep
            _changed()
        _inside += 1


def end() -> None:
    """Undo `begin`."""
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            warnings.filters, warnings.showwarning = _before
            _changed()


_ANY = (None, Warning, None, 0)


def _passing(given: tuple[Any, ...]) -> tuple[Any, ...]:
    action, *rest = given
    return (action if action in ("error", "ignore") else "always", *rest)


def _changed() -> None:
    warnings._filters_mutated()  # type: ignore[attr-defined]  # as `catch_warnings` does


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
