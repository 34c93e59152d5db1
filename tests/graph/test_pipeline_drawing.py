"""The drawing of a pipeline while it runs: its states, as text, as SVG and in a notebook.

Covers `graph/step_states`, `graph/flow_display`, `graph/step_lines` and
`notebook/pipeline_display`.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import nbexec
from nbexec.graph import flow_display, pictures
from nbexec.graph.step_counts import counts_of
from nbexec.graph.step_lines import StepLines, stats_of
from nbexec.graph.step_states import StepClock
from nbexec.notebook import kernel, pipeline_display


def load(path):
    return path


def size(load):
    return len(load)


PIPE = nbexec.Pipeline(load, size, backend="threads")


def states_of(total=10, now=(0.0, 2.0), ended=False, **counts):
    """Give the states of both steps, with these counts of `load` at the second moment."""
    clock, all_counts = StepClock(), counts_of(PIPE.steps)
    clock.states(all_counts, total, now[0])
    for name, value in counts.items():
        setattr(all_counts[PIPE.steps[0]], name, value)
    return clock.states(all_counts, total, now[1], ended)


def test_rates_are_about_what_came_lately():
    first, second = states_of(done=4, begun=2, seconds=1.5).values()
    assert (first.phase, first.over, first.rate, first.running) == ("running", 4, 2.0, 2)
    assert (second.phase, second.rate) == ("idle", 0.0)


def test_phases():
    load = PIPE.steps[0]
    for counts, phase in [
        ({}, "idle"),
        ({"ready": 1}, "running"),
        ({"done": 9, "reused": 1}, "done"),
        ({"done": 2, "failed": 1}, "failed"),
        ({"skipped": 10}, "skipped"),
    ]:
        assert states_of(**counts)[load].phase == phase
    assert states_of(total=None, done=3, ended=True)[load].phase == "done"


def test_text_and_picture_show_counts_rate_and_time():
    states = states_of(done=4, reused=1, failed=1, seconds=1.5)
    said = pictures.text("pipe", PIPE.wiring, states).splitlines()
    assert said[1].startswith("  ✗ load(path)  6 / 10, 1 reused, 1 failed  3")
    assert said[2].startswith("  · size(load)  0 / 10")
    picture = ET.fromstring(pictures.svg(PIPE.wiring, states))
    words = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert words[:2] == ["✗ load", "6 / 10, 1 reused, 1 failed"]
    strokes = {one.get("stroke") for one in picture.iter("{http://www.w3.org/2000/svg}rect")}
    assert {pictures.COLOURS["failed"], pictures.COLOURS["idle"]} <= strokes


def test_steps_that_are_not_needed_are_drawn_as_such():
    states = {PIPE.steps[0]: states_of()[PIPE.steps[0]]}
    assert pictures.text("pipe", PIPE.wiring, states).splitlines()[2] == "  – size(load)"
    ET.fromstring(pictures.svg(PIPE.wiring, states))


class Recorder:
    """Shows nothing, and keeps what it was to show."""

    def __init__(self):
        self.drawn, self.finished = [], []

    def draw(self, picture, states):
        self.drawn.append(picture()["text/plain"])

    def finish(self, picture, states):
        self.finished.append(picture()["text/plain"])


def test_a_run_is_drawn_while_it_goes_on(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(flow_display, "drawn", lambda progress: recorder)
    monkeypatch.setattr(flow_display, "PATIENCE", 0.001)
    monkeypatch.setattr(flow_display, "EVERY", 0.001)

    def waits(x):
        while not any("▶ waits(x)" in one for one in recorder.drawn):
            nbexec.sleep(0.001)
        return x

    def after(waits):
        return waits

    outputs = nbexec.Pipeline(waits, after, backend="threads").run(x=1)
    assert outputs == {"after": 1}
    assert "✓ after(waits)  1 / 1" in recorder.finished[-1]


def test_a_drawing_that_raises_breaks_nothing(monkeypatch, caplog):
    class Broken(Recorder):
        def finish(self, picture, states):
            raise OSError("gone")

    monkeypatch.setattr(flow_display, "drawn", lambda progress: Broken())
    assert PIPE.run(path="abc") == {"size": 3}
    assert "drawing raised" in caplog.text


class OwnBar:
    def update(self, count):
        """Take no notice."""

    def close(self):
        """Take no notice."""


def test_where_it_is_shown():
    assert flow_display.drawn("off") is None
    assert flow_display.drawn(OwnBar()) is None
    assert isinstance(flow_display.drawn("text"), StepLines)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_in_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    lines = StepLines(stream)
    states = [*states_of(done=4, seconds=1.0).values()]
    lines.draw(dict, states)
    lines.finish(dict, states)
    assert "load" in stream.getvalue() or "size" in stream.getvalue()
    log = io.StringIO()
    StepLines(log).draw(dict, states)
    assert log.getvalue() == ""
    assert stats_of(states[0]).done == 4


def test_in_a_notebook_a_picture_is_updated_where_it_changes(monkeypatch):
    sent = []

    class Handle:
        def update(self, bundle, raw):
            sent.append(bundle)

    def display_in(cell, bundle, metadata=None):
        sent.append(bundle)
        return Handle()

    monkeypatch.setattr(kernel, "display_in", display_in)
    shown = pipeline_display.PipelineDisplay()
    shown.finish(lambda: {"text/plain": "brief"}, [])
    assert sent == []
    for number in (1, 1, 2):
        shown.draw(lambda at=number: {"text/plain": str(at)}, [number])
    shown.finish(lambda: {"text/plain": "3"}, [3])
    assert [one["text/plain"] for one in sent] == ["1", "2", "3"]
