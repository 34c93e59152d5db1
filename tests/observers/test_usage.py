"""What processes use: read as seldom as it can be, by process, and of a cluster by worker."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import nbexec
from nbexec.observers.usage import Meter, Usage, few
from nbexec.run.memory_limit import MemoryGate
from nbexec.telemetry.events import Part, Sampled
from nbexec.telemetry.observer import Observer

from ..waiting import until


def test_the_meter_reads_the_process_tree():
    meter = Meter()
    sum(range(3_000_000))
    cores, memory, parts = meter.read()
    assert 0.0 < cores < 64
    assert memory > 10_000_000
    assert parts[0].name == "kernel"
    assert memory == sum(part.memory for part in parts)
    assert cores == pytest.approx(sum(part.cores for part in parts))


def child():
    """Start a process that computes for a minute, and wait till it has for a fifth of a second."""
    code = "import time\nwhile time.process_time() < {}: pass\nprint(flush=True)\n"
    code = code.format(0.2) + code.format(60)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_each_process_is_a_part():
    meter = Meter()
    began = time.perf_counter()
    with child() as process:
        parts = {part.name: part for part in meter.read().parts}
        took = time.perf_counter() - began
        process.kill()
    assert parts[f"worker {process.pid}"].cores >= 0.15 / took
    assert parts[f"worker {process.pid}"].memory > 1_000_000


def test_new_processes_are_looked_for_when_asked_and_after_one_ended():
    meter = Meter()
    meter.read(look=False)
    with child() as first, child() as second:
        names = [part.name for part in meter.read(look=False).parts]
        assert f"worker {first.pid}" not in names
        parts = {part.name: part for part in meter.read().parts}
        assert parts[f"worker {first.pid}"].cores == 0.0, "nobody knows since when"
        first.kill()
        first.wait()
        with child() as third:
            assert f"worker {first.pid}" not in [one.name for one in meter.read(False).parts]
            names = [part.name for part in meter.read(look=False).parts]
            third.kill()
        second.kill()
    assert {f"worker {second.pid}", f"worker {third.pid}"} <= set(names)


def test_many_processes_are_some_and_the_rest():
    parts = [Part(f"worker {at}", 0.5, at) for at in range(100)]
    told = few(parts)
    assert len(told) == 64
    assert told[0] == parts[99]
    assert told[-1].name == "37 more"
    assert sum(part.memory for part in told) == sum(range(100))
    assert sum(part.cores for part in told) == 50


def workers_of(event):
    return [part for part in event.parts if part.name.startswith("worker ")]


def until_sampled(event_log, monkeypatch, seen):
    """Have items wait until two workers were sampled, and give the function that does."""

    class Enough(Observer):
        def observe(self, event, state):
            if isinstance(event, Sampled) and len(workers_of(event)) >= 2:
                seen.touch()

    watchers = [event_log, Usage(), Enough()]
    monkeypatch.setattr("nbexec.observers.watchers", lambda options, task: watchers)
    return lambda _: until(seen.exists)


def test_a_run_is_sampled_by_process(log, monkeypatch, tmp_path):
    wait = until_sampled(log, monkeypatch, tmp_path / "seen")
    nbexec.map(wait, range(4), backend="processes", chunk=1)
    samples = [event for event in log.events if isinstance(event, Sampled)]
    names = {part.name for part in samples[-1].parts}
    assert "kernel" in names
    assert len(workers_of(samples[-1])) >= 2
    assert samples[-1].memory == sum(part.memory for part in samples[-1].parts)
    assert samples[-1].local is None


def test_a_cluster_that_was_given_tells_of_its_workers(log, monkeypatch, tmp_path):
    from distributed import Client, LocalCluster

    wait = until_sampled(log, monkeypatch, tmp_path / "seen")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    options["memory_limit"] = "500MB"
    with LocalCluster(host="127.0.0.1", **options) as cluster, Client(cluster) as client:
        nbexec.map(wait, range(4), backend=client, chunk=1)
    sample = [event for event in log.events if isinstance(event, Sampled)][-1]
    assert {part.name for part in sample.parts} == {"kernel", "worker 0", "worker 1"}
    assert [part.limit for part in sample.parts if part.name != "kernel"] == [500_000_000] * 2
    assert all(part.memory > 10_000_000 for part in sample.parts)
    assert sample.memory == sum(part.memory for part in sample.parts)
    assert sample.memory_limit == 1_000_000_000


def test_the_memory_limit_is_about_this_machine():
    gate = MemoryGate(100)
    gate.judge(Sampled(0.0, 1.0, 1000, 0, local=90), idle=False)
    assert not gate.held
