"""Which step of a cell runs, and what is noted of pools for its report."""

from __future__ import annotations

import ast
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ...options.record import Options
from ...telemetry.stats import Stats
from ..analysis.analysis import Refusal
from ..analysis.source import is_own_code
from .pool_account import Account

_OURS = __name__.partition(".")[0]


class PoolStep(Protocol):
    """The step that runs; see `Entering`."""

    options: Options
    process: int
    thread: int
    stopped: bool
    pools: PoolNotes


class UserLine:
    """A line of the user's that called something of a pool.

    Parameters
    ----------
    line : int
        Its number.
    function : str
        The qualified name of its function.
    """

    def __init__(self, line: int, function: str) -> None:
        self.line, self.function = line, function


class PoolNotes:
    """What became of pools in one step.

    Attributes
    ----------
    declined : list of tuple
        What was left to the library, and why.
    taken : list of tuple
        What went to workers: where, what, and what gives the numbers.
    account : Account
        What that cost.
    """

    def __init__(self) -> None:
        self.account = Account()
        self.declined: list[tuple[str, Refusal]] = []
        self.taken: list[tuple[UserLine, str, Callable[[], Stats]]] = []
        self._endings: dict[int, Callable[[], None]] = {}

    def decline(self, what: str, refusal: Refusal) -> None:
        """Take in why something is left to the library; once for each line."""
        seen = {(one, why.line) for one, why in self.declined}
        if (what, refusal.line) not in seen:
            self.declined.append((what, refusal))

    def take(self, what: str, where: UserLine, stats: Callable[[], Stats]) -> None:
        """Take in that calls went to workers."""
        if not any(stats == known for _, _, known in self.taken):
            self.taken.append((where, what, stats))

    def at_end(self, owner: object, end: Callable[[], None]) -> None:
        """Have something called once when the step ends."""
        self._endings[id(owner)] = end

    def finish(self) -> None:
        """Take in that the step has ended."""
        for end in self._endings.values():
            end()
        self._endings.clear()


current: list[PoolStep] = []  # the steps that run, the innermost last


def around() -> PoolStep | None:
    """Give the step that runs in this thread; None where none does."""
    here = os.getpid(), threading.get_ident()
    for one in reversed(current):
        if (one.process, one.thread) == here:
            return None if one.stopped else one
    return None


def user_line() -> UserLine:
    """Give the line of the user's that called this."""
    for frame in _frames():
        if _is_users(frame):
            name = frame.f_code.co_qualname.removesuffix(".<locals>.<listcomp>")
            return UserLine(frame.f_lineno, "<module>" if name.startswith("<") else name)
    return UserLine(0, "")


def scope_here() -> dict[str, Any]:
    """Give the globals of the user's code that called this."""
    return next((one.f_globals for one in _frames() if _is_users(one)), {})


def _is_users(frame: types.FrameType) -> bool:
    ours = str(frame.f_globals.get("__name__")).partition(".")[0] == _OURS
    return not ours and is_own_code(frame.f_code)


def _frames() -> Iterator[types.FrameType]:
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def site_of(where: UserLine) -> ast.Pass:
    """Give a node at a line."""
    return ast.Pass(lineno=where.line)
