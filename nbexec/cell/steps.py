"""Step: one top-level statement of a cell, and how it ran or would run."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from ..model import Failure
from ..telemetry.stats import Stats

Kind = Literal["serial", "parallel", "together", "open"]

# While a statement of a cell runs, a function that lists the cell's steps: lines, state and
# duration of each.  A run that the statement starts shows them.
cell_steps: ContextVar[Callable[[], list[tuple[str, str, str]]] | None]
cell_steps = ContextVar("cell_steps", default=None)


@dataclass(frozen=True, slots=True)
class Step:
    """One top-level statement of a cell.

    Attributes
    ----------
    first, last : int
        Its first and last line.
    kind : {"serial", "parallel", "together", "open"}
        How it runs, or ran: "parallel" is item by item, "together" at the same time as other
        statements, and "open" is decided in its turn, when the names that it uses are bound.
    what : str
        The kind of a parallel one: "for loop"; "" for others.
    reason : str
        Why it is not parallel, or not all of it; "" where there is nothing to explain.
    line : int
        The line that the reason is about.
    seconds : float
        Its duration.
    stats : Stats or None
        Statistics of its run; None where it had none.
    beside : tuple of int
        First lines of the statements that run at the same time.
    assumed : str
        What was assumed, since a check would have cost too much; "" for nothing.
    reads, writes : tuple of str
        Names that it uses, and names that it binds or changes.
    waits : tuple of int
        First lines of the statements that must run before it.
    failures : tuple of Failure
        Failures of its items, where they are collected.
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


def span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"
