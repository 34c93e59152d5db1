"""`nbexec.sleep`, in `worker/sleeping`: a task that sleeps ends as soon as it is not wanted."""

from __future__ import annotations

import asyncio
import time

import pytest

import nbexec

from ..waiting import until

LONG = 600.0  # seconds; no test waits for that


def test_outside_of_a_task_it_is_the_usual_one(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    nbexec.sleep(2)
    assert slept == [2]


def test_in_an_event_loop_outside_of_a_task_it_is_the_usual_one():
    async def cell():  # a notebook's is in its kernel's event loop
        nbexec.sleep(0.001)
        return nbexec.map(_nap, [1, 2], backend="serial")

    assert asyncio.run(cell()) == [1, 2]


def _nap(x):
    nbexec.sleep(0.001)
    return x


def test_it_sleeps(backend):
    def work(x):
        begun = time.monotonic()
        nbexec.sleep(0.05)
        nbexec.sleep(0)
        return time.monotonic() - begun

    assert min(nbexec.map(work, range(4), backend=backend)) >= 0.05


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_it_takes_seconds(seconds):
    with pytest.raises(ValueError, match="0 or more"):
        nbexec.map(nbexec.sleep, [seconds], backend="threads")


def test_in_a_coroutine_it_says_what_to_write(backend):
    async def work(x):
        nbexec.sleep(0.01)

    with pytest.raises(RuntimeError, match=r"await asyncio\.sleep\(seconds\)"):
        nbexec.map(work, [1], backend=backend)


def test_one_that_tries_again_ends_nevertheless(backend, tmp_path):
    def work(x):
        while True:
            try:
                (tmp_path / "begun").touch()
                nbexec.sleep(LONG)
            except Exception:
                (tmp_path / "caught").touch()

    run = nbexec.start(work, [1], backend=backend)
    until((tmp_path / "begun").exists)
    run.cancel()
    assert run.wait(60)
    assert run.stats.failed == 0
    assert not (tmp_path / "caught").exists()


def test_its_worker_goes_on_with_the_next_run(backend, tmp_path, monkeypatch):
    monkeypatch.setattr("nbexec.run.stopping.GRACE", 60.0)  # no worker is replaced meanwhile

    def work(x):
        (tmp_path / f"begun {x}").touch()
        try:
            nbexec.sleep(LONG)
        finally:
            (tmp_path / f"ended {x}").touch()

    run = nbexec.start(work, range(8), backend=backend)
    until(lambda: [*tmp_path.glob("begun *")])
    run.cancel("enough")
    with pytest.raises(nbexec.RunCancelled, match="work was cancelled: enough; 0 of 8 results"):
        run.result()
    begun, ended = ([*tmp_path.glob(f"{one} *")] for one in ("begun", "ended"))
    assert len(begun) == len(ended) <= 2  # nothing began after the cancel
    assert run.stats.cancelled == len(begun)
    assert run.stats.failed == run.stats.abandoned == 0
    assert nbexec.map(_nap, range(4), backend=backend) == [0, 1, 2, 3]


def test_a_failure_wakes_the_others(tmp_path):
    def work(x):
        if x == 0:
            until(lambda: (tmp_path / "sleeps").exists())
            raise OSError("gone")
        (tmp_path / "sleeps").touch()
        try:
            nbexec.sleep(LONG)
        finally:
            (tmp_path / "woken").touch()

    with pytest.raises(OSError, match="gone"):
        nbexec.map(work, range(2), backend="threads", chunk=1)
    until((tmp_path / "woken").exists)


def test_one_that_was_left_behind_ends(tmp_path):
    def work(x):
        try:
            nbexec.sleep(LONG)
        finally:
            (tmp_path / "woken").touch()

    results = nbexec.map(work, [0], backend="threads", timeout=0.1, on_error="collect")
    assert isinstance(results[0].exception, nbexec.ItemTimeout)
    until((tmp_path / "woken").exists)


def test_what_an_item_raises_by_itself_is_its_failure():
    def work(x):
        raise nbexec.Cancelled("by itself")

    results = nbexec.map(work, [0], backend="threads", on_error="collect")
    assert results[0].kind == "error"
    assert str(results[0].exception) == "by itself"


def test_a_setup_may_sleep_too(backend, tmp_path):
    def setup():
        (tmp_path / "begun").touch()
        nbexec.sleep(LONG)

    run = nbexec.start(lambda x, state: x, [1, 2], setup=setup, backend=backend)
    until((tmp_path / "begun").exists)
    run.cancel()
    assert run.wait(60)
    assert run.stats.failed == 0
