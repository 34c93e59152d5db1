"""Detached cells in a notebook: display of their end, and the check for names read too early."""

from __future__ import annotations

import ast
import traceback
from typing import Any

from ..system.parsing import tree_of
from . import kernel
from .cell_source import from_cell


def detach(
    shell: Any,
    source: str,
    filename: str,
    options: dict[str, Any],
) -> Any:
    """Start a cell and give its handle; its end is shown in its own output."""
    __tracebackhide__ = True
    from ..cell import detached
    from .cell_report import report_bundle

    cell = kernel.current_cell()

    def ended(one: detached.Detached) -> None:
        if one.error is not None:
            error = one.error.with_traceback(from_cell(one.error.__traceback__, filename))
            text = "".join(traceback.format_exception(error))
            kernel.display_in(cell, {"text/plain": text})
        elif one.report is not None:
            kernel.display_in(cell, report_bundle(one.report))

    _watch(shell)
    return detached.detach(source, shell.user_ns, filename=filename, ended=ended, **options)


def look(shell: Any, source: str) -> None:
    """Raise if a cell under the magic would use a name that is still being computed."""
    __tracebackhide__ = True
    from ..cell.detached import still_early

    try:
        tree = tree_of(source)
    except SyntaxError:
        return  # the run of the cell reports that
    still_early(tree, shell.user_ns)


class EarlyReadCheck(ast.NodeTransformer):
    """Stops a cell before the statement that reads a name too early."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Put a check before that statement."""
        from ..cell.detached import too_early

        found = too_early(node, self._namespace)
        if found is not None:
            position, why = found
            stmt = node.body[position]
            raising = tree_of(f"raise __import__('nbexec').NotReady({why!r})").body[0]
            for part in ast.walk(raising):
                ast.copy_location(part, stmt)
            node.body.insert(position, raising)
        return node


def _watch(shell: Any) -> None:
    if not any(isinstance(one, EarlyReadCheck) for one in shell.ast_transformers):
        shell.ast_transformers.append(EarlyReadCheck(shell.user_ns))
