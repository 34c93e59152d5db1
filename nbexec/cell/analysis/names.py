"""Names: the names of one scope, and the values that they have along each branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .abstract_values import Env, Value, join


@dataclass(slots=True, eq=False)
class Names:
    """The names of a function, or of a loop's body.

    Attributes
    ----------
    globals : dict
        The globals.
    local : set of str
        Names that are bound in this scope, sooner or later.
    env : dict or None
        Values of the names that are bound now; None in code that isn't reached.
    captured : callable
        Describes a name of the functions around; gives None for any other.
    bound : list
        Every binding so far.
    volatile : set of str
        Names that a function inside may bind.
    """

    globals: dict[str, Any]
    local: set[str]
    env: Env | None
    captured: Callable[[str], Value | None]
    bound: list[tuple[str, Value]] = field(default_factory=list)
    volatile: set[str] = field(default_factory=set)


def merge(one: Env | None, other: Env | None) -> Env | None:
    """Join the names bound on two branches; None is a branch that doesn't come here."""
    if one is None or other is None:
        return other if one is None else one
    return {name: join(one[name], other[name]) for name in one if name in other}


def copied(env: Env | None) -> Env | None:
    return None if env is None else dict(env)
