"""Rows: one set of values on its way through the steps, and the order in which rows end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..model import Failure
from .nodes import SKIPPED, Node
from .wiring import Wiring

Fate = Literal["ready", "failed", "skipped"]


@dataclass(eq=False, slots=True)
class Row:
    """One set of values that goes through the steps.

    Attributes
    ----------
    index : int
        Its number.
    values : dict
        What is there, by name.
    waits : dict
        For how many steps each waits that runs in this row.
    uses : dict
        How many steps will take a value, by its name.
    left : int
        Steps that are not over.
    failures : dict
        What stands for outputs that there are not, by their names.
    picked : dict
        The name of the step that a route picked; None for none.
    lost : list
        Steps that failed, and those that needed them.
    keys : object
        What a journal knows the row's steps by.
    """

    index: int
    values: dict[str, Any]
    waits: dict[Node, int]
    uses: dict[str, int]
    left: int
    failures: dict[str, Failure] = field(default_factory=dict)
    picked: dict[Node, str | None] = field(default_factory=dict)
    lost: list[Node] = field(default_factory=list)
    keys: Any = None


@dataclass(frozen=True)
class Unfinished:
    """What a row has that failed: enough to go on from there."""

    index: int
    values: dict[str, Any]
    picked: dict[Node, str | None]
    lost: tuple[Node, ...]
    keys: Any


class RowPlan:
    """What rows have to go through.  Pure: it says what is next, and runs nothing.

    Parameters
    ----------
    wiring : Wiring
        Of the pipeline.
    steps : sequence of Node
        Those that run, in order.
    outputs : sequence of str
        What each row keeps for its end.
    """

    def __init__(self, wiring: Wiring, steps: Sequence[Node], outputs: Sequence[str]) -> None:
        self._wiring, self._outputs = wiring, outputs
        among = {*steps}
        self.makers = {
            one: tuple(other for other in wiring.waits_for(one) if other in among) for one in steps
        }
        self.takers: dict[Node, list[Node]] = {one: [] for one in steps}
        for one, those in self.makers.items():
            for maker in those:
                self.takers[maker].append(one)
        self._waits = {one: len(those) for one, those in self.makers.items()}
        self._uses = dict(self._uses_of(steps))

    def _uses_of(self, steps: Iterable[Node]) -> Mapping[str, int]:
        uses = Counter(name for one in steps for name in one.inputs)
        uses.update(self._outputs)
        return uses

    def row(self, index: int, values: Mapping[str, Any], runs: set[Node] | None = None) -> Row:
        """Begin a row; `runs` are the steps that have to run, None for all."""
        if runs is None:
            waits, uses = dict(self._waits), dict(self._uses)
        else:
            waits = {one: sum(1 for other in self.makers[one] if other in runs) for one in runs}
            uses = dict(self._uses_of(runs))
        return Row(index, dict(values), waits, uses, len(waits))

    def fate(self, row: Row, step: Node) -> Fate:
        """Say what becomes of a step that waits for no other any more."""
        route = self._wiring.routes.get(step)
        failed = None
        if route in row.picked:
            if row.picked[route] != step.name:
                return "skipped"
        elif route is not None:
            failed = row.failures.get(route.outputs[0])
            if failed is None:
                return "skipped"
        for name in step.inputs:
            if name in row.failures:
                failed = failed or row.failures[name]
            elif name not in row.values and name not in step.defaults:
                return "skipped"
        if failed is not None:
            self.fail(row, step, failed)
            return "failed"
        return "ready"

    def fail(self, row: Row, step: Node, failure: Failure) -> None:
        """Have a failure stand for what a step would give."""
        row.lost.append(step)
        row.failures.update(dict.fromkeys(step.outputs, failure))

    def over(self, row: Row, step: Node) -> list[Node]:
        """Note that a step is over; give those that wait for nothing else now.

        What no other step will take is let go of, but for what a failed step would have taken.
        """
        row.left -= 1
        if not row.lost or step not in row.lost:
            uses, values = row.uses, row.values
            for name in step.inputs:
                uses[name] -= 1
                if not uses[name]:
                    values.pop(name, None)
            for name in step.outputs:
                if not uses.get(name):
                    values.pop(name, None)
        free = []
        waits = row.waits
        for taker in self.takers[step]:
            if taker in waits:
                waits[taker] -= 1
                if not waits[taker]:
                    free.append(taker)
        return free

    def result(self, row: Row) -> dict[str, Any]:
        """Give the outputs of a row that has ended."""
        values, failures = row.values, row.failures
        return {
            name: values[name] if name in values else failures.get(name, SKIPPED)
            for name in self._outputs
        }


class RowOrder:
    """How many rows have begun since the first of those that have not ended.

    Examples
    --------
    >>> order = RowOrder()
    >>> order.begun = 3
    >>> order.end(1), order.behind
    (None, 3)
    >>> order.end(0), order.behind
    (None, 1)
    """

    def __init__(self) -> None:
        self.begun = 0
        self._first = 0  # the first that has not ended
        self._over: set[int] = set()  # those behind it that have

    def end(self, index: int) -> None:
        """Note that a row is over."""
        self._over.add(index)
        while self._first in self._over:
            self._over.remove(self._first)
            self._first += 1

    @property
    def behind(self) -> int:
        """How many."""
        return self.begun - self._first
