"""Detached cells: a cell that returns at once, and binds its names when it ends.

The statements before its first loop run at once.  The rest runs in a thread, on a copy of
the namespace.  Names that it will bind or change are removed until it ends, so that reading
one too early is an error, never an old value.
"""

from __future__ import annotations

import ast
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from ..errors import NotReady, OptionError
from ..run import registry as runs
from ..worker.execute import depth
from .analysis.source import remember
from .cell_run import CellRun
from .execution.grouping import is_loop
from .execution.in_kernel import StatementRunner, parse
from .loops import dataflow
from .loops.detachable import pending_names
from .loops.standalone import worth
from .report import CellReport
from .run import checked

_running: list[Detached] = []


class Detached:
    """A cell that runs in a thread of its own.

    Attributes
    ----------
    pending : frozenset of str
        Names that it will bind or change.
    used : frozenset of str
        Names that it reads; they must not change while it runs.
    report : CellReport or None
        How its statements ran, once it has ended.
    error : BaseException or None
        The exception that it raised.
    """

    def __init__(
        self, namespace: dict[str, Any], pending: frozenset[str], used: frozenset[str]
    ) -> None:
        self.pending = pending
        self.used = used
        self.report: CellReport | None = None
        self.error: BaseException | None = None
        self._namespace = namespace
        self._saved = {name: namespace.pop(name) for name in pending if name in namespace}
        self._over = threading.Event()
        _running.append(self)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended, at most `timeout` seconds; give whether it has."""
        return self._over.wait(timeout)

    def result(self, timeout: float | None = None) -> CellReport:
        """Wait for the end and give the report; raises what the cell raised.

        Raises
        ------
        TimeoutError
            It is still running.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"the cell is still running after {timeout} s")
        if self.error is not None:
            raise self.error
        assert self.report is not None
        return self.report

    def __repr__(self) -> str:
        state = "done" if self.done else "running"
        return f"<Detached cell, {state}: {', '.join(sorted(self.pending)) or 'no names'}>"

    def belongs_to(self, namespace: dict[str, Any]) -> bool:
        """Whether it will leave its names in this namespace."""
        return self._namespace is namespace

    def end(self, left: dict[str, Any]) -> None:
        """Bind the pending names, except those that have been bound again since."""
        for name in [one for one in left if one in self.pending]:
            self._namespace.setdefault(name, left[name])
        _running.remove(self)
        self._over.set()


def detach(
    source: str,
    namespace: dict[str, Any],
    *,
    filename: str = "<cell>",
    flags: int = 0,
    strict: bool = False,
    ended: Callable[[Detached], None] = lambda cell: None,
    **options: Any,
) -> Detached:
    """Start a cell as `parallel` does, and return at its first loop.

    Parameters
    ----------
    source, namespace, filename, flags, strict, **options
        As for `parallel`.
    ended : callable
        Called with the cell at its end, in the cell's thread.

    Returns
    -------
    Detached
        The rest of the cell, which is running.

    Raises
    ------
    OptionError
        An option can't be used, or the rest can't be detached: the line and the reason.
    Exception
        Whatever the cell raises before its first loop.

    Examples
    --------
    >>> names = {"xs": [1, 2]}
    >>> cell = detach("out = [x * x for x in xs]", names, progress="off")
    >>> cell.wait(), names["out"]
    (True, [1, 4])
    """
    __tracebackhide__ = True
    resolved = checked(options)
    if options.get("seed") is not None:
        raise OptionError(
            "a detached cell shares the generators of random numbers with the cells that run "
            "meanwhile, which seed= would change: run it without --detach, or without --seed"
        )
    kernel = StatementRunner(parse(source, filename, flags), namespace)
    remember(source, filename)
    if not depth.get():
        runs.forget_last()
    body = kernel.cell.body
    before, start = CellRun(kernel, resolved, options, strict), 0
    while start < len(body) and not _may_last(body[start], namespace):
        before.step(start)
        start += 1
    pending, used = pending_names(body[start:], namespace)
    cell = Detached(namespace, pending, used)
    own = {**namespace, **cell._saved}
    course = CellRun(StatementRunner(kernel.cell, own), resolved, options, strict, before.steps)

    def go() -> None:
        try:
            for position in range(start, len(body)):
                course.step(position)
        except BaseException as error:
            cell.error = error
        cell.report = course.report()
        cell.end(own)
        ended(cell)

    context = contextvars.copy_context()  # output goes to this cell
    threading.Thread(target=context.run, args=(go,), name="nbexec-cell", daemon=True).start()
    return cell


def _may_last(stmt: ast.stmt, namespace: dict[str, Any]) -> bool:
    return is_loop(stmt, namespace) or worth(stmt, namespace) or isinstance(stmt, ast.While)


def too_early(tree: ast.Module, namespace: dict[str, Any]) -> tuple[int, str] | None:
    """Find the first statement that uses a pending name: its position, and the reason.

    Parameters
    ----------
    tree : ast.Module
        A cell that is about to run.
    namespace : dict
        The namespace that it will run in.
    """
    cells = [cell for cell in _running if cell.belongs_to(namespace)]
    if not cells:
        return None
    bound: set[str] = set()
    for position, stmt in enumerate(tree.body):
        one = dataflow.uses(stmt)
        for cell in cells:
            missing = (
                one.reads | one.changes | one.later
            ) & cell.pending - bound - namespace.keys()
            if missing:
                name = min(missing)
                return position, (
                    f"`{name}` is not there yet: a detached cell is still computing it "
                    "(nbexec.detached() gives those that run, to wait for)"
                )
            touched = one.writes & cell.used
            if touched:
                name = min(touched)
                return position, (
                    f"`{name}` is in use by a detached cell, so it can't be changed before that "
                    "ends (nbexec.detached() gives those that run, to wait for)"
                )
        bound |= one.binds
    return None


def still_early(tree: ast.Module, namespace: dict[str, Any]) -> None:
    """Raise `NotReady` where a statement uses a pending name."""
    __tracebackhide__ = True
    found = too_early(tree, namespace)
    if found is not None:
        raise NotReady(found[1])


def detached() -> list[Detached]:
    """Give the detached cells that are still running.

    Examples
    --------
    >>> import nbexec
    >>> nbexec.detached()
    []
    """
    return list(_running)
