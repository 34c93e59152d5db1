"""parallel(): a cell with the answer of ``exec``, sooner."""

from __future__ import annotations

import ast
import time
from typing import Any

from ..errors import OptionError
from ..knobs import Options
from ..options import resolve
from .analysis import Refusal
from .loop_run import LoopRun, run_statement
from .plan import Cell, lines, parse, ready, step_of
from .report import CellReport, Step
from .source import remember


def parallel(
    source: str, namespace: dict[str, Any], *, filename: str = "<cell>", **options: Any
) -> CellReport:
    """Run a cell with exactly the effects of ``exec(source, namespace)``, sooner.

    Parameters
    ----------
    source : str
        The cell.
    namespace : dict
        The names that it sees and changes, such as ``globals()``.
    filename : str
        What tracebacks call the cell.
    **options
        Any of `Options`; "collect" is not for cells.

    Returns
    -------
    CellReport
        What ran how, and the value of a last expression.

    Raises
    ------
    OptionError
        An option can't be used; nothing has run then.
    SyntaxError
        The source is no Python.
    Exception
        What the cell raises.

    Examples
    --------
    >>> import nbexec
    >>> names = {}
    >>> report = nbexec.parallel("squares = [x * x for x in range(3)]", names, progress="off")
    >>> names["squares"]
    [0, 1, 4]
    """
    __tracebackhide__ = True
    resolved = _checked(options)
    cell = parse(source, filename)
    remember(source, filename)
    steps: list[Step] = []
    for position, stmt in enumerate(cell.body[:-1]):
        if position and _is_text(stmt):
            continue  # alone it would be taken for the cell's docstring
        began = time.perf_counter()
        run_statement(stmt, cell, namespace, value=False)
        steps.append(_timed(step_of(stmt), began))
    if not cell.body:
        return CellReport()
    return _last(cell, namespace, resolved, options, steps)


def _checked(options: dict[str, Any]) -> Options:
    """Give the options in force, or raise before anything has run."""
    if options.get("on_error") == "collect":
        raise OptionError(
            "on_error='collect' is not for cells: a cell leaves what it leaves without "
            "%%parallel, or raises; nbexec.map can collect failures"
        )
    resolved = resolve(options)
    if resolved.backend != "auto":
        from ..backends import get_backend

        get_backend(resolved.backend)
    return resolved


def _is_text(stmt: ast.stmt) -> bool:
    return (
        isinstance(stmt, ast.Expr)
        and isinstance(stmt.value, ast.Constant)
        and isinstance(stmt.value.value, str)
    )


def _timed(step: Step, began: float, **changes: Any) -> Step:
    from dataclasses import replace

    return replace(step, seconds=time.perf_counter() - began, **changes)


def _last(
    cell: Cell,
    namespace: dict[str, Any],
    resolved: Options,
    options: dict[str, Any],
    steps: list[Step],
) -> CellReport:
    """Run the last statement, item by item where it is such a one."""
    __tracebackhide__ = True
    stmt = cell.body[-1]
    has_value = isinstance(stmt, ast.Expr)
    began = time.perf_counter()
    try:
        run = LoopRun(ready(stmt, namespace), cell, namespace)
    except Refusal as refusal:
        refused: Refusal | None = refusal
    else:
        refused = None
    if refused is not None:
        if len(cell.body) == 1 and _is_text(stmt):
            run_statement(stmt, cell, namespace, value=False)  # it is the docstring
        value = run_statement(stmt, cell, namespace)
        steps.append(_timed(step_of(stmt, refused), began))
        return CellReport(tuple(steps), None, value, has_value)
    run.run(resolved, options)
    if run.refusal is not None:
        steps.append(_timed(step_of(stmt, run.refusal), began))
    else:
        step = Step(*lines(stmt), "parallel", run.loop.what, run.reason)
        steps.append(_timed(step, began))
    return CellReport(tuple(steps), run.stats, run.value, has_value)
