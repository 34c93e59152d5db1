"""Runs a cell with `exec` and with `parallel`, and compares the results.

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
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import nbexec
from nbexec.cell.analysis.object_facts import immutable
from nbexec.cell.analysis.source import remember
from nbexec.cell.execution import plain_first
from nbexec.cell.execution.worth_leaving import Destination
from nbexec.cell.report import CellReport
from nbexec.model import Choice
from nbexec.placement.auto import Evidence

EARLIER = "<earlier cell>"  # the file name of a cell that ran before
# A function for statements that may run at the same time.
WORK = "\nimport time\ndef work(x):\n    return sum(i * x for i in range(50))\n"


@dataclass
class Left:
    """The state after a cell: its names, the printed text, the exception and the report."""

    names: dict[str, Any] = field(default_factory=dict)
    printed: str = ""
    error: BaseException | None = None
    report: CellReport | None = None

    def shape(self) -> Any:
        """Give the state as plain data; objects are numbered, so that aliases show."""
        seen: dict[int, int] = {}
        names = {name: shape_of(value, seen) for name, value in sorted(self.names.items())}
        chain, error = [], self.error
        while error is not None:
            chain.append((type(error).__name__, str(error)))
            error = error.__cause__ or error.__context__
        raised = chain or None
        return names, self.printed, raised


def shape_of(value: Any, seen: dict[int, int]) -> Any:
    """Give a value as plain data; `seen` has the numbers of objects by their ids."""
    if isinstance(value, (types.FunctionType, type, types.ModuleType)):
        return getattr(value, "__qualname__", getattr(value, "__name__", ""))
    if isinstance(value, (int, float, str, bytes, type(None), complex)):
        return repr(value)
    if immutable(type(value)):  # which of two equal dates it is makes no difference
        return type(value).__name__, repr(value)
    if id(value) in seen:
        return f"#{seen[id(value)]}"
    if not isinstance(value, (tuple, frozenset)):
        seen[id(value)] = len(seen)
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(shape_of(key, seen), shape_of(item, seen)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        # Of numbers the order is the same in every process, of texts it isn't.
        order = (lambda parts: [*parts]) if all(map(_number, value)) else sorted
        return kind, order(map(repr, value))
    if isinstance(value, (list, tuple)):
        return kind, [shape_of(item, seen) for item in value]
    if hasattr(value, "__next__"):  # its remaining items
        return kind, [shape_of(item, seen) for item in itertools.islice(value, 50)]
    if type(value).__module__.partition(".")[0] == "pandas":  # not how it keeps it
        return kind, repr(value).partition(" at 0x")[0]
    if hasattr(value, "__dict__"):
        return kind, shape_of(vars(value), seen)
    return kind, repr(value).partition(" at 0x")[0]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) or (type(value) is tuple and all(map(_number, value)))


def run(how: Any, source: str, earlier: str = "") -> Left:
    """Run a cell by `how`, after an `earlier` cell that `exec` runs."""
    left = Left()
    if earlier:
        remember(earlier, EARLIER)
        exec(compile(earlier, EARLIER, "exec", dont_inherit=True), left.names)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            left.report = how(source, left.names)
        except BaseException as error:
            left.error = error
    left.names.pop("__builtins__", None)
    if left.names.get("__warningregistry__", {}).keys() == {"version"}:  # no warning is in it
        del left.names["__warningregistry__"]
    left.printed = printed.getvalue()
    return left


def plainly(source: str, names: dict[str, Any]) -> None:
    """Run a cell as IPython does, with an event loop if it awaits."""
    code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    value = eval(code, names)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(value)


def both(
    source: str,
    backend: str = "threads",
    before: Callable[[], None] = lambda: None,
    earlier: str = "",
    **options: Any,
) -> Left:
    """Run a cell both ways, compare, and give the state that `parallel` left.

    Parameters
    ----------
    source : str
        The cell.
    backend : str
        Where `parallel` runs it.
    before : callable
        Called before each of the two runs.
    earlier : str
        The source of a cell that has run before this one, with `exec` in both ways.
    **options
        Further options of `parallel`.
    """
    before()
    serial = run(plainly, source, earlier)
    before()
    options = {"backend": backend, "progress": "off", **options}
    ours = run(lambda text, names: nbexec.parallel(text, names, **options), source, earlier)
    assert ours.shape() == serial.shape()
    return ours


def kind(left: Left) -> str:
    """Give how the last statement ran: `parallel`, `together` or `serial`."""
    assert left.report is not None
    return left.report.steps[-1].kind


def reason(left: Left) -> str:
    """Give the first line of the report, which has the last loop and why it ran serially."""
    assert left.report is not None
    return str(left.report).splitlines()[0]


def runs_in_parallel(source: str, where: str, earlier: str = "") -> None:
    """Assert that a cell's last statement runs in parallel, all of it, and leaves the same."""
    left = both(source, where, earlier=earlier)
    assert kind(left) == "parallel", reason(left)
    assert left.report is not None
    assert left.report.steps[-1].reason == ""


def runs_serially(source: str, said: str) -> None:
    """Assert that a cell's last statement runs serially, for the reason `said`."""
    left = both(source)
    assert kind(left) == "serial"
    assert said in reason(left)


def frames(error: BaseException) -> list[tuple[str, int, str]]:
    """Give the file, line and function of each frame of an exception that is in a cell."""
    found = traceback.extract_tb(error.__traceback__)
    return [(one.filename, one.lineno, one.name) for one in found if "<" in one.filename]


@contextlib.contextmanager
def leaving_after(items: int) -> Iterator[None]:
    """Have loops begin as the plain loop, and go to workers after at least so many items."""

    def choose(destination: Destination, seen: Evidence, *samples: Any) -> Choice | None:
        wanted = destination._options.backend
        where = "threads" if wanted == "auto" else str(wanted)
        return Choice(where, 2, "") if seen.items >= items else None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plain_first, "ENABLED", True)
        patched.setattr(plain_first, "ENOUGH", 0.0)
        patched.setattr(plain_first, "LONGEST", 0.0)  # a look after each block
        patched.setattr(plain_first, "BLOCK", 60.0)  # of one item, two, four, on a slow machine too
        patched.setattr(Destination, "choose", choose)
        patched.setattr(Destination, "ready", lambda *_: True)
        patched.setattr(Destination, "sending", lambda *_: 0.0)
        yield


@contextlib.contextmanager
def filled_once_a_run_began() -> Iterator[list[int]]:
    """Give a list that has something in it once a run has begun: an item can wait for that."""
    go: list[int] = []
    over = threading.Event()

    def fill() -> None:
        while not any(one.name == "nbexec-run" for one in threading.enumerate()):
            if over.wait(0.005):
                return
        go.append(1)

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        yield go
    finally:
        over.set()
        filling.join()
