"""Pictures of a pipeline: as text, and as SVG from left to right; also while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

from .nodes import Node
from .step_states import StepState
from .wiring import Wiring

WIDE, HIGH, ACROSS, DOWN = 172, 40, 56, 18  # of a box, and between two, in pixels
LIVE = 54  # of a box with numbers

# Of a box's edge, and with two digits more of its inside, on a white card: an image doesn't know
# whether its page is dark, and lines that pass behind a box don't cross its text.
CARD, INK = "#ffffff", "#1f2328"
COLOURS = {
    "idle": "#888888",
    "running": "#2f7fd0",
    "done": "#2e9e5b",
    "failed": "#d0453f",
    "skipped": "#888888",
}
SIGNS = {"idle": "·", "running": "▶", "done": "✓", "failed": "✗", "skipped": "–"}

States = Mapping[Node, StepState]


def text(name: str, wiring: Wiring, states: States | None = None) -> str:
    """Describe a pipeline: a line for each step, after those that it waits for."""
    optional = [f"[{one}]" for one in wiring.optional]
    takes = ", ".join([*wiring.inputs, *optional]) or "nothing"
    lines = [f"{name}: {takes} -> {', '.join(wiring.finals)}"]
    if states is None:
        return "\n".join([*lines, *(f"  {described(one)}" for one in wiring.steps)])
    wide = max(len(described(one)) for one in wiring.steps)
    for one in wiring.steps:
        state = states.get(one)
        sign = SIGNS[state.phase] if state is not None else SIGNS["skipped"]
        said = f"{state.counts}  {state.pace}" if state is not None else ""
        lines.append(f"  {sign} {described(one):{wide}}  {said}".rstrip())
    return "\n".join(lines)


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


def svg(wiring: Wiring, states: States | None = None) -> str:
    """Draw the steps, those that wait for others to the right of them."""
    level, rows = levels(wiring), Counter[int]()
    tall = HIGH if states is None else LIVE
    at: dict[Node, tuple[int, int]] = {}
    for one in wiring.steps:
        column = level[one]
        at[one] = column * (WIDE + ACROSS) + 10, rows[column] * (tall + DOWN) + 10
        rows[column] += 1
    wide = (max(level.values()) + 1) * (WIDE + ACROSS) - ACROSS + 20
    high = max(rows.values()) * (tall + DOWN) - DOWN + 20
    lines = [_line(at[two], at[one], tall) for one in wiring.steps for two in wiring.waits_for(one)]
    if states is None:
        boxes = [_box(one, *at[one]) for one in wiring.steps]
    else:
        boxes = [_live_box(one, states.get(one), *at[one]) for one in wiring.steps]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" font-family="sans-serif" font-size="12" role="img">'
        f"{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _line(begin: tuple[int, int], end: tuple[int, int], tall: int) -> str:
    x, y = begin[0] + WIDE, begin[1] + tall // 2
    to_x, to_y = end[0], end[1] + tall // 2
    bend = ACROSS // 2
    way = f"M{x} {y} "
    if to_x - x > ACROSS:  # past other boxes: below their row
        below = y + (tall + DOWN) // 2
        way += f"C{x + bend} {y} {x + bend} {below} {x + ACROSS} {below} H{to_x - ACROSS} "
        x, y = to_x - ACROSS, below
    way += f"C{x + bend} {y} {x + bend} {to_y} {to_x} {to_y}"
    return f'<path d="{way}" fill="none" stroke="#888888" stroke-width="1.5"/>'


def _box(step: Node, x: int, y: int) -> str:
    where = str(step.options.get("backend", ""))
    below = ", ".join(step.outputs) if step.outputs != (step.name,) else where
    name = _words(step.name, x, y + (17 if below else 25))
    return _frame(x, y, HIGH, "running") + name + (_words(below, x, y + 32, small=True))


def _live_box(step: Node, state: StepState | None, x: int, y: int) -> str:
    """Draw a step with its numbers; the part that is over is filled."""
    if state is None:  # it isn't needed
        return _frame(x, y, LIVE, "skipped") + _words(step.name, x, y + 32)
    name = f"{SIGNS[state.phase]} {step.name}"
    share = state.over / state.total if state.total else float(state.phase == "done")
    part = (
        f'<rect x="{x}" y="{y}" width="{WIDE * min(1.0, share):.1f}" height="{LIVE}" rx="6" '
        f'fill="{COLOURS[state.phase]}33"/>'
    )
    return (
        _frame(x, y, LIVE, state.phase)
        + part
        + _words(name, x, y + 17)
        + _words(state.counts, x, y + 32, small=True)
        + _words(state.pace, x, y + 46, small=True)
    )


def _frame(x: int, y: int, tall: int, phase: str) -> str:
    colour, box = COLOURS[phase], f'x="{x}" y="{y}" width="{WIDE}" height="{tall}" rx="6"'
    return f'<rect {box} fill="{CARD}"/><rect {box} fill="{colour}22" stroke="{colour}"/>'


def _words(said: str, x: int, y: int, small: bool = False) -> str:
    if not said:
        return ""
    how = ' font-size="10" opacity="0.7"' if small else ""
    return (
        f'<text x="{x + WIDE // 2}" y="{y}" text-anchor="middle" fill="{INK}"{how}>'
        f"{escape(_short(said, 33 if small else 26))}<title>{escape(said)}</title></text>"
    )


def _short(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"
