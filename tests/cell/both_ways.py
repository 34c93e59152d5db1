"""Runs a cell both ways, with `exec` and with `parallel`, and compares what they leave.

Compared are the names, their values, which of them are the same object, the printed text and
the exception.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import itertools
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nbexec
from nbexec.cell.analysis.values import immutable
from nbexec.cell.report import CellReport

WORK = "\nimport time\ndef work(x):\n    return sum(i * x for i in range(50))\n"


@dataclass
class Left:
    """What a run of a cell leaves."""

    names: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    error: BaseException | None = None
    report: CellReport | None = None

    def shape(self) -> Any:
        """Give all of it as plain data; objects are numbered, so that aliases show."""
        seen: dict[int, int] = {}
        names = {name: shape_of(value, seen) for name, value in sorted(self.names.items())}
        chain, error = [], self.error
        while error is not None:
            chain.append((type(error).__name__, str(error)))
            error = error.__cause__ or error.__context__
        raised = chain or None
        return names, self.printed, raised


def shape_of(value: Any, seen: dict[int, int]) -> Any:
    if isinstance(value, (types.FunctionType, type, types.ModuleType)):
        return getattr(value, "__qualname__", getattr(value, "__name__", ""))
    if isinstance(value, (int, float, str, bytes, type(None), complex)):
        return repr(value)
    if immutable(type(value)):  # a date is as good as another of the same day
        return type(value).__name__, repr(value)
    if id(value) in seen:
        return f"#{seen[id(value)]}"
    if not isinstance(value, (tuple, frozenset)):
        seen[id(value)] = len(seen)
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(shape_of(key, seen), shape_of(item, seen)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(map(repr, value))
    if isinstance(value, (list, tuple)):
        return kind, [shape_of(item, seen) for item in value]
    if hasattr(value, "__next__"):  # what is left in it
        return kind, [shape_of(item, seen) for item in itertools.islice(value, 50)]
    if hasattr(value, "__dict__"):
        return kind, shape_of(vars(value), seen)
    return kind, repr(value).partition(" at 0x")[0]


def run(how: Any, source: str) -> Left:
    left = Left()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            left.report = how(source, left.names)
        except BaseException as error:
            left.error = error
    left.names.pop("__builtins__", None)
    left.printed = printed.getvalue()
    return left


def plainly(source: str, names: dict[str, Any]) -> None:
    code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    value = eval(code, names)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(value)


def both(
    source: str,
    backend: str = "threads",
    before: Callable[[], None] = lambda: None,
    **options: Any,
) -> Left:
    """Run a cell both ways, `before` each, compare, and give what `parallel` left."""
    before()
    serial = run(plainly, source)
    before()
    options = {"backend": backend, "progress": "off", **options}
    ours = run(lambda text, names: nbexec.parallel(text, names, **options), source)
    assert ours.shape() == serial.shape()
    return ours


def kind(left: Left) -> str:
    assert left.report is not None
    return left.report.steps[-1].kind


def reason(left: Left) -> str:
    """Give the reason why the last statement was not run in parallel, with its line."""
    assert left.report is not None
    return str(left.report).splitlines()[0]


def runs_in_parallel(source: str, where: str) -> None:
    """Assert that all of a cell's last statement runs in parallel, and leaves what `exec` leaves."""
    left = both(source, where)
    assert kind(left) == "parallel", reason(left)
    assert left.report is not None
    assert left.report.steps[-1].reason == ""


def runs_serially(source: str, said: str) -> None:
    """Assert that a cell's last statement runs serially, and that the report says why."""
    left = both(source)
    assert kind(left) == "serial"
    assert said in reason(left)


def frames(error: BaseException) -> list[tuple[str, int, str]]:
    """Give file, line and name of each frame of an exception that is of a cell's code."""
    found = traceback.extract_tb(error.__traceback__)
    return [(one.filename, one.lineno, one.name) for one in found if "<" in one.filename]
