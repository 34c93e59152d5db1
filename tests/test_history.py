"""The runs of a kernel: each has an id, is listed, and is there as long as somebody has it.

Covers `nbexec.run.registry`.
"""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

import nbexec
from nbexec.history import RunRecord, RunRecords
from nbexec.run.registry import ENDED, UNREAD, RunRegistry
from nbexec.telemetry.observer import Observer

from .waiting import until


@pytest.fixture(autouse=True)
def run_registry(monkeypatch, tmp_path):
    """A kernel that has had no runs yet."""
    run_registry = RunRegistry()
    monkeypatch.setenv("NBEXEC_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("nbexec.run.registry.run_registry", run_registry)
    return run_registry


class Gate:
    """What holds items back."""

    def __init__(self):
        self.open = threading.Event()

    def __call__(self, x):
        self.open.wait(20)
        return x


def test_every_run_has_an_id_of_its_own(backend):
    runs = [nbexec.map(abs, [-1], backend=backend).run for _ in range(3)]
    assert len({run.id for run in runs}) == 3
    assert all(nbexec.attach(run.id) is run for run in runs)


def test_a_run_is_listed_while_it_goes_on_those_in_the_background_first():
    gate = Gate()
    behind = nbexec.start(gate, [1, 2], backend="threads", name="behind")
    stream = nbexec.imap(gate, [1], backend="threads", name="stream")
    ended = nbexec.map(abs, [-1], name="ended")
    listed = nbexec.runs()
    assert [one.name for one in listed] == ["behind", "stream", "ended"]
    assert [one.ended for one in listed] == ["running", "running", "done"]
    assert [one.background for one in listed] == [True, False, False]
    assert listed[0].path is None
    assert str(listed[0]).endswith("behind: 0 / 2, running in the background")
    assert nbexec.attach(listed[0].id) is behind
    behind.pause()
    until(lambda: behind.stats.phase == "paused")
    assert str(nbexec.runs()[0]).endswith("paused in the background")
    behind.resume()
    gate.open.set()
    assert list(stream) == [1]
    assert behind.result() == [1, 2]
    assert ended == [1]
    assert {one.ended for one in nbexec.runs()} == {"done"}


def test_a_run_with_a_journal_is_listed_once(tmp_path):
    path = tmp_path / "run.db"
    run = nbexec.start(abs, [-1], checkpoint=path)
    run.wait()
    (record,) = nbexec.runs()
    assert (record.id, record.path) == (run.id, path)
    assert nbexec.attach(run.id) is run
    past = nbexec.attach(run.id, path)
    assert past.results == [1]
    assert past is not run


def test_results_that_were_let_go_are_not_kept():
    class Value:
        pass

    results = nbexec.map(lambda x: Value(), [1, 2], backend="serial")
    value, run_id = weakref.ref(results[0]), results.run.id
    assert nbexec.attach(run_id).results == results
    del results
    nbexec.map(abs, [1])  # last_run has it till then
    gc.collect()
    until(lambda: value() is None)
    with pytest.raises(nbexec.JournalError, match="gone when nobody holds it"):
        nbexec.attach(run_id)


def test_what_ran_in_the_background_is_kept_till_its_results_are_taken():
    def begin(x):
        run = nbexec.start(abs, [x])
        run.wait()
        return run.id

    ids = [begin(-at) for at in range(UNREAD + 3)]
    gc.collect()
    kept = [one.id for one in nbexec.runs()]
    assert set(kept) >= set(ids[-UNREAD:])
    assert nbexec.attach(ids[-2]).result() == [UNREAD + 1]
    gc.collect()
    assert ids[-2] not in [one.id for one in nbexec.runs()]


def test_the_list_has_an_end(run_registry):
    class Done:
        done, background = True, False

        def __init__(self, at):
            self.id, self.began = str(at), at

    runs = [Done(at) for at in range(ENDED + 20)]
    for run in runs:
        run_registry.add(run)
    assert [run.began for run in run_registry.runs()] == list(range(ENDED + 19, 19, -1))


def test_nested_runs_are_not_listed():
    def outer(x):
        return nbexec.map(abs, [x], progress="off")

    results = nbexec.map(outer, [-1], backend="threads", name="outer")
    assert results == [[1]]
    assert [one.name for one in nbexec.runs()] == ["outer"]


def test_names_are_shown_as_text():
    bad = "<img src=x onerror=alert(1)>" + "x" * 500 + "\nsecond line"
    records = RunRecords([RunRecord("id", bad, time.time(), "done", None, None)])
    page = records._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page
    assert len(page) < 1000
    assert len(repr(records).splitlines()) == 1
    assert RunRecords()._repr_html_() == "no runs"


# ---------------------------------------------------------------- once more


class Broken:
    """Works once it is mended."""

    def __init__(self):
        self.mended = False

    def __call__(self, x):
        if x % 3 == 0 and not self.mended:
            raise ValueError(x)
        return 10 * x


def test_a_retry_can_be_begun_without_waiting():
    class Watch(Observer):
        seen = 0

        def observe(self, event, state):
            Watch.seen += 1

    work = Broken()
    run = nbexec.map(work, range(7), backend="threads", on_error="collect").run
    work.mended = True
    again = run.again(watchers=lambda: [Watch()])
    assert not again.done
    assert again.id != run.id
    assert again.start(background=True) is again
    assert again.result() == [10 * x for x in range(7)]
    assert again.stats.done == 3
    assert Watch.seen > 3
    assert nbexec.last_run() is again


def test_a_retry_runs_serially_without_anybody_serving():
    work = Broken()
    run = nbexec.map(work, range(4), backend="serial", on_error="collect").run
    work.mended = True
    assert run.again().start(background=True).result(timeout=20) == [0, 10, 20, 30]


def test_failures_of_a_stream_are_bounded(monkeypatch):
    monkeypatch.setattr("nbexec.run.context.FAILURES", 5)
    stream = nbexec.imap(lambda x: 1 / 0, range(50), on_error="collect", backend="serial")
    assert len(list(stream)) == 50
    run = nbexec.last_run()
    assert [one.index for one in run.failures] == [0, 1, 2, 3, 4]
    assert run.stats.failed == 50


@pytest.mark.parametrize("items", [range(30), iter(range(30))])
def test_all_failures_are_retried_however_many_are_kept(monkeypatch, items):
    monkeypatch.setattr("nbexec.run.context.FAILURES", 2)
    monkeypatch.setattr("nbexec.run.rerun.FAILURES", 2)
    work = Broken()
    results = nbexec.map(work, items, backend="threads", on_error="collect")
    assert len(results.failures) == 10
    assert len(results.run.failures) == 2
    with pytest.raises(ValueError, match="27"):
        results.run.debug(27)
    work.mended = True
    assert results.run.retry_failed() == [10 * x for x in range(30)]


def test_the_failure_that_ends_a_run_is_always_kept(monkeypatch):
    monkeypatch.setattr("nbexec.run.context.FAILURES", 0)
    with pytest.raises(ValueError, match="3") as caught:
        nbexec.map(Broken(), [1, 3, 5], backend="serial")
    assert "item 1 of 3" in caught.value.__notes__[0]
