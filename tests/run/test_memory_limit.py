"""memory_limit: nothing begins while too much is used, and nothing waits for ever."""

from __future__ import annotations

import threading
import time

import pytest

import nbexec
from nbexec.observers.usage import Meter
from nbexec.options.checks import bytes_of
from nbexec.run.memory_limit import PATIENCE, MemoryGate
from nbexec.telemetry.events import Sampled

from ..waiting import until


def sample(memory, at=None):
    return Sampled(time.monotonic() if at is None else at, 1.0, memory, 10**12)


@pytest.fixture
def no_meter(monkeypatch):
    """Samples come from the test alone."""
    monkeypatch.setattr("nbexec.observers.watchers", lambda options, task: [])


def test_nothing_begins_while_too_much_is_used(backend, no_meter, tmp_path):
    def work(x):
        (tmp_path / str(x)).touch()
        while not (tmp_path / "go").exists():
            time.sleep(0.005)
        return x

    run = nbexec.start(work, range(6), backend=backend, workers=2, memory_limit="1 GB", chunk=1)
    until(lambda: (tmp_path / "0").exists())
    run.post(sample(2 * 10**9))
    until(lambda: run.stats.waiting)
    assert run.stats.waiting == "waiting for memory: 2.0 GB used of 1.0 GB"
    (tmp_path / "go").touch()
    until(lambda: not run.stats.running)
    assert 1 <= run.stats.done < 6
    run.post(sample(10**8))
    assert run.result() == list(range(6))
    assert run.stats.waiting == ""


def test_a_run_that_can_never_go_on_fails(no_meter):
    release, there = threading.Event(), []

    def work(x):
        there.append(x)
        return release.wait(20)

    run = nbexec.start(work, range(6), backend="threads", workers=2, memory_limit=10**9)
    until(lambda: len(there) == 2)  # what hasn't begun would be called back
    begun = time.monotonic()
    run.post(sample(2 * 10**9, begun))
    until(lambda: run.stats.waiting)
    release.set()
    until(lambda: not run.stats.running)
    run.post(sample(2 * 10**9, begun + 1))
    run.post(sample(2 * 10**9, begun + 1 + PATIENCE))
    with pytest.raises(nbexec.MemoryLimitExceeded, match=r"2.0 GB used of 1.0 GB.* imap") as caught:
        run.result(timeout=20)
    kept = [one for one in caught.value.partial_results if one is True]
    assert len(kept) == run.stats.done >= 2


def test_idle_workers_give_their_memory_back_first():
    def fill(x):
        global kept
        kept = bytearray(300_000_000 if x == 0 else 1)
        return x

    nbexec.map(fill, [0], backend="processes", workers=1)  # and its worker stays warm
    limit = Meter().read()[1] - 100_000_000

    def work(x):
        time.sleep(0.2)  # long enough to be measured
        return x

    run = nbexec.start(work, range(12), backend="processes", workers=1, memory_limit=limit)
    assert run.result(timeout=60) == list(range(12))


def test_a_worker_that_has_grown_keeps_what_setup_made():
    def setup():
        return bytearray(400_000_000)

    def work(x, state):
        state[0] += 1
        time.sleep(1.2 if x == 0 else 0)  # loky looks once a second
        return state[0]

    counts = nbexec.map(work, range(4), setup=setup, backend="processes", workers=1, chunk=1)
    assert counts == [1, 2, 3, 4]


def test_a_memory_limit_is_measured():
    """A limit that is below what Python itself needs: it must be seen, and told."""
    with pytest.raises(nbexec.MemoryLimitExceeded):
        nbexec.map(lambda x: time.sleep(0.2), range(1000), backend="threads", memory_limit="1 MB")


def test_the_gate():
    gate = MemoryGate(100)
    assert gate.judge(sample(90, 0.0), idle=True) == "go"
    assert gate.judge(sample(110, 1.0), idle=False) == "hold"
    assert gate.held
    assert gate.judge(sample(110, 2.0), idle=True) == "trim"
    assert gate.judge(sample(110, 2.0 + PATIENCE / 2), idle=True) == "hold"
    assert gate.judge(sample(110, 3.0 + PATIENCE / 2), idle=False) == "hold"
    assert gate.judge(sample(110, 9.0), idle=True) == "hold"
    assert gate.judge(sample(110, 9.0 + PATIENCE), idle=True) == "give up"
    assert gate.judge(sample(100, 20.0), idle=True) == "go"
    assert not gate.held


@pytest.mark.parametrize(
    ("said", "size"),
    [(100, 100), ("4 GB", 4 * 10**9), ("512MiB", 2**29), ("80%", 800), ("1.5kB", 1500), ("7", 7)],
)
def test_sizes(said, size):
    assert bytes_of("memory_limit", said, 1000) == size


@pytest.mark.parametrize("said", ["much", "4 XB", "", 0, -1, True, "1.2.3 GB", ".", None])
def test_what_is_no_size(said):
    with pytest.raises(nbexec.OptionError, match="memory_limit must be bytes, a size as '4 GB'"):
        bytes_of("memory_limit", said, 1000)
