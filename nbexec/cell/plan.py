"""plan(): from source and namespace to a `CellPlan`, without running anything."""

from __future__ import annotations

import ast
import builtins
import contextlib
import copy
import itertools
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .analysis.abstract_values import FROZEN, Value, describe
from .analysis.aliases import allowance
from .analysis.analysis import Refusal
from .analysis.functions import new_analysis
from .analysis.object_facts import read_once
from .analysis.source import remember
from .execution.grouping import FAR, is_loop
from .execution.in_kernel import Cell, StatementRunner, parse
from .execution.loop_items import Items
from .loops import dataflow
from .loops.eligibility import examine
from .loops.evaluated_first import resolve
from .loops.find import ItemLoop, find_loop
from .loops.loop_body import Body
from .loops.memo_uses import memos_of
from .loops.standalone import alone, worth
from .report import CellPlan
from .steps import Step

SAMPLE = 2_000  # items of a loop that are looked at to foresee how it runs


@allowance()
def plan(
    source: str, namespace: dict[str, Any], filename: str = "<cell>", flags: int = 0
) -> CellPlan:
    """Plan how a cell would run, without running any of it.

    Parameters
    ----------
    source : str
        The cell.
    namespace : dict
        The notebook's names, as they are now.  Of the names that the cell itself binds,
        literals and functions are known; a statement that needs any other is "open".
    filename : str
        The cell's file name in tracebacks.
    flags : int
        Compiler flags of ``from __future__`` imports that are in force before it.

    Returns
    -------
    CellPlan
        A step for each statement: the names that it reads and writes, the lines that it
        waits for, and how it runs.

    Raises
    ------
    SyntaxError
        The source is not valid Python.

    Examples
    --------
    >>> print(plan("total = 0\\nfor x in xs:\\n    print(total)\\n    total += x", {"xs": [1]}))
    line 3: serial: reads `total`, which the loop changes
    """
    cell = parse(source, filename, flags)
    body = cell.body
    remember(source, filename)
    foreseen = _Foreseen(cell, namespace)
    found = dataflow.through_functions([dataflow.uses(stmt) for stmt in body])
    waits = dataflow.waits(found, dataflow.ties(body, namespace))
    steps = []
    for stmt, one, before in zip(body, found, waits, strict=True):
        step = foreseen.step(stmt, one)
        writes = tuple(sorted(one.writes))
        after = tuple(lines(body[at])[0] for at in before)
        reads = tuple(sorted(one.reads - set(dir(builtins))))
        steps.append(replace(step, reads=reads, writes=writes, waits=after))
        foreseen.learn(stmt, one)
    return CellPlan(tuple(_at_once(steps, body, namespace)))


class _Foreseen:
    """The names as they will be, as far as that is known without running anything."""

    def __init__(self, cell: Cell, namespace: dict[str, Any]) -> None:
        self.names = dict(namespace)
        self.unknown: set[str] = set()
        self._cell = cell

    def step(self, stmt: ast.stmt, used: dataflow.Uses) -> Step:
        """Give the step of a statement."""
        missing = sorted(used.reads & self.unknown)
        try:
            if is_loop(stmt, self.names):
                loop = ready(stmt, self.names)
                if not missing:
                    item, roots, known = _guess(loop, self.names)
                    found = examine(loop, self.names, item, roots, False, known=known, memos=True)
                    memos_of(found, loop, [*roots, *(known or ())])
                    return Step(*lines(stmt), "parallel", loop.what)
            else:
                alone(stmt, self.names, self.unknown)
                kind = "together" if worth(stmt, self.names) else "serial"
                return Step(*lines(stmt), kind)  # type: ignore[arg-type]
        except Refusal as refusal:
            if not missing:
                return step_of(stmt, refusal if is_loop(stmt, self.names) else None)
        if not is_loop(stmt, self.names):
            return step_of(stmt)
        reason = f"seen in its turn, when `{missing[0]}` is there"
        return Step(*lines(stmt), "open", reason=reason)

    def learn(self, stmt: ast.stmt, used: dataflow.Uses) -> None:
        """Add what is known of the names that a statement binds."""
        known = dict(self._known(stmt))
        self.unknown |= used.binds - known.keys()
        self.unknown -= known.keys()
        self.names.update(known)

    def _known(self, stmt: ast.stmt) -> Iterator[tuple[str, Any]]:
        match stmt:
            case ast.Assign([ast.Name(name)], value):
                made = self._made(value)
                if made is not None:
                    yield name, made[0]
            case ast.Import() | ast.ImportFrom():
                yield from _imported(stmt)
            case ast.FunctionDef(name, decorator_list=[]) if not (
                stmt.args.defaults or any(stmt.args.kw_defaults)
            ):
                # This makes the function, and runs nothing of it.
                StatementRunner(self._cell, self.names).execute([_unannotated(stmt)])
                yield name, self.names[name]

    def _made(self, value: ast.expr) -> list[Any] | None:
        """Give, in a list, the value of a literal or of an empty container; None for others."""
        try:
            return [ast.literal_eval(value)]
        except ValueError:
            pass
        if isinstance(value, ast.Call) and not value.keywords and len(value.args) <= 1:
            kind = resolve(value.func, self.names)
            given = [resolve(one, self.names) for one in value.args]
            if kind in _EMPTY and all(one in _EMPTY for one in given):
                return [kind(*given) if kind is defaultdict else kind()]
        return None


def _unannotated(stmt: ast.FunctionDef) -> ast.FunctionDef:
    made = copy.deepcopy(stmt)
    made.returns = None
    for part in ast.walk(made.args):
        if isinstance(part, ast.arg):
            part.annotation = None
    return made


_EMPTY = (list, dict, set, Counter, OrderedDict, defaultdict, deque, int, float, str)


def _imported(stmt: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Any]]:
    """Give names of modules that are imported already, and of their contents."""
    for alias in stmt.names:
        if isinstance(stmt, ast.Import):
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            if alias.name in sys.modules:
                yield alias.asname or name, sys.modules[name]
        elif not stmt.level and stmt.module in sys.modules:
            found = vars(sys.modules[stmt.module])
            yield from [(alias.asname or alias.name, found[n]) for n in [alias.name] if n in found]


def _at_once(steps: list[Step], body: list[ast.stmt], namespace: dict[str, Any]) -> Iterator[Step]:
    """Mark statements that run at the same time as others; the rest becomes serial."""
    beside: dict[int, tuple[int, ...]] = {}
    for at, step in enumerate(steps):
        if step.kind != "together" or step.first in beside:
            continue
        beside_it = [step.first]
        lines_ahead = {step.first}
        for other in steps[at + 1 : at + FAR]:
            if other.kind == "together" and not lines_ahead & set(other.waits):
                beside_it.append(other.first)
            elif other.kind != "serial" or other.reason:
                break
            lines_ahead.add(other.first)
        if len(beside_it) > 1:
            beside |= {line: tuple(one for one in beside_it if one != line) for line in beside_it}
    for step in steps:
        if step.kind != "together":
            yield step
        elif step.first in beside:
            yield replace(step, what="statement", beside=beside[step.first])
        else:
            yield replace(step, kind="serial")


def step_of(stmt: ast.stmt, refusal: Refusal | None = None) -> Step:
    """Give the step of a statement that runs serially."""
    first, last = lines(stmt)
    if refusal is not None:
        return Step(first, last, reason=refusal.reason, line=refusal.line)
    return Step(first, last)


def lines(stmt: ast.stmt) -> tuple[int, int]:
    """Give the first and the last line of a statement, decorators included."""
    first = min([stmt.lineno, *(one.lineno for one in getattr(stmt, "decorator_list", []))])
    return first, stmt.end_lineno or stmt.lineno


def _guess(loop: ItemLoop, namespace: dict[str, Any]) -> tuple[Value, list[Any], list[Any] | None]:
    """Give what is known of the items before they exist: the best case, where nothing is."""
    source = _source(loop.iter, namespace)
    if type(source) in _LISTED and len(source) <= MOST:
        items = Items(source)
        return items.expected, [source], items.known
    if type(source) in (*_LISTED, str):
        return describe(list(itertools.islice(source, SAMPLE))), [source], None
    analysis = new_analysis(namespace, (), {})
    analysis.run(lambda: Body(analysis, namespace, set(), {}).iterate(loop.iter))
    return FROZEN, [], None


MOST = 10_000  # items that are looked at for a plan
_LISTED: tuple[type, ...] = (
    *(list, tuple, dict, range, set),
    *(type({}.keys()), type({}.values()), type({}.items())),
)


def _source(node: ast.expr, namespace: dict[str, Any]) -> Any:
    """Give what a loop takes its items from, where looking it up runs nothing."""
    match node:
        case ast.Name(name):
            return namespace.get(name)
        case ast.Call(ast.Name("range") as name, parts, []) if resolve(name, namespace) is range:
            numbers: list[Any] = [part.value for part in parts if isinstance(part, ast.Constant)]
            if len(numbers) == len(parts) and all(type(one) is int for one in numbers):
                with contextlib.suppress(TypeError, ValueError):
                    return range(*numbers)
        case ast.Call(ast.Name("enumerate" | "zip" as way) as name, parts, []):
            if resolve(name, namespace) is {"enumerate": enumerate, "zip": zip}[way]:
                sources = [_source(part, namespace) for part in parts]
                if sources and all(type(one) in _LISTED and len(one) <= MOST for one in sources):
                    return list(
                        zip(*sources, strict=False) if way == "zip" else enumerate(sources[0])
                    )
        case ast.List(parts) | ast.Tuple(parts) if all(
            isinstance(part, ast.Constant) or resolve(part, namespace) is not None for part in parts
        ):
            return [
                part.value if isinstance(part, ast.Constant) else resolve(part, namespace)
                for part in parts
            ]
        case ast.Call(ast.Attribute(ast.Name(name), "items" | "values" | "keys" as way), [], []):
            if type(namespace.get(name)) is dict:
                return getattr(namespace[name], way)()
    return None


def ready(stmt: ast.stmt, namespace: dict[str, Any]) -> ItemLoop:
    """Give the loop of a statement, if its items may be asked for.

    Raises
    ------
    Refusal
        It has no loop, or asking for its items changes something.
    """
    loop = find_loop(stmt, namespace)
    for name in _names(loop.iter):
        if read_once(type(namespace.get(name))):
            reason = f"takes its items from `{name}`, an iterator: it would be read too far"
            raise Refusal(loop.line, reason)
    return loop


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
