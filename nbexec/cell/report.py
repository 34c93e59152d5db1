"""CellPlan, CellReport: how a cell would run, and how it ran: what, where and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..model import Failure
from ..telemetry import wording
from ..telemetry.stats import Stats
from . import plan_drawing
from .steps import Step, span

SHOWN = 5  # failures that are listed


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How a cell would run, with the namespace as it is now.

    Attributes
    ----------
    steps : tuple of Step
        One for each top-level statement.

    Examples
    --------
    >>> from nbexec.cell.plan import plan
    >>> print(plan("squares = [x * x for x in xs]", {"xs": [1, 2]}))
    line 1: list comprehension, item by item
    """

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        said = [
            plan_drawing.described(step)
            for step in self.steps
            if step.kind != "serial" or step.reason
        ]
        return "\n".join(said) or "nothing that could run in parallel"

    def picture(self) -> str:
        """Draw the steps and their dependencies, in characters."""
        return plan_drawing.drawn(self.steps)

    def svg(self) -> str:
        """Draw the steps and their dependencies, as SVG."""
        return plan_drawing.svg(self.steps)

    def _repr_html_(self) -> str:
        return self.svg()


@dataclass(frozen=True, slots=True)
class CellReport:
    """How each statement of a cell ran, and its value.

    Attributes
    ----------
    steps : tuple of Step
        One for each top-level statement that ran.
    value : object
        The value of the last statement, if it is an expression.
    has_value : bool
        Whether it is one.

    Examples
    --------
    >>> import nbexec
    >>> report = nbexec.parallel("n = 1\\nfor x in [1]:\\n    n = x - n", {}, progress="off")
    >>> str(report).splitlines()[0].partition(" took")[0]
    'line 2: serial: all of it'
    """

    __module__ = "nbexec"

    steps: tuple[Step, ...] = ()
    value: Any = None
    has_value: bool = False

    @property
    def plan(self) -> CellPlan:
        """The steps, with the names that each reads and writes, and the lines that it waits for."""
        return CellPlan(self.steps)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Failures of items, with ``on_error="collect"``: as `Results.failures`."""
        return tuple(one for step in self.steps for one in step.failures)

    @property
    def stats(self) -> Stats | None:
        """Statistics of the last run that a step had; None where nothing ran in parallel."""
        return next((step.stats for step in reversed(self.steps) if step.stats is not None), None)

    def __str__(self) -> str:
        shown = [step for step in self.steps if step.what or step.reason]
        alone = [step for step in shown if step.kind != "together"]
        groups = {id(step.stats): step for step in shown if step.kind == "together"}
        first = sorted([*groups.values(), *alone], key=_parallel_first)
        said = [part for step in first for part in _ran(step)]
        quiet = [step for step in self.steps if step not in shown]
        if quiet:
            where = ", ".join(span(*one) for one in _spans(quiet))
            took = wording.seconds(sum(step.seconds for step in quiet))
            said.append(f"{where}: in order, {took}")
        return "\n".join(said) or "nothing to run"


def _ran(step: Step) -> list[str]:
    if step.kind == "serial" or step.stats is None:
        return [f"line {step.line or step.first}: serial: {step.reason}"]
    stats = step.stats
    if step.kind == "together":
        lines = ", ".join(str(line) for line in sorted([step.first, *step.beside]))
        which = f"lines {lines}:" if step.what != "calls" else f"{step.lines}: its calls"
        said = f"{which} at the same time on {wording.where(stats)}"
        took = stats.elapsed
    else:
        said = f"{step.lines}: {step.what}, {stats.done:,} items on {wording.where(stats)}"
        took = step.seconds
    said += f", {wording.seconds(took)}, {stats.effective_cores:.1f} cores used"
    said += f"; {step.reason}" if step.reason else ""
    more = [f"assumed: {step.assumed}"] if step.assumed else []
    return [said, *(f"    {line}" for line in [*more, *_failed(step)])]


def _failed(step: Step) -> list[str]:
    """Describe the first few items that failed."""
    if not step.failures:
        return []
    lines = [f"left out: {len(step.failures):,} that failed"]
    for one in step.failures[:SHOWN]:
        error = one.exception
        said = f"{type(error).__name__}: {wording.message(error)}"
        lines.append(f"item {one.index:,}: {said}  {wording.safe_repr(one.item, limit=80)}")
    if len(step.failures) > SHOWN:
        lines.append(f"and {len(step.failures) - SHOWN:,} more, in .failures of the report")
    return lines


def _parallel_first(step: Step) -> tuple[bool, int]:
    return step.kind == "serial", -step.first


def _spans(steps: list[Step]) -> list[tuple[int, int]]:
    """Join the lines of steps that follow one another."""
    spans: list[tuple[int, int]] = []
    for step in steps:
        if spans and step.first <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(step.last, spans[-1][1])
        else:
            spans.append((step.first, step.last))
    return spans
