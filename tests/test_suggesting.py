"""`nbexec.suggest`: where items should run, from a sample that runs once, and why.

Covers `nbexec.suggesting` and `nbexec.placement.measuring`.
"""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import nbexec
from nbexec import suggesting
from nbexec.errors import OptionError
from nbexec.placement import auto
from nbexec.placement.profiles import Profile


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr("nbexec.system.machine.cores", lambda: 4)


def test_each_item_of_the_sample_runs_once_in_order_here():
    ran = []

    def work(x):
        ran.append((x, threading.current_thread()))
        return x * x

    suggestion = nbexec.suggest(work, iter(range(50)))
    assert suggestion.results == [x * x for x in range(50)]
    assert ran == [(x, threading.current_thread()) for x in range(50)]


def test_items_that_wait_and_passing_it_on():
    suggestion = nbexec.suggest(time.sleep, [0.03] * 3, total=200)
    assert suggestion.backend == "threads"
    assert suggestion.cpu_share < 0.5
    assert 0.01 < suggestion.item_seconds < 1
    assert suggestion.total == 200
    assert suggestion.seconds["threads"] < suggestion.seconds["serial"]
    assert dict(**suggestion) == suggestion.options == {"backend": "threads"}
    run = nbexec.map(time.sleep, [0.001] * 5, **suggestion).run
    assert run.stats.backend == "threads"
    lines = repr(suggestion).splitlines()
    assert lines[0].startswith(f"threads × {suggestion.workers}: items take ")
    assert lines[1].startswith("  expected for 200 items: serial ")
    assert " sent, " in lines[2]


def test_a_number_of_workers_that_is_given_is_kept():
    suggestion = nbexec.suggest(time.sleep, [0.03] * 3, workers=3)
    assert (suggestion.workers, suggestion["workers"]) == (3, 3)


def test_a_coroutine_function():
    async def fetch(x):
        await asyncio.sleep(0.01)
        return x

    suggestion = nbexec.suggest(fetch, range(4), total=1000)
    assert (suggestion.backend, suggestion.results) == ("asyncio", [0, 1, 2, 3])
    assert suggestion.reason.startswith("a coroutine function, and items take")
    assert [*nbexec.map(fetch, range(3), **suggestion)] == [0, 1, 2]


COMPUTES = Profile(0.1, 1.0, 1.0, auto.SEND, auto.SEND)


def chosen(profile, total=1000, workers=None, unsendable=None):
    return suggesting._chosen(profile, unsendable, total, workers)


def test_what_computes_goes_to_processes():
    choice, expected = chosen(COMPUTES)
    assert (choice.backend, choice.workers) == ("processes", 4)
    assert expected["serial"].seconds == pytest.approx(100)
    assert 25 < expected["processes"].seconds < 26
    assert suggesting._options(choice, None, expected) == {"backend": "processes", "workers": 4}


def test_what_is_over_at_once_stays():
    choice, _ = chosen(COMPUTES._replace(each=1e-6))
    assert choice.backend == "serial"


def test_what_frees_the_gil_goes_to_threads():
    choice, expected = chosen(COMPUTES._replace(held=0.0))
    assert choice.backend == "threads"
    assert suggesting._options(choice, None, expected) == {"backend": "threads"}


def test_what_cannot_be_sent_stays_here():
    choice, expected = chosen(COMPUTES, unsendable=TypeError("cannot pickle it"))
    assert choice.backend == "serial"
    assert choice.reason.endswith("and can't be sent to other processes: cannot pickle it")
    assert "processes" not in expected


def test_no_more_workers_than_there_is_memory_for(monkeypatch):
    monkeypatch.setattr("nbexec.system.machine.memory_free", lambda: 10 << 30)
    large = Profile(0.1, 0.0, 0.0, auto.SEND, auto.SEND, memory=3.0)
    choice, expected = chosen(large)
    assert (choice.backend, choice.workers) == ("threads", 2)
    assert suggesting._options(choice, None, expected)["workers"] == 2


@pytest.mark.parametrize(("each", "most"), [(1.0, 1), (1e-3, 100), (1e-6, 250)])
def test_chunks(each, most):
    choice, _ = chosen(COMPUTES._replace(each=0.1))
    chunk = suggesting._chunk(choice, COMPUTES._replace(each=each), 10.0, 4000)
    assert 1 <= chunk <= most


def test_a_function_with_a_lock_is_measured_all_the_same():
    lock = threading.Lock()

    def work(x):
        with lock:
            return x

    suggestion = nbexec.suggest(work, range(3))
    assert "processes" not in suggestion.seconds
    assert suggestion.results == [0, 1, 2]


def test_what_an_item_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        nbexec.suggest(lambda x: 1 / x, [1, 0])


def test_what_is_wrong_is_told():
    for wrong in ([], iter(())):
        with pytest.raises(OptionError, match="the sample has no items"):
            nbexec.suggest(abs, wrong)
    with pytest.raises(OptionError, match="total must be an integer of at least 1, not 0"):
        nbexec.suggest(abs, [1], total=0)
    with pytest.raises(OptionError, match="workers must be an integer"):
        nbexec.suggest(abs, [1], workers=0)
    with pytest.raises(OptionError, match="items must be an iterable, not int"):
        nbexec.suggest(abs, 3)


def test_only_answers_from_while_items_ran_count():
    from nbexec.model import Chunk, Outcome
    from nbexec.placement.measuring import Measuring
    from nbexec.telemetry.events import Finished, RunEnded, Submitted

    measuring = Measuring()
    measuring._thread.start()
    chunk = Chunk(range(3), [1, 2, 3])
    outcome = Outcome([1, 2, 3], {}, 0.0, [0.1, 0.2, 0.3], 0.3, "here")
    measuring.observe(Submitted(10.0, chunk), None)
    measuring.observe(Finished(20.0, chunk, outcome), None)
    measuring._answers = [(9.0, 11.0, 0.0), (11.0, 12.0, 1.0), (19.0, 21.0, 0.0)]
    measuring._answers += [(12.0, 13.0, 1.0), (13.0, 14.0, 1.0)]
    measuring._over.set()
    measuring._thread.join()
    measuring.observe(RunEnded(21.0, "done"), None)
    profile = measuring.profile()
    assert profile.each == pytest.approx(0.1)
    assert profile.held == profile.used == pytest.approx(1.0)
    assert measuring._probe.seen.gil_probes == 3
