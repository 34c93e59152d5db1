"""What the user's own modules hold in the kernel, so that they hold the same in a worker.

A worker imports a module anew, or has it from an earlier run.  Each name of the module is then
brought to what it is in the kernel: a variable, what is in a container, an attribute of a
class, a function that was replaced, a name that was deleted.  `module_state` does that.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import types
import uuid
from typing import Any, NamedTuple

from ..serialize import live_modules, pickling
from ..serialize.live_modules import module_of
from . import sent_modules, unsent_values
from .later_imports import notebook_code
from .library_patches import patches
from .module_facts import (
    GONE,
    UNSENT,
    VALUE,
    Fact,
    HeldNames,
    HeldValues,
    attributes_of,
    fact,
    is_written,
)
from .sent_modules import SentModule
from .unchanged_values import same, snapshot

_here = uuid.uuid4().hex
# By module and path: what can't be pickled, and whether it is surely not what an import gives.
_unsent: dict[str, dict[str, tuple[Any, bool]]] = {}
_functions: dict[str, dict[str, tuple[Any, Any, Fact]]] = {}  # as they are written, with the code
# Values that are looked at from outside: their state, pickled, and whether they surely changed.
_singles: dict[str, dict[str, tuple[list[Any], bytes | None, bool]]] = {}
_packed: tuple[Any, bytes] | None = None  # what was sent last, and pickled
_names: dict[str, tuple[HeldNames, bytes]] = {}  # what was known of a module's names, and pickled


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

    current = ""  # the name of what was taken on last, where it has one

    def __init__(
        self, origin: str, held: dict[str, HeldValues], sent: dict[str, SentModule]
    ) -> None:
        self.origin = origin
        self.held = held
        self.sent = sent
        self.block: pickle.PickleBuffer | None = None  # what is in a file of its own

    def digest(self) -> tuple[Any, ...]:
        """Give what tells whether modules hold the same, later."""
        import xxhash

        alone = {
            name: (
                one.names,
                one.data,
                [xxhash.xxh3_128_digest(part.raw()) for part in one.buffers],
            )
            for name, one in self.held.items()
        }
        return alone, self.sent

    def __reduce__(self) -> Any:
        return arrived, self.parts()

    def parts(self) -> tuple[Any, ...]:
        """Give the arguments of `arrived`: what is large is one buffer, written once."""
        global _packed
        alone = {name: (one.names, one.data) for name, one in self.held.items()}
        if _packed is None or _packed[0] != alone:
            _packed = alone, pickle.dumps(alone, protocol=5)
        data = _packed[1]
        buffers = {name: one.buffers for name, one in self.held.items() if one.buffers}
        if len(data) >= pickling.LARGE:
            self.block = pickle.PickleBuffer(data)
        return self.origin, self.block or data, buffers, self.sent

    def take_on(self) -> None:
        """Have the modules here hold what they hold where this comes from."""
        ModuleValues.current = ""
        if self.origin != process():
            from . import module_state

            module_state.take_on(self.held, self.sent)

    def let_go(self) -> None:
        """Keep nothing of it: the run has ended."""
        if self.origin != process():
            from . import module_state

            module_state.let_go()


def arrived(
    origin: str, data: Any, buffers: dict[str, list[Any]], sent: dict[str, SentModule]
) -> ModuleValues:
    alone = pickle.loads(data)
    held = {name: HeldValues(one[0], one[1], buffers.get(name, [])) for name, one in alone.items()}
    values = ModuleValues(origin, held, sent)
    values.take_on()
    return values


def here(local: bool = True, fn: Any = None) -> ModuleValues:
    """Give what the user's own modules hold in this process.

    Parameters
    ----------
    local : bool
        Whether the worker sees the same files, and looks for modules in the same folders.
    fn : callable or None
        What the worker is to call.

    Examples
    --------
    >>> here().origin == process()
    True
    """
    own = sent_modules.own_modules()
    found: dict[str, _Found] = {}
    for name, module in own.items():
        with contextlib.suppress(Exception):  # objects may be of any kind: a worker imports it
            found[name] = _found(name, module)
    places: dict[int, list[tuple[str, str]]] = {}
    for name, one in found.items():
        for path, value in one.values.items():
            if type(value) not in _PLAIN:
                places.setdefault(id(value), []).append((name, path))
    shared = {key: among for key, among in places.items() if len({one[0] for one in among}) > 1}
    held = {name: _held(name, one, shared) for name, one in found.items()}
    for name, patched in patches(_spaces(own, fn)).items():
        if name not in held:
            held[name] = _of_patches(name, patched)
    code = () if local else notebook_code(fn)
    return ModuleValues(process(), held, sent_modules.to_send(own, local, code))


def _of_patches(name: str, patched: dict[str, Any]) -> HeldValues:
    found = _Found({}, {}, {})
    for path, value in patched.items():
        found.facts[path] = GONE if value is GONE else VALUE
        if value is GONE:
            continue
        if type(value) in _CONTAINERS and not unsent_values.is_sendable(value):
            found.facts[path] = _unsent_fact(value, True)  # no part of it: nothing is there
        else:
            _take(name, path, value, found)
    return _held(name, found, {}, partly=True)


def _spaces(own: dict[str, types.ModuleType], fn: Any) -> list[dict[str, Any]]:
    """Give the globals of the user's code."""
    main = sys.modules.get("__main__")
    spaces = {id(vars(one)): vars(one) for one in (main, *own.values()) if one is not None}
    if type(fn) is types.FunctionType and module_of(fn) is None:
        spaces[id(fn.__globals__)] = fn.__globals__
    return [*spaces.values()]


class _Found(NamedTuple):
    """What was found in a module: the facts, the values to send, and those that are pickled."""

    facts: dict[str, Fact]
    values: dict[str, Any]
    singles: dict[str, bytes]


def _found(name: str, module: types.ModuleType) -> _Found:
    found = _Found({}, {}, {})
    known = _functions.setdefault(name, {})
    for path, value in attributes_of(name, module):
        if type(value) is types.FunctionType:
            was = known.get(path)
            if was is not None and was[0] is value and was[1] is value.__code__:
                found.facts[path] = was[2]
                continue
        what = found.facts[path] = fact(value)
        if what is VALUE or (what[0] in "fw" and not is_written(name, path, value)):
            _take(name, path, value, found)
        elif what[0] == "f" and not value.__closure__:
            known[path] = value, value.__code__, what
    return found


def _take(name: str, path: str, value: Any, found: _Found) -> None:
    """Take in a value that is to be sent."""
    now = None if type(value) in _PLAIN else snapshot(value)
    if now is None:
        found.values[path] = value
        return
    singles = _singles.setdefault(name, {})
    before = singles.get(path)
    if before is None or not same(before[0], now):
        data = None
        with contextlib.suppress(Exception):
            data = pickling.dumped(live_modules.pickler(), value)
        surely = not unsent_values.is_assigned(name, path)
        if before is not None:  # libraries note things on a function
            noted = type(value) is types.FunctionType and before[0][0] is value
            surely = before[2] or not noted
        before = singles[path] = now, data, surely
    if before[1] is not None:
        found.singles[path] = before[1]
    elif found.facts[path] is VALUE:
        found.facts[path] = _unsent_fact(value, before[2])


def _unsent_fact(value: Any, surely: bool) -> Fact:
    kind = type(value)
    return UNSENT, f"{kind.__module__}.{kind.__qualname__}", surely


def _held(
    name: str, found: _Found, shared: dict[int, list[tuple[str, str]]], partly: bool = False
) -> HeldValues:
    links = {}
    if shared:
        for path, value in found.values.items():
            if id(value) in shared:
                links[path] = [place for place in shared[id(value)] if place[0] != name]
    data, buffers = _pickled(name, found.values, found.facts)
    names = HeldNames(found.facts, [*found.values], links, found.singles, partly)
    before = _names.get(name)
    if before is None or before[0] != names:
        before = _names[name] = names, pickle.dumps(names, protocol=5)
    return HeldValues(before[1], data, buffers)


_CONTAINERS = {list, dict, set, tuple, frozenset}
_PLAIN = {int, float, bool, str, bytes, complex, type(None), type(...), tuple, frozenset}


class _Plain(pickle.Pickler):
    """A pickler of plain data alone: the fast way."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) in (complex, bytearray):
            return NotImplemented
        raise pickle.PicklingError


def _pickled(name: str, values: dict[str, Any], facts: dict[str, Fact]) -> tuple[bytes, list[Any]]:
    """Pickle the values; those that can't be are taken out, or are sent in part."""
    with io.BytesIO() as file:
        try:
            _Plain(file, protocol=5).dump([*values.values()])
            return file.getvalue(), []
        except Exception:  # not plain
            pass
    unsent = _unsent.setdefault(name, {})
    made: dict[int, tuple[Any, Any]] = {}
    for path in unsent.keys() & values.keys():
        if values[path] is unsent[path][0]:
            _send_in_part(name, path, values, facts, made)
    for _ in range(2):
        apart = pickling.Apart()
        try:
            data = pickling.dumped(live_modules.pickler(), [*values.values()], apart)
            return data, apart.buffers
        except Exception:
            for path, value in [*values.items()]:
                if not unsent_values.is_sendable(value):
                    surely = path in unsent or not unsent_values.is_assigned(name, path)
                    unsent[path] = value, surely
                    _send_in_part(name, path, values, facts, made)
    values.clear()
    return b"", []


def _send_in_part(
    name: str,
    path: str,
    values: dict[str, Any],
    facts: dict[str, Fact],
    made: dict[int, tuple[Any, Any]],
) -> None:
    """Have what can't be sent left out of a value, or take out the value."""
    value = values[path]
    part = unsent_values.sendable_part(value, made)
    if part is not unsent_values.KEEP:
        values[path] = part
        return
    del values[path]
    if facts[path] is not VALUE:  # a function that the worker may have
        return
    facts[path] = _unsent_fact(value, _unsent[name][path][1])
