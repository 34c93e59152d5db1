"""What the user's own modules hold in the kernel, so that they hold the same in a worker.

A worker imports a module anew, or has it from an earlier run.  Each name of the module is then
brought to what it is in the kernel: a variable, what is in a container, an attribute of a
class, a function that was replaced, a name that was deleted.  `module_state` does that.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import types
import uuid
from typing import Any

from ..serialize import pickling
from ..serialize.live_modules import module_of
from . import sent_modules
from .held_values import PLAIN, Found, found_in, packed, packed_patches
from .later_imports import notebook_code
from .library_patches import looked_through, patches
from .module_facts import HeldValues
from .sent_modules import SentModule

_here = uuid.uuid4().hex
_packed: tuple[Any, bytes] | None = None  # what was sent last, and pickled


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
    named : tuple of str
        Modules of Python and of packages that the user's code has names for.
    """

    current = ""  # the name of what was taken on last, where it has one

    def __init__(
        self,
        origin: str,
        held: dict[str, HeldValues],
        sent: dict[str, SentModule],
        named: tuple[str, ...] = (),
    ) -> None:
        self.origin = origin
        self.named = named
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
        return self.origin, self.block or data, buffers, self.sent, self.named

    def take_on(self, later: bool = False) -> None:
        """Have the modules here hold what they hold where this comes from."""
        ModuleValues.current = ""
        if self.origin != process():
            from . import module_state

            module_state.take_on(self.held, self.sent, self.named, later)

    def loaded(self) -> None:
        """Take in what modules hold that were imported with a task, before its first item."""
        if self.origin != process():
            from . import left_behind

            left_behind.note(self.named)

    def let_go(self) -> None:
        """Keep nothing of it: the run has ended."""
        if self.origin != process():
            from . import module_state

            module_state.let_go()


def arrived(
    origin: str,
    data: Any,
    buffers: dict[str, list[Any]],
    sent: dict[str, SentModule],
    named: tuple[str, ...] = (),
    *,
    later: bool = False,
) -> ModuleValues:
    alone = pickle.loads(data)
    held = {name: HeldValues(one[0], one[1], buffers.get(name, [])) for name, one in alone.items()}
    values = ModuleValues(origin, held, sent, named)
    values.take_on(later)
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
    found: dict[str, Found] = {}
    for name, module in own.items():
        with contextlib.suppress(Exception):  # objects may be of any kind: a worker imports it
            found[name] = found_in(name, module)
    places: dict[int, list[tuple[str, str]]] = {}
    for name, one in found.items():
        for path, value in one.values.items():
            if type(value) not in PLAIN:
                places.setdefault(id(value), []).append((name, path))
    shared = {key: among for key, among in places.items() if len({one[0] for one in among}) > 1}
    held = {name: packed(name, one, shared) for name, one in found.items()}
    for name, patched in patches(_spaces(own, fn), local).items():
        if name not in held:
            held[name] = packed_patches(name, patched)
    code = () if local else notebook_code(fn)
    to_send = sent_modules.to_send(own, local, code)
    return ModuleValues(process(), held, to_send, looked_through())


def _spaces(own: dict[str, types.ModuleType], fn: Any) -> list[dict[str, Any]]:
    """Give the globals of the user's code."""
    main = sys.modules.get("__main__")
    spaces = {id(vars(one)): vars(one) for one in (main, *own.values()) if one is not None}
    if type(fn) is types.FunctionType and module_of(fn) is None:
        spaces[id(fn.__globals__)] = fn.__globals__
    return [*spaces.values()]
