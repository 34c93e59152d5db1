"""`Executor.stats` and `Executor.panel`: what an executor is doing, in numbers and for the eye."""

from __future__ import annotations

import concurrent.futures
import io
import json
import sys
import threading
import time

import pytest

import nbexec
from nbexec.telemetry import wording

from ..waiting import until


def test_counts_of_all_states():
    gate, both = threading.Event(), threading.Barrier(3)

    def hold():
        both.wait(60)
        gate.wait(60)

    with nbexec.Executor("threads", workers=2) as executor:
        assert executor.stats.queued == executor.stats.active == 0
        held = [executor.submit(hold) for _ in range(2)]
        both.wait(60)
        waiting = [executor.submit(divmod, 7, n) for n in range(3)]
        stats = executor.stats
        assert (stats.active, stats.queued, stats.completed) == (2, 3, 0)
        assert (stats.running, stats.done, stats.rejected, stats.abandoned) == (2, 0, 0, 0)
        assert "3 queued" in wording.facts(stats)
        gate.set()
        assert isinstance(waiting[0].exception(), ZeroDivisionError)
        assert [one.result() for one in held + waiting[1:]] == [None, None, (7, 0), (3, 1)]
        until(lambda: executor.stats.completed == 4)
        stats = executor.stats
    assert (stats.active, stats.queued, stats.failed, stats.finished) == (0, 0, 1, 5)
    assert executor.stats.queued == 0


def test_calls_that_wait_for_another_try_are_queued():
    with nbexec.Executor("threads", workers=2, retries=1, retry_wait=3600) as executor:
        executor.submit(divmod, 1, 0)
        until(lambda: executor.stats.retried == 1)
        assert (executor.stats.queued, executor.stats.active) == (1, 0)
        executor.run.cancel()


def test_what_each_worker_did(backend):
    with nbexec.Executor(backend, workers=2) as executor:
        list(executor.map(abs, range(20)))
        until(lambda: executor.stats.completed == 20)
        stats = executor.stats
    assert sum(one.calls for one in stats.by_worker.values()) == 20
    assert sum(one.seconds for one in stats.by_worker.values()) == pytest.approx(
        stats.execution_seconds
    )
    assert sum(one.share for one in stats.by_worker.values()) == pytest.approx(1.0)
    assert stats.execution_seconds == stats.busy_seconds


def test_the_share_of_a_worker_that_did_it_all():
    stats = nbexec.map(abs, range(100), backend="serial").stats
    ((calls, seconds, share),) = stats.by_worker.values()
    assert (calls, share) == (100, 1.0)
    assert seconds == pytest.approx(stats.busy_seconds)


def test_the_numbers_of_a_past_run_have_shares_too(tmp_path):
    run = nbexec.map(abs, range(9), backend="threads", checkpoint=tmp_path / "journal").run
    (record,) = [one for one in nbexec.runs(tmp_path / "journal") if one.id == run.id]
    json.dumps(record.stats.by_worker)
    assert sum(one.calls for one in record.stats.by_worker.values()) == 9


def test_memory_and_cpu_are_measured_when_asked_for_and_without_a_thread():
    def burn(until):
        while time.monotonic() < until:
            pass

    with nbexec.Executor("threads", workers=1) as executor:
        assert executor.stats.memory > 1_000_000
        future = executor.submit(burn, time.monotonic() + 0.5)
        before, names = executor.stats, {thread.name for thread in threading.enumerate()}
        future.result()
        time.sleep(0.2)  # what was just measured is given again
        after = executor.stats
        assert "nbexec-usage" not in names
        assert after.cpu_percent == 100 * after.cores_now > 0
        assert after.memory_limit >= before.memory > 0
    assert executor.stats.phase == "done"


def test_a_line_of_text_where_there_is_no_notebook(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    with nbexec.Executor("threads", workers=2) as executor:
        executor.panel()
        executor.panel()
        assert executor.submit(abs, -1).result() == 1
    until(lambda: "Executor: 1" in text.getvalue())
    assert text.getvalue().count("nbexec Executor: 1") == 1


def test_a_line_for_an_executor_that_has_one_already(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    with nbexec.Executor("threads", workers=2, progress="text") as executor:
        executor.panel()
        assert executor.submit(abs, -1).result() == 1
    assert text.getvalue().count("nbexec Executor: 1") == 1


def test_a_line_for_one_that_is_over(monkeypatch):
    text = io.StringIO()
    with nbexec.Executor("threads", workers=2) as executor:
        assert executor.submit(abs, -1).result() == 1
    monkeypatch.setattr(sys, "stderr", text)
    executor.panel()
    assert text.getvalue().count("nbexec Executor: 1") == 1


def test_its_repr_says_where_it_is_and_what_it_does(backend):
    executor = nbexec.Executor(backend, workers=1)
    where = f"on {executor.run.choice.backend} with 1 worker"
    assert repr(executor) == f"<Executor {where}: 0 running, 0 queued; open>"
    assert executor.submit(abs, -1).result(60) == 1
    executor.shutdown()
    assert repr(executor) == f"<Executor {where}: 0 running, 0 queued; ended>"


def test_its_repr_counts_what_runs_and_waits():
    gate, begun, source = threading.Event(), threading.Event(), concurrent.futures.Future()
    executor = nbexec.Executor("threads", workers=2, name="downloads")
    executor.submit(lambda: (begun.set(), gate.wait(60)))
    assert begun.wait(60)
    executor.submit(abs, source)
    where = "'downloads' on threads with 2 workers: 1 running, 1 queued"
    assert repr(executor) == f"<Executor {where}; open>"
    view = executor.options(priority=10, retries=3, rate="5/s", name="urgent")
    own = "priority=10, retries=3, rate='5/s', name='urgent'"
    assert repr(view) == f"<Executor.options({own}) {where}; open>"
    assert repr(view.options(rate=["1/s", "9/min"], key="host", name=None)).startswith(
        "<Executor.options(priority=10, retries=3, rate=['1/s', '9/min'], key='host') 'downloads'"
    )
    executor.shutdown(wait=False)
    assert repr(executor) == f"<Executor {where}; shut down>"
    executor.shutdown_now()
    gate.set()
    assert executor.join(60)
    assert repr(executor).endswith("; cancelled>")


def test_its_repr_says_that_it_is_broken():
    executor = nbexec.Executor("threads", workers=1, initializer=divmod, initargs=(1, 0))
    executor.submit(abs, -1).exception(60)
    assert repr(executor).endswith("; broken>")
    executor.shutdown()
