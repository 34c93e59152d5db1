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


def span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"
