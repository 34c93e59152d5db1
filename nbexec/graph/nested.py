"""Pipelines that are steps of another: their steps become that one's, under names of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .nodes import Node, node_of


def nodes_of(functions: Iterable[Any]) -> list[Node]:
    """Give the steps that functions are, and those of pipelines among them.

    So the steps of an inner pipeline run side by side with those of the outer one, on the same
    workers, are drawn, kept and reported one by one.  A pipeline with options of its own as a
    step, such as retries, stays one step: these are about all of it.
    """
    nodes: list[Node] = []
    taken: dict[str, int] = {}
    for fn in functions:
        one = node_of(fn)
        inner: Any = getattr(fn, "wiring", None)
        whole = one.options or one.optional or inner is None or len(one.outputs) != len(fn.outputs)
        if whole:
            nodes.append(one)
            continue
        count = taken[one.name] = taken.get(one.name, 0) + 1
        prefix = one.name if count == 1 else f"{one.name}{count}"
        names = {name: f"{prefix}.{name}" for name in inner.makers}
        names.update(zip(fn.outputs, one.outputs, strict=True))
        nodes += [_renamed(step, prefix, names, fn.options) for step in inner.steps]
    return nodes


def _renamed(step: Node, prefix: str, names: Mapping[str, str], options: Mapping[str, Any]) -> Node:
    return replace(
        step,
        name=f"{prefix}.{step.name}",
        outputs=tuple(names[one] for one in step.outputs),
        inputs=tuple(names.get(one, one) for one in step.inputs),
        parameters=step.parameters or step.inputs,
        defaults={names.get(one, one): value for one, value in step.defaults.items()},
        options={**options, **step.options},
        branches={value: f"{prefix}.{one}" for value, one in step.branches.items()},
        keys=step.keys or step.outputs,
    )
