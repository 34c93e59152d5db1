"""Args: the arguments of a call.  Calling: the interface of `CallAnalysis` to its parts."""

from __future__ import annotations

import ast
import types
from dataclasses import dataclass
from typing import Any, Protocol

from .abstract_values import SHARED, Value


@dataclass(slots=True)
class Args:
    """The arguments of a call."""

    positional: list[Value]
    keywords: dict[str, Value]
    starred: bool = False  # there may be more, unknown ones

    def all(self) -> list[Value]:
        return [*self.positional, *self.keywords.values(), *([SHARED] if self.starred else [])]

    def at(self, position: int, name: str = "") -> Value | None:
        if position < len(self.positional):
            return self.positional[position]
        return SHARED if self.starred else self.keywords.get(name)

    def constant(self, position: int, name: str = "") -> Any:
        """Give an argument itself; None where there is none, `UNKNOWN` where it isn't known."""
        value = self.at(position, name)
        return None if value is None else value.known


ANYTHING = Args([], {}, starred=True)  # of a call that library code may make


class Calling(Protocol):
    """The interface of `calls.CallAnalysis` to the parts that it owns."""

    def apply(self, node: ast.AST, callee: Value, args: Args) -> Value:
        """Look at the call of a value."""

    def callback(self, node: ast.AST, value: Value) -> Value | None:
        """Look into a function that library code is given to call; None for anything else."""

    def called(self, node: ast.AST, value: Value) -> Value | None:
        """Look into a function that library code calls; refuse one that isn't known."""

    def function(
        self, node: ast.AST, function: types.FunctionType, args: Args, path: str = ""
    ) -> Value:
        """Look at the call of a Python function."""

    def method(self, node: ast.AST, base: Value, name: str, args: Args) -> Value:
        """Look at a call of an attribute."""

    def own_method(self, node: ast.AST, base: Value, found: Any, name: str, args: Args) -> Value:
        """Look at a method that a class of the user's has."""
