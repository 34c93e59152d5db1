"""The recursion limit: room for frames of ours, which the plain cell doesn't have.

In the kernel, and in a worker, a cell's code has more frames above it than it has alone.  It
must not come to a `RecursionError` before it would alone.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
import types
from collections.abc import Iterator

# Up to 27 were counted: on each backend, in the kernel and in workers, with the magic above.
FRAMES = 40
ASKING = ("getrecursionlimit", "setrecursionlimit")


class _Limit:
    """The limit of this process, which all of its threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._raised = 0  # to what it was raised; 0 where it wasn't

    def own(self) -> int:
        now = sys.getrecursionlimit()
        return now - FRAMES if self._raised == now else now

    def up(self) -> None:
        with self._lock:
            self._blocks += 1
            self._raised = self.own() + FRAMES
            sys.setrecursionlimit(self._raised)

    def down(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                own, self._raised = self.own(), 0  # another one was set meanwhile: it stays
                sys.setrecursionlimit(own)


_limit = _Limit()


def own() -> int:
    """Give the recursion limit without the room that was added to it.

    Examples
    --------
    >>> before = own()
    >>> with room():
    ...     own() == before, sys.getrecursionlimit() > before
    (True, True)
    """
    return _limit.own()


@contextlib.contextmanager
def room(stmt: ast.stmt | None = None) -> Iterator[None]:
    """Raise the limit by `FRAMES` inside a `with` block, in all threads.

    A statement that asks for the limit itself gets the number that it has without.
    """
    if stmt is not None and any(map(_asks, ast.walk(stmt))):
        yield
        return
    _limit.up()
    try:
        yield
    finally:
        _limit.down()


@contextlib.contextmanager
def room_for(code: types.CodeType) -> Iterator[None]:
    """Do as `room`, for code that was compiled already."""
    if any(name in ASKING for name in code.co_names):
        yield
        return
    with room():
        yield


def _asks(node: ast.AST) -> bool:
    name = getattr(node, "attr", None) or getattr(node, "id", None)
    return name in ASKING
