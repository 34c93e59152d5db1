"""What the user's own modules hold in the kernel, so that they hold the same in a worker.

A worker imports a module anew, or has it from an earlier run.  Each name of the module is then
brought to what it is in the kernel: a variable, what is in a container, an attribute of a
class, a function that was replaced, a name that was deleted.  `module_state` does that.
"""

from __future__ import annotations

import os
import pickle
import types
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..serialize import live_modules, pickling
from . import sent_modules
from .module_facts import SKIPPED, VALUE, Fact, attributes_of, fact
from .sent_modules import SentModule

_here = uuid.uuid4().hex
_RANDOM = ("Random", "SystemRandom", "Generator", "RandomState")  # each worker has its own
_unsent: dict[str, dict[str, Any]] = {}  # by module and path: what can't be pickled


class HeldValues(NamedTuple):
    """What a module holds: what is known of each of its names, and the values of some.

    Attributes
    ----------
    facts : dict
        What is known, by path: ``"RATE"``, ``"Model.rate"``.
    paths : list of str
        Where the values stand.
    data : bytes or buffer
        The values, pickled.
    buffers : list
        Their large buffers.
    """

    facts: dict[str, Fact]
    paths: list[str]
    data: Any
    buffers: list[Any]


def process() -> str:
    """Name this process: a child that was forked off is another one."""
    return f"{_here}-{os.getpid()}"


class ModuleValues:
    """What all modules of the user's hold; in a worker it takes effect when it is unpickled.

    Parameters
    ----------
    origin : str
        The process that it is from.
    held : dict
        By the names of the modules.
    sent : dict
        The modules that the worker may be unable to import.
    """

    def __init__(
        self, origin: str, held: dict[str, HeldValues], sent: dict[str, SentModule]
    ) -> None:
        self.origin = origin
        self.held = held
        self.sent = sent

    def __reduce__(self) -> Any:
        return _arrived, (self.origin, self.held, self.sent)

    def take_on(self) -> None:
        """Have the modules here hold what they hold where this comes from."""
        if self.origin != process():
            from . import module_state

            module_state.take_on(self.held, self.sent)


def _arrived(
    origin: str, held: dict[str, HeldValues], sent: dict[str, SentModule]
) -> ModuleValues:
    values = ModuleValues(origin, held, sent)
    values.take_on()
    return values


def here(local: bool = True) -> ModuleValues:
    """Give what the user's own modules hold in this process.

    Parameters
    ----------
    local : bool
        Whether the worker sees the same files, and looks for modules in the same folders.

    Examples
    --------
    >>> here().origin == process()
    True
    """
    own = sent_modules.own_modules()
    seen: dict[int, tuple[str, str]] = {}
    held = {name: _held(name, module, seen) for name, module in own.items()}
    return ModuleValues(process(), held, sent_modules.to_send(own, local))


def _held(name: str, module: types.ModuleType, seen: dict[int, tuple[str, str]]) -> HeldValues:
    facts: dict[str, Fact] = {}
    values: dict[str, Any] = {}
    unsent = _unsent.setdefault(name, {})
    for path, value in attributes_of(name, module):
        what = fact(value)
        if what is VALUE:
            if type(value).__name__ in _RANDOM or unsent.get(path, unsent) is value:
                what = SKIPPED
            elif _is_shared(value):
                place = seen.setdefault(id(value), (name, path))
                if place[0] != name:
                    what = ("=", *place)
            if what is VALUE:
                values[path] = value
        facts[path] = what
    data, buffers = _pickled(values, facts, unsent)
    return HeldValues(facts, [*values], data, buffers)


def _is_shared(value: Any) -> bool:
    """Whether it matters that a value is one object, by whatever name."""
    return type(value) not in _PLAIN


_PLAIN = {int, float, bool, str, bytes, complex, type(None), type(...), tuple, frozenset}


class _Plain(pickle.Pickler):
    """A pickler of plain data alone: the fast way."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) in (complex, bytearray):
            return NotImplemented
        raise pickle.PicklingError


def _pickled(
    values: dict[str, Any], facts: dict[str, Fact], unsent: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """Pickle the values; those that can't be are taken out."""
    import io

    with io.BytesIO() as file:
        try:
            _Plain(file, protocol=5).dump([*values.values()])
            return _apart(file.getvalue()), []
        except Exception:  # not plain
            pass
    for _ in range(2):
        apart = pickling.Apart()
        try:
            data = pickling.dumped(live_modules.pickler(), [*values.values()], apart)
            return _apart(data), apart.buffers
        except Exception:
            for path, value in _not_sendable(values):
                del values[path]
                facts[path] = SKIPPED
                unsent[path] = value
    values.clear()
    return b"", []


def _apart(data: bytes) -> Any:
    """Give what goes to a file of its own where it is large, and is written once."""
    return pickle.PickleBuffer(data) if len(data) >= pickling.LARGE else data


def _not_sendable(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, value in [*values.items()]:
        try:
            pickling.dumped(live_modules.pickler(), value)
        except Exception:
            yield path, value
