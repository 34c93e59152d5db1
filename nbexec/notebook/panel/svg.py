"""Images for the saved notebook: SVG in data URIs, since inline SVG is stripped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...telemetry.bars import Bar

DONE, BAD, RETRIED, ACCENT, MEMORY = "#1f9d61", "#d6453d", "#c98a10", "#0b8296", "#7a5af0"

WIDTH = 900  # of a timeline, in its own units
HEIGHT = 200  # at most
LANE = 13  # from one lane to the next, at most
STROKES = 700  # of a timeline: with that it is below 20 kB


def spark(line: list[int], colour: str, width: int = 64, height: int = 20) -> str:
    """Draw heights of 0..100 as a line, and fill what is below it."""
    line = line if len(line) > 1 else line * 2
    points = " ".join(
        f"{at * width / (len(line) - 1):.1f},{height - 1 - value * (height - 2) / 100:.1f}"
        for at, value in enumerate(line)
    )
    drawn = (
        f'<polygon points="0,{height} {points} {width},{height}" fill="{colour}" opacity=".15"/>'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    )
    style = "display:inline-block;vertical-align:middle;margin:0 3px"
    return _image(drawn, width, height, f'alt="" width="{width}" height="{height}" style="{style}"')


def timeline(bars: Sequence[Bar], seconds: float, lanes: int) -> str:
    """Draw what each worker did when: a lane each; failed and retried items have other colours.

    Parameters
    ----------
    bars : sequence of Bar
        Of each lane in the order of time.
    seconds : float
        How long the run took.
    lanes : int
        How many there are.
    """
    pitch = min(float(LANE), HEIGHT / max(lanes, 1))
    height = round(pitch * lanes)
    scale = WIDTH / max(seconds, 1e-9)
    drawn = ""
    for colour, path in _paths(_few(bars, scale), scale, pitch).items():
        drawn += f'<path d="{path}" stroke="{colour}" stroke-width="{0.75 * pitch:.1f}"/>'
    style = "display:block;width:100%;max-width:900px;margin:4px 0 0"
    return _image(drawn, WIDTH, height, f'alt="timeline" style="{style}"')


class Stroke(NamedTuple):
    """Bars that are drawn as one."""

    lane: int
    start: float
    end: float
    colour: str


def _colour(bar: Bar) -> str:
    return BAD if bar.failed else RETRIED if bar.retried or bar.dropped else DONE


def _few(bars: Iterable[Bar], scale: float) -> list[Stroke]:
    """Merge bars that are too close to be seen apart, or too many."""
    strokes = [Stroke(bar.lane, bar.start, bar.end, _colour(bar)) for bar in sorted(bars)]
    gap = 0.5 / scale
    while len(strokes) > STROKES:
        merged: list[Stroke] = []
        for one in strokes:
            last = merged[-1] if merged else None
            same = last is not None and (last.lane, last.colour) == (one.lane, one.colour)
            if last is not None and same and one.start - last.end < gap:
                merged[-1] = last._replace(end=max(last.end, one.end))
            else:
                merged.append(one)
        strokes, gap = merged, 2 * gap
        if gap * scale > WIDTH:  # colours alone make that many: the rest is not drawn
            return strokes[:STROKES]
    return strokes


def _paths(strokes: Iterable[Stroke], scale: float, pitch: float) -> dict[str, str]:
    paths: dict[str, str] = {}
    for one in strokes:
        left, long = one.start * scale, max((one.end - one.start) * scale - 0.6, 0.8)
        path = f"M{left:.1f} {(one.lane + 0.5) * pitch:.1f}h{long:.1f}"
        paths[one.colour] = paths.get(one.colour, "") + path
    return paths


def _image(drawn: str, width: int, height: int, attributes: str) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{drawn}</svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return f'<img {attributes} src="data:image/svg+xml;base64,{data}">'
