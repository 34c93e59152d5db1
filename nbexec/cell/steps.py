"""The statements of a cell as steps, and the plan that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..model import Failure
from ..telemetry.stats import Stats

Kind = Literal["serial", "parallel", "together", "open"]


@dataclass(frozen=True, slots=True)
class Step:
    """One top-level statement of a cell.

    Attributes
    ----------
    first, last : int
        Its lines.
    kind : {"serial", "parallel", "together", "open"}
        How it runs, or ran: "parallel" is item by item, "together" beside other statements,
        and "open" is seen in its turn, when what it uses is there.
    what : str
        What a parallel one is: "for loop"; "" for others.
    reason : str
        Why it is not parallel, or not all of it; "" where nobody would ask.
    line : int
        The line that the reason is about.
    seconds : float
        How long it took, on the clock.
    stats : Stats or None
        Of its run; None where it had none.
    beside : tuple of int
        First lines of the statements that run at the same time.
    assumed : str
        What was taken to be so, since looking would have cost too much; "" for nothing.
    reads, writes : tuple of str
        Names that it uses, and names that aren't afterwards what they were before.
    waits : tuple of int
        First lines of the statements that it can't run before.
    failures : tuple of Failure
        Of its items, where failures are collected.
    """

    first: int
    last: int
    kind: Kind = "serial"
    what: str = ""
    reason: str = ""
    line: int = 0
    seconds: float = 0.0
    stats: Stats | None = None
    beside: tuple[int, ...] = ()
    assumed: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    waits: tuple[int, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def lines(self) -> str:
        """Its lines: "line 3", "lines 3-5"."""
        return span(self.first, self.last)


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
        from .plan_drawing import told

        said = [told(step) for step in self.steps if step.kind != "serial" or step.reason]
        return "\n".join(said) or "nothing that could run in parallel"

    def picture(self) -> str:
        """Draw the steps and what waits for what, in characters."""
        from .plan_drawing import drawn

        return drawn(self.steps)

    def svg(self) -> str:
        """Draw the steps and what waits for what, as SVG."""
        from .plan_drawing import svg

        return svg(self.steps)

    def _repr_html_(self) -> str:
        return self.svg()


def span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"
