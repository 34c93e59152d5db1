"""The panel: what it says, that it says it as text, and that nothing of it is left behind."""

from __future__ import annotations

import html.parser
import json
import threading
import time
from types import SimpleNamespace

import comm
import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

import nbexec
from nbexec.events import (
    Finished,
    Output,
    Progressed,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)
from nbexec.model import Choice, Chunk, Error, Failure, Outcome
from nbexec.notebook import kernel, summary
from nbexec.notebook.lines import Lines
from nbexec.notebook.panel import Panel
from nbexec.notebook.snapshot import POINTS, SHOWN, Trail, failure_rows, snapshot
from nbexec.state import RunState

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


def shown(stats, trail=None, failures=(), heard=0, lines=None):
    return snapshot(stats, trail or Trail(), list(failures), heard, lines)


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

    def display(self, cell, bundle):
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


def test_failures_have_their_part_of_the_bar():
    said = shown(fold(finished(40, failed=10)))
    assert said["shares"] == (40.0, 10.0)
    assert ("failed", "10 failed") in said["facts"]
    assert said["more"] == "and 10 more, in .failures"


def test_a_bar_whose_end_is_not_known_claims_nothing_until_the_end():
    assert shown(fold(finished(7), total=None))["shares"] is None
    said = shown(fold(finished(3, failed=1), RunEnded(5.0, "done"), total=None))
    assert said["shares"] == (75.0, 25.0)


def test_a_run_of_nothing_is_complete():
    assert shown(fold(RunEnded(5.0, "done"), total=0))["shares"] == (100.0, 0.0)


def test_cpu_and_memory_are_numbers_and_lines():
    trail = Trail()
    assert shown(fold(finished(1)), trail)["meters"] == []
    for cores in (1.0, 4.0, 2.0):
        trail.add(Sampled(1.0, cores, 2_000_000_000, 8_000_000_000))
    cpu, memory = shown(fold(finished(1)), trail)["meters"]
    assert (cpu["number"], cpu["unit"], cpu["line"]) == ("2.0", "cores", [25, 100, 50])
    assert (memory["number"], memory["unit"]) == ("2.0", "GB")
    cpu, _ = shown(fold(finished(100), RunEnded(5.0, "done")), trail)["meters"]
    assert (cpu["label"], cpu["number"]) == ("peak CPU", "4.0")


def test_a_long_trail_is_thinned_out_and_still_spans_the_run():
    trail = Trail()
    for at in range(10_000):
        trail.add(Sampled(at, float(at), 1, 1))
    cores = [cores for cores, _ in trail.points]
    assert POINTS <= len(cores) < 2 * POINTS
    assert cores[0] < 300
    assert cores[-1] > 9_700
    assert cores == sorted(cores)


def test_the_first_failures_are_listed_in_order_and_cancelled_items_are_not():
    failures = [Failure(index, index, ValueError("bad")) for index in (9, 3, 5, 4, 8, 1)]
    failures.append(Failure(0, 0, RuntimeError("stopped"), kind="cancelled"))
    rows = failure_rows(failures)
    assert [row["index"] for row in rows] == [f"item {at}" for at in (1, 3, 4, 5, 8)]
    assert len(rows) == SHOWN
    assert rows[0]["type"] == "ValueError"


def said_by(item, text, stream="stdout"):
    return Output(1.0, item, item, stream, text)


def test_the_last_lines_that_items_wrote_are_shown_with_their_items():
    lines = Lines()
    for number in range(20):
        lines.add(said_by(3, f"line {number}\n"))
    lines.add(said_by(4, "begun, "))
    lines.add(said_by(4, "and ended\nnext\n", "stdout"))
    lines.add(Output(1.0, 5, 9, "stdout", "from C\n"))
    rows = shown(fold(finished(1)), lines=lines)["output"]
    assert len(rows) == 12
    assert rows[-4:] == [
        {"item": "item 3", "stream": "stdout", "text": "line 19"},
        {"item": "item 4", "stream": "stdout", "text": "begun, and ended"},
        {"item": "item 4", "stream": "stdout", "text": "next"},
        {"item": "item 5–9", "stream": "stdout", "text": "from C"},
    ]
    assert lines.above == "11 lines above these, in .output"


def test_progress_of_items_is_shown():
    said = shown(fold(Progressed(1.0, 7, 0.25, "epoch 3"), Progressed(1.0, 8, None, "loading")))
    assert said["progress"] == [
        {"item": "item 7", "text": "epoch 3", "share": 25.0},
        {"item": "item 8", "text": "loading", "share": None},
    ]


# ---------------------------------------------------------------- what stays


def ended(name="measure", rows=(), wrote=()):
    stats = fold(finished(90, failed=10), RunEnded(5.0, "done"), name=name)
    trail = Trail()
    trail.add(Sampled(1.0, 1.0, 1_000_000, 1))
    lines = Lines()
    for text in wrote:
        lines.add(said_by(3, text))
    return summary.bundle(stats, shown(stats, trail, rows, lines=lines))


def test_the_summary_tells_the_whole_story_in_text_alone():
    row = {"index": "item 7", "type": "ValueError", "message": "bad", "item": "'a.py'"}
    lines = ended(rows=[row])["text/plain"].splitlines()
    assert lines[0] == (
        "nbexec measure: 90 / 100, 5.0 s, 0.4 cores used, 25% busy, 10 failed, "
        "threads × 4: items wait"
    )
    assert lines[1:] == ["  item 7: ValueError: bad  'a.py'", "  and 9 more, in .failures"]


def test_the_summary_has_what_items_wrote():
    bundle = ended(wrote=["epoch 1\n", f"{EVIL}\n"])
    assert bundle["text/plain"].splitlines()[-2:] == ["  item 3 │ epoch 1", f"  item 3 │ {EVIL}"]
    page = Seen(bundle["text/html"])
    assert "epoch 1" in page.said
    assert EVIL in page.said
    assert {tag for tag, _ in page.tags} <= {"div", "span", "b", "img", "pre"}


def test_the_summary_without_any_style_tells_the_whole_story_too():
    row = {"index": "item 7", "type": "ValueError", "message": "bad", "item": "'a.py'"}
    said = Seen(ended(rows=[row])["text/html"]).said
    for words in ("measure", "done", "90", "/ 100", "10 failed", "ValueError", "'a.py'", "9 more"):
        assert words in said


def test_what_comes_from_a_run_is_text_and_never_html():
    def failing(item):
        raise ValueError(EVIL)

    results = nbexec.map(failing, [Evil(), Broken()], on_error="collect", name=EVIL)
    rows = failure_rows(results.failures)
    assert rows[1]["item"] == "<Broken whose repr raised ValueError>"
    page = Seen(ended(name=EVIL, rows=rows)["text/html"])
    assert page.said.count(EVIL[:20]) >= 3  # the name, the message, the item: all there
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in images)
    assert {tag for tag, _ in page.tags} <= {"div", "span", "b", "img", "table", "tr", "td", "code"}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    waiting = summary.placeholder({"name": EVIL})["text/html"]
    assert [tag for tag, _ in Seen(waiting).tags] == ["div", "b"]


def test_a_huge_repr_and_a_long_name_are_cut():
    failure = Failure(0, "x" * 100_000, ValueError("y" * 100_000))
    bundle = ended(name="n" * 100_000, rows=failure_rows([failure]))
    assert len(bundle["text/html"]) < 10_000


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
    run = nbexec.start(time.sleep, [0.2] * 4, backend="threads", progress="panel")
    while not page.bundles:
        time.sleep(0.01)
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
    click(do="workers", by=1)
    until(lambda seen: seen["workers"] == 3)
    for _ in range(5):
        click(do="workers", by=-1)
        time.sleep(0.02)
    until(lambda seen: seen["workers"] == 1)
    click(do="resume")
    until(lambda seen: seen["phase"] == "running")
    click(do="rm -rf")  # what it doesn't know, it ignores
    click(do="workers", by="1; import os")
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


def test_a_display_that_raises_breaks_nothing(page, at_once, monkeypatch, caplog):
    monkeypatch.setattr(Panel, "_show", lambda *_: 1 / 0)
    assert nbexec.map(time.sleep, [0.05] * 2, backend="threads", progress="panel") == [None, None]
    assert "stopped moving" in caplog.text


def test_a_widget_has_no_address_in_its_text(page):
    from nbexec.notebook.widget import PanelWidget

    widget = PanelWidget(shown(fold(finished(1))), lambda *_: None)
    assert repr(widget) == "<nbexec panel>"
    assert isinstance(widget, ipywidgets.DOMWidget)
    widget.close()
