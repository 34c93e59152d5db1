"""Counts of the steps of a pipeline: what a drawing shows while it runs, and its report after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from ..telemetry import wording
from .nodes import Node

NEW, AFTER = "no value yet", "after {}"


@dataclass(eq=False, slots=True)
class StepCounts:
    """How far the rows are with one step.

    Attributes
    ----------
    name : str
        Of the step.
    ready, begun : int
        Calls that wait, and those that an executor has.
    done, failed, skipped : int
        Rows that have its value, in which it failed or lacked what failed before it, and in
        which a route took another branch.
    reused, unneeded : int
        Rows whose value was in the journal, and that needed none since what takes it was.
    seconds : float
        That workers were at it.
    why : Counter of str
        Why it ran, where a journal has been looked at: how many rows, by the reason.
    known : str
        What a journal said of the step before it ran: that it changed, or had never run.
    """

    name: str
    ready: int = 0
    begun: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    reused: int = 0
    unneeded: int = 0
    seconds: float = 0.0
    why: Counter[str] = field(default_factory=Counter)
    known: str = ""

    @property
    def over(self) -> int:
        """Rows that are over with it."""
        return self.done + self.failed + self.skipped + self.reused + self.unneeded

    @property
    def words(self) -> str:
        """Say what became of its rows.

        Examples
        --------
        >>> StepCounts("count", done=2, reused=3, why=Counter({"no value yet": 2})).words
        '3 reused, 2 ran (no value yet)'
        """
        why = "; ".join(
            words if count == self.done + self.failed else f"{count:,} {words}"
            for words, count in self.why.items()
        )
        ran = f"{self.done:,} ran" + (f" ({why})" if why else "") if self.done else ""
        said = [
            f"{self.reused:,} reused" if self.reused else "",
            ran,
            f"{self.failed:,} failed" if self.failed else "",
            f"{self.skipped:,} skipped" if self.skipped else "",
            f"{self.unneeded:,} not needed" if self.unneeded else "",
        ]
        return ", ".join(filter(None, said)) or "nothing"


class PipelineReport(Sequence[StepCounts]):
    """What became of each step of a pipeline: what ran and why, and what was reused.

    A sequence of records with the counts of each step, in their order.  The reasons are those of
    a run with ``checkpoint=``.

    Examples
    --------
    >>> import nbexec, os, tempfile
    >>> def square(x):
    ...     return x * x
    >>> pipe = nbexec.Pipeline(square)
    >>> journal = os.path.join(tempfile.mkdtemp(), "squares.db")
    >>> first = pipe.map(over="x", x=[1, 2], checkpoint=journal, progress="off")
    >>> more = pipe.map(over="x", x=[1, 2, 3], checkpoint=journal, progress="off")
    >>> more.report
    square  2 reused, 1 ran (no value yet)
    """

    __module__ = "nbexec"

    def __init__(self, counts: Iterable[StepCounts], notes: Iterable[str] = ()) -> None:
        self._counts = tuple(counts)
        self.notes = tuple(notes)

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, at: int | str) -> StepCounts:  # type: ignore[override]
        """Give the counts of a step, by its number or its name."""
        if isinstance(at, str):
            for one in self._counts:
                if one.name == at:
                    return one
            raise KeyError(at)
        return self._counts[at]

    @property
    def _lines(self) -> list[tuple[str, str, str]]:
        return [
            (one.name, one.words, wording.seconds(one.seconds) if one.seconds >= 0.1 else "")
            for one in self._counts
        ]

    def __str__(self) -> str:
        wide = max((len(one.name) for one in self._counts), default=0)
        lines = [
            f"{name:{wide}}  {words}" + (f", {took} in workers" if took else "")
            for name, words, took in self._lines
        ]
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Give a table."""
        rows = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in line)
            + "</tr>"
            for line in self._lines
        )
        notes = "".join(f"<div>{escape(one)}</div>" for one in self.notes)
        return f"<table><tbody>{rows}</tbody></table>{notes}"


def counts_of(steps: Iterable[Node]) -> dict[Node, StepCounts]:
    """Give the counts of some steps, all 0."""
    return {one: StepCounts(one.name) for one in steps}
