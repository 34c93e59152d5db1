"""The panel of jobs: what its lines say, its buttons, and that nothing of it is left behind.

Covers `nbexec.notebook.jobs.job_rows` and `nbexec.notebook.jobs.jobs_widget`.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from ipywidgets.widgets.widget import _instances

import nbexec
from nbexec.notebook import kernel
from nbexec.notebook.jobs import job_rows, jobs_panel
from nbexec.notebook.jobs.job_rows import JobRow
from nbexec.notebook.jobs.jobs_panel import MOST, Board, JobsPanel

from ...waiting import until

EVIL = "<script>alert(1)</script>"


class Evil:
    def __repr__(self):
        return EVIL


class Handle:
    """Stands for what has been displayed."""

    def __init__(self, bundle):
        self.bundles = [bundle]

    def update(self, bundle, raw):
        self.bundles.append(bundle)


@pytest.fixture
def displayed(monkeypatch):
    """What was displayed, as handles."""
    handles = []

    def display_in(cell, bundle, metadata=None):
        handles.append(Handle(bundle))
        return handles[-1]

    monkeypatch.setattr(kernel, "display_in", display_in)
    monkeypatch.setattr(kernel, "replaces_displays", lambda: True)
    return handles


@pytest.fixture
def executor():
    with nbexec.Executor("threads", workers=2) as executor:
        yield executor


def later(executor, **more):
    return executor.schedule(abs, -1, delay="1 h", **more)


def test_a_line_says_what_the_job_is_about(executor):
    job = executor.schedule(abs, -1, every="1 h", delay="1 h", name="poll")
    row = JobRow(job).row()
    assert (row["name"], row["trigger"], row["state"]) == ("poll", "every 1 h", "waiting")
    assert (row["counts"], row["last"], row["live"]) == ("0 runs", "", True)
    assert row["due"] == job.next_time.timestamp()
    job.pause()
    assert job.run_now().result(30) == 1
    until(lambda: not job._going)
    row = JobRow(job).row()
    assert (row["counts"], row["last"], row["state"]) == ("1 run", "1", "paused")


def test_a_line_says_what_went_wrong(executor):
    job = executor.schedule(lambda: 1 / 0, delay=0)
    job.wait(30)
    row = JobRow(job).row()
    assert (row["counts"], row["bad"], row["live"]) == ("1 run · 1 failed", True, False)
    assert row["last"] == "ZeroDivisionError: division by zero"


def test_a_result_is_looked_at_once(executor):
    looked = []

    class Slow:
        def __repr__(self):
            looked.append(1)
            return "slow"

    job = executor.schedule(Slow, delay=0)
    job.wait(30)
    line = JobRow(job)
    assert [line.row()["last"] for _ in range(3)] == ["slow"] * 3
    assert looked == [1]


def test_everything_is_text(executor):
    job = executor.schedule(Evil, delay=0, name=EVIL)
    job.wait(30)
    rows = [JobRow(job).row()]
    for bundle in (job_rows.placeholder(rows), job_rows.summary(rows)):
        assert EVIL not in bundle["text/html"]
        assert "&lt;script&gt;" in bundle["text/html"]
        assert EVIL in bundle["text/plain"]
    script = (Path(job_rows.__file__).parent / "static" / "jobs.js").read_text()
    assert "innerHTML" not in script


def test_a_saved_table_of_jobs_lines_up_and_shows_what_failed(executor):
    """One long name pushes its own line, and not those of all others."""
    long = "a job with a name that goes on and on"
    jobs = [later(executor, name=name) for name in ("a", "poll the queue", long)]
    bad = executor.schedule(lambda: 1 / 0, delay=0, name="bad")
    bad.wait(30)
    rows = [JobRow(job).row() for job in (*jobs, bad)]
    saved = job_rows.summary(rows)
    lines = saved["text/plain"].splitlines()[1:]
    assert {lines[at].index("once after") for at in (0, 1, 3)} == {2 + job_rows.WIDE + 2}
    assert lines[2].startswith(f"  {long}  once after 1 h")
    assert [line.rstrip() for line in lines] == lines
    red = re.findall(r'<code style="[^"]*color:#d6453d">(.*?)</code>', saved["text/html"])
    assert red == ["ZeroDivisionError: division by zero"]
    begun = job_rows.placeholder(rows)
    assert "had not all ended when this was saved" in begun["text/html"]
    assert begun["text/html"].count("<tr") == 4


def test_what_is_displayed_first_has_no_time_in_it(executor, displayed):
    job = executor.schedule(abs, -1, delay="1 h", name="poll")
    JobsPanel([job]).finish()
    assert displayed[0].bundles[0]["text/plain"] == "nbexec jobs: poll once after 1 h"


def test_buttons(executor, displayed):
    jobs = [later(executor, name=name) for name in "abc"]
    panel = JobsPanel(jobs)
    widget = panel._widget
    widget._on_command(widget, {"do": "pause", "at": 0}, [])
    widget._on_command(widget, {"do": "cancel", "at": 1}, [])
    widget._on_command(widget, {"do": "run", "at": 2}, [])
    assert jobs[2].result(30) == 1
    assert panel.draw()
    states = [row["state"] for row in widget.snapshot["rows"]]
    assert states == ["paused", "cancelled", "done"]
    assert widget.snapshot["heard"] == 3
    widget._on_command(widget, {"do": "resume", "at": 0}, [])
    assert jobs[0].state == "waiting"
    for odd in ({"do": "cancel", "at": 7}, {"do": "cancel", "at": -1}, {"do": "cancel"}, {"do": 5}):
        widget._on_command(widget, odd, [])
    assert not jobs[0].done
    panel.finish()


def test_it_sends_only_what_has_changed(executor, displayed):
    panel = JobsPanel([later(executor)])
    first = panel._widget.snapshot
    assert panel.draw()
    assert panel._widget.snapshot is first
    panel.command("fresh", {})
    panel.draw()
    assert panel._widget.snapshot["now"] > first["now"]
    panel.finish()


def test_the_thread_ends_with_the_last_panel_and_leaves_summaries(executor, displayed, monkeypatch):
    monkeypatch.setattr(jobs_panel, "EVERY", 0.01)
    before, board = len(_instances), Board()
    jobs = [later(executor, name=f"{at}") for at in range(MOST + 2)]
    for job in jobs:
        board.add(JobsPanel([job]))
    thread = board._thread
    until(lambda: len(board._panels) == MOST)  # the oldest two were closed, with live jobs
    assert [job.done for job in jobs] == [False] * len(jobs)
    for job in jobs:
        job.cancel()
    thread.join(30)
    assert (board._thread, board._panels) == (None, [])
    assert len(_instances) == before
    lasts = [handle.bundles[-1]["text/plain"] for handle in displayed]
    assert lasts[:2] == [f"nbexec jobs\n  {at}  once after 1 h  waiting  0 runs" for at in (0, 1)]
    assert all("cancelled" in last for last in lasts[2:])


def test_of_jobs_that_are_done_there_is_a_summary_at_once(executor, displayed):
    job = executor.schedule(abs, -1, delay=0)
    job.wait(30)
    jobs_panel.show([job])
    assert (
        displayed[0].bundles[0]["text/plain"]
        == "nbexec jobs\n  abs  once after 0 s  done  1 run  1"
    )
    assert jobs_panel.board._thread is None


def test_a_panel_that_raises_is_dropped_alone(executor, displayed, monkeypatch, caplog):
    monkeypatch.setattr(jobs_panel, "EVERY", 0.01)
    board, job = Board(), later(executor)
    bad, good = JobsPanel([job]), JobsPanel([job])
    monkeypatch.setattr(bad, "draw", lambda: 1 / 0)
    for panel in (bad, good):
        board.add(panel)
    until(lambda: board._panels == [good])
    assert "a panel of jobs raised and was dropped" in caplog.text
    job.cancel()
    until(lambda: board._thread is None)
    bad._widget.close()


def test_outside_a_notebook_a_job_has_its_repr(executor):
    job = later(executor)
    for shown in (job, executor.jobs):
        with pytest.raises(NotImplementedError):
            shown._ipython_display_()
    assert [one for one in threading.enumerate() if one.name == "nbexec-jobs"] == []
