"""parts_of(): a statement as several, where it has several calls that may run at the same time."""

from __future__ import annotations

import ast

from ..analysis.aliases import allowance
from ..analysis.analysis import Refusal
from ..loops.calls_in_row import apart, calls_in_row
from ..loops.standalone import alone, costly
from .group_run import PATIENCE
from .grouping import CHEAP, functions_of, known
from .in_kernel import Cell, StatementRunner


def parts_of(stmt: ast.stmt, kernel: StatementRunner) -> StatementRunner | None:
    """Give what runs a statement as several; None where that makes no sense, or a difference.

    Each of its calls does nothing but compute, so that it makes no difference when it is made.

    Parameters
    ----------
    stmt : ast.stmt
        A statement whose turn it is.
    kernel : StatementRunner
        Its cell, and the namespace.
    """
    namespace = kernel.namespace
    functions = functions_of(stmt, namespace)
    took = None if functions is None else known.of(functions)
    if functions is None or (took is not None and took < CHEAP * PATIENCE):
        return None
    calls = calls_in_row(stmt, namespace, lambda call: costly(call.func, namespace))
    if len(calls) < 2:
        return None
    made = apart(stmt, calls)
    try:
        with allowance():
            for one in made[:-1]:
                if not alone(one, namespace).analysis.anywhere:
                    return None
    except Refusal:
        return None
    return StatementRunner(Cell(kernel.cell.filename, made, kernel.cell.flags), namespace)
