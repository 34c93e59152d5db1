"""What an executor's initializer has set: names that its calls find in a worker process.

A function of a notebook comes with globals of its own, once for each call.  An initializer that
keeps a connection in a global, or a model in a dict, would keep it where no call looks.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, MethodType
from typing import Any, NamedTuple

_CONTAINERS = (dict, list, set)


class Initialized(NamedTuple):
    """The globals of an initializer, and which of them it has set or filled."""

    space: dict[str, Any]
    names: tuple[str, ...]

    def enter(self, things: Iterable[Any]) -> None:
        """Have functions with other globals, which stand for the same, find what was set.

        Parameters
        ----------
        things : iterable
            A call's function, and its arguments.
        """
        if not self.names:
            return
        now = {name: self.space[name] for name in self.names if name in self.space}
        for function in itertools.chain.from_iterable(map(_functions, things)):
            if self._is_copy(function.__globals__):
                function.__globals__.update(now)

    def _is_copy(self, other: dict[str, Any]) -> bool:
        return other is not self.space and other.get("__name__") == self.space.get("__name__")


def initialize(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> Initialized:
    """Call an initializer, and give what it has set.

    Examples
    --------
    >>> space = {"__name__": "a cell", "rate": 1}
    >>> exec("def begin(n):\\n    global rate\\n    rate = n", space)
    >>> initialize(space["begin"], (5,)).names
    ('rate',)
    """
    function = next(_functions(initializer), None)
    space = {} if function is None else function.__globals__
    there = sys.modules.get(str(space.get("__name__")))
    if there is not None and vars(there) is space:  # all calls have these globals
        initializer(*initargs)
        return Initialized(space, ())
    before = {name: (value, _content(value)) for name, value in space.items()}
    initializer(*initargs)
    return Initialized(space, tuple(_changed(before, space)))


def _changed(before: dict[str, Any], space: dict[str, Any]) -> Iterator[str]:
    for name, value in space.items():
        if name == "__builtins__":
            continue
        was, content = before.get(name, (before, None))
        if was is not value or content != _content(value):
            yield name


def _content(value: Any) -> list[int] | None:
    """Give what tells whether a container was filled."""
    if type(value) not in _CONTAINERS:
        return None
    inside = [*value, *value.values()] if type(value) is dict else [*value]
    return [id(one) for one in inside]


def _functions(thing: Any, depth: int = 5) -> Iterator[FunctionType]:
    """Give the functions that are written in Python behind a callable."""
    if not depth:
        return
    if isinstance(thing, FunctionType):
        yield thing
    if isinstance(thing, functools.partial):
        for part in (thing.func, *thing.args):
            yield from _functions(part, depth - 1)
    elif isinstance(thing, MethodType):
        yield from _functions(thing.__func__, depth - 1)
    elif isinstance(thing, type):
        yield from _functions(vars(thing).get("__init__"), depth - 1)
    elif callable(thing):
        yield from _functions(getattr(thing, "__wrapped__", None), depth - 1)
        if not isinstance(thing, FunctionType):
            yield from _functions(vars(type(thing)).get("__call__"), depth - 1)
