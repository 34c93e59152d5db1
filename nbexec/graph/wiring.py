"""Wiring: which step waits for which.  Pure: no step is called."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence

from ..errors import GraphError
from ..options.checks import suggest
from .annotations import contradiction
from .nodes import Node

Makers = Mapping[str, tuple[Node, ...]]


class Wiring:
    """The steps of a pipeline, in an order in which each comes after those that it waits for.

    Attributes
    ----------
    steps : tuple of Node
        In that order.
    makers : dict
        The steps that give an output, by its name: one, or several branches of a route.
    routes : dict
        The route that picks a step, by that step.
    inputs : tuple of str
        What has to be given.
    optional : tuple of str
        What may be given: it has a default, or the steps that take it are optional.
    finals : tuple of str
        Outputs that no step takes, but for those of routes.

    Raises
    ------
    GraphError
        Two steps give one output, steps wait for each other, or what a step gives can't be what
        another takes.
    """

    def __init__(self, steps: Sequence[Node]) -> None:
        if not steps:
            raise GraphError("a pipeline needs a step")
        self.routes = _routes(steps)
        self.makers = _makers(steps, self.routes)
        self.steps = self._in_order(steps)
        taken = {name for one in steps for name in one.inputs}
        wanted = [name for one in self.steps for name in one.inputs if name not in self.makers]
        needed = {
            name
            for one in steps
            for name in one.inputs
            if not (name in one.defaults or one.optional or name in self.makers)
        }
        self.inputs = tuple(dict.fromkeys(name for name in wanted if name in needed))
        self.optional = tuple(dict.fromkeys(name for name in wanted if name not in needed))
        outputs = [name for one in self.steps if not one.branches for name in one.outputs]
        finals = [name for name in outputs if name not in taken]
        self.finals = tuple(dict.fromkeys(finals)) or self.steps[-1].outputs
        for one in self.steps:
            for name in one.inputs:
                for maker in self.makers.get(name, ()):
                    why = contradiction(maker, name, one)
                    if why:
                        raise GraphError(why)

    def waits_for(self, one: Node) -> tuple[Node, ...]:
        """Give the steps whose outputs a step takes, and the route that picks it."""
        makers = [maker for name in one.inputs for maker in self.makers.get(name, ())]
        if one in self.routes:
            makers.append(self.routes[one])
        return tuple(dict.fromkeys(makers))

    def _in_order(self, steps: Sequence[Node]) -> tuple[Node, ...]:
        try:
            order = graphlib.TopologicalSorter(
                {one: self.waits_for(one) for one in steps}
            ).static_order()
            return tuple(order)
        except graphlib.CycleError as error:
            raise GraphError(_circle([one.name for one in reversed(error.args[1])])) from None

    def needed(self, outputs: Iterable[str], given: Iterable[str] = ()) -> tuple[Node, ...]:
        """Give the steps that it takes to have these outputs, in order.

        Optional ones that lack an input are left out.

        Raises
        ------
        GraphError
            There is no such output.
        """
        wanted: set[Node] = set()
        left_out = self._left_out({*given})
        todo: list[Node] = []
        for name in outputs:
            if name not in self.makers:
                known = list(self.makers)
                raise GraphError(
                    f"no step gives {name!r}{suggest(name, known)} (outputs: {', '.join(known)})"
                )
            todo.extend(self.makers[name])
        while todo:
            one = todo.pop()
            if one not in wanted and one not in left_out:
                wanted.add(one)
                todo.extend(self.waits_for(one))
        return tuple(one for one in self.steps if one in wanted)

    def _left_out(self, given: set[str]) -> set[Node]:
        """Give the optional steps whose inputs are not all there."""
        out: set[Node] = set()
        for one in self.steps:
            if one.optional and not all(
                name in given or name in one.defaults or {*self.makers.get(name, ())} - out
                for name in one.inputs
            ):
                out.add(one)
        return out

    def check(self, given: Iterable[str], steps: Sequence[Node]) -> None:
        """Raise a `GraphError` where an input is missing for these steps, or nothing takes it."""
        given = {*given}
        takes = [*self.inputs, *self.optional]
        for name in sorted(given):
            if name in self.makers:
                raise GraphError(
                    f"{name!r} is what step {self.makers[name][0].name} gives: it can't be given, "
                    "too"
                )
            if name not in takes:
                raise GraphError(
                    f"no step takes {name!r}{suggest(name, takes)} (inputs: {', '.join(takes)})"
                )
        running = {*steps}
        for one in steps:
            for name in one.inputs:
                makers = self.makers.get(name, ())
                if name in given or name in one.defaults or running.intersection(makers):
                    continue
                if makers:
                    raise GraphError(
                        f"step {one.name} takes {name!r}, but step {makers[0].name}, which is "
                        f"optional, lacks an input: give {_lacking(makers[0], given)!r}, or "
                        f"{name} of {one.name} a default"
                    )
                near = suggest(name, [*self.makers, *given])
                raise GraphError(
                    f"step {one.name} takes {name!r}, which is neither given nor an output of a "
                    f"step{near}"
                )


def _lacking(one: Node, given: set[str]) -> str:
    lacking = [name for name in one.inputs if name not in given and name not in one.defaults]
    return lacking[0] if lacking else one.name


def _circle(names: list[str]) -> str:
    """Draw steps that wait for each other.

    Examples
    --------
    >>> print(_circle(["a", "b", "a"]))
    steps wait for each other: a → b → a
    <BLANKLINE>
        a → b
        ↑   ↓
        └───┘
    """
    line = " → ".join(names[:-1])
    last = len(line) - len(names[-2])
    below = "" if last <= 0 else f"\n    └{'─' * (last - 1)}┘"
    arrows = "\n    ↺" if last <= 0 else f"\n    ↑{' ' * (last - 1)}↓"
    return f"steps wait for each other: {' → '.join(names)}\n\n    {line}{arrows}{below}"


def _routes(steps: Sequence[Node]) -> dict[Node, Node]:
    """Give the route that picks a step, by that step."""
    named = {one.name: one for one in steps}
    routes: dict[Node, Node] = {}
    for one in steps:
        for name in dict.fromkeys(one.branches.values()):
            if name not in named:
                raise GraphError(
                    f"route {one.name} goes to {name!r}, which is no step"
                    f"{suggest(name, [*named])} (steps: {', '.join(named)})"
                )
            if sum(two.name == name for two in steps) > 1:
                raise GraphError(
                    f"route {one.name} goes to {name!r}, but several steps are called so: name "
                    "one of them by @nbexec.step(name=...)"
                )
            before = routes.setdefault(named[name], one)
            if before is not one:
                raise GraphError(f"two routes go to {name}: {before.name} and {one.name}")
    return routes


def _makers(steps: Sequence[Node], routes: Mapping[Node, Node]) -> dict[str, tuple[Node, ...]]:
    makers: dict[str, tuple[Node, ...]] = {}
    for one in steps:
        for name in one.outputs:
            for other in makers.get(name, ()):
                if one not in routes or routes.get(other) is not routes[one]:
                    raise GraphError(
                        f"two steps give {name!r}, {other.name} and {one.name}: name one of "
                        "them by @nbexec.step(output=...), or pick one by an @nbexec.route"
                    )
            makers[name] = (*makers.get(name, ()), one)
    return makers
