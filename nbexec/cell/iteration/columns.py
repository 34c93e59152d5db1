"""Columns: what the iterations of a block did to one object, in one container of its own kind.

The compiled loop of a block adds to it by the container's own method, at the speed of the plain
statement.  What a log would have looked at for each item is looked at here for all of them.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..analysis.object_facts import dotted, immutable
from .effect_log import Unsafe


@dataclass(frozen=True, slots=True)
class Column:
    """How the effects of one statement are recorded in a block.

    Attributes
    ----------
    kind : str
        That of its `Site`; of a comprehension "elements", "distinct" or "pairs".  "tally" is
        a "count" whose counts are integers that the statement itself has.
    site : int
        The number of the statement.
    """

    kind: str
    site: int


# The containers, and the method that the statement calls; "" where it names the container.
_LISTS = {"append": "append", "extend": "extend", "add": "append", "update_set": "extend"}
_LISTS |= {"setindex": "append", "count": "append", "augment": "append", "pick": "append"}
_LISTS |= {"elements": "extend", "distinct": "extend"}
_DICTS = {"setitem": "", "update_dict": "update", "pairs": "update"}
_GROUPS = ("grow", "grow_many", "grow_add")
_COUNTS = ("tally", "update_counter")  # counts by what is counted
_STORES = ("store", "store_into")  # in arrays
_LISTS |= dict.fromkeys(_STORES, "append")
KINDS = frozenset({*_LISTS, *_DICTS, *_GROUPS, *_COUNTS})


def make(kind: str) -> tuple[Any, Any]:
    """Give an empty container for effects of a kind, and what the compiled loop is given.

    Examples
    --------
    >>> made, append = make("append")
    >>> append(1)
    >>> made
    [1]
    """
    made: Any
    if kind in _LISTS:
        made = []
        return made, getattr(made, _LISTS[kind])
    if kind in _DICTS:
        made = {}
        return made, getattr(made, _DICTS[kind]) if _DICTS[kind] else made
    if kind == "update_counter":
        made = []
        return made, _Elements(made)
    made = defaultdict(int if kind == "tally" else list)
    return made, made


class _Elements:
    """Takes in what a `Counter` is to count; counts, which are there already, it refuses."""

    def __init__(self, made: list[Any]) -> None:
        self._made = made

    def __call__(self, values: Iterable[Any]) -> None:
        if isinstance(values, Mapping):
            raise Unsafe("a Counter is updated with counts")
        self._made.extend(values)


def checked(kind: str, made: Any) -> Any:
    """Give a container as it is sent.

    Raises
    ------
    Unsafe, TypeError
        What is in it has to be looked at item by item.
    """
    if kind in ("add", "update_set", "distinct"):
        return _distinct(made)
    if kind == "grow_add":
        return {key: _distinct(values) for key, values in made.items()}
    if kind in _STORES:
        return _stores(made, key_first=kind == "store_into")
    if kind == "update_counter":
        return dict(Counter(made))
    if kind in _GROUPS or kind == "tally":
        return dict(made)
    if kind == "count":
        _hashable([key for key, _ in made])
        _only(made and [value for _, value in made], tuples=True)
    elif kind == "setindex" and not set(map(type, (key for _, key in made))) <= {int}:
        raise Unsafe("an index is no number")
    elif kind in ("augment", "pick"):
        _only(made, tuples=kind == "augment")
    return made


def _stores(pairs: list[tuple[Any, Any]], key_first: bool) -> tuple[list[Any], Any]:
    """Give the keys and the values apart."""
    values, keys = ([pair[at] for pair in pairs] for at in (key_first, not key_first))
    if not all_plain(keys) or any(type(key) is tuple and not key for key in keys):
        raise Unsafe("an index can be changed")
    _only(values, tuples=False)
    kinds = {*map(type, values)}
    if len(kinds) == 1 and dotted(kind := kinds.pop()) in ("numpy.float64", "numpy.int64"):
        return keys, sys.modules["numpy"].array(values, kind)  # many at a time are soon pickled
    return keys, values


def _hashable(values: list[Any]) -> None:
    if not all(map(immutable, set(map(type, values)))):
        for value in values:
            hash(value)


def _distinct(values: list[Any]) -> list[Any]:
    """Give the values, each once where that makes no difference; raises where one has no hash."""
    if all(map(immutable, set(map(type, values)))):
        return list(dict.fromkeys(values))
    _hashable(values)
    return values


def _only(values: Iterable[Any], tuples: bool) -> None:
    """Raise `Unsafe` unless all values are of types that can't be changed."""
    for kind in set(map(type, values)):
        if not (immutable(kind) or (tuples and kind is tuple)):
            raise Unsafe(f"a {kind.__name__} is added")


def parts(kind: str, made: Any) -> list[Collection[Any]]:
    """Give all objects that are in a container, in several collections."""
    if kind in _STORES:
        return []  # they can't be changed
    if kind in _GROUPS:
        return [made, list(itertools.chain.from_iterable(made.values()))]
    if isinstance(made, dict):
        return [made, made.values()]
    return [made]


def replaced(kind: str, made: Any, change: Callable[[Any], Any]) -> Any:
    """Give the container with each object in it replaced by what `change` gives for it."""
    if kind in _STORES:
        return made
    if kind in _GROUPS:
        return {change(key): [change(one) for one in values] for key, values in made.items()}
    if isinstance(made, dict):
        return {change(key): change(value) for key, value in made.items()}
    return [change(one) for one in made]


def all_plain(values: Collection[Any]) -> bool:
    """Whether no value can be changed, and each is at most a tuple of such: there are no sets.

    Examples
    --------
    >>> all_plain([1, ("a", 2)]), all_plain([1, ("a", [])]), all_plain([frozenset()])
    (True, False, False)
    """
    kinds = {kind for kind in set(map(type, values)) if not immutable(kind)}
    if not kinds:
        return True
    if kinds != {tuple}:
        return False
    inner = (one for one in values if type(one) is tuple)
    return all_plain(list(itertools.chain.from_iterable(inner)))
