"""OwnReads: large containers of which each item of a loop reads the entries at its own keys alone.

Such a container need not be looked through, nor sent to workers, as a whole.  Whether an
expression is a key of the item is followed through assignments of arguments: a `Value` with a
`key` is what that key is for the item, whatever else happens.
"""

from __future__ import annotations

import ast
import contextlib
import operator
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .abstract_values import Value, describe
from .object_facts import is_plain
from .weight import weight

# A key: ("name", "i"), ("constant", 1), ("+", key, key) or ("tuple", key, ...).
Key = tuple[Any, ...]

BYTES, OF_ARRAYS = 5e7, 1e9  # bytes a second that are sent; of an array in a file
EACH = 5e-6  # seconds that it takes to send an entry beside its item
LEAST = 0.001  # seconds that are to be saved
DEEPEST = 4  # keys in keys: a function that calls itself with `n - 1` would have no end of them
_OPERATORS: dict[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
}
_DO = dict(_OPERATORS.values())
_PLAIN = {int, str, bytes, bool, type(None)}
_CALLED = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type, types.ModuleType)
_ODD = (set, frozenset, types.GeneratorType)


class NoKey(Exception):
    """The key of an item can't be computed beforehand, or nothing is there."""


class NotAlone(Exception):
    """A container, given by its id, is used in another way too."""


def key_of(node: ast.expr, env: dict[str, Value]) -> Key | None:
    """Give the key that an expression is; None where it may be anything else.

    Examples
    --------
    >>> env = {"i": Value(key=("name", "i")), "x": Value()}
    >>> [key_of(ast.parse(text).body[0].value, env) for text in ("i", "i - 1", "x", "1")]
    [('name', 'i'), ('-', ('name', 'i'), ('constant', 1)), None, None]
    """
    found = _part(node, env)
    if found is None or found[0] == "constant" or _depth(found) > DEEPEST:
        return None
    return found


def _depth(key: Key) -> int:
    return 1 + max((_depth(one) for one in key[1:] if type(one) is tuple), default=0)


def _part(node: ast.expr, env: dict[str, Value]) -> Key | None:
    match node:
        case ast.Name(name):
            return env[name].key if name in env else None
        case ast.Constant(value) if type(value) in (int, str):
            return ("constant", value)
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            parts = [_part(left, env), _part(right, env)]
            sign = _OPERATORS[type(op)][0]
        case ast.Tuple(elements):
            parts = [_part(one, env) for one in elements]
            sign = "tuple"
        case _:
            return None
    if None in parts or all(one is not None and one[0] == "constant" for one in parts):
        return None
    return (sign, *parts)


def value_at(key: Key, names: dict[str, list[Any]], at: int) -> Any:
    """Give the value of a key for the item at a position; raises `NoKey`.

    Examples
    --------
    >>> value_at(("-", ("name", "i"), ("constant", 1)), {"i": [5, 7]}, 1)
    6
    """
    kind, *parts = key
    if kind == "name":
        found = names[parts[0]][at]
    elif kind == "constant":
        found = parts[0]
    else:
        given = [value_at(one, names, at) for one in parts]
        if kind == "tuple":
            return tuple(given)
        if not all(type(one) is int for one in given):
            raise NoKey
        if kind in ("//", "%") and not given[1]:
            raise NoKey
        found = _DO[kind](*given)
    if not _may_be_key(found):
        raise NoKey
    return found


def _may_be_key(thing: Any) -> bool:
    """Whether it equals no other key, and looking it up runs no code of the user's."""
    return type(thing) in _PLAIN or (type(thing) is tuple and all(map(_may_be_key, thing)))


@dataclass(eq=False)
class OwnRead:
    """A container of which an item reads its own entries.

    Attributes
    ----------
    name : str
        The name that it is read under.
    container : object
        It.
    names : dict
        What each name of the loop's target is bound to, item by item.
    keys : list of tuple
        The keys that are read.
    nodes : list of ast.Name
        Where.
    entries : list
        What is there, for all items.
    """

    name: str
    container: Any
    names: dict[str, list[Any]]
    keys: list[Key] = field(default_factory=list)
    nodes: list[ast.Name] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)

    @property
    def roots(self) -> list[Any]:
        """What may be reached through it."""
        return [self.container] if is_plain(self.container) else self.entries

    def of(self, at: int, missing: Any = None) -> dict[Any, Any]:
        """Give the entries that the item at a position may read, by their keys.

        What isn't there is `missing`; what can't be computed beforehand is left out.
        """
        found = {}
        for key in self.keys:
            with contextlib.suppress(NoKey):
                own = value_at(key, self.names, at)
                found[own] = missing
                found[own] = entry(self.container, own)
        return found


def entry(container: Any, key: Any) -> Any:
    """Give an entry of a dict, a list, a tuple or an array; raises `NoKey` if there is none."""
    if type(container) is dict:
        if key not in container:
            raise NoKey
        return container[key]
    if type(key) is not int or not -len(container) <= key < len(container):
        raise NoKey
    return container[key]


class OwnReads:
    """What an analysis finds of such containers.

    Parameters
    ----------
    names : dict
        What each name of the loop's target is bound to, item by item.
    count : int
        How many items there are.
    whole : set of int
        Containers, by their ids, that are known to be used in other ways, too.

    Attributes
    ----------
    found : dict
        By the id of the container, what was found.
    """

    def __init__(self, names: dict[str, list[Any]], count: int, whole: frozenset[int]) -> None:
        self.names = names
        self.found: dict[int, OwnRead] = {}
        self._count = count
        self._whole = whole
        self._pays: dict[int, bool] = {}

    def read(
        self, node: ast.Name, container: Any, key: Key, perhaps: bool = False
    ) -> OwnRead | None:
        """Take in that an entry is read; None where the container is sent whole.

        With `perhaps` it need not be there.
        """
        if id(container) in self._whole or not self._saves(container):
            return None
        found = self.found.get(id(container))
        if found is None:
            found = OwnRead(node.id, container, self.names)
        if found.name != node.id:
            return None
        if key not in found.keys and not self._take_in(found, key, perhaps):
            return None
        if not any(one is node for one in found.nodes):
            found.nodes.append(node)
        self.found[id(container)] = found
        return found

    def _take_in(self, found: OwnRead, key: Key, perhaps: bool) -> bool:
        """Look at the entries of all items; give whether they may travel with the items."""
        entries, missing = [], 0
        for at in range(self._count):
            try:
                entries.append(entry(found.container, value_at(key, self.names, at)))
            except NoKey:
                missing += 1
        kinds = set(map(type, entries))
        if not perhaps and (not entries or missing * 10 > self._count):
            return False  # where nothing is there, only the kernel can run it
        if any(issubclass(kind, _CALLED + _ODD) for kind in kinds):
            return False
        found.keys.append(key)
        found.entries += entries
        return True

    def _saves(self, container: Any) -> bool:
        """Whether sending the entries alone saves time."""
        if id(container) not in self._pays:
            self._pays[id(container)] = _saved(container, self._count) > LEAST
        return self._pays[id(container)]


def _saved(container: Any, count: int) -> float:
    """Give the seconds that are saved where entries travel with so many items."""
    if type(container) in (dict, list, tuple):
        size = len(container)
        whole = weight([container]) / BYTES if size > 1 else 0.0
    elif is_plain(container) and container.ndim and container.flags.c_contiguous:
        size, whole = len(container), container.nbytes / OF_ARRAYS
    else:
        return -1.0
    if not size:
        return -1.0
    return whole - count * EACH - whole * min(1.0, count / size)


def described(read: OwnRead) -> Value:
    """Describe an entry that any of the items may read."""
    return describe(read.entries)
