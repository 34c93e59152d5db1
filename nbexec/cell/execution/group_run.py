"""StatementGroup: statements that don't depend on one another, run at the same time.

Each is shown to have no effects except those in its log; these are applied, and its names
bound, when its turn comes.  So an exception leaves the namespace as the cell would have.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable
from typing import Any

from ...errors import PickleError
from ...model import Failure
from ...options.record import Options
from ...telemetry.stats import Stats
from ..analysis.aliases import TooLarge, reachable
from ..analysis.analysis import Refusal
from ..analysis.patches import WHY, patch_of, reached
from ..iteration.boundary import arrived
from ..iteration.effect_log import Unsafe
from ..iteration.iteration import InKernel, Iteration, IterationRecord, Last
from ..loops import rewrite
from ..loops.find import find_loop
from ..loops.standalone import VALUE, Standalone, alone, worth
from .dispatch import results_of
from .effects import Effects
from .in_kernel import StatementRunner
from .loop_run import leaves
from .reissue import reissue

FAR = 16  # statements to look ahead


class NotThere(Exception):
    """The record of a statement can't be used; nothing of it was applied."""


class StatementGroup:
    """Statements of a cell that run at the same time.

    Attributes
    ----------
    members : dict
        The statements, by position in the cell.
    stats : Stats or None
        Statistics of their run, once there was one.
    """

    def __init__(self, members: dict[int, Standalone], kernel: StatementRunner) -> None:
        self.members = members
        self.kernel = kernel
        self.stats: Stats | None = None
        self._left: dict[int, IterationRecord | Failure | BaseException] = {}

    def run(self, options: Options, given: dict[str, Any]) -> None:
        """Run all of them; their records are kept until `take`."""
        made = [self._iteration(one) for one in self.members.values()]
        modules = {m for one in self.members.values() for m in one.analysis.modules}
        name = options.name or f"{len(made)} statements at once"
        given = {**given, "chunk": 1, "name": name, "checkpoint": None}  # a journal is for items
        patch = self._patch() if leaves(options) else ""
        if patch and options.backend != "auto":
            self._left = dict.fromkeys(self.members, InKernel(patch))
            return
        if patch:
            given["backend"] = "threads"
        records, error, self.stats = results_of(_once, made, modules, given)
        self._left = dict(zip(self.members, records, strict=False))
        if error is not None and len(records) < len(made):
            self._left[[*self.members][len(records)]] = error

    def _patch(self) -> str:
        """Say what they meet that the notebook put into a library; "" for nothing."""
        things = [thing for one in self.members.values() for thing in reached(one.analysis)]
        found = patch_of(things, self.kernel.namespace)
        return f"`{found}` {WHY}" if found else ""

    def _iteration(self, one: Standalone) -> Iteration:
        cell, (stmt,) = self.kernel.cell, one.loop.node.body  # type: ignore[union-attr]
        function = rewrite.body_function(
            one.loop, self.kernel.namespace, cell.filename, cell.flags, one.inputs
        )
        label = f"line {stmt.lineno}: {ast.unparse(stmt)}".replace(f"{VALUE} = ", "")
        return Iteration(
            function,
            tuple(sorted(one.loop.made)),
            label=label.split("\n")[0],
            guarded=bool(one.analysis.captured),
        )

    def take(self, position: int) -> Any:
        """Commit the record of a statement, or raise what it raised; give its value.

        Raises
        ------
        NotThere
            It has to run in the kernel after all.
        """
        __tracebackhide__ = True
        left = self._left.pop(position, None)
        if left is None or isinstance(left, InKernel | PickleError):
            raise NotThere(str(left).partition(". ")[0] if left else "the run ended before it")
        if isinstance(left, BaseException):
            raise left
        namespace = self.kernel.namespace
        record: IterationRecord = left.left if isinstance(left, Failure) else left
        try:
            entries = [(site, arrived(what, namespace, None)) for site, what in record.entries]
            Effects(namespace, [*self.members[position].loop.sites.values()]).apply(entries)
        except Unsafe as unsafe:
            raise NotThere(unsafe.reason) from None
        reissue(record.warned, namespace)
        names = dict(record.names)
        value = names.pop(VALUE, None)
        namespace.update(names)
        if isinstance(left, Failure):
            raise left.exception
        return value


def _once(iteration: Iteration) -> IterationRecord:
    record = iteration(Last(None))
    if record.missing:
        raise InKernel(f"the value of `{record.missing[0]}` can't be sent from another process")
    return record


def find_group(
    position: int, kernel: StatementRunner, last: int, done: Container[int] = ()
) -> StatementGroup | None:
    """Find statements that can run at the same time as the one at `position`; None if none.

    Parameters
    ----------
    position : int
        Position of the statement whose turn it is.
    kernel : StatementRunner
        The cell, and the namespace as it is now.
    last : int
        The position of the statement whose value is wanted.
    done : container of int
        Positions of statements that have run ahead of their turn already.
    """
    namespace, body = kernel.namespace, kernel.cell.body
    ahead = body[position : position + FAR]
    if not worth(body[position], namespace) or sum(worth(one, namespace) for one in ahead) < 2:
        return None
    members: dict[int, Standalone] = {}
    written: set[str] = set()
    bound: set[str] = set()
    things: list[Any] = []  # objects that earlier statements change in place
    for at, stmt in enumerate(ahead, position):
        if _is_constant(stmt) and at != last:
            continue
        one = _alone(stmt, namespace, bound, at == last)
        if one is None:
            break
        free = at not in done and not (one.reads & written) and not _touches(one, namespace, things)
        if free and worth(stmt, namespace) and one.analysis.anywhere:
            members[at] = one
        written |= one.writes
        bound |= one.loop.bound
        things += [namespace[name] for name in one.loop.accumulators if name in namespace]
    return StatementGroup(members, kernel) if len(members) > 1 and position in members else None


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
