"""Detached cells: a cell that returns at once, and binds its names when it ends.

The statements before its first loop run at once.  The rest runs in a thread, on a copy of
the namespace.  Names that it will bind or change are removed until it ends, so that reading
one too early is an error, never an old value.
"""

from __future__ import annotations

import ast
import contextvars
import functools
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import NotReady, OptionError
from ..run import registry as runs
from ..worker.execute import depth
from .analysis.source import remember
from .execution.group_run import is_loop
from .execution.in_kernel import StatementRunner, parse
from .loops import dataflow
from .loops.standalone import worth
from .report import CellReport
from .run import CellRun, checked

_running: list[Detached] = []
_HISTORY = ("In", "Out")  # IPython's own


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
    strict: bool = False,
    ended: Callable[[Detached], None] = lambda cell: None,
    **options: Any,
) -> Detached:
    """Start a cell as `parallel` does, and return at its first loop.

    Parameters
    ----------
    source, namespace, filename, strict, **options
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
    kernel = StatementRunner(parse(source, filename), namespace)
    remember(source, filename)
    if not depth.get():
        runs.forget_last()
    body = kernel.cell.body
    before, start = CellRun(kernel, resolved, options, strict), 0
    while start < len(body) and not _may_last(body[start], namespace):
        before.step(start)
        start += 1
    pending, used = _names(body[start:], namespace)
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


def _names(
    body: list[ast.stmt], namespace: dict[str, Any]
) -> tuple[frozenset[str], frozenset[str]]:
    """Give the names that statements bind or change, and those that they read.

    Raises
    ------
    OptionError
        They make functions, which would keep the copy of the namespace, or use names unseen.
    """
    _refuse_functions(body)
    found = [dataflow.uses(stmt) for stmt in body]
    reads = frozenset().union(*(one.reads for one in found))
    binds = frozenset().union(*(one.binds for one in found))
    pending = frozenset((binds | _changed(body, namespace, found)) - _imported(body))
    inner = frozenset(_inside(reads, namespace))
    for name in sorted(inner & pending):
        raise OptionError(
            f"--detach: a function that the cell calls reads `{name}`, which the cell changes; "
            "give it as an argument"
        )
    return pending, ((reads | inner) & namespace.keys()) - pending


def _refuse_functions(body: list[ast.stmt]) -> None:
    """Raise `OptionError` where statements make functions, or use names unseen."""
    for stmt in body:
        for part in ast.walk(stmt):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                raise OptionError(
                    f"--detach: line {part.lineno} defines `{part.name}` after the first loop; "
                    "move it above"
                )
            if isinstance(part, ast.Name) and part.id in ("get_ipython", "globals", "exec", "eval"):
                raise OptionError(
                    f"--detach: line {part.lineno} uses `{part.id}`, which needs the names as "
                    "they are; move it above the first loop, or into another cell"
                )
        if isinstance(stmt, ast.Assign | ast.Expr) and _keeps_function(stmt.value):
            raise OptionError(
                f"--detach: line {stmt.lineno} keeps a function or a generator, which would not "
                "see later changes of names; move it above the first loop"
            )


def _changed(
    body: list[ast.stmt], namespace: dict[str, Any], found: list[dataflow.Uses]
) -> set[str]:
    """Give the names that are changed in place, and all that may share objects with them."""
    inert = (types.ModuleType, types.FunctionType, type, types.BuiltinFunctionType)
    changes = {
        name for one in found for name in one.changes if not isinstance(namespace.get(name), inert)
    }
    everywhere = [name for name in namespace if not name.startswith("_") and name not in _HISTORY]
    tied = dataflow.ties(body, namespace, everywhere if changes else ())
    return {other for name in changes for other in tied.get(name, {name})}


def _imported(body: list[ast.stmt]) -> set[str]:
    imports = [one for one in body if isinstance(one, ast.Import | ast.ImportFrom)]
    return {name for one in imports for name in dataflow.uses(one).binds}


def _keeps_function(value: ast.expr) -> bool:
    match value:
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.List(parts) | ast.Tuple(parts) | ast.Dict(values=parts):
            return any(_keeps_function(one) for one in parts)
        case ast.ListComp(element) | ast.SetComp(element) | ast.DictComp(value=element):
            return _keeps_function(element)
    return False


def _inside(names: frozenset[str], namespace: dict[str, Any]) -> Iterator[str]:
    """Give global names that are read by functions of the notebook, and by those that they call."""
    todo, seen = list(names), set(names)
    while todo:
        thing = namespace.get(todo.pop())
        thing = thing.func if isinstance(thing, functools.partial) else thing
        codes = [thing.__code__] if isinstance(thing, types.FunctionType) else []
        if isinstance(thing, type):
            methods = vars(thing).values()
            codes = [one.__code__ for one in methods if isinstance(one, types.FunctionType)]
        for code in codes:
            found = set(_globals(code)) & namespace.keys()
            yield from found
            todo += found - seen
            seen |= found


def _globals(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _globals(one)


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
