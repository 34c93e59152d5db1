"""Looks at modules and classes of libraries: what they held, so that the next look is short."""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from .registrations import Registered

_INNER = {classmethod: "__func__", staticmethod: "__func__", property: "fget"}
FUNCTIONS = {types.FunctionType, *_INNER}


class Own(dict[int, str]):
    """The user's namespaces: their ids, and the names of their modules."""

    def has(self, value: Any) -> bool:
        """Whether a value is a class of the user's, or an object of one."""
        # past attributes, since a lazy object may load something, or raise, where it is asked
        kind = value if issubclass(type(value), type) else type(value)
        module = vars(kind).get("__module__")
        return type(module) is str and module in self.values()

    def has_any(self, value: Any) -> bool:
        """Whether a value is a class or a function of the user's, or an object of a class."""
        return self.has(value) or self.has_function(value)

    def has_function(self, value: Any) -> bool:
        """Whether a value is a function of the user's, or holds one as methods do."""
        kind = type(value)
        if kind in _INNER:
            value = getattr(value, _INNER[kind])
        return type(value) is types.FunctionType and id(value.__globals__) in self


class Look(NamedTuple):
    """What a module or a class held when it was looked through, and what was found."""

    of: Any
    names: list[str]
    values: list[Any]
    atoms: list[tuple[str, Any]]  # which may be equal and another
    own: Own
    changes: list[tuple[str, Any]]
    classes: list[type] = []  # noqa: RUF012  # never changed; of a module
    submodules: list[types.ModuleType] = []  # noqa: RUF012
    in_c: list[tuple[str, Any]] = []  # noqa: RUF012  # plain values of a module in C
    sized: list[Any] = []  # noqa: RUF012  # containers, and namespaces of classes further away
    sizes: list[int] = []  # noqa: RUF012
    further: list[type] = []  # noqa: RUF012  # classes of other modules of the package

    def holds(self, of: Any, held: Any, own: Own) -> bool:
        """Whether it would be found again: lists are compared by identity first, in C."""
        if self.of is not of or self.own is not own:
            return False
        if any(isinstance(value, Registered) for _, value in self.changes):
            return False  # another may be in its place, in a container of the same size
        try:
            same = [*held] == self.names and [*held.values()] == self.values
            same = same and [*map(len, self.sized)] == self.sizes
            return same and all(held[name] is value for name, value in self.atoms)
        except Exception:  # what values say to that
            return False


class Glance:
    """All that was looked through when nothing was changed: one look tells whether it still is so.

    Parameters
    ----------
    own : Own
        The user's namespaces.
    named : list
        The modules and classes that they have names for.
    modules : dict
        The modules that were looked through, by name.
    looks : list of Look
        What they held.
    of_classes : list of Look
        What classes held: whatever it is called, a function of the user's is not among it.
    """

    def __init__(
        self,
        own: Own,
        named: list[Any],
        modules: dict[str, types.ModuleType],
        looks: list[Look],
        of_classes: list[Look],
    ) -> None:
        self._own, self._named = own, named
        self._names, self._modules = [*modules], [*map(sys.modules.get, modules)]
        self._spaces: list[Mapping[str, Any]] = [vars(look.of) for look in looks]
        self._classes: list[Mapping[str, Any]] = [vars(look.of) for look in of_classes]
        self._held: list[Any] = []
        places, self._atoms = [], []
        for look in looks:
            self._held += look.names
            at = {name: len(self._held) + place for place, name in enumerate(look.names)}
            places += [at[name] for name, _ in look.atoms]
            self._atoms += [value for _, value in look.atoms]
            self._held += look.values
        for look in of_classes:
            self._held += look.values
        places += [0, 0]  # for a tuple in any case
        self._atoms += self._held[:1] * 2
        self._of = operator.itemgetter(*places)
        self._sized = [one for look in (*looks, *of_classes) for one in look.sized]
        self._sizes = [size for look in (*looks, *of_classes) for size in look.sizes]

    def holds(self, own: Own, named: list[Any]) -> bool:
        """Whether nothing is changed now: lists are compared by identity first, in C."""
        if own is not self._own or len(named) != len(self._named) or not self._held:
            return False
        try:
            if not all(map(operator.is_, named, self._named)):
                return False
            if not all(map(operator.is_, map(sys.modules.get, self._names), self._modules)):
                return False
            if [*map(len, self._sized)] != self._sizes:
                return False
            held: list[Any] = []
            for space in self._spaces:
                held += space
                held += space.values()
            for space in self._classes:
                held += space.values()
            return held == self._held and all(map(operator.is_, self._of(held), self._atoms))
        except Exception:  # what values say to that; or another thread has changed one meanwhile
            return False
