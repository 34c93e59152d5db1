"""Guard: detects in a worker whether an iteration changed its inputs.

The analysis assumes that library code leaves its arguments alone.  In another process that
can be checked: its inputs are compared before and after, as long as comparing costs little.
"""

from __future__ import annotations

import functools
import hashlib
import io
import pickle
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

from ...worker.generators import is_generator
from ..analysis.object_facts import frozen
from ..analysis.weight import weight

SHARE = 0.05  # of the time of the items may go into comparing
FLOOR = 0.0005  # seconds that comparing may cost in any case
AT_ONCE = 0.005  # seconds that the first look may cost, before it is known what an item takes
RATE = 1e8  # bytes a second, of which a digest is computed: of arrays 8 times as many
_SKIPPED = (
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.MethodType, type),
    *(types.GeneratorType, types.CodeType),
)


class _Digester(pickle.Pickler):
    """Serializes an object's contents; functions, classes and modules by name alone."""

    draws = False  # whether generators of random numbers are left out

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, _SKIPPED) and thing is not str:  # which stands for all of them
            return str, (getattr(thing, "__qualname__", type(thing).__name__),)
        if self.draws and is_generator(thing):
            return str, (type(thing).__name__,)
        if type(thing).__module__.partition(".")[0] == "pandas":
            return _of_pandas(thing)
        return NotImplemented


def _of_pandas(thing: Any) -> Any:
    """Reduce an object of pandas to the values that it holds, without what it works out of them."""
    name = type(thing).__qualname__
    if hasattr(thing, "_ndarray"):
        return tuple, ([name, thing._ndarray, str(thing.dtype)],)
    if hasattr(thing, "_mgr") and hasattr(thing._mgr, "blocks"):
        blocks = [(one.mgr_locs.as_array, one.values) for one in thing._mgr.blocks]
        return tuple, ([name, *thing.axes, *blocks, getattr(thing, "name", None)],)
    if hasattr(thing, "levels") and hasattr(thing, "codes"):
        return tuple, ([name, *thing.levels, *thing.codes, *thing.names],)
    if hasattr(thing, "_data") and hasattr(thing, "names"):
        return tuple, ([name, thing._data, *thing.names],)
    if hasattr(thing, "obj") and hasattr(thing.obj, "_mgr"):  # a group-by, a window
        return tuple, ([name, thing.obj],)
    return NotImplemented


def fingerprint(thing: Any, draws: bool = False) -> bytes | None:
    """Give a digest that differs once the thing, or anything in it, was changed; None if unknown.

    With `draws` generators of random numbers may change.

    Examples
    --------
    >>> rows = [[1], [2]]
    >>> before = fingerprint(rows)
    >>> rows[0].append(3)
    >>> before == fingerprint(rows)
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    buffers: list[pickle.PickleBuffer] = []
    written = io.BytesIO()
    try:
        digester = _Digester(written, protocol=5, buffer_callback=buffers.append)
        digester.draws = draws
        digester.dump(thing)
        digest.update(written.getbuffer())
        for one in buffers:
            digest.update(one.raw())
    except Exception:
        return None
    return digest.digest()


def captured(function: types.FunctionType) -> dict[str, Any]:
    """Give the mutable objects that travel with a function, by name."""
    found: dict[str, Any] = {}
    todo: list[types.FunctionType] = [function]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for name, thing in _held(one):
            if isinstance(thing, types.FunctionType):
                todo.append(thing)
            elif not (name.startswith("__") or isinstance(thing, _SKIPPED) or frozen(thing)):
                found.setdefault(name, thing)
    return found


def _held(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    yield from list(function.__globals__.items())
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # empty
            continue
    given = function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(given) :], given, strict=False)
    yield from (function.__kwdefaults__ or {}).items()


class Guard:
    """Compares the inputs of iterations before and after.

    Parameters
    ----------
    things : dict
        The inputs that all iterations share, by name.
    clock : callable
        Gives the seconds that items take.
    own_clock : callable
        Gives the seconds that comparing takes: of this thread's CPU, since what others do
        meanwhile doesn't make comparing too dear.
    draws : bool
        Whether generators of random numbers may change.

    Examples
    --------
    >>> xs = [1]
    >>> guard = Guard({"xs": xs})
    >>> guard.begin(3)
    >>> xs.append(2)
    >>> guard.changed()
    'xs'
    """

    def __init__(
        self,
        things: dict[str, Any],
        clock: Callable[[], float] = time.perf_counter,
        own_clock: Callable[[], float] = time.thread_time,
        draws: bool = False,
    ) -> None:
        self._fingerprint = functools.partial(fingerprint, draws=True) if draws else fingerprint
        self._things = things
        self._clock = clock
        self._own_clock = own_clock
        self._before: dict[str, bytes | None] | None = None
        self._cost = weight(things.values()) / RATE
        fingerprint([])  # the first time in a process takes longer
        if self._cost <= AT_ONCE:
            self._look()
            if self._cost > FLOOR:  # the first time of a type does, too
                self._look()
        self._spent = 0.0  # by items since they were last compared
        self._item: Any = None
        self._item_before: bytes | None = None
        self._item_cost = 0.0
        self._item_spent = 0.0
        self.looked = True  # whether the last item was compared
        self._parts: list[tuple[list[Any], bytes | None]] = []  # of a block, with their digests
        self._unseen = False  # whether some of them have none
        self._parts_cost = self._parts_spent = 0.0  # seconds, of all blocks

    def begin_block(self) -> None:
        """Start a block of items, of which `begin_part` gets some at a time."""
        self._item, self._item_before, self._parts = None, None, []
        self._began = self._clock()
        self._unseen = False

    def begin_part(self, items: list[Any]) -> None:
        """Compute the digest of some items of a block, if that is affordable."""
        if frozen(tuple(items)):
            return
        if self._parts_cost > max(FLOOR, SHARE * self._parts_spent):
            self._unseen = True
            return
        began = self._own_clock()
        self._parts.append((items, self._fingerprint(items)))
        self._parts_cost += 2 * (self._own_clock() - began)  # and as long once more

    def _look(self) -> None:
        """Compute the digests of all inputs, as they are now."""
        began = self._own_clock()
        self._before = {name: self._fingerprint(thing) for name, thing in self._things.items()}
        self._cost = self._own_clock() - began

    def begin(self, item: Any) -> None:
        """Start an item: compute its digest, if that is affordable."""
        self._item, self._item_before, self._unseen = item, None, False
        if not frozen(item) and self._affordable(item):
            began = self._own_clock()
            self._item_before = self._fingerprint(item)
            self._item_cost = max(self._item_cost, self._own_clock() - began)
        self._began = self._clock()

    def _affordable(self, item: Any) -> bool:
        """Whether the digest of an item costs little; the first is weighed."""
        least = FLOOR
        if not self._item_cost:
            self._item_cost, least = weight([item]) / RATE, AT_ONCE
        return self._item_cost <= max(least, SHARE * self._item_spent)

    def changed(self) -> str:
        """Give the name of a changed input, "the item" for the item; "" for none."""
        took = self._clock() - self._began
        self._spent += took
        self._item_spent = took
        parts, self._parts = self._parts, []
        self._parts_spent += took
        self.looked = frozen(self._item) or self._item_before is not None
        if self._item_before is not None and self._fingerprint(self._item) != self._item_before:
            return "the item"
        if self._unseen or any(before is None for _, before in parts):
            self.looked = False
        if any(
            before is not None and self._fingerprint(items) != before for items, before in parts
        ):
            return "the item"
        if not self._things:
            return ""
        if self._cost > max(FLOOR, SHARE * self._spent):
            self.looked = False
            return ""
        self._spent = 0.0
        if self._before is None:  # it was too much to look at before the first item
            self._look()
            self.looked = False
            return ""
        for name, thing in self._things.items():
            before = self._before[name]
            if before is None:
                self.looked = False
            elif self._fingerprint(thing) != before:
                return name
        return ""
