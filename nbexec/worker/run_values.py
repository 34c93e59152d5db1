"""What modules hold for a run: with its task, and with the calls of an executor."""

from __future__ import annotations

from typing import Any

from .execute import call
from .module_values import ModuleValues, arrived, here


class RunValues:
    """What modules hold for a run: an executor's calls find what they hold by then.

    Parameters
    ----------
    run : str
        The run.
    local, fn
        As of `here`.

    Attributes
    ----------
    first : ModuleValues
        What goes with the task.
    """

    def __init__(self, run: str, local: bool, fn: Any = None) -> None:
        self._run, self._local = run, local
        self.first = self._now = here(local, fn)
        calls = is_executors(fn)
        self._digest = self.first.digest() if calls else None
        self._changes = 0

    def with_items(self, items: Any) -> Any:
        """Give what is to be pickled in the place of a chunk's items."""
        if self._digest is None:
            return items
        now = here(self._local, items[0].fn)
        digest = now.digest()
        if digest != self._digest:
            self._now, self._digest = now, digest
            self._changes += 1
        if not self._changes:
            return items
        return _Items(f"{self._run}-{self._changes}", self._now, items)


class _Items:
    """Items that come after what modules hold."""

    def __init__(self, state: str, values: ModuleValues, items: Any) -> None:
        self._state, self._items = _State(state, values), items

    def __reduce__(self) -> Any:
        return _second, (self._state, self._items)


class _State:
    """What modules hold, and a name for it."""

    def __init__(self, name: str, values: ModuleValues) -> None:
        self._parts = name, *values.parts()

    def __reduce__(self) -> Any:
        return _enter, self._parts


def _enter(name: str, *parts: Any) -> None:
    """Take on what modules hold, before the items are unpickled."""
    if name != ModuleValues.current:
        arrived(*parts, later=True)
        ModuleValues.current = name


def _second(first: Any, second: Any) -> Any:
    return second


def is_executors(fn: Any) -> bool:
    """Whether a task's function calls what an executor's items say, after an initializer or not."""
    return fn is call or getattr(fn, "__module__", "") == "nbexec.executor.initializing"
