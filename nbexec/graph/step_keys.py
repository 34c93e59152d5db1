"""Keys of steps in a journal: what a step's value in a row is made of, as digests.

The key of a step is a digest of its function and of the keys of what it takes: of inputs, their
values; of outputs of other steps, the keys of these.  So it is known before anything has run,
and whatever is downstream of a changed function or input has another key.  Steps that take
nothing from others have in their keys, beside that, how many equal rows came before, so that
equal items keep values of their own; and what else is in the row, where they draw random numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import JournalError
from ..journal.code_fingerprint import CodePrint, Codes
from ..journal.fingerprint import NoFingerprint, digest
from ..journal.occurrences import Occurrences
from ..worker.drawing import looked_through
from .nodes import Node
from .wiring import Wiring


@dataclass(eq=False, slots=True)
class RowKeys:
    """The keys of one row's steps.

    Attributes
    ----------
    inputs : dict
        Digests of inputs; None for one that has none.
    row : bytes
        What is different in each row.
    number : bytes
        How many equal rows came before.
    steps : dict
        Keys of steps, as far as they are known; None where there is none.
    unknown : set
        Steps whose keys depend on a route that has not been taken yet.
    picked : dict
        The name of the step that a route picks.
    why : dict
        Why a step has to run.
    """

    inputs: dict[str, bytes | None]
    row: bytes
    number: bytes
    steps: dict[Node, bytes | None] = field(default_factory=dict)
    unknown: set[Node] = field(default_factory=set)
    picked: dict[Node, str | None] = field(default_factory=dict)
    why: dict[Node, str] = field(default_factory=dict)


class StepKeys:
    """Makes the keys of rows, which come in their order.

    Parameters
    ----------
    wiring : Wiring
        Of the pipeline.
    steps : sequence of Node
        Those that run, in order.
    over : collection of str
        Inputs with a value for each row; the others are the same for all.
    note : callable
        Told what has no fingerprint.

    Raises
    ------
    JournalError
        A function has no fingerprint.
    """

    def __init__(
        self,
        wiring: Wiring,
        steps: Sequence[Node],
        over: Collection[str],
        note: Callable[[str], None],
    ) -> None:
        self.codes = Codes()
        self._wiring, self._over, self._note = wiring, over, note
        self._among = {*steps}
        self.prints = {one: self._print(one) for one in steps}
        self._draws = {one: _draws(one) for one in steps}
        self._fixed: dict[str, bytes | None] = {}
        self._occurrences = Occurrences()

    def _print(self, step: Node) -> CodePrint:
        try:
            found = self.codes.function(step.fn)
        except NoFingerprint as error:
            raise JournalError(
                f"step {step.name} can't be kept in a journal, since nobody could tell whether "
                f"it has changed: {error}. Make that inside the function, or leave checkpoint= out"
            ) from error
        shape = [step.name, *step.outputs, repr(dict(step.branches)), f"{sys.version_info[:2]}"]
        if len(step.outputs) > 1:  # of a dict: which of its values has which name
            shape += step.keys
        return CodePrint(digest([found.digest, *map(str.encode, shape)]), dict(found.parts))

    def row(self, values: Mapping[str, Any]) -> RowKeys:
        """Begin with a row: digests of its inputs."""
        if not self._fixed:
            self._fixed = {
                name: self._digest(value)
                for name, value in values.items()
                if name not in self._over
            }
        inputs = {
            name: self._fixed[name] if name in self._fixed else self._digest(value)
            for name, value in values.items()
        }
        row = digest(inputs[name] or b"" for name in self._over if name in inputs)
        (number,) = self._occurrences.count([row])
        return RowKeys(inputs, row, number.to_bytes(8, "little"))

    def _digest(self, value: Any) -> bytes | None:
        try:
            return self.codes.item(value)
        except NoFingerprint as error:
            self._note(f"steps run every time of what has no fingerprint: {error}")
            return None

    def runs(self, row: RowKeys, step: Node) -> bool | None:
        """Whether a step runs in a row, so far as routes go; None where that isn't known yet."""
        route = self._wiring.routes.get(step)
        if route is None or route not in self._among:
            return True
        above = self.runs(row, route)
        if not above:
            return above
        return row.picked[route] == step.name if route in row.picked else None

    def pick(self, row: RowKeys, route: Node, name: str | None) -> None:
        """Take in which step a route has picked."""
        row.picked[route] = name
        row.unknown.clear()

    def key(self, row: RowKeys, step: Node) -> bytes | None:
        """Give the key of a step in a row; None where there is none, or it isn't known yet.

        Of steps before it they have been asked for already, or are few.
        """
        if step not in row.steps:
            known, pieces = self._pieces(row, step)
            if not known:
                row.unknown.add(step)
                return None
            row.steps[step] = digest(pieces) if pieces else None
        return row.steps[step]

    def _pieces(self, row: RowKeys, step: Node) -> tuple[bool, list[bytes]]:
        """Give whether it is known what a step is made of, and that; [] where it has no key."""
        pieces = [self.prints[step].digest]
        makers: set[Node] = set()
        route = self._wiring.routes.get(step)
        if route is not None and route in self._among:
            makers.add(route)
        for name in step.inputs:
            if name in row.inputs:
                found = row.inputs[name]
                if found is None:
                    return True, []
                pieces += [name.encode(), found]
                continue
            for maker in self._wiring.makers.get(name, ()):
                runs = self.runs(row, maker) if maker in self._among else False
                if runs is None:
                    return False, []
                if runs:
                    makers.add(maker)
                    pieces.append(name.encode())
                    pieces.append(str(maker.outputs.index(name)).encode())
        for maker in sorted(makers, key=lambda one: one.outputs):
            found = None if maker in row.unknown else self.key(row, maker)
            if found is None:
                return maker in row.steps, []
            pieces += [maker.name.encode(), found]
        if not makers:
            pieces.append(row.number)
        if self._draws[step]:
            pieces.append(row.row)
        return True, pieces

    def again(self, row: RowKeys, lost: Collection[Node]) -> RowKeys:
        """Give the keys of a row that goes on from steps that failed.

        Theirs are made again, since what they call may be other code now; those of steps that
        have a value stay: they say what made it.
        """
        kept = {step: key for step, key in row.steps.items() if step not in lost}
        made = replace(row, steps=kept, unknown=set(), picked=dict(row.picked))
        for step in self.prints:  # in order, so that a key never leads to many others
            if step in lost:
                self.key(made, step)
        return made

    def close(self) -> None:
        """Delete the file that counts equal rows, if there is one."""
        self._occurrences.close()


def _draws(step: Node) -> bool:
    modules, generators, _ = looked_through([step.fn])
    return bool(modules or generators)
