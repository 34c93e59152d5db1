"""A limit in a file: several processes keep it together, whatever happens to one of them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

import nbexec
from nbexec.pacing.limiters import limiter_of

from ..waiting import until

CALLER = """
import sys, time, nbexec
limit = nbexec.Limit(sys.argv[2], shared=sys.argv[1])
def work(x):
    with open(sys.argv[3], "a") as file:
        file.write(f"{time.time()}\\n")
    time.sleep(float(sys.argv[4]))
nbexec.map(work, range(1000), rate=limit, backend="threads", workers=4, progress="off")
"""


@pytest.fixture
def callers(tmp_path):
    """Start processes that call as often as they may; all are killed at the end."""
    started = []

    def start(rate, lasting=0.0):
        arguments = [str(tmp_path / "limits.db"), rate, str(tmp_path / "calls"), str(lasting)]
        started.append(subprocess.Popen([sys.executable, "-c", CALLER, *arguments]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def calls(tmp_path):
    path = tmp_path / "calls"
    return sorted(map(float, path.read_text().split())) if path.exists() else []


def fullest(starts, seconds):
    return max(sum(first <= at < first + seconds for at in starts) for first in starts)


@pytest.mark.slow
def test_processes_share_it_and_some_are_killed(callers, tmp_path):
    processes = [callers("10/s") for _ in range(3)]
    until(lambda: len(calls(tmp_path)) >= 15, 60)
    processes[0].send_signal(signal.SIGKILL)
    until(lambda: len(calls(tmp_path)) >= 35, 60)
    processes[1].send_signal(signal.SIGKILL)
    until(lambda: len(calls(tmp_path)) >= 55, 60)
    assert fullest(calls(tmp_path), 0.995) <= 10


def test_what_a_dead_process_had_reserved_is_counted_and_comes_free(tmp_path):
    limit = nbexec.Limit("2/s", shared=tmp_path / "limits.db")
    code = """
import os, sys, nbexec
from nbexec.pacing.limiters import limiter_of
limiter = limiter_of(nbexec.Limit("2/s", shared=sys.argv[1]))
import time
assert not isinstance(limiter.reserve(None, {"calls": 1}, time.monotonic()), float)
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", code, str(limit.shared)])
    limiter, begun = limiter_of(limit), time.monotonic()
    assert not isinstance(limiter.reserve(None, {"calls": 1}, begun), float)
    assert isinstance(limiter.reserve(None, {"calls": 1}, begun), float)  # it may have started
    assert not isinstance(limiter.reserve(None, {"calls": 1}, begun + 1.01), float)


def test_it_counts_as_the_limiter_of_one_process_does(tmp_path):
    limit = nbexec.Limit({"calls": "2/s", "tokens": "100/min"}, shared=tmp_path / "limits.db")
    limiter, now = limiter_of(limit), time.monotonic()
    ticket = limiter.reserve("a", {"calls": 1, "tokens": 90}, now)
    limiter.started(ticket, now + 0.1)
    limiter.started(ticket, now)
    limiter.started(ticket, now + 1)
    assert limiter.free_at("a", {"calls": 1, "tokens": 10}, now) == now
    assert limiter.free_at("a", {"calls": 1, "tokens": 11}, now) > now
    assert limiter.free_at("b", {"calls": 1, "tokens": 11}, now) == now
    limiter.correct(ticket, {"tokens": 50})
    assert limiter.free_at("a", {"calls": 1, "tokens": 50}, now) == now
    assert not isinstance(limiter.reserve("a", {"calls": 1, "tokens": 1}, now), float)
    assert limiter.free_at("a", {"calls": 1, "tokens": 1}, now) > now
    assert limiter.free_at("a", {"calls": 1, "tokens": 1}, now + 1) == now + 1
    assert limiter.free_at("a", {"calls": 1, "tokens": 51}, now + 60) == now + 60


def test_runs_of_one_process_share_it(tmp_path, backend):
    for _ in range(2):
        limit = nbexec.Limit("5/min", shared=tmp_path / "limits.db")
        run = nbexec.start(abs, range(4), backend=backend, rate=limit)
        until(lambda run=run: run.done or (run.stats.waiting and not run.stats.running))
        run.cancel()
        run.wait()
    assert run.stats.done == 1


def test_names_in_a_file_are_limits_of_their_own(tmp_path):
    now = time.monotonic()
    for name in ("a", "b", None):
        limiter = limiter_of(nbexec.Limit("1/h", name=name, shared=tmp_path / "limits.db"))
        assert not isinstance(limiter.reserve(None, {"calls": 1}, now), float)
        assert isinstance(limiter.reserve(None, {"calls": 1}, now), float)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_uses_it(tmp_path):
    limit = nbexec.Limit("2/h", shared=tmp_path / "limits.db")
    limiter, now = limiter_of(limit), time.monotonic()
    limiter.reserve(None, {"calls": 1}, now)
    child = os.fork()
    if not child:
        os._exit(isinstance(limiter.reserve(None, {"calls": 1}, now), float))
    assert os.waitpid(child, 0)[1] == 0
    assert isinstance(limiter.reserve(None, {"calls": 1}, now), float)


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as mine:
        mine.execute("CREATE TABLE mine (x)")
    mine.close()
    before = path.read_bytes()
    with pytest.raises(nbexec.OptionError, match="a file of something else"):
        nbexec.map(abs, [1], rate=nbexec.Limit("5/s", shared=path))
    (tmp_path / "text").write_text("no database at all, but a text of some length")
    for wrong in (tmp_path / "text", tmp_path / "no folder" / "limits.db"):
        with pytest.raises(nbexec.OptionError, match="can't be used for a limit"):
            nbexec.map(abs, [1], rate=nbexec.Limit("5/s", shared=wrong))
    assert path.read_bytes() == before


def test_keys_must_be_the_same_everywhere(tmp_path):
    limit = nbexec.Limit("5/s", shared=tmp_path / "limits.db")
    with pytest.raises(nbexec.OptionError, match=r"rate_key= gave <object .* string, a number"):
        nbexec.map(abs, [1], rate=limit, rate_key=lambda x: object(), backend="threads")
    assert nbexec.map(abs, [1], rate=limit, rate_key=lambda x: ("a", x)) == [1]
