"""Pictures of a plan: its steps, side by side where neither waits for the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from .steps import Step

WIDE, HIGH, GAP = 190, 46, 24  # of a box, and between two, in pixels
COLUMNS = 3  # boxes side by side: more would not fit below a cell
_HOW = {
    "serial": "in order",
    "parallel": "item by item",
    "together": "at once",
    "open": "seen in its turn",
}
_COLOURS = {
    "serial": "#8888",
    "parallel": "#2a9d5c",
    "together": "#2f7fd0",
    "open": "#c98a1b",
}


def described(step: Step) -> str:
    """Describe in a line how a step would run.

    Examples
    --------
    >>> described(Step(3, 4, "parallel", "for loop"))
    'lines 3-4: for loop, item by item'
    """
    if step.kind == "parallel":
        return f"{step.lines}: {step.what}, item by item"
    if step.kind == "together":
        beside = ", ".join(map(str, step.beside))
        return f"{step.lines}: at the same time as line{'s' * (len(step.beside) > 1)} {beside}"
    if step.kind == "open":
        return f"{step.lines}: {step.reason}"
    return f"line {step.line or step.first}: serial: {step.reason}"


def outcome(step: Step) -> str:
    """Describe how a step ran, without its lines.

    Examples
    --------
    >>> outcome(Step(3, 4, "serial", reason="reads `n`", line=4)), outcome(Step(1, 1))
    ('serial: line 4 reads `n`', 'in order')
    """
    if step.kind == "serial":
        where = f"line {step.line} " if step.line else ""
        return f"serial: {where}{step.reason}" if step.reason else "in order"
    return described(step).partition(": ")[2]


def levels(steps: Sequence[Step]) -> list[int]:
    """Give each step's level in the graph of dependencies: 0 waits for nothing.

    Examples
    --------
    >>> levels([Step(1, 1), Step(2, 2), Step(3, 3, waits=(1, 2))])
    [0, 0, 1]
    """
    level: dict[int, int] = {}
    for step in steps:
        level[step.first] = 1 + max((level.get(line, -1) for line in step.waits), default=-1)
    return [level[step.first] for step in steps]


def drawn(steps: Sequence[Step]) -> str:
    """Draw steps in characters: one line each, with its dependencies and how it runs.

    Examples
    --------
    >>> print(drawn([Step(1, 1, writes=("a",)), Step(2, 2, reads=("a",), waits=(1,))]))
    line 1   in order      makes a
      line 2   in order      reads a; after line 1
    """
    lines = []
    for step, level in zip(steps, levels(steps), strict=True):
        facts = []
        if step.reads:
            facts.append(f"reads {_few(step.reads)}")
        if step.writes:
            facts.append(f"makes {_few(step.writes)}")
        if step.waits:
            many = "s" if len(step.waits) > 1 else ""
            facts.append(f"after line{many} {', '.join(map(str, step.waits))}")
        said = f"{'  ' * level}{step.lines}   {_HOW[step.kind]:<12}  {'; '.join(facts)}"
        lines.append(said.rstrip())
    return "\n".join(lines)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:4])} and more"


def svg(steps: Sequence[Step], ink: str = "currentColor") -> str:
    """Draw steps as SVG: each below those that it waits for, linked by lines.

    Parameters
    ----------
    steps : sequence of Step
        The steps.
    ink : str
        The colour of text and lines.
    """
    places: dict[int, tuple[int, int]] = {}
    boxes, links = [], []
    for step, (column, row) in zip(steps, _grid(levels(steps)), strict=True):
        x, y = GAP + column * (WIDE + GAP), GAP + row * (HIGH + GAP)
        places[step.first] = x, y
        boxes.append(_box(step, x, y))
        links += [_link(places[line], (x, y)) for line in step.waits if line in places]
    grid = _grid(levels(steps))
    width = GAP + (1 + max((column for column, _ in grid), default=-1)) * (WIDE + GAP)
    height = GAP + (1 + max((row for _, row in grid), default=-1)) * (HIGH + GAP)
    return (
        f'<svg class="nbexec-plan" xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="The steps of the cell" style="font:11px system-ui,sans-serif;color:{ink}">'
        f"{''.join(links)}{''.join(boxes)}</svg>"
    )


def _grid(level: Sequence[int]) -> list[tuple[int, int]]:
    """Give the column and the row of each step: as many rows to a level as it needs.

    Examples
    --------
    >>> _grid([0, 0, 0, 0, 1])
    [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2)]
    """
    first, row = {}, 0
    for one in sorted(set(level)):
        first[one] = row
        row += -(-level.count(one) // COLUMNS)
    seen: Counter[int] = Counter()
    grid = []
    for one in level:
        down, column = divmod(seen[one], COLUMNS)
        seen[one] += 1
        grid.append((column, first[one] + down))
    return grid


def _box(step: Step, x: int, y: int) -> str:
    below = f"{_HOW[step.kind]}{': ' + step.what if step.what else ''}"
    makes = f" → {_few(step.writes)}" if step.writes else ""
    hint = "" if step.kind == "serial" and not step.reason else described(step)
    return (
        f"<g><title>{escape(hint)}</title>"
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" '
        f'fill="{_COLOURS[step.kind]}" fill-opacity="0.15" stroke="{_COLOURS[step.kind]}"/>'
        f'<text x="{x + 10}" y="{y + 19}" fill="currentColor">'
        f"{escape(_short(step.lines + makes))}</text>"
        f'<text x="{x + 10}" y="{y + 36}" fill="currentColor">'
        f"{escape(_short(below))}</text></g>"
    )


def _short(text: str, most: int = 29) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _link(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + WIDE // 2, start[1] + HIGH, end[0] + WIDE // 2, end[1]
    middle = (y1 + y2) // 2
    return (
        f'<path d="M{x1} {y1}C{x1} {middle},{x2} {middle},{x2} {y2}" fill="none" '
        f'stroke="currentColor" stroke-opacity="0.35"/>'
    )
