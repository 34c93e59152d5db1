"""The plots of a panel: Bokeh figures, whose data the panel sends as columns.

A figure is made once for each panel that opens it, and its items go to the page together
with BokehJS where the page has none yet.  bokeh is imported then: it takes about a second.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...telemetry import wording
from ...telemetry.bars import Bar
from .usage_history import SLOTS

SOURCE = "live"  # the name of a figure's data, by which the page finds it
QUIET = "#8a94a0"  # can be read on white and on black, as all of these
DONE, FAILED, RETRIED = "#2a94a6", "#dc4a41", "#d9930d"
CPU, MEMORY, LIMIT = "#0f8fa5", "#8062f2", "#dc4a41"
TOOLS = "xpan,xwheel_zoom,box_zoom,reset"
HALF = 0.4  # of a lane: the height of a bar, up and down


@functools.cache
def library() -> bytes:
    """Give BokehJS, as the page needs it."""
    import bokeh

    folder = Path(bokeh.__file__).parent / "server" / "static" / "js"
    return (folder / "bokeh.min.js").read_bytes()


def figure(name: str, workers: int = 4) -> dict[str, Any]:
    """Give the figure of a tab, as JSON that Bokeh embeds; its data are still to come."""
    from bokeh.embed import json_item

    drawn = _timeline(workers) if name == "timeline" else _resources()
    item: dict[str, Any] = json_item(drawn)
    return item


# ---------------------------------------------------------------- the timeline


def bars(timeline: Iterable[Bar]) -> dict[str, list[Any]]:
    """Give the columns of a timeline: a rectangle for each bar."""
    there = list(timeline)
    return {
        "left": [round(bar.start, 4) for bar in there],
        "right": [round(bar.end, 4) for bar in there],
        "top": [bar.lane - HALF for bar in there],
        "bottom": [bar.lane + HALF for bar in there],
        "color": [_colour(bar) for bar in there],
        "items": [items(bar) for bar in there],
        "took": [wording.seconds(bar.end - bar.start) for bar in there],
    }


def _colour(bar: Bar) -> str:
    return FAILED if bar.failed else RETRIED if bar.retried or bar.dropped else DONE


def items(bar: Bar) -> str:
    """Say what a bar is: "item 7", "items 8 to 90, 3 failed"."""
    text = f"item {bar.first:,}"
    if bar.items > 1:
        text = f"{bar.items:,} items, {bar.first:,} to {bar.last:,}"
    if bar.failed:
        text += ", failed" if bar.items == 1 else f", {bar.failed:,} failed"
    if bar.retried:
        text += ", tried again" if bar.retried == 1 else f", {bar.retried:,} tried again"
    if bar.dropped:
        text += ", not counted" if bar.dropped == 1 else f", {bar.dropped:,} tries not counted"
    return text


def _timeline(workers: int) -> Any:
    from bokeh.models import ColumnDataSource, DataRange1d, HoverTool

    source = ColumnDataSource(bars([]), name=SOURCE)
    height = min(90 + 22 * workers, 340)
    plot = _plot(height, y_range=DataRange1d(flipped=True, min_interval=1.5))
    drawn = plot.quad(
        left="left", right="right", top="top", bottom="bottom",
        color="color", line_color=None, alpha=0.9, border_radius=2, source=source,
    )  # fmt: skip
    tips = [("", "@items"), ("took", "@took"), ("at", "@left{0.00} s")]
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
    plot.ygrid.visible = False
    _whole_numbers(plot)
    plot.yaxis.axis_label = "worker"
    plot.xaxis.axis_label = "seconds"
    return plot


# ---------------------------------------------------------------- CPU and memory


def _resources() -> Any:
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, HoverTool

    names = ["time", "cpu", "memory", "limit"]
    names += [f"{what}{slot}" for slot in range(SLOTS) for what in ("cpu", "memory")]
    source = ColumnDataSource({name: [] for name in names}, name=SOURCE)
    cpu, memory = _plot(150), _plot(150)
    memory.x_range = cpu.x_range
    plots = (cpu, "cpu", CPU, "{0} %"), (memory, "memory", MEMORY, "{0.00} GB")
    for plot, what, colour, form in plots:
        thin = [
            plot.line(
                "time", f"{what}{slot}", name=f"{what}{slot}",
                color=QUIET, line_width=1, alpha=0.75, source=source,
            )
            for slot in range(SLOTS)
        ]  # fmt: skip
        whole = plot.line("time", what, color=colour, line_width=2, name="in all", source=source)
        tips = [("", "$name"), (what, f"$y{form}"), ("at", "$x{0} s")]
        plot.add_tools(HoverTool(renderers=[*thin, whole], tooltips=tips))
        plot.y_range.start = 0
        plot.y_range.renderers = [*thin, whole]  # the limit comes in sight when it is near
    memory.line("time", "limit", color=LIMIT, line_dash="dashed", source=source)
    cpu.yaxis.axis_label = "CPU %"
    memory.yaxis.axis_label = "memory, GB"
    memory.xaxis.axis_label = "seconds"
    return column(cpu, memory, sizing_mode="stretch_width")


def _plot(height: int, **more: Any) -> Any:
    """Give an empty plot that suits a light and a dark page."""
    from bokeh.plotting import figure as new

    plot = new(
        height=height, sizing_mode="stretch_width", tools=TOOLS, active_drag="xpan",
        active_scroll=None, toolbar_location="above", output_backend="canvas", **more,
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.grid.grid_line_color = QUIET
    plot.grid.grid_line_alpha = 0.2
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.axis_label_text_color = axis.major_label_text_color = QUIET
        axis.axis_line_color = axis.major_tick_line_color = QUIET
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "11px"
    return plot


def _whole_numbers(plot: Any) -> None:
    from bokeh.models import BasicTicker

    plot.yaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)
