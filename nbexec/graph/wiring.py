"""Wiring: which step waits for which.  Pure: no step is called."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Sequence

from ..errors import GraphError
from ..options.checks import suggest
from .annotations import contradiction
from .nodes import Node


class Wiring:
    """The steps of a pipeline, in an order in which each comes after those that it waits for.

    Attributes
    ----------
    steps : tuple of Node
        In that order.
    makers : dict
        The step that gives an output, by its name.
    inputs : tuple of str
        What has to be given.
    optional : tuple of str
        What may be given: it has a default.
    finals : tuple of str
        Outputs that no step takes.

    Raises
    ------
    GraphError
        Two steps give one output, steps wait for each other, or what a step gives can't be what
        another takes.
    """

    def __init__(self, steps: Sequence[Node]) -> None:
        if not steps:
            raise GraphError("a pipeline needs a step")
        self.makers = _makers(steps)
        self.steps = self._in_order(steps)
        taken = {name for one in steps for name in one.inputs}
        wanted = [name for one in self.steps for name in one.inputs if name not in self.makers]
        needed = {name for one in steps for name in one.inputs if name not in one.defaults} - set(
            self.makers
        )
        self.inputs = tuple(dict.fromkeys(name for name in wanted if name in needed))
        self.optional = tuple(dict.fromkeys(name for name in wanted if name not in needed))
        outputs = [name for one in self.steps for name in one.outputs]
        self.finals = tuple(name for name in outputs if name not in taken)
        for one in self.steps:
            for name in one.inputs:
                if name in self.makers:
                    why = contradiction(self.makers[name], name, one)
                    if why:
                        raise GraphError(why)

    def waits_for(self, one: Node) -> tuple[Node, ...]:
        """Give the steps whose outputs a step takes."""
        makers = (self.makers[name] for name in one.inputs if name in self.makers)
        return tuple(dict.fromkeys(makers))

    def _in_order(self, steps: Sequence[Node]) -> tuple[Node, ...]:
        try:
            order = graphlib.TopologicalSorter(
                {one: self.waits_for(one) for one in steps}
            ).static_order()
            return tuple(order)
        except graphlib.CycleError as error:
            circle = [one.name for one in reversed(error.args[1])]
            raise GraphError(f"steps wait for each other: {' → '.join(circle)}") from None

    def needed(self, outputs: Iterable[str]) -> tuple[Node, ...]:
        """Give the steps that it takes to have these outputs, in order.

        Raises
        ------
        GraphError
            There is no such output.
        """
        wanted: set[Node] = set()
        todo = []
        for name in outputs:
            if name not in self.makers:
                known = list(self.makers)
                raise GraphError(
                    f"no step gives {name!r}{suggest(name, known)} (outputs: {', '.join(known)})"
                )
            todo.append(self.makers[name])
        while todo:
            one = todo.pop()
            if one not in wanted:
                wanted.add(one)
                todo.extend(self.waits_for(one))
        return tuple(one for one in self.steps if one in wanted)

    def check(self, given: Iterable[str], steps: Sequence[Node]) -> None:
        """Raise a `GraphError` where an input is missing for these steps, or nothing takes it."""
        given = list(given)
        takes = [*self.inputs, *self.optional]
        for name in given:
            if name in self.makers:
                raise GraphError(
                    f"{name!r} is what step {self.makers[name].name} gives: it can't be given, too"
                )
            if name not in takes:
                raise GraphError(
                    f"no step takes {name!r}{suggest(name, takes)} (inputs: {', '.join(takes)})"
                )
        for one in steps:
            for name in one.inputs:
                if name in self.makers or name in given or name in one.defaults:
                    continue
                near = suggest(name, [*self.makers, *given])
                raise GraphError(
                    f"step {one.name} takes {name!r}, which is neither given nor an output of a "
                    f"step{near}"
                )


def _makers(steps: Sequence[Node]) -> dict[str, Node]:
    makers: dict[str, Node] = {}
    for one in steps:
        for name in one.outputs:
            if name in makers:
                raise GraphError(
                    f"two steps give {name!r}, {makers[name].name} and {one.name}: name one of "
                    "them by @nbexec.step(output=...)"
                )
            makers[name] = one
    return makers
