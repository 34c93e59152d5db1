"""`JsonLines`: lines of JSON that say what the run's own numbers say.

Covers `nbexec.telemetry.event_rows`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbexec


def lines_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def check(lines, stats):
    """Assert that the lines of one run agree with its numbers, and that each item ends once."""
    assert [line["event"] for line in lines].count("run_started") == 1
    assert (lines[0]["event"], lines[-1]["event"]) == ("run_started", "run_ended")
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert len({line["run"] for line in lines}) == 1
    by = {}
    for line in lines:
        by.setdefault(line["event"], []).append(line)
    ends = by.get("finished", [])
    away = set()
    for line in lines:
        if line["event"] == "submitted":
            assert line["item"] not in away
            away.add(line["item"])
        elif line["event"] in ("finished", "retried", "returned"):
            away.remove(line["item"])
    assert not away
    restored = by.get("restored", [])
    over = [line["item"] for line in ends + restored]
    assert len(set(over)) == len(over)
    statuses = Counter(line["status"] for line in ends)
    assert statuses["done"] + len(restored) == stats.done
    assert statuses["failed"] + statuses["lost"] == stats.failed
    assert statuses["cancelled"] == stats.cancelled
    assert len(by.get("retried", [])) == stats.retried
    assert len(by.get("hedged", [])) == stats.hedged
    assert len(restored) == stats.restored
    assert sum(line.get("abandoned", False) for line in lines) == stats.abandoned
    tries = ends + by.get("retried", []) + by.get("dropped", [])
    assert sum(line.get("seconds", 0.0) for line in tries) == pytest.approx(
        stats.busy_seconds, abs=1e-5 * len(tries)
    )
    reason = "failed" if lines[-1]["reason"] == "crashed" else lines[-1]["reason"]
    assert reason == stats.phase
    for line in ends:
        assert ("error" in line) == (line["status"] != "done")
    return by


def test_a_run_with_failures(backend, tmp_path):
    def work(x):
        return 1 // (x % 5)

    before = time.time()
    run = nbexec.map(
        work,
        range(30),
        backend=backend,
        on_error="collect",
        retries=1,
        retry_wait=0,
        on_event=nbexec.JsonLines(tmp_path / "run.jsonl"),
    ).run
    by = check(lines_of(tmp_path / "run.jsonl"), run.stats)
    failed = [line for line in by["finished"] if line["status"] == "failed"]
    assert {line["item"] for line in failed} == set(range(0, 30, 5))
    assert {(line["error"], line["attempt"]) for line in failed} == {("ZeroDivisionError", 2)}
    assert all(before - 1 < line["started"] < time.time() + 1 for line in by["finished"])
    assert all(line["seconds"] >= 0 and line["worker"] for line in by["finished"])


def test_the_seconds_of_items_among_which_one_failed(tmp_path):
    def work(x):
        time.sleep(0.1 if x == 1 else 0.001)
        return 1 // (x - 1)

    path = tmp_path / "run.jsonl"
    options = {"backend": "serial", "chunk": 3, "retries": 1, "retry_wait": 0}
    nbexec.map(work, range(3), on_error="collect", on_event=nbexec.JsonLines(path), **options)
    lines = lines_of(path)
    (failed,) = [line for line in lines if line["event"] == "retried"]
    assert (failed["item"], failed["seconds"] >= 0.1) == (1, True)
    seconds = {line["item"]: line["seconds"] for line in lines if line["event"] == "finished"}
    assert seconds[2] < failed["seconds"] / 2  # not with those of the one before it
    (third,) = [line for line in lines if line["event"] == "finished" and line["item"] == 2]
    assert third["started"] >= failed["started"] + failed["seconds"] - 1e-5


def test_no_value_is_written(tmp_path):
    def work(x):
        sys.stdout.write(f"secret {x}\n")
        nbexec.progress(0.5, "secret")
        raise ValueError("secret")

    nbexec.map(
        work,
        ["secret"],
        on_error="collect",
        on_event=nbexec.JsonLines(tmp_path / "run.jsonl"),
        backend="threads",
    )
    text = (tmp_path / "run.jsonl").read_text("utf-8")
    assert '"event":"output"' in text
    assert '"event":"progressed"' in text
    assert "secret" not in text


def test_a_cancelled_run(backend, tmp_path):
    writer = nbexec.JsonLines(tmp_path / "run.jsonl")
    run = nbexec.start(time.sleep, [0.01] * 300, backend=backend, on_event=writer)
    while run.stats.done < 2:
        time.sleep(0.002)
    run.cancel()
    run.wait()
    check(lines_of(tmp_path / "run.jsonl"), run.stats)


def test_what_the_journal_had(tmp_path):
    path = tmp_path / "run.jsonl"
    options = {"checkpoint": tmp_path / "journal", "backend": "serial"}
    nbexec.map(abs, [-1, -2, -3], **options)
    run = nbexec.map(abs, [-1, -2, -3, -4], on_event=nbexec.JsonLines(path), **options).run
    check(lines_of(path), run.stats)
    assert run.stats.restored == 3


def test_a_lost_item(tmp_path):
    import os

    path = tmp_path / "run.jsonl"
    run = nbexec.map(
        lambda x: x or os._exit(1),
        [1, 0, 2],
        backend="processes",
        chunk=1,
        on_error="collect",
        crash_retries=1,
        on_event=nbexec.JsonLines(path),
    ).run
    by = check(lines_of(path), run.stats)
    (lost,) = [line for line in by["finished"] if line["status"] == "lost"]
    assert (lost["item"], lost["error"]) == (1, "nbexec.WorkerDied")


def test_an_item_that_timed_out_and_one_that_was_hedged(tmp_path):
    path, gate, calls = tmp_path / "run.jsonl", threading.Event(), Counter()

    def work(x):
        calls[x] += 1
        if x == 1 or (x == 2 and calls[x] == 1):
            gate.wait(60)
        return x

    run = nbexec.map(
        work,
        range(3),
        backend="threads",
        workers=4,
        timeout=1.0,
        hedge_after=0.05,
        on_error="collect",
        on_event=nbexec.JsonLines(path),
    ).run
    gate.set()
    by = check(lines_of(path), run.stats)
    assert run.stats.hedged >= 2
    assert run.stats.abandoned >= 1
    assert len(by["dropped"]) == len(by["hedged"])


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bad=st.sets(st.integers(0, 40)),
    chunk=st.none() | st.integers(1, 20),
    retries=st.integers(0, 2),
    collect=st.booleans(),
    lazy=st.booleans(),
)
@pytest.mark.parametrize("name", ["serial", "threads", "asyncio"])
def test_random_runs(tmp_path, name, bad, chunk, retries, collect, lazy):
    def work(x):
        if x in bad:
            raise ValueError(x)
        return x

    path = tmp_path / "run.jsonl"
    path.unlink(missing_ok=True)
    items = iter(range(41)) if lazy else range(41)
    run = nbexec.start(
        work,
        items,
        backend=name,
        chunk=chunk,
        retries=retries,
        retry_wait=0,
        on_error="collect" if collect else "raise",
        on_event=nbexec.JsonLines(path),
    )
    run.wait()
    check(lines_of(path), run.stats)


def test_runs_at_once_append_whole_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text('{"earlier": true}\n')
    writer = nbexec.JsonLines(path)
    runs = [nbexec.start(abs, range(200), backend="threads", on_event=writer) for _ in range(3)]
    for run in runs:
        run.wait()
    first, *lines = lines_of(path)
    assert first == {"earlier": True}
    for run in runs:
        check([line for line in lines if line["run"] == run.id], run.stats)


def test_a_disk_that_is_full_breaks_nothing(tmp_path, caplog):
    writer = nbexec.JsonLines("/dev/full")
    assert nbexec.map(abs, [-1, -2], on_event=writer) == [1, 2]
    assert "No space left" in caplog.text


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        nbexec.JsonLines(tmp_path / "nowhere" / "run.jsonl")
