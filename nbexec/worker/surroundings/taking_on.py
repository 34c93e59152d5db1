"""Taking on: a worker sets what differs from the kernel, before the first item of a run.

What an item of an earlier run has left is put back by that, too: what counts is how the worker
is now.  Of what the kernel doesn't tell, a worker puts back what was there at first.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ...serialize import pickling
from ...system import machine, subinterpreter
from .interpreter_entries import environ
from .on_import import forget, when_imported
from .register import BUILT_IN, built_in
from .register_entry import Entry, Unset, same

_lock = threading.RLock()
_numbers = itertools.count(1)
_current = 0  # the number of those that this process has
_before: Arrived | None = None  # those of the same run, while others of it are unpickled
_in_thread = threading.local()  # likewise, each thread


T = TypeVar("T")


class Arrived:
    """Surroundings in a worker, or in whatever process they were unpickled in.

    Parameters
    ----------
    first : dict
        The values that the others need, by the names of their entries.
    packed : bytes
        The others, pickled.
    variables : list of bytes
        Context variables with their values, each pickled.
    changed : dict
        Environment variables for another machine.
    there : str
        The machine that they were read on.
    process : str
        The process.
    """

    def __init__(
        self,
        first: dict[str, Any],
        packed: bytes,
        variables: list[bytes],
        changed: dict[str, str],
        there: str,
        process: str,
    ) -> None:
        self._first = first
        self._packed = packed
        self._variables = variables
        self._changed = changed
        self._near = there == machine.identity()
        self.process = process
        self._number = next(_numbers)
        self._contexts: dict[int, contextvars.Context] = {}  # by thread

    @functools.cached_property
    def _rest(self) -> tuple[dict[str, Any], tuple[Entry, ...]]:
        found: tuple[dict[str, Any], tuple[Entry, ...]] = pickling.loads(self._packed)
        return found

    def value(self, name: str) -> Any:
        """Give an entry's value in the kernel; None where it has none."""
        return self._first.get(name, self._rest[0].get(name))

    def take_on(self) -> None:
        """Set what all threads of this process have in common."""
        global _current
        with _lock:
            if not _current:  # no run was here before
                for entry in BUILT_IN:
                    _note_usual(entry)
            before = _before
            if before is None:
                _put_back()
            else:  # threads have what they have
                self._number, self._contexts = before._number, before._contexts
            self._set_first(before)
            values, carried = self._rest
            for entry in (*BUILT_IN, *carried):
                if (
                    entry.extent == "thread"
                    or entry.name in self._first
                    or self._means_nothing(entry)
                ):
                    continue
                if before is not None and _is_as_in(before._rest[0], values, entry.name):
                    continue
                if entry.name in values:
                    _set(entry, values[entry.name])
                else:
                    _set_usual(entry)
            _current = self._number

    def _means_nothing(self, entry: Entry) -> bool:
        """Whether an entry is of another machine, or this process has it from the kernel's."""
        if entry.extent in ("machine", "interpreter") and not self._near:
            return True
        return subinterpreter.number > 0 and entry.extent == "machine"

    def _set_first(self, before: Arrived | None) -> None:
        if not self._near:
            os.environ.update(self._changed)
            return
        for name, value in self._first.items():
            entry = built_in(name)
            if entry is None or self._means_nothing(entry):
                continue
            if before is None or name not in before._first:
                _set(entry, value)
            elif not same(before._first[name], value):
                is_environment = entry.read is environ
                _set(entry, _merged(before._first[name], value) if is_environment else value)

    def run(self, call: Callable[[], T]) -> T:
        """Call something in a context that has what each thread has its own of.

        They are taken on again where another run was here since.
        """
        if _current != self._number:
            self.take_on()
        me = threading.get_ident()
        context = self._contexts.get(me)
        if context is None:
            context = self._contexts[me] = contextvars.Context()
            _in_thread.current = 0
        if getattr(_in_thread, "current", 0) != self._number:
            context.run(self._set_in_thread)
            _in_thread.current = self._number
        return context.run(call)

    def _set_in_thread(self) -> None:
        values, _ = self._rest
        for entry in BUILT_IN:
            if entry.extent != "thread":
                continue
            if entry.name in values:
                _set(entry, values[entry.name])
            else:
                _set_usual(entry)
        for one in self._variables:
            with contextlib.suppress(Exception):  # its class can't be imported here, say
                variable, value = pickling.loads(one)
                variable.set(value)


def renewed(before: Arrived, packed: bytes) -> Arrived:
    """Unpickle surroundings of a run that it has later: of those, what is another now is set.

    What an executor's initializer has set, such as the working directory, stays.

    Parameters
    ----------
    before : Arrived
        Those that the run had.
    packed : bytes
        The others, pickled.
    """
    global _before
    with _lock:
        _before = before if _current == before._number else None
        try:
            found: Arrived = pickling.loads(packed)
        finally:
            _before = None
    return found


def _is_as_in(before: dict[str, Any], now: dict[str, Any], name: str) -> bool:
    if name not in before or name not in now:
        return name not in before and name not in now
    return same(before[name], now[name])


def _merged(before: dict[Any, Any], wanted: dict[Any, Any]) -> dict[Any, Any]:
    """Give the environment variables of this process, with what has changed in the kernel."""
    gone = before.keys() - wanted.keys()
    found = {name: value for name, value in environ().items() if name not in gone}
    changed = {name: value for name, value in wanted.items() if before.get(name) != value}
    return {**found, **changed}


def arrived(*parts: Any) -> Arrived:
    """Take surroundings on as they are unpickled; `parts` are the arguments of `Arrived`."""
    found = Arrived(*parts)
    found.take_on()
    return found


def _set(entry: Entry, value: Any) -> None:
    """Set an entry's value, or have it set when its module is imported."""
    if entry.module and entry.module not in sys.modules:
        if value != entry.usual:
            when_imported(entry.module, entry.name, functools.partial(_first_time, entry, value))
        return
    if entry.module:
        forget(entry.module, entry.name)
    if built_in(entry.name) is None:
        entry.take_on(value)
        return
    with contextlib.suppress(Exception):  # such as a folder that may not be entered
        entry.take_on(value)


# ---------------------------------------------------------------- what the kernel doesn't tell

_usual: dict[str, Any] = {}  # what entries of libraries were here when these were imported


def _note_usual(entry: Entry) -> None:
    """Note what an entry is here now, if that isn't known: no item has run since its import."""
    known = entry.usual is not Unset or entry.name in _usual
    if entry.module in sys.modules and not known:
        with contextlib.suppress(Exception):  # a library that is only half there
            _usual[entry.name] = entry.read()


def _first_time(entry: Entry, value: Any) -> None:
    _note_usual(entry)
    entry.take_on(value)


def _set_usual(entry: Entry) -> None:
    """Put back an entry of a library that the kernel hasn't imported, and this process may have."""
    usual = _usual.get(entry.name, entry.usual)
    if not entry.module:
        return
    if entry.module in sys.modules and usual is not Unset:
        _set(entry, usual)
    elif entry.module in sys.modules or entry.usual is not Unset:
        forget(entry.module, entry.name)
    else:
        when_imported(entry.module, entry.name, functools.partial(_note_usual, entry))


_NAMES = "SIGINT SIGTERM SIGHUP SIGQUIT SIGCHLD SIGPIPE"  # others are as in the kernel
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES.split() if hasattr(signal, name))
_at_first: dict[int, Any] | None = None


def _put_back() -> None:
    """Put back signal handlers and timers that an item of an earlier run has set."""
    global _at_first
    if subinterpreter.number or threading.current_thread() is not threading.main_thread():
        return
    found: dict[int, Any] = {one: signal.getsignal(one) for one in _SIGNALS}
    if _at_first is None:
        _at_first = found
        return
    for number, handler in found.items():
        before = _at_first.get(number)
        if handler is not before and before is not None:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, before)
    if hasattr(signal, "setitimer"):
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
