"""Estimators: what scikit-learn's estimators and functions do, as the tables tell it."""

from __future__ import annotations

import ast
import inspect
import sys
import types
import weakref
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

from . import library_facts
from . import sklearn_facts as facts
from .abstract_values import UNKNOWN, Value, joined, value_of
from .analysis import Analysis, refuse
from .arguments import Args, Calling
from .heap import ANY
from .library_kinds import Estimator, PlainArray, family_of
from .library_values import linked
from .new_values import NewValues
from .object_facts import fields_of

MOST = 1_000  # parts of an estimator that are looked at


class Library(Protocol):
    """What `LibraryCalls` does for the objects of libraries."""

    calls: Calling

    def given(self, node: ast.AST, args: Args) -> list[Value]:
        """Look into functions and objects that are arguments; give what may be held on to."""


class Estimators:
    """Analyses calls of scikit-learn.

    Parameters
    ----------
    analysis : Analysis
        The state of the whole analysis.
    new : NewValues
        Describes what a call makes.
    library : Library
        Looks at arguments.
    """

    def __init__(self, analysis: Analysis, new: NewValues, library: Library) -> None:
        self.analysis = analysis
        self.new = new
        self.library: Library = weakref.proxy(library)

    def method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value | None:
        """Look at the call of a method; None where the tables don't have it."""
        settings(node)
        changes = name in facts.GIVES_ITSELF or name in facts.CHANGES_AND_GIVES
        if changes and base.shared:
            func = getattr(node, "func", node)
            text = ast.unparse(func.value) if isinstance(func, ast.Attribute) else "an estimator"
            advice = f"`sklearn.base.clone({text})` gives one of the iteration's own"
            refuse(node, f"calls `{text}.{name}()`, which changes it; {advice}")
        if not (changes or name in facts.NEW | facts.LINKED | facts.PARTS):
            return None
        self._parts(node, base, name)
        given = self.library.given(node, args)
        if changes:
            # Not mixed: the data is no part of it that fitting it again would change.
            self.analysis.heap.put(base, ".data", self.analysis.heap.reach(given))
            return base if name in facts.GIVES_ITSELF else self._numbers(node, given)
        if name in facts.PARTS:
            return self.new.unknown(node, [base])
        return self._numbers(node, given if name in facts.LINKED else [])

    def _numbers(self, node: ast.AST, given: list[Value]) -> Value:
        """Describe an array, which may be one of those that were given."""
        reached = joined(linked(one, PlainArray) for one in given)
        return Value(reached.shared, reached.sites | {node}, type=PlainArray)

    def _made(self, node: ast.AST, kind: type, parts: list[Value]) -> Value:
        """Describe an estimator with these parts, which using it may change."""
        held = self.analysis.heap.reach(parts)
        made = Value(held.shared, frozenset([node]), type=kind)
        self.analysis.heap.put(made, ANY, held)
        return made

    def _parts(self, node: ast.AST, base: Value, name: str) -> None:
        """Look at the parts of an estimator that is there already: functions, options."""
        for part in _reachable(base.known) if base.known is not UNKNOWN else ():
            kind = type(part)
            if kind.__name__ in facts.DRAWS_WHEN_USED and family_of(kind) == "sklearn":
                refuse(node, f"uses a `{kind.__name__}`, which {library_facts.RANDOM}")
            options = fields_of(part) if family_of(kind) == "sklearn" else {}
            if name in facts.LINKED and any(options.get(one) is False for one in facts.COPYING):
                text = f"a `{kind.__name__}` with `copy=False`"
                refuse(node, f"uses {text}, which changes what it is given")
            if family_of(kind) != "sklearn":
                self.library.given(node, Args([value_of(part)], {}))

    def _fitted(self, node: ast.AST, value: Value) -> None:
        """Refuse to fit copies of an estimator from outside that draws random numbers."""
        if not value.shared:
            return  # it was looked at where it was made
        every = [value.known]
        if value.known is UNKNOWN:
            given = node.args[0] if isinstance(node, ast.Call) and node.args else None
            every = self.analysis.possible(getattr(given, "id", "")) or [UNKNOWN]
        for one in every:
            if family_of(type(one)) != "sklearn":
                refuse(node, "fits an estimator that isn't known before, and may draw at random")
            for part in _reachable(one):
                if family_of(type(part)) == "sklearn":
                    options = fields_of(part)
                    chosen = Args([], {name: value_of(it) for name, it in options.items()})
                    draws(node, type(part), chosen)
                else:
                    self.library.given(node, Args([value_of(part)], {}))

    def attribute(self, base: Value, name: str) -> Value | None:
        """Describe an attribute of an estimator; None where the tables don't have it."""
        if name in facts.NUMBERS:
            return linked(base, PlainArray)
        if name in facts.ESTIMATORS:
            return linked(base, Estimator)
        return None if base.shared else self.analysis.heap.reach([base])

    def function(
        self, node: ast.AST, known: Any, names: list[str], args: Args, given: list[Value]
    ) -> Value | None:
        """Describe what a function, or the making of an estimator, gives; None for others."""
        module = str(getattr(known, "__module__", ""))
        top = module.partition(".")[0]
        if top not in ("sklearn", "scipy", "networkx"):
            return None
        draws(node, known, args)
        if top != "sklearn":
            return None
        settings(node)
        if names[-1] in facts.FITTING and args.positional:
            self._fitted(node, args.positional[0])
        if isinstance(known, type):
            if family_of(known) != "sklearn":
                return None
            for one in facts.COPYING:
                if args.keywords.get(one, Value(known=True)).known is not True:
                    reason = f"makes a `{known.__name__}` with `{one}`, which may change its data"
                    refuse(node, reason)
            return self._made(node, known, given)
        for name in names:
            if name in facts.MAKES:
                return self._made(node, Estimator, given if facts.MAKES[name] else [])
            parts = name.split(".")
            patterns = {name, *(".".join(parts[:at]) + ".*" for at in range(2, len(parts)))}
            if not patterns.isdisjoint(facts.FUNCTIONS_NEW):
                return self._numbers(node, [])
        return None


def settings(node: ast.AST) -> None:
    """Refuse to use scikit-learn with settings that its threads and processes don't have."""
    config: Any = sys.modules.get("sklearn._config")
    if config is not None and config.get_config() != config._global_config:
        reason = "uses scikit-learn with the settings of `set_config`, which workers don't have"
        refuse(node, reason)


def draws(node: ast.AST, known: Any, args: Args) -> None:
    """Refuse what draws random numbers from a generator of the whole process."""
    own = str(getattr(known, "__name__", ""))
    if own in facts.DRAWS_ALWAYS:
        refuse(node, f"makes a `{own}`, which {library_facts.RANDOM}")
    if own in facts.THREADED:
        refuse(node, f"makes a `{own}`, whose last digits depend on how many threads it has")
    plain = isinstance(known, type | types.FunctionType | types.BuiltinFunctionType)
    seed = _seed_of(known) if plain or hasattr(known, "__wrapped__") else None
    if seed is None or args.starred:
        return
    name, at = seed
    given = args.at(at, name) if at is not None else args.keywords.get(name)
    if given is not None and given.known is not None:
        return
    option, values = facts.DRAWS_NOT.get(own, ("", ()))
    chosen = args.keywords.get(option, value_of(None))
    if option and chosen.known is not UNKNOWN and any(chosen.known == one for one in values):
        return
    verb = "makes a" if isinstance(known, type) else "calls"
    refuse(node, f"{verb} `{own}` without a `{name}`, which {library_facts.RANDOM}")


def _seed_of(known: Any) -> tuple[str, int | None] | None:
    try:
        return _seed(known)
    except TypeError:  # it can't be hashed
        return None


@lru_cache(256)
def _seed(known: Any) -> tuple[str, int | None] | None:
    """Give the parameter that seeds a function or a class, and its position."""
    try:
        parameters = inspect.signature(known).parameters
    except (TypeError, ValueError):
        return None
    for at, (name, one) in enumerate(parameters.items()):
        if name in facts.SEEDS and one.default is None:
            return name, at if one.kind is one.POSITIONAL_OR_KEYWORD else None
    return None


def _reachable(known: Any) -> Iterator[Any]:
    """Give an estimator and its parts: other estimators, functions, objects of the user's."""
    todo, seen = [known], set[int]()
    while todo and len(seen) < MOST:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if type(one) in (list, tuple):
            todo += one[:MOST]
        elif type(one) is dict:
            todo += list(one.values())[:MOST]
        elif family_of(type(one)) == "sklearn":
            yield one
            todo += list(fields_of(one).values())
        elif callable(one):
            yield one
