"""Which statements may run beside the one whose turn it is: what they do, how long they took."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable
from typing import Any

from ..analysis.aliases import TooLarge, allowance, reachable
from ..analysis.analysis import Refusal
from ..loops.find import find_loop
from ..loops.standalone import Standalone, alone, worth
from .durations import Called, Durations, called
from .in_kernel import StatementRunner

FAR = 16  # statements to look ahead
CHEAP = 0.2  # of the patience: what took no longer the last time runs alone

known = Durations()  # of statements of this kernel


class Nearby:
    """A statement and those that come next.

    Parameters
    ----------
    kernel : StatementRunner
        The cell, and the namespace as it is now.
    position : int
        Position of the statement whose turn it is.
    last : int
        The position of the statement whose value is wanted.
    done : container of int
        Positions of statements that run ahead of their turn already.
    patience : float
        Seconds that a statement runs alone.
    """

    def __init__(
        self,
        kernel: StatementRunner,
        position: int,
        last: int,
        done: Container[int],
        patience: float,
    ) -> None:
        self._namespace = kernel.namespace
        self._body = kernel.cell.body
        self._position = position
        self._ahead = range(position + 1, min(position + FAR, len(self._body)))
        self._last = last
        self._done = done
        self._patience = patience

    def first(self) -> Standalone | None:
        """Analyse the statement, if others may run beside it; None where none may."""
        if not self._may_last(self._position):
            return None
        if not any(at not in self._done and self._may_last(at) for at in self._ahead):
            return None
        with allowance():
            one = _alone(self._body[self._position], self._namespace, set(), False)
        return one if one is not None and one.analysis.anywhere else None

    @property
    def slow(self) -> bool:
        """Whether it is known to take long."""
        took = known.of(called(self._body[self._position], self._namespace))
        return took is not None and took > self._patience

    @allowance()
    def others(self, first: Standalone) -> dict[int, Standalone]:
        """Find statements that can run at the same time as the first; give them by position."""
        namespace = self._namespace
        found: dict[int, Standalone] = {}
        written, bound = set(first.writes), set(first.loop.bound)
        things = _changed(first, namespace)  # objects that earlier statements change in place
        for at in self._ahead:
            stmt, value = self._body[at], at == self._last
            if _is_constant(stmt) and not value:
                continue
            one = _alone(stmt, namespace, bound, value)
            if one is None:
                break
            free = at not in self._done and one.analysis.anywhere
            free = free and not (one.reads & written) and not _touches(one, namespace, things)
            if free and self._may_last(at):
                found[at] = one
            written |= one.writes
            bound |= one.loop.bound
            things += _changed(one, namespace)
        return found

    def _may_last(self, position: int) -> bool:
        """Whether a statement may take a while, by what it calls and what that took before."""
        functions = functions_of(self._body[position], self._namespace)
        took = None if functions is None else known.of(functions)
        return functions is not None and (took is None or took >= CHEAP * self._patience)


def functions_of(stmt: ast.stmt, namespace: dict[str, Any]) -> Called | None:
    """Give what a statement calls, by which its duration is remembered; None where it is short."""
    return called(stmt, namespace) if worth(stmt, namespace) else None


def note(functions: Called | None, seconds: float) -> None:
    """Take in how long a statement took that calls these functions."""
    if functions is not None:
        known.note(functions, seconds)


def _changed(one: Standalone, namespace: dict[str, Any]) -> list[Any]:
    """Give the objects that a statement changes in place."""
    return [namespace[name] for name in one.loop.accumulators if name in namespace]


def _is_constant(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)


def _alone(
    stmt: ast.stmt, namespace: dict[str, Any], unknown: set[str], value: bool
) -> Standalone | None:
    """Give a statement that may run beside others; None where nothing is looked at beyond it."""
    if is_loop(stmt, namespace):
        return None
    try:
        return alone(stmt, namespace, unknown, value)
    except Refusal:
        return None


def is_loop(stmt: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether a statement has a loop that could run item by item, rather than as a whole."""
    if isinstance(stmt, ast.For):
        return True
    try:
        find_loop(stmt, namespace)
    except Refusal:
        return False
    return True


def _touches(one: Standalone, namespace: dict[str, Any], things: Iterable[Any]) -> bool:
    """Whether a statement can reach objects that others change."""
    changed = {id(thing) for thing in things}
    if not changed:
        return False
    reads = [namespace[name] for name in one.reads if name in namespace]
    try:
        found = reachable([*one.analysis.captured.values(), *reads])
        return any(id(thing) in changed for thing in found)
    except TooLarge:
        return True
