"""The chart: time relative to the other's, with the spread and the goal, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .goals import Result, Verdict

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 330, 60, 22, 64  # pixels
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

STYLE = """
.paper { fill: #fff }
text { font: 12px system-ui, sans-serif; fill: #333 }
.head { font-weight: 600 } .faint { fill: #888 } .grid { stroke: #e4e4e4 }
.one { stroke: #888 } .met { fill: #1a7f5a; stroke: #1a7f5a }
.not { fill: #c2410c; stroke: #c2410c } .none { fill: #888; stroke: #888 }
.spread { stroke-width: 2; opacity: .55 } .goal { stroke: #333; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  .paper { fill: #1c1c1e } text { fill: #ddd }
  .faint { fill: #999 } .grid { stroke: #3a3a3a } .goal { stroke: #ddd }
  .met { fill: #34d399; stroke: #34d399 } .not { fill: #fb923c; stroke: #fb923c }
}
"""


def draw(results: Sequence[Result]) -> str:
    """Give the chart of those results that are ratios."""
    drawn = [one for one in results if not one.problem and one.goal.sort != "value"]
    ends = [end for one in drawn for end in (*_times(one)[1:], _goal(one) or 1.0)]
    low, high = min([0.5, *ends]) / 1.15, max([2.0, *ends]) * 1.15
    height = TOP + ROW * len(drawn) + 16

    def at(ratio: float) -> float:
        share = math.log(ratio / low) / math.log(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Time of nbexec, relative to the other's</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" class="paper"/>',
        f'<text x="{LEFT}" y="18" class="head">Time of nbexec, relative to the other\'s '
        "(left of 1: nbexec is faster)</text>",
        f'<text x="{LEFT}" y="35" class="faint">dot: ratio of medians · line: all pairs · '
        "upright: the goal</text>",
    ]
    for tick in TICKS:
        if low <= tick <= high:
            kind = "one" if tick == 1 else "grid"
            x = f"{at(tick):.1f}"
            lines.append(
                f'<line x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height - 10}" class="{kind}"/>'
                f'<text x="{x}" y="{TOP - 10}" text-anchor="middle" class="faint">{tick:g}</text>'
            )
    before = ""
    for row, one in enumerate(drawn):
        name = "" if one.benchmark == before else one.benchmark
        before = one.benchmark
        lines.append(_line(one, name, TOP + ROW * row + ROW // 2, at))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _line(one: Result, name: str, y: int, at: object) -> str:
    assert callable(at)
    ratio, low, high = _times(one)
    kind = {Verdict.MET: "met", Verdict.NOT_MET: "not"}.get(one.verdict, "none")
    goal = _goal(one)
    parts = [
        f'<text x="12" y="{y + 4}" class="head">{escape(name)}</text>',
        f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(one.against)}</text>',
        f'<line x1="{at(low):.1f}" x2="{at(high):.1f}" y1="{y}" y2="{y}" class="spread {kind}"/>',
        f'<circle cx="{at(ratio):.1f}" cy="{y}" r="4.5" class="{kind}"/>',
        f'<text x="{WIDTH - 8}" y="{y + 4}" text-anchor="end">{ratio:.2f}</text>',
    ]
    if goal is not None:
        x = f"{at(goal):.1f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{y - 7}" y2="{y + 7}" class="goal"/>')
    return "".join(parts)


def _times(one: Result) -> tuple[float, float, float]:
    """Give our time over theirs: measured, smallest, largest; an efficiency is turned over."""
    ends = (one.measured, *one.spread)
    if one.goal.sort == "speed":
        ends = tuple(1 / end for end in ends)
    return ends[0], min(ends[1:]), max(ends[1:])


def _goal(one: Result) -> float | None:
    limit = one.goal.limit
    return 1 / limit if limit and one.goal.sort == "speed" else limit
