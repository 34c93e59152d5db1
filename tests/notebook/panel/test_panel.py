"""The panel: what it says, that it says it as text, and that nothing of it is left behind.

Covers `nbexec.notebook.panel.failure_groups`, `nbexec.notebook.panel.output_tail`,
`nbexec.notebook.panel.panel_record`, `nbexec.notebook.panel.reopen`,
`nbexec.notebook.panel.saved_html`, `nbexec.notebook.panel.snapshot`,
`nbexec.notebook.panel.svg`, `nbexec.notebook.panel.tabs`,
`nbexec.notebook.panel.usage_history` and `nbexec.notebook.panel.widget`.
"""

from __future__ import annotations

import base64
import functools
import html.parser
import json
import sys
import threading
import time
from types import SimpleNamespace

import comm
import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

import nbexec
from nbexec.model import Choice, Chunk, Error, Failure, Outcome
from nbexec.notebook import kernel
from nbexec.notebook.panel import reopen, saved_html, tabs
from nbexec.notebook.panel.failure_groups import GROUPS, LOOKED_AT, TRACEBACK, FailureGroups, place
from nbexec.notebook.panel.panel import Panel, Pulse
from nbexec.notebook.panel.panel_record import PanelRecord
from nbexec.notebook.panel.snapshot import snapshot
from nbexec.notebook.panel.svg import timeline as timeline_image
from nbexec.notebook.panel.usage_history import POINTS, SLOTS, WINDOW, Samples, UsageCurve
from nbexec.telemetry.bars import Bar, Bars
from nbexec.telemetry.events import (
    Finished,
    Output,
    Part,
    Progressed,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)
from nbexec.telemetry.state import RunState

from ...waiting import until

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Evil:
    def __repr__(self):
        return EVIL


class Broken:
    def __repr__(self):
        raise ValueError("no repr")


def fold(*events, total=100, name="measure", backend="threads", workers=4, now=5.0):
    state = RunState()
    state.apply(RunStarted(0.0, name, total, Choice(backend, workers, "items wait")))
    for event in events:
        if isinstance(event, Finished):
            state.apply(Submitted(0.0, event.chunk))
        state.apply(event)
    return state.stats(now)


def finished(done, failed=0, time=5.0):
    errors = {at: Error("error", ValueError("bad"), "") for at in range(done, done + failed)}
    count = done + failed
    outcome = Outcome([None] * count, errors, 0.0, [time] * count, 2.0, "w")
    return Finished(time, Chunk(range(count), range(count)), outcome)


def shown(stats, *events):
    return snapshot(stats, recorded(*events))


def recorded(*events, failures=()):
    record = PanelRecord()
    for event in events:
        record.observe(event, None)
    record.groups.add(failures)
    return record


class Seen(html.parser.HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.said = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data


class Notebook:
    """Stands for the page: the bundles that were displayed, and each one's updates."""

    def __init__(self):
        self.bundles = []
        self.comms = []

    def display(self, cell, bundle, metadata=None):
        self.bundles.append(bundle)
        at = len(self.bundles) - 1
        return SimpleNamespace(update=lambda new, raw: self.bundles.__setitem__(at, new))

    @property
    def messages(self):
        return [message for one in self.comms for message in one.messages]

    def snapshots(self):
        return [
            data["state"]["snapshot"]
            for kind, data in self.messages
            if kind == "comm_msg" and "snapshot" in data.get("state", {})
        ]


@pytest.fixture
def page(monkeypatch):
    page = Notebook()

    class FakeComm(comm.base_comm.BaseComm):
        def __init__(self, **how):
            self.messages = []
            page.comms.append(self)
            super().__init__(**how)

        def publish_msg(self, msg_type, data=None, **_):
            json.dumps(data)  # what can't be sent fails here
            self.messages.append((msg_type, data))

    monkeypatch.setattr(comm, "create_comm", FakeComm)
    monkeypatch.setattr(kernel, "display_in", page.display)
    monkeypatch.setattr("nbexec.observers.in_kernel", lambda: True)
    return page


@pytest.fixture
def at_once(monkeypatch):
    """Even the shortest run has a widget."""
    monkeypatch.setattr(Panel, "patience", 0.0)
    monkeypatch.setattr(Panel, "every", 0.001)


# ---------------------------------------------------------------- what it says


def test_a_running_panel_tells_counts_rate_and_what_is_left():
    said = shown(fold(finished(50)))
    assert (said["done"], said["of"], said["state"]) == ("50", "/ 100", "running")
    assert said["facts"] == [("rate", "10 / s"), ("left", "about 5 s left"), ("time", "5.0 s")]
    assert said["shares"] == (50.0, 0.0)
    assert said["where"] == "threads × 4: items wait"
    assert said["live"]
    assert said["scalable"]


def test_a_paused_and_a_cancelled_panel_say_so_in_words():
    paused = shown(fold(finished(50), Steered(5.0, paused=True)))
    assert (paused["phase"], paused["state"], paused["live"]) == ("paused", "paused", True)
    ended = shown(fold(finished(50), RunEnded(5.0, "cancelled")))
    assert ended["state"] == "cancelled after 5.0 s, 50 results kept"
    assert not ended["live"]


def test_a_run_that_was_left_early_is_not_told_to_be_complete():
    said = shown(fold(finished(50), RunEnded(5.0, "done")))
    assert (said["phase"], said["state"]) == ("cancelled", "left early")
    assert shown(fold(finished(100), RunEnded(5.0, "done")))["phase"] == "done"


def test_an_executor_without_a_call_is_at_rest():
    idle = shown(fold(finished(7), total=None))
    assert (idle["state"], idle["idle"], dict(idle["facts"]).get("rate")) == ("idle", True, None)
    busy = shown(fold(finished(7), Submitted(5.0, Chunk((7,), ("7",))), total=None))
    assert (busy["state"], busy["idle"], "rate" in dict(busy["facts"])) == ("running", False, True)
    assert not shown(fold(finished(7)))["idle"]  # its next item is about to come


def test_failures_have_their_part_of_the_bar():
    said = shown(fold(finished(40, failed=10)))
    assert said["shares"] == (40.0, 10.0)
    assert ("failed", "10 failed") in said["facts"]
    assert said["tabs"][2] == {"id": "failures", "label": "Failures", "count": "10"}


def test_a_bar_whose_end_is_not_known_claims_nothing_until_the_end():
    assert shown(fold(finished(7), total=None))["shares"] is None
    said = shown(fold(finished(3, failed=1), RunEnded(5.0, "done"), total=None))
    assert said["shares"] == (75.0, 25.0)


def test_a_run_of_nothing_is_complete():
    assert shown(fold(RunEnded(5.0, "done"), total=0))["shares"] == (100.0, 0.0)


def test_cpu_and_memory_are_numbers_and_lines():
    assert shown(fold(finished(1)))["meters"] == []
    samples = [Sampled(1.0, cores, 2_000_000_000, 8_000_000_000) for cores in (1.0, 4.0, 2.0)]
    cpu, memory = shown(fold(finished(1)), *samples)["meters"]
    assert (cpu["number"], cpu["unit"], cpu["line"]) == ("2.0", "cores", [25, 100, 50])
    assert (memory["number"], memory["unit"]) == ("2.0", "GB")
    cpu, _ = shown(fold(finished(100), RunEnded(5.0, "done")), *samples)["meters"]
    assert (cpu["label"], cpu["number"]) == ("peak CPU", "4.0")


def test_a_long_trail_is_thinned_out_and_still_spans_the_run():
    curve = UsageCurve()
    for at in range(10_000):
        curve.add(Sampled(at, float(at), 1, 1))
    cores = [cores for cores, _ in curve.points]
    assert POINTS <= len(cores) < 2 * POINTS
    assert cores[0] < 300
    assert cores[-1] > 9_700
    assert cores == sorted(cores)


def failing(*indices, error=None, where="tidy.py", line=4, kind="error"):
    trace = (
        f'Traceback (most recent call last):\n  File "/home/me/{where}", line {line}, in measure\n'
    )
    error = error or ValueError("bad")
    return [Failure(at, f"{at}.txt", error, trace, kind=kind) for at in indices]


def test_failures_are_grouped_by_type_and_place_the_largest_first():
    groups = FailureGroups()
    some = failing(3, 5) + failing(7, line=9) + failing(8, error=KeyError("x"))
    assert groups.add(some)
    more = some + failing(9, 11, line=9) + failing(1, kind="cancelled")
    assert groups.add(more)
    rows = groups.rows("ab12")
    assert [(row["type"], row["place"], row["count"]) for row in rows] == [
        ("ValueError", "measure, tidy.py line 9", "3 items"),
        ("ValueError", "measure, tidy.py line 4", "2 items"),
        ("KeyError", "measure, tidy.py line 4", "1 item"),
    ]
    assert rows[0]["items"] == "7: '7.txt', 9: '9.txt', 11: '11.txt'"
    assert rows[0]["debug"] == "nbexec.attach('ab12').debug(7)"
    assert rows[0]["message"] == "bad"
    assert groups.more(6) == ""
    assert groups.more(6, shown=1) == "and 3 more, in .failures"


def test_what_a_function_of_C_raises_has_no_place_in_our_own_code():
    failures = nbexec.map(int, ["x"], on_error="collect", backend="threads").failures
    groups = FailureGroups()
    groups.add(failures)
    (row,) = groups.rows("r")
    assert (row["type"], row["place"]) == ("ValueError", "")


def test_very_many_failures_are_looked_at_bit_by_bit_and_not_all():
    groups = FailureGroups()
    many = failing(*range(LOOKED_AT + 5))
    calls = 1
    while not groups.add(many):
        calls += 1
    assert calls > 10
    assert groups.rows("r")[0]["count"] == f"{LOOKED_AT:,} items"
    assert groups.more(len(many)) == "and 5 more, in .failures"
    different = FailureGroups()
    different.add([one for line in range(GROUPS + 9) for one in failing(line, line=line)])
    assert len(different.rows("r")) == GROUPS
    assert different.more(GROUPS + 9) == "and 9 more, in .failures"


def test_a_traceback_without_frames_has_no_place_and_a_huge_one_is_cut():
    assert place("ValueError: bad\n") == ""
    groups = FailureGroups()
    groups.add([Failure(0, 0, RecursionError(), traceback="x" * 100_000)])
    assert len(groups.rows("r")[0]["traceback"]) < TRACEBACK + 10


def said_by(item, text, stream="stdout"):
    return Output(1.0, item, item, stream, text)


def content(tab, record, stats, run=None):
    run = run or SimpleNamespace(failures=[], id="ab12", timeline=Bars)
    made = tabs.detail(tab, run, record, stats)
    json.dumps(made)
    return made


def test_the_last_lines_that_items_wrote_are_shown_with_their_items():
    lines = [said_by(3, f"line {number}\n") for number in range(300)]
    lines += [said_by(4, "begun, "), said_by(4, "and ended\nnext\n", "stdout")]
    lines += [
        Output(1.0, 5, 9, "stdout", "from C\n"),
        Output(1.0, 5, 5, "stdout", "no", shown=True),
    ]
    record = recorded(*lines)
    made = content("output", record, fold(finished(1)))
    assert len(made["rows"]) == 200
    assert made["rows"][-4:] == [
        {"item": "item 3", "stream": "stdout", "text": "line 299"},
        {"item": "item 4", "stream": "stdout", "text": "begun, and ended"},
        {"item": "item 4", "stream": "stdout", "text": "next"},
        {"item": "item 5–9", "stream": "stdout", "text": "from C"},
    ]
    assert made["above"] == "103 lines above these, in .output"
    assert snapshot(fold(finished(1)), record)["tabs"][3]["count"] == "303"


def test_progress_of_items_is_shown():
    stats = fold(Progressed(1.0, 7, 0.25, "epoch 3"), Progressed(1.0, 8, None, "loading"))
    assert content("output", PanelRecord(), stats)["progress"] == [
        {"item": "item 7", "text": "epoch 3", "share": 25.0},
        {"item": "item 8", "text": "loading", "share": None},
    ]


def test_the_timeline_has_a_rectangle_for_each_bar():
    bars = Bars(
        (
            Bar(0, 0.0, 1.5, 1, 0, 0, 4, 4),
            Bar(1, 0.5, 2.0, 900, 3, 0, 7, 2000),
            Bar(1, 2.0, 2.25, 0, 0, 1, 6, 6),
        ),
        ("a", "b"),
    )
    run = SimpleNamespace(timeline=lambda: bars)
    columns = content("timeline", PanelRecord(), fold(finished(1)), run)["columns"]
    assert columns["left"] == [0.0, 0.5, 2.0]
    assert columns["right"] == [1.5, 2.0, 2.25]
    assert (columns["top"][0], columns["bottom"][0]) == (-0.4, 0.4)
    assert len(set(columns["color"])) == 3
    assert columns["items"] == [
        "item 4",
        "900 items, 7 to 2,000, 3 failed",
        "item 6, tried again",
    ]
    assert columns["took"] == ["1.5 s", "1.5 s", "250 ms"]


def test_the_plan_tells_what_became_of_each_step_of_the_cell(page, at_once):
    cell = """
import time
xs = [0.05] * 6
prev = 0
for x in xs:
    prev = x - prev
naps = [time.sleep(x) for x in xs]
last = 1
"""
    seen = []

    def look(self, stats):
        seen.append(tabs.detail("plan", self.run, self.record, stats)["steps"])
        return draw(self, stats)

    draw, Panel.draw = Panel.draw, look
    try:
        nbexec.parallel(cell, {}, backend="threads", workers=2, progress="panel")
    finally:
        Panel.draw = draw
    lines, how, _ = zip(*(step.values() for step in seen[0]), strict=True)
    assert lines == ("line 2", "line 3", "line 4", "lines 5-6", "line 7", "line 8")
    assert how[:3] + how[4:] == ("in order", "in order", "in order", "running", "")
    assert how[3].startswith("serial: line 6 reads `prev` before")
    assert [tab["id"] for tab in snapshot(fold(finished(1)), PanelRecord())["tabs"]][-1] == "output"


def sample(time, *names, memory=1_000_000_000):
    parts = [Part(name, 0.5, memory) for name in names]
    return Sampled(time, 0.5 * len(names), memory * len(names), 8_000_000_000, tuple(parts))


def test_resources_are_columns_by_process_over_a_bounded_window():
    samples = Samples()
    for at in range(WINDOW + 10):
        samples.add(sample(float(at), "kernel", "worker 7"))
    columns = samples.columns(began=5.0)
    assert {len(column) for column in columns.values()} == {WINDOW}
    assert columns["time"][-1] == WINDOW + 4
    assert (columns["cpu"][-1], columns["cpu0"][-1], columns["memory1"][-1]) == (100.0, 50.0, 1.0)
    assert columns["limit"][0] == 8.0
    assert columns[f"cpu{SLOTS - 1}"] == [None] * WINDOW


def test_a_process_that_comes_later_has_the_place_of_one_that_has_ended():
    samples = Samples()
    samples.add(sample(0.0, *(f"worker {at}" for at in range(SLOTS + 3))))
    samples.add(sample(1.0, *(f"worker {at}" for at in range(1, SLOTS)), "new"))
    assert samples.names[0] == "new"
    assert samples.names[1:] == [f"worker {at}" for at in range(1, SLOTS)]


def test_a_page_that_draws_late_is_drawn_less_often_and_one_that_never_says_so_is_not():
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    numbers = [pulse.next() for _ in range(25)]
    assert [number for number in numbers if number] == [10]  # one question at a time
    now[0] = 30.0
    assert pulse.every == 0.1  # never answered: it can't be heard
    pulse.drawn(10)
    assert pulse.every == 2.0  # very late
    now[0] = 31.0
    asked = next(number for number in iter(pulse.next, None) if number)
    now[0] = 31.05
    pulse.drawn(asked)
    assert pulse.every == 0.1
    asked = next(number for number in iter(pulse.next, None) if number)
    now[0] = 31.85
    assert pulse.every == pytest.approx(0.8)  # it is late even now
    pulse.drawn(asked)
    assert pulse.every == pytest.approx(0.8)


# ---------------------------------------------------------------- what stays


def ended(name="measure", failures=(), wrote=(), bars=None, advice=""):
    stats = fold(finished(90, failed=10), RunEnded(5.0, "done"), name=name)
    events = [Sampled(1.0, 1.0, 1_000_000, 1), *(said_by(3, text) for text in wrote)]
    record = recorded(*events, failures=failures)
    run = SimpleNamespace(id="ab12", advice=advice, timeline=lambda: bars or Bars())
    return saved_html.bundle(stats, saved_html.keep(stats, record, run))


def test_the_summary_tells_the_whole_story_in_text_alone():
    lines = ended(failures=failing(7))["text/plain"].splitlines()
    assert lines[0] == (
        "nbexec measure: 90 / 100, 5.0 s, 0.4 cores used, 25% busy, 10 failed, "
        "threads × 4: items wait"
    )
    assert lines[1:] == [
        "  1 item: ValueError in measure, tidy.py line 4: bad  7: '7.txt'",
        "  and 9 more, in .failures",
    ]


def test_the_summary_has_the_advice():
    bundle = ended(advice="items take 4 µs: a plain loop is faster")
    assert bundle["text/plain"].splitlines()[1] == "  items take 4 µs: a plain loop is faster"
    assert "a plain loop is faster" in Seen(bundle["text/html"]).said


def test_the_summary_has_what_items_wrote():
    bundle = ended(wrote=["epoch 1\n", f"{EVIL}\n"])
    assert bundle["text/plain"].splitlines()[-2:] == ["  item 3 │ epoch 1", f"  item 3 │ {EVIL}"]
    page = Seen(bundle["text/html"])
    assert "epoch 1" in page.said
    assert EVIL in page.said
    assert {tag for tag, _ in page.tags} <= {"div", "span", "b", "img", "pre"}


def test_the_summary_without_any_style_tells_the_whole_story_too():
    said = Seen(ended(failures=failing(7))["text/html"]).said
    for words in ("measure", "done", "90", "/ 100", "10 failed", "ValueError", "7.txt", "9 more"):
        assert words in said


def test_what_comes_from_a_run_is_text_and_never_html():
    def fail(item):
        raise ValueError(EVIL)

    results = nbexec.map(fail, [Evil(), Broken()], on_error="collect", name=EVIL)
    bundle = ended(name=EVIL, failures=results.failures)
    assert "<Broken whose repr raised ValueError>" in bundle["text/plain"]
    page = Seen(bundle["text/html"])
    # the name, the message, the item, the end of the traceback: all there
    assert page.said.count(EVIL[:20]) >= 4
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in images)
    assert {tag for tag, _ in page.tags} <= {
        *("div", "span", "b", "img", "table", "tr", "td", "code", "details", "summary", "pre")
    }
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    waiting = saved_html.placeholder({"name": EVIL})["text/html"]
    assert [tag for tag, _ in Seen(waiting).tags] == ["div", "b"]


def test_a_run_of_huge_things_adds_less_than_50_kB_to_the_notebook():
    huge = [
        Failure(at, "x" * 100_000, ValueError("<" * 100_000), f"{'<' * 100_000}\n{trace(at)}")
        for at in range(100)
    ]
    bars = Bars(
        tuple(
            Bar(lane, at / 10, at / 10 + 0.07, 1, at % 7 == 0, at % 5 == 0, at, at)
            for lane in range(64)
            for at in range(31)
        ),
        tuple("w" * 64),
    )
    wrote = [f"{'<' * 1_000}\n"] * 500
    bundle = ended(name="n" * 100_000, failures=huge, wrote=wrote, bars=bars)
    assert len(json.dumps(bundle)) < 50_000


def trace(line):
    return f'  File "/home/me/tidy.py", line {line}, in measure\n'


def test_the_timeline_of_the_summary_is_an_image_that_shows_every_lane():
    bars = [
        Bar(lane, at, at + 0.9, 1, lane == 2, 0, at, at) for lane in range(3) for at in range(9)
    ]
    image = timeline_image(bars, 9.0, 3)
    svg = base64.b64decode(image.partition("base64,")[2].rstrip('">')).decode()
    assert svg.count("<path") == 2  # done and failed
    assert svg.count("M") == 27
    assert (
        "timeline" in Seen(ended(bars=Bars(tuple(bars), ("a", "b", "c")))["text/html"]).said.lower()
    )


# ---------------------------------------------------------------- its life


def test_a_short_run_has_a_summary_and_never_a_widget(page):
    nbexec.map(abs, range(10), progress="panel", name="absolute")
    assert page.comms == []
    assert [sorted(bundle) for bundle in page.bundles] == [["text/html", "text/plain"]]
    assert page.bundles[0]["text/plain"].startswith("nbexec absolute: 10 / 10")


def test_where_there_is_no_kernel_a_panel_is_text(capsys):
    nbexec.map(abs, range(10), progress="panel", name="absolute")
    assert "nbexec absolute: 10 / 10" in capsys.readouterr().err


def test_a_longer_run_has_a_widget_that_the_summary_replaces(page, at_once):
    go = threading.Event()
    waits = {"backend": "threads", "progress": "panel", "name": "sleep"}
    run = nbexec.start(lambda _: go.wait(20), range(4), **waits)
    until(lambda: page.bundles)
    go.set()
    first = page.bundles[0]
    assert first["text/plain"] == "nbexec sleep"  # the same each time: nbval compares it
    assert "application/vnd.jupyter.widget-view+json" in first
    run.result()
    assert [sorted(bundle) for bundle in page.bundles] == [["text/html", "text/plain"]]
    assert "4 / 4" in page.bundles[0]["text/plain"]
    assert all(one.messages[-1][0] == "comm_close" for one in page.comms)
    states = [data["state"] for _, data in page.messages if "_esm" in data.get("state", {})]
    assert len(states[-1]["_esm"]) < 30  # nbclient saves a closed widget's last state


def test_the_panel_moves_at_most_ten_times_a_second(page):
    start = time.monotonic()
    nbexec.map(time.sleep, [0.0005] * 1000, backend="threads", workers=1, progress="panel")
    seconds = time.monotonic() - start
    snapshots = page.snapshots()
    assert 2 <= len(snapshots) <= 10 * seconds + 1
    assert snapshots[0]["shares"][0] < snapshots[-1]["shares"][0]


def test_buttons_steer_the_run(page, at_once):
    run = nbexec.start(time.sleep, [0.01] * 1000, backend="threads", workers=2, progress="panel")
    while not page.bundles:
        time.sleep(0.01)
    model_id = page.bundles[0]["application/vnd.jupyter.widget-view+json"]["model_id"]
    (mine,) = [one for one in page.comms if one.comm_id == model_id]

    def click(**content):
        data = {"method": "custom", "content": content}
        mine.handle_msg({"content": {"data": data}, "buffers": []})

    def until(condition):
        for _ in range(500):
            if condition(page.snapshots()[-1] if page.snapshots() else {}):
                return
            time.sleep(0.01)
        raise AssertionError(page.snapshots()[-1])

    click(do="pause")
    until(lambda seen: seen.get("phase") == "paused" and seen["heard"] == 1)
    click(do="workers", count=3)
    until(lambda seen: seen["workers"] == 3)
    click(do="workers", count=0)
    until(lambda seen: seen["workers"] == 1)
    click(do="tab", tab="output")
    until(lambda seen: seen["tab"] == "output")
    click(do="fold", folded=True)
    until(lambda seen: seen["folded"])
    click(do="resume")
    until(lambda seen: seen["phase"] == "running")
    click(do="rm -rf")  # what it doesn't know, it ignores
    click(do="workers", count="1; import os")
    click(do="tab", tab="../../secret")
    click(do="plot", tab="os", library=True)
    click(do="cancel")
    with pytest.raises(nbexec.RunCancelled):
        run.result(timeout=5)
    assert "cancelled after" in page.bundles[0]["text/plain"]


def test_after_200_runs_no_more_is_left_than_after_one(page, at_once):
    def one():
        nbexec.map(time.sleep, [0.002] * 4, backend="threads", progress="panel")

    def left():
        manager = comm.get_comm_manager()
        return len(_instances), len(manager.comms), threading.active_count()

    one()
    before = left()
    for _ in range(200):
        one()
    for _ in range(100):  # threads of the last run may be about to end
        if left() <= before:
            break
        time.sleep(0.02)
    assert left() <= before
    assert len(page.comms) > 200  # most of them did have a widget


@pytest.fixture
def cells(monkeypatch):
    """Number cells: set ``cells.now`` to be in another one."""
    cells = SimpleNamespace(now=1)
    monkeypatch.setattr(kernel, "execution", lambda: cells.now)
    return cells


def of_widget(page, at):
    """Give the comm of the widget in a bundle that was displayed."""
    model_id = page.bundles[at]["application/vnd.jupyter.widget-view+json"]["model_id"]
    return next(one for one in page.comms if one.comm_id == model_id)


def test_a_run_is_shown_again_in_another_cell_and_not_twice_in_one(page, at_once, cells):
    go = threading.Event()
    waits = {"backend": "threads", "progress": "panel"}
    run = nbexec.start(lambda _: go.wait(20), range(20), **waits)
    until(lambda: page.bundles)
    with pytest.raises(NotImplementedError):  # its repr will do
        run._ipython_display_()
    cells.now = 2
    run._ipython_display_()
    assert "application/vnd.jupyter.widget-view+json" in page.bundles[1]
    go.set()
    run.result()
    until(lambda: [sorted(bundle) for bundle in page.bundles] == [["text/html", "text/plain"]] * 2)
    assert all("20 / 20" in bundle["text/plain"] for bundle in page.bundles)


def test_an_executor_that_was_made_without_a_panel_is_shown_later(page, at_once, cells):
    gate = threading.Event()
    with nbexec.Executor("threads", workers=2, name="calls") as executor:
        until(lambda: executor.run.stats.phase == "running")
        executor.panel()
        until(lambda: any(one["state"] == "idle" for one in page.snapshots()))
        futures = [executor.submit(gate.wait, 20) for _ in range(5)]
        until(lambda: ["queued", "3 queued"] in [*map(list, page.snapshots()[-1]["facts"])])
        assert (page.snapshots()[-1]["state"], page.snapshots()[-1]["of"]) == ("running", "done")
        executor.panel()  # not twice in one cell
        assert len(page.bundles) == 1
        until(lambda: page.snapshots()[-1]["meters"])  # CPU and memory are sampled now
        cells.now = 2
        executor.panel()
        threads = [thread.name for thread in threading.enumerate()]
        assert threads.count("nbexec-usage") == 1
        gate.set()
        assert all(future.result() for future in futures)
    until(lambda: [sorted(bundle) for bundle in page.bundles] == [["text/html", "text/plain"]] * 2)
    assert all("calls: 5, " in bundle["text/plain"] for bundle in page.bundles)
    until(lambda: "nbexec-usage" not in {thread.name for thread in threading.enumerate()})


def test_an_item_of_an_executor_is_shown_as_the_call_that_it_is(page, at_once):
    def fetch(page, *, again):
        raise ConnectionError(page)

    with nbexec.Executor("threads", workers=2) as executor:
        executor.submit(fetch, 3, again=True).exception()
        executor.submit(functools.partial(fetch, again=1), "x").exception()
    first, second = sorted(repr(failure.item) for failure in executor.run.failures)
    assert first == "fetch(3, again=True)"
    assert second.startswith("functools.partial(<function")


def test_a_run_that_has_ended_is_shown_with_a_button_that_retries(page, at_once, cells):
    there = []

    def fetch(item):
        return item if there or item % 2 else 1 / 0

    run = nbexec.map(fetch, range(6), on_error="collect", backend="threads", progress="off").run
    run._ipython_display_()
    mine = of_widget(page, 0)
    opened = mine.messages[0][1]["state"]["snapshot"]
    assert (opened["phase"], opened["retry"], opened["closable"]) == ("done", "Retry failed", True)
    until(lambda: any("detail" in data.get("state", {}) for _, data in mine.messages))
    (groups,) = next(
        data["state"]["detail"]["groups"]
        for _, data in mine.messages
        if data.get("state", {}).get("detail", {}).get("tab") == "failures"
    )
    assert groups["count"] == "3 items"
    assert groups["debug"] == f"nbexec.attach({run.id!r}).debug(0)"
    there.append("it is back")
    mine.handle_msg(
        {"content": {"data": {"method": "custom", "content": {"do": "retry"}}}, "buffers": []}
    )
    until(lambda: any(one["done"] == "3" for one in page.snapshots()))
    assert nbexec.last_run().result() == [0, 1, 2, 3, 4, 5]
    mine.handle_msg(
        {"content": {"data": {"method": "custom", "content": {"do": "close"}}}, "buffers": []}
    )
    until(lambda: sorted(page.bundles[0]) == ["text/html", "text/plain"])
    assert "3 / 3" in page.bundles[0]["text/plain"]
    assert mine.messages[-1][0] == "comm_close"


def test_of_panels_of_runs_that_have_ended_only_the_last_few_stay_live(page, at_once, cells):
    run = nbexec.map(abs, range(6), progress="off").run
    for cells.now in range(reopen.MOST + 2):
        run._ipython_display_()
    live = ["application/vnd.jupyter.widget-view+json" in bundle for bundle in page.bundles]
    assert live == [False] * 2 + [True] * reopen.MOST
    for one in list(reopen._open):
        one.close()


def test_a_display_that_raises_breaks_nothing(page, at_once, monkeypatch, caplog):
    monkeypatch.setattr(Panel, "_show", lambda *_: 1 / 0)
    assert nbexec.map(time.sleep, [0.05] * 2, backend="threads", progress="panel") == [None, None]
    assert "stopped moving" in caplog.text


def test_a_widget_says_where_colab_finds_its_manager(page, monkeypatch):
    from nbexec.notebook.panel.widget import VIEW, PanelWidget

    widget = PanelWidget(shown(fold(finished(1))), lambda *_: None)
    view, metadata = widget.view()
    assert view[VIEW]["model_id"] == widget.model_id
    assert metadata == {}
    colab = SimpleNamespace(
        enable_custom_widget_manager=lambda: None, _widgets=SimpleNamespace(_installed_url="u")
    )
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    assert widget.view()[1] == {VIEW: {"colab": {"custom_widget_manager": {"url": "u"}}}}
    widget.close()


def test_a_widget_has_no_address_in_its_text(page):
    from nbexec.notebook.panel.widget import PanelWidget

    widget = PanelWidget(shown(fold(finished(1))), lambda *_: None)
    assert repr(widget) == "<nbexec panel>"
    assert isinstance(widget, ipywidgets.DOMWidget)
    widget.close()
