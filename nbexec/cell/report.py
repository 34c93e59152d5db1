"""What became of a cell: its steps, and the report that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .. import text
from ..state import Stats

Kind = Literal["serial", "parallel"]


@dataclass(frozen=True, slots=True)
class Step:
    """One top-level statement of a cell.

    Attributes
    ----------
    first, last : int
        Its lines.
    kind : {"serial", "parallel"}
        How it runs, or ran.
    what : str
        What a parallel one is: "for loop"; "" for others.
    reason : str
        Why it is not parallel; "" where nobody would ask.
    line : int
        The line that the reason is about.
    seconds : float
        How long it took.
    """

    first: int
    last: int
    kind: Kind = "serial"
    what: str = ""
    reason: str = ""
    line: int = 0
    seconds: float = 0.0

    @property
    def lines(self) -> str:
        """Its lines: "line 3", "lines 3-5"."""
        return _lines(self.first, self.last)


@dataclass(frozen=True, slots=True)
class CellPlan:
    """How a cell would run, as things are now.

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
        said = [_planned(step) for step in self.steps if step.what or step.reason]
        return "\n".join(said) or "nothing that could run in parallel"


def _planned(step: Step) -> str:
    if step.kind == "parallel":
        return f"{step.lines}: {step.what}, item by item"
    return f"line {step.line or step.first}: serial: {step.reason}"


@dataclass(frozen=True, slots=True)
class CellReport:
    """What ran how, and what came of it.

    Attributes
    ----------
    steps : tuple of Step
        One for each top-level statement that ran.
    stats : Stats or None
        Of the parallel step's run; None where nothing ran in parallel.
    value : object
        What the last statement gave, if it is an expression.
    has_value : bool
        Whether it is one.

    Examples
    --------
    >>> import nbexec
    >>> report = nbexec.parallel("out = []\\nfor x in [1]: out.append(x); break", {})
    >>> str(report).splitlines()[0]
    "line 2: serial: `break` ends the loop at an item that isn't known before"
    """

    steps: tuple[Step, ...] = ()
    stats: Stats | None = None
    value: Any = None
    has_value: bool = False

    def __str__(self) -> str:
        told = [step for step in self.steps if step.what or step.reason]
        said = [self._ran(step) for step in sorted(told, key=_parallel_first)]
        quiet = [step for step in self.steps if step not in told]
        if quiet:
            where = ", ".join(_lines(*span) for span in _spans(quiet))
            took = text.seconds(sum(step.seconds for step in quiet))
            said.append(f"{where}: in order, {took}")
        return "\n".join(said) or "nothing to run"

    def _ran(self, step: Step) -> str:
        stats = self.stats
        if step.kind == "serial" or stats is None:
            return f"line {step.line or step.first}: serial: {step.reason}"
        also = f"; {step.reason}" if step.reason else ""
        return (
            f"{step.lines}: {step.what}, {stats.done:,} items on {text.where(stats)}, "
            f"{text.seconds(step.seconds)}, {stats.effective_cores:.1f} cores used{also}"
        )


def _parallel_first(step: Step) -> tuple[bool, int]:
    return step.kind == "serial", -step.first


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _spans(steps: list[Step]) -> list[tuple[int, int]]:
    """Join the lines of steps that follow one another."""
    spans: list[tuple[int, int]] = []
    for step in steps:
        if spans and step.first <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(step.last, spans[-1][1])
        else:
            spans.append((step.first, step.last))
    return spans
