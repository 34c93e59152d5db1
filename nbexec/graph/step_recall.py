"""StepRecall: what a journal has of a row, and which steps have to run.

It begins with what is wanted, and goes back from there: where a value is in the journal, what
leads to it isn't needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .nodes import Node
from .step_counts import AFTER, NEW
from .step_keys import RowKeys, StepKeys
from .wiring import Wiring

Read = Callable[[Sequence[bytes]], Iterator[tuple[bytes, Any]]]


@dataclass(eq=False, slots=True)
class RecalledRow:
    """What a journal has of a row.

    Attributes
    ----------
    keys : RowKeys
        Of its steps.
    runs : set of Node
        The steps that have to run.
    reused : set of Node
        Those whose values are there, and needed.
    skipped : set of Node
        Those that a route leaves out.
    values : dict
        Of those that are there, by their names.
    """

    keys: RowKeys
    runs: set[Node] = field(default_factory=set)
    reused: set[Node] = field(default_factory=set)
    skipped: set[Node] = field(default_factory=set)
    values: dict[str, Any] = field(default_factory=dict)


class StepRecall:
    """Looks up rows.

    Parameters
    ----------
    wiring : Wiring
        Of the pipeline.
    steps : sequence of Node
        Those that run, in order.
    outputs : sequence of str
        What is wanted of each row.
    keys : StepKeys
        Makes the keys.
    read : callable
        Gives the values that there are of some keys.

    Attributes
    ----------
    known : set of Node
        Steps of which there may be values.
    changed : dict
        What has changed of others.
    """

    def __init__(
        self,
        wiring: Wiring,
        steps: Sequence[Node],
        outputs: Sequence[str],
        keys: StepKeys,
        read: Read,
    ) -> None:
        self.known: set[Node] = set()
        self.changed: dict[Node, str] = {}
        self._wiring, self._steps, self._outputs = wiring, steps, outputs
        self._keys, self._read = keys, read
        self._among = {*steps}

    def row(self, values: Mapping[str, Any]) -> RecalledRow:
        """Give what there is of a row, and which steps have to run."""
        found = RecalledRow(self._keys.row(values))
        for step in self._steps:  # in order, so that a key never leads to many others
            if step.branches:
                self._load(found, [step])
            else:
                self._keys.key(found.keys, step)
        asked: set[Node] = set()
        wanted = [*self._outputs]
        while wanted or not asked:
            some = {
                maker
                for name in wanted
                for maker in self._wiring.makers.get(name, ())
                if maker in self._among
            } - asked
            asked |= some
            if not some:
                break
            self._load(found, [step for step in some if not step.branches])
            wanted = []
            for step in some:
                self._want(found, step, wanted)
        self._drop_unneeded(found)
        found.keys.why = {step: self._why(step, found) for step in found.runs}
        return found

    def _want(self, found: RecalledRow, step: Node, wanted: list[str]) -> None:
        if self._keys.runs(found.keys, step) is False:
            found.skipped.add(step)
        elif step not in found.reused:
            found.runs.add(step)
            wanted += step.inputs
            route = self._wiring.routes.get(step)
            wanted += route.outputs if route is not None else ()

    def _load(self, found: RecalledRow, steps: Sequence[Node]) -> None:
        """Load the values of some steps, as far as they are there."""
        keys = {}
        for step in steps:
            if step in self.known and self._keys.runs(found.keys, step) is not False:
                key = self._keys.key(found.keys, step)
                if key is not None:
                    keys[key] = step
        for key, value in self._read([*keys]):
            step = keys[key]
            try:
                made = step.parts(value)
                picked = step.picked(value) if step.branches else None
            except ValueError:  # of another shape than it says today: it has to run
                continue
            if step.branches:
                self._keys.pick(found.keys, step, picked)
            found.reused.add(step)
            found.values.update(made)

    def _drop_unneeded(self, found: RecalledRow) -> None:
        """Let go of routes that were looked for, and that nothing needs."""
        needed = {name for step in found.runs for name in step.inputs} | {*self._outputs}
        for step in [one for one in (*found.reused, *found.runs) if one.branches]:
            running = any(self._wiring.routes.get(one) is step for one in found.runs)
            if not running and not needed.intersection(step.outputs):
                found.reused.discard(step)
                found.runs.discard(step)

    def _why(self, step: Node, found: RecalledRow) -> str:
        """Say why a step has to run in a row."""
        if step in self.changed:
            return self.changed[step]
        if step not in self.known:
            return "never ran before"
        for maker in self._wiring.waits_for(step):
            if maker in found.runs:
                return AFTER.format(maker.name)
        return NEW
