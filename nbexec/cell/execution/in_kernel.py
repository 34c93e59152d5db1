"""StatementRunner: runs statements in the kernel itself, as they stand, in its namespace."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ...system.parsing import tree_of
from ...system.silence import silently
from ..analysis.source import future_flags
from ..loops.find import ItemLoop
from ..loops.mapped_for import values_of
from ..loops.rewrite import HIDDEN, replaced, with_hidden
from .awaiting import result_of


@dataclass(frozen=True)
class Cell:
    """A cell, parsed.

    Attributes
    ----------
    filename : str
        Its file name in tracebacks.
    body : list of ast.stmt
        Its top-level statements.
    flags : int
        Compiler flags: its ``from __future__`` imports, and those in force before it.
    """

    filename: str
    body: list[ast.stmt]
    flags: int


def parse(source: str, filename: str, flags: int = 0) -> Cell:
    """Parse a cell; a `SyntaxError` is the one that `exec` would raise, but `await` is fine.

    `flags` are those of ``from __future__`` imports that are in force before it.
    """
    # Compiling finds errors that parsing doesn't: a `return` outside a function.
    how = flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compile(source, filename, "exec", how, dont_inherit=True)
    with silently():
        tree = tree_of(source, filename, flags=flags)
    return Cell(filename, tree.body, flags | future_flags(tree))


class StatementRunner:
    """Runs parts of a cell in a namespace, with the cell's own file name and lines."""

    def __init__(self, cell: Cell, namespace: dict[str, Any]) -> None:
        self.cell = cell
        self.namespace = namespace

    def statement(self, stmt: ast.stmt, value: bool = True) -> Any:
        """Run a statement; give the value of an expression, if it is wanted."""
        __tracebackhide__ = True
        tree: ast.Module | ast.Expression
        if value and isinstance(stmt, ast.Expr):
            tree, mode = ast.Expression(stmt.value), "eval"
        else:
            tree, mode = ast.Module([stmt], type_ignores=[]), "exec"
        return self._run(tree, mode)

    def execute(self, body: list[ast.stmt]) -> None:
        """Run statements one after the other."""
        __tracebackhide__ = True
        for stmt in body:
            self.statement(stmt, value=False)

    def evaluate(self, node: ast.expr) -> Any:
        """Give the value of an expression."""
        __tracebackhide__ = True
        return self._run(ast.Expression(node), "eval")

    def _run(self, tree: ast.Module | ast.Expression, mode: str) -> Any:
        __tracebackhide__ = True
        cell = self.cell
        ast.fix_missing_locations(tree)
        flags = cell.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        with silently():
            code = compile(tree, cell.filename, mode, flags=flags, dont_inherit=True)
        value = eval(code, self.namespace)
        return result_of(value) if code.co_flags & inspect.CO_COROUTINE else value

    def over_items(
        self,
        loop: ItemLoop,
        source: Iterable[Any],
        orelse: bool = True,
        instead: ast.For | None = None,
    ) -> Any:
        """Run the statement of a loop as it stands, over the items of `source`; give its value.

        Parameters
        ----------
        loop : ItemLoop
            The loop.
        source : iterable
            Its items.
        orelse : bool
            Whether the `else` of a for loop runs at its end.
        instead : ast.For or None
            A for loop to run in its place.
        """
        __tracebackhide__ = True
        if loop.mapped is not None:
            source = values_of(loop.mapped, source, self._over)
        if instead is not None:
            stmt: ast.stmt = instead
            instead.iter = ast.copy_location(ast.Name(HIDDEN, ast.Load()), loop.iter)
        else:
            stmt = with_hidden(loop, whole=False)
        if not orelse and isinstance(stmt, ast.For):
            stmt.orelse = []
        # What calls a `key=` may ask for more than the items, such as how many there are.
        over = source if loop.key and hasattr(source, "__len__") else self.over(source)
        del source  # a traceback would keep it
        with self.hidden(over):
            return self.statement(stmt)

    def _over(self, node: ast.expr, source: Any) -> Any:
        """Give the value of an expression; of a generator expression, over the items given."""
        __tracebackhide__ = True
        if not isinstance(node, ast.GeneratorExp):
            return self.evaluate(node)
        iterable = node.generators[0].iter
        name = ast.copy_location(ast.Name(HIDDEN, ast.Load()), iterable)
        with self.hidden(source):
            return self.evaluate(replaced(node, (iterable, name)))

    @contextlib.contextmanager
    def hidden(self, thing: Any) -> Iterator[None]:
        """Bind `thing` in the namespace to a name of ours, inside a `with` block."""
        self.namespace[HIDDEN] = thing
        try:
            yield
        finally:
            self.namespace.pop(HIDDEN, None)

    def forget(self, prefix: str) -> None:
        """Unbind names of ours that a statement has bound."""
        for name in [one for one in self.namespace if one.startswith(prefix)]:
            del self.namespace[name]

    def over(self, source: Iterable[Any]) -> Iterable[Any]:
        """Wrap items so that the name of `hidden` is unbound as soon as the iteration begins."""
        return _Once(self.namespace, source)


class _Once:
    def __init__(self, namespace: dict[str, Any], source: Iterable[Any]) -> None:
        self._namespace = namespace
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        self._namespace.pop(HIDDEN, None)
        return iter(self._source)
