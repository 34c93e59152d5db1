"""Pictures of a pipeline: as text, and as SVG from left to right."""

from __future__ import annotations

from collections import Counter
from html import escape

from .nodes import Node
from .wiring import Wiring

WIDE, HIGH, ACROSS, DOWN = 150, 40, 60, 18  # of a box, and between two, in pixels


def text(name: str, wiring: Wiring) -> str:
    """Describe a pipeline: a line for each step, after those that it waits for."""
    optional = [f"[{one}]" for one in wiring.optional]
    takes = ", ".join([*wiring.inputs, *optional]) or "nothing"
    lines = [f"{name}: {takes} -> {', '.join(wiring.finals)}"]
    return "\n".join([*lines, *(f"  {described(one)}" for one in wiring.steps)])


def described(step: Node) -> str:
    """Describe a step as a call.

    Examples
    --------
    >>> described(Node(abs, "size", ("size",), ("x",)))
    'size(x)'
    >>> described(Node(abs, "cut", ("head", "tail"), ("x",)))
    'cut(x) -> head, tail'
    """
    gives = "" if step.outputs == (step.name,) else f" -> {', '.join(step.outputs)}"
    return f"{step.name}({', '.join(step.inputs)}){gives}"


def levels(wiring: Wiring) -> dict[Node, int]:
    """Give how far from the inputs each step is."""
    found: dict[Node, int] = {}
    for one in wiring.steps:
        found[one] = max((found[two] + 1 for two in wiring.waits_for(one)), default=0)
    return found


def svg(wiring: Wiring) -> str:
    """Draw the steps, those that wait for others to the right of them."""
    level, rows = levels(wiring), Counter[int]()
    at: dict[Node, tuple[int, int]] = {}
    for one in wiring.steps:
        column = level[one]
        at[one] = column * (WIDE + ACROSS) + 10, rows[column] * (HIGH + DOWN) + 10
        rows[column] += 1
    wide = (max(level.values()) + 1) * (WIDE + ACROSS) - ACROSS + 20
    high = max(rows.values()) * (HIGH + DOWN) - DOWN + 20
    lines = [_line(at[two], at[one]) for one in wiring.steps for two in wiring.waits_for(one)]
    boxes = [_box(one, *at[one]) for one in wiring.steps]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" font-family="sans-serif" font-size="12" role="img">'
        f"{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _line(begin: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = begin[0] + WIDE, begin[1] + HIGH // 2
    to_x, to_y = end[0], end[1] + HIGH // 2
    bend = (x + to_x) // 2
    return (
        f'<path d="M{x} {y} C{bend} {y} {bend} {to_y} {to_x} {to_y}" fill="none" '
        'stroke="#8888" stroke-width="1.5"/>'
    )


def _box(step: Node, x: int, y: int) -> str:
    where = str(step.options.get("backend", ""))
    below = ", ".join(step.outputs) if step.outputs != (step.name,) else where
    name = (
        f'<text x="{x + WIDE // 2}" y="{y + (17 if below else 25)}" text-anchor="middle" '
        f'fill="currentColor">{escape(_short(step.name))}</text>'
    )
    more = (
        f'<text x="{x + WIDE // 2}" y="{y + 32}" text-anchor="middle" fill="currentColor" '
        f'font-size="10" opacity="0.7">{escape(_short(below))}</text>'
        if below
        else ""
    )
    return (
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="#2f7fd022" '
        f'stroke="#2f7fd0"/>{name}{more}'
    )


def _short(said: str) -> str:
    return said if len(said) <= 22 else f"{said[:21]}…"
