"""Surroundings: what the register's entries are in the kernel at one moment, on its way to workers.

A run reads them as it begins, in the thread that begins it.  They travel with its task, and are
taken on as they are unpickled, before the function is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from ...errors import PickleError
from ...serialize import context_vars, pickling
from ...system import machine
from .interpreter_entries import text
from .register import built_in, entries
from .register_entry import Entry, same
from .taking_on import arrived

_here = uuid.uuid4().hex  # this process, though another one may have its id


@dataclass  # not frozen: a property is kept in it
class Surroundings:
    """The values of entries, by their names.

    Attributes
    ----------
    values : dict
        Of those whose module is loaded.
    carried : tuple of Entry
        The user's own entries.
    machine, process, thread : str, str, int
        Where they were read.
    """

    values: dict[str, Any]
    carried: tuple[Entry, ...] = ()
    machine: str = field(default_factory=machine.identity)
    process: str = field(default_factory=lambda: f"{_here} {os.getpid()}")
    thread: int = field(default_factory=threading.get_ident)

    @classmethod
    def here(cls) -> Surroundings:
        """Read every entry.

        Raises
        ------
        Exception
            What the `read` of one of the user's own raises, with a note that names it.

        Examples
        --------
        >>> import os
        >>> Surroundings.here().values["working directory"] == os.getcwd()
        True
        """
        found: dict[str, Any] = {}
        carried = []
        for entry in entries():
            if built_in(entry.name) is None:
                carried.append(entry)
                found[entry.name] = _read_carried(entry)
            elif not entry.module or entry.module in sys.modules:
                try:
                    found[entry.name] = entry.read()
                except Exception:  # a library that is only half there
                    pass
        return cls(found, tuple(carried))

    def enter_thread(self) -> None:
        """Take on, in another thread of this process, what each thread has its own of.

        A context of `contextvars`, which this is called in, has most of it already.
        """
        for name in self._of_threads:
            entry = built_in(name)
            if entry is not None:
                with contextlib.suppress(Exception):
                    entry.take_on(self.values[name])

    @functools.cached_property
    def _of_threads(self) -> list[str]:
        found = ((name, built_in(name)) for name in self.values if name != VARIABLES)
        return [name for name, one in found if one is not None and one.extent == "thread"]

    def changed_environment(self) -> dict[str, str]:
        """Give the environment variables that the kernel did not have when it was started.

        On another machine only these are of use.
        """
        wanted = self.values.get("environment variables", {})
        first = _first_environment()
        return {
            text(name): text(value)
            for name, value in wanted.items()
            if first.get(os.fsencode(text(name)), ...) != os.fsencode(text(value))
        }

    def __reduce__(self) -> Any:
        global _packed_last
        if _packed_last is not None and not self.values[VARIABLES] and not self.carried:
            last, reduced = _packed_last
            if same(last.values, self.values):
                return reduced
        reduced = self._reduced()
        if not self.values[VARIABLES] and not self.carried:
            _packed_last = self, reduced
        return reduced

    def _reduced(self) -> Any:
        changed = self.changed_environment() if _first_environment() else {}
        first = {name: self.values[name] for name in _FIRST if name in self.values}
        rest = {name: value for name, value in self.values.items() if name not in _FIRST}
        variables = [*filter(None, map(_packed, rest.pop(VARIABLES, ())))]
        try:  # by pickle alone, which is quick, where nothing is of the notebook
            if self.carried:
                raise pickle.PicklingError
            packed = pickle.dumps((rest, ()), 5)
            if b"__main__" in packed:  # a class of the notebook: by value
                raise pickle.PicklingError
        except Exception:
            rest = {key: one for key, one in rest.items() if self._goes(key, one)}
            packed = pickling.dumps((rest, self.carried))
        return arrived, (first, packed, variables, changed, self.machine, self.process)

    def _goes(self, name: str, value: Any) -> bool:
        try:
            pickling.dumps(value)
        except Exception as error:
            own = built_in(name) is not None
            if own and not getattr(value, "needed", False):
                return False
            what = f"the {name}" if own else f"what nbexec.carry() reads for {name!r}"
            raise PickleError(f"{what} can't be sent to a worker: {error}") from error
        return True


class Renewed:
    """Surroundings as they are now, for a run that is given work for as long as it goes on.

    What each thread has its own of stays as it was in the thread that began the run.

    Parameters
    ----------
    first : Surroundings
        When it began.
    """

    def __init__(self, first: Surroundings) -> None:
        self._last = first
        self._packed = b""

    def packed(self) -> bytes:
        """Give them pickled; nothing while they are as they were when the run began."""
        now = Surroundings.here()
        for name, value in self._last.values.items():
            entry = built_in(name)
            if entry is not None and entry.extent == "thread":
                now.values[name] = value
        if not same(now.values, self._last.values):
            self._packed, self._last = pickling.dumps(now), now
        return self._packed


VARIABLES = "context variables"
_packed_last: tuple[Surroundings, Any] | None = None  # most runs have those of the last one

# What is needed to unpickle the others.
_FIRST = ("working directory", "environment variables", "import path")


def _read_carried(entry: Entry) -> Any:
    try:
        return entry.read()
    except Exception as error:
        error.add_note(f"nbexec: raised by the read= of nbexec.carry({entry.name!r}, ...)")
        raise


def _packed(pair: tuple[Any, Any]) -> bytes | None:
    """Pickle a context variable with its value; None where that can't be sent."""
    try:
        found = pickling.dumps(pair)
    except Exception:
        return None
    return found if len(found) <= context_vars.MOST else None


def _first_environment() -> dict[bytes, bytes]:
    """Give what the environment was when this process was started; nothing where nobody knows."""
    global _first
    if _first is None:
        try:
            with open("/proc/self/environ", "rb") as file:
                pairs = [one.partition(b"=") for one in file.read().split(b"\0") if one]
            _first = {name: value for name, _, value in pairs}
        except OSError:
            _first = {}
    return _first


_first: dict[bytes, bytes] | None = None
