"""Pin: where a run of "auto" has to stay, since its items work in one thread alone.

Signal handlers can be set in the main thread of a process, and an object may belong to the
thread that made it.  A plain loop is in that thread.
"""

from __future__ import annotations

import functools
import signal
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from ..model import Error
from ..system.user_code import is_library_module
from ..worker import thread_bound

Pinned = Literal["processes", "serial"]

REASONS: dict[Pinned, str] = {
    "processes": "items work in the main thread of a process alone",
    "serial": "items use what belongs to one thread",
}
_MOST = 200  # functions that are looked at
_SETS = {"signal", "alarm", "setitimer", "set_wakeup_fd", "siginterrupt"}  # of `signal`


class Pin:
    """The only backend where the items of a run work, as far as that is known.

    Parameters
    ----------
    fn : callable
        The run's function.
    caller : callable
        Gives whether the kernel runs items in the thread that a plain loop would run in.

    Attributes
    ----------
    backend : str or None
        That backend; None for any.
    followed : bool
        Whether the run has gone there, or could not.
    """

    def __init__(self, fn: Callable[..., Any], caller: Callable[[], bool]) -> None:
        self._fn = fn
        self._caller = caller
        self.backend: Pinned | None = None
        self.followed = False
        self._in_vain: set[Pinned] = set()

    @property
    def due(self) -> bool:
        """Whether the run has to go there now."""
        return self.backend is not None and not self.followed

    def astray(self, errors: Mapping[int, Error]) -> set[int]:
        """Give the offsets of items that failed in another thread than a plain loop's.

        They are to be tried at `backend`.
        """
        places = {at: thread_bound.place(error.exception) for at, error in errors.items()}
        for place in ("main", "own"):
            found = {at for at, one in places.items() if one == place}
            wanted = self._wanted(place)
            if found and wanted is not None and self.backend in (None, wanted):
                self.backend = wanted
                return found
        return set()

    def _wanted(self, place: str) -> Pinned | None:
        """Give the backend for what works in the main thread, or in the object's own."""
        if place == "main" and "processes" not in self._in_vain:
            return "processes"
        return "serial" if self._caller() else None

    def failed(self) -> Pinned | None:
        """Note that the backend can't be used; give another one, if there is any."""
        if self.backend == "processes":
            self._in_vain.add("processes")
            self.backend = self._wanted("main")
            return self.backend
        return None

    @functools.cached_property
    def needs_main(self) -> bool:
        """Whether the function sets signal handlers or timers, as far as its code shows."""
        return sets_signals(self._fn)


def sets_signals(fn: Any) -> bool:
    """Whether a function, or one of those that it names, sets signal handlers or timers.

    Examples
    --------
    >>> def limited(x):
    ...     signal.alarm(1)
    >>> sets_signals(limited), sets_signals(len)
    (True, False)
    """
    todo = [fn]
    seen: set[types.FunctionType] = set()
    while todo and len(seen) < _MOST:
        one = _function(todo.pop())
        if one is None or one in seen:
            continue
        seen.add(one)
        names = {name for code in _codes(one.__code__) for name in code.co_names}
        if "add_signal_handler" in names or ("signal" in names and names & {"alarm", "setitimer"}):
            return True
        for value in _named(one, names):
            if value is signal and names & _SETS:
                return True
            if getattr(value, "__module__", "") in ("signal", "_signal") and (
                getattr(value, "__name__", "") in _SETS
            ):
                return True
            if isinstance(value, types.FunctionType) and not is_library_module(one.__module__):
                todo.append(value)
    return False


def _function(thing: Any) -> types.FunctionType | None:
    while isinstance(thing, functools.partial | types.MethodType):
        thing = thing.func if isinstance(thing, functools.partial) else thing.__func__
    return thing if isinstance(thing, types.FunctionType) else None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _named(function: types.FunctionType, names: set[str]) -> Iterator[Any]:
    """Give the values of names and captured variables of a function."""
    for name in names & function.__globals__.keys():
        yield function.__globals__[name]
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty
            continue
