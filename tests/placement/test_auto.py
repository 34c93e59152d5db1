"""backend="auto": the choice from the evidence, and the choice in real runs.

Covers `nbexec.placement.chooser`, `nbexec.placement.open_backend`, `nbexec.placement.probe` and
`nbexec.placement.reconsider`.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

import nbexec
from nbexec.backends import serial
from nbexec.backends.base import Running, SessionSpec
from nbexec.backends.serial import Stopwatch
from nbexec.model import Choice, Chunk, Outcome, Task
from nbexec.options.record import Options
from nbexec.placement import probe
from nbexec.placement.auto import FEW, SEND, Evidence, choose, fit_memory
from nbexec.placement.chooser import PROBE_HELD, PROBE_OFTEN, PROBE_THREADS, BackendChooser
from nbexec.placement.probe import GilProbe, SendingCost
from nbexec.placement.reconsider import Recent, reconsider
from nbexec.system import machine
from nbexec.worker.blocks import Covering

alone = pytest.mark.alone  # a choice is made of what is measured


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    with nbexec.options(workers=None):
        yield


def seen(items, each, cpu_share=1.0, left=1000, **more):
    return Evidence(items, items * each, items * each * cpu_share, left=left, **more)


def test_too_little_is_not_enough():
    assert choose(Evidence(), None, 0) is None
    assert choose(seen(1, 0.03), None, 0) is None
    assert choose(seen(100, 1e-5), None, 0) is None
    assert choose(Evidence(running_wall=0.05, running_busy=0.05), None, 0) is None


def test_items_that_wait_go_to_threads():
    choice = choose(seen(3, 0.05, cpu_share=0.02), None, 0)
    assert (choice.backend, choice.workers) == ("threads", 8)
    assert choice.reason == "items take 50 ms and wait 98% of it"


def test_items_that_compute_go_to_processes():
    choice = choose(seen(3, 0.041), None, 0)
    assert (choice.backend, choice.workers) == ("processes", 4)
    assert choice.reason == "items take 41 ms of CPU"


def test_a_slow_first_item_is_judged_while_it_runs():
    busy = Evidence(running_wall=0.2, running_busy=0.19, left=9)
    assert choose(busy, None, 0).backend == "processes"
    assert choose(busy, None, 0).reason == "items take over 200 ms of CPU"
    idle = Evidence(running_wall=0.2, running_busy=0.001, left=9)
    assert choose(idle, None, 0).backend == "threads"


def test_tiny_items_stay_in_the_kernel():
    choice = choose(seen(1_000_000, 4e-8, left=10**7), None, 0)
    assert (choice.backend, choice.workers) == ("serial", 1)
    assert "sending one would take as long" in choice.reason


def test_little_work_stays_in_the_kernel_unless_workers_are_warm():
    little = seen(10, 0.01, left=30)
    assert choose(little, None, 0).backend == "serial"
    assert "workers would not pay" in choose(little, None, 0).reason
    warm = seen(10, 0.01, left=30, warm=True)
    assert choose(warm, None, 0).backend == "processes"


def test_an_input_without_an_end_is_taken_to_be_long():
    assert choose(seen(10, 0.01, left=None), None, 0).backend == "processes"


def test_workers_are_what_was_asked_for():
    assert choose(seen(3, 0.05), 3, 0).workers == 3
    assert choose(seen(3, 0.05, cpu_share=0), 50, 0).workers == 50


def test_one_core_stays_in_the_kernel(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert choose(seen(3, 0.05), None, 0).backend == "serial"


def test_nested_runs_do_not_multiply():
    assert [machine.default_workers(16, depth) for depth in (0, 1, 2, 3)] == [16, 4, 1, 1]
    assert choose(seen(3, 0.05), None, 1).workers == 2
    assert choose(seen(3, 0.05), None, 2).backend == "serial"


FREE = {"gil_probes": 10, "held": 0.3, "warm": True}  # another thread had the GIL at once
HOLDS = {"gil_probes": 10, "held": 9.9, "warm": True}
CHOICES = [
    # what was seen of 1,000 items, where that goes with 4 cores, and what it says
    ("computes, holds the GIL", seen(5, 0.01, **HOLDS), "processes", 4, "10 ms of CPU"),
    ("computes, frees the GIL", seen(5, 0.01, **FREE), "threads", 4, "and free the GIL"),
    ("the same, a little slower", seen(50, 1e-3, **FREE), "threads", 4, "and free the GIL"),
    ("there is no GIL", seen(5, 0.01, gil=False, warm=True), "threads", 4, "has no GIL"),
    ("waits", seen(5, 0.01, 0.01, **FREE), "threads", 8, "wait 99% of it"),
    ("computes 20%", seen(5, 0.01, 0.2, gil_probes=10, held=2.0, warm=True), "threads", 8, "80%"),
    ("computes 40%", seen(5, 0.01, 0.4, gil_probes=10, held=4.0, warm=True), "processes", 4, "60%"),
    ("computes 40%, no GIL", seen(5, 0.01, 0.4, **FREE), "threads", 8, "wait 60% of it"),
    (
        "sending takes as long",
        seen(5, 0.01, here=0.012, there=0.001, **HOLDS),
        "serial",
        1,
        "sending one would take 13 ms",
    ),
    (
        "sending takes as long, threads don't send",
        seen(5, 0.01, here=0.006, there=0.006, **FREE),
        "threads",
        4,
        "free the GIL",
    ),
    (
        "sending takes a tenth",
        seen(5, 0.01, here=5e-4, there=5e-4, **HOLDS),
        "processes",
        4,
        "10 ms of CPU",
    ),
    (
        "processes are cold",
        seen(5, 0.01, left=40, gil_probes=9, held=9),
        "serial",
        1,
        "workers would not pay",
    ),
    (
        "threads are not",
        seen(5, 0.01, left=40, gil_probes=10, held=0.2),
        "threads",
        4,
        "free the GIL",
    ),
    ("the last items", seen(5, 0.01, left=1, **HOLDS), "serial", 1, "would not pay"),
]


@pytest.mark.parametrize(
    ("evidence", "backend", "count", "words"),
    [one[1:] for one in CHOICES],
    ids=[one[0] for one in CHOICES],
)
def test_where_items_go(evidence, backend, count, words):
    choice = choose(evidence, None, 0)
    assert (choice.backend, choice.workers) == (backend, count), choice
    assert words in choice.reason
    assert "\n" not in choice.reason


def test_whether_the_gil_is_held_is_waited_for_but_not_for_long():
    assert choose(seen(3, 0.01, gil_probes=2, held=0.1, warm=True), None, 0) is None
    assert choose(seen(30, 0.01, gil_probes=2, held=0.1, warm=True), None, 0).backend == "processes"
    assert choose(seen(3, 0.01, 0.01, warm=True), None, 0).backend == "threads"  # no matter


def test_a_slow_first_item_does_not_hold_up_the_others():
    waits = Evidence(running_wall=0.04, running_busy=0.001, left=9, gil_probes=9)
    assert choose(waits, None, 0).backend == "threads"
    frees = Evidence(running_wall=0.04, running_busy=0.04, left=9, gil_probes=9)
    assert choose(frees, None, 0).backend == "threads"
    holds = Evidence(
        running_wall=0.04, running_busy=0.04, left=9, gil_probes=5, held=5.0, warm=True
    )
    assert choose(holds, None, 0) is None  # its value, if there were one, may be no good
    valued = Evidence(**{**asdict(holds), "valued": True})
    assert choose(valued, None, 0).backend == "processes"


def test_many_items_that_run_are_not_taken_for_a_slow_one():
    chunk = {"running_wall": 0.05, "running_busy": 0.05, "left": 10_000, **HOLDS}
    assert choose(Evidence(expected=0.03, **chunk), None, 0) is None
    assert choose(Evidence(expected=0.005, valued=True, **chunk), None, 0).backend == "processes"


def recent(items, each, cpu_share, elapsed, **more):
    busy = items * each * cpu_share
    return Recent(items, items * each, busy, **{"elapsed": elapsed, "kernel": busy} | more)


CHANGES = [
    # where they go now, what several workers did lately, and where they go then
    (
        "threads",
        8,
        recent(50, 0.08, 1 / 8, 0.5, gil_probes=10, held=9.5),
        "processes",
        "hold the GIL",
    ),
    ("threads", 8, recent(50, 0.08, 1 / 8, 0.5, gil_probes=10, held=1.0), None, ""),
    ("threads", 8, recent(50, 0.08, 0.01, 0.5, gil_probes=10, held=0.1), None, ""),
    ("threads", 8, recent(50, 0.04, 1.0, 0.5, gil_probes=10, held=4.0), None, ""),  # four cores
    ("threads", 8, recent(50, 0.08, 1 / 8, 0.5, gil_probes=10, held=9.5, kernel=1.0), None, ""),
    (  # they had begun long before
        "threads",
        8,
        recent(50, 0.08, 1 / 4, 0.5, gil_probes=10, held=9.5, kernel=0.5),
        "processes",
        "hold the GIL",
    ),
    (  # other programs had the cores meanwhile
        "threads",
        8,
        recent(50, 0.08, 1 / 8, 0.5, gil_probes=10, held=9.5, kernel=0.2),
        "processes",
        "hold the GIL",
    ),
    ("threads", 8, recent(50, 0.08, 1 / 20, 0.5, gil_probes=10, held=9.5), None, ""),
    ("threads", 1, recent(50, 0.01, 1.0, 0.5, gil_probes=10, held=9.5), None, ""),
    ("threads", 8, recent(5, 0.08, 1 / 8, 0.05, gil_probes=10, held=9.5), None, ""),  # not yet
    ("processes", 4, recent(50, 0.04, 1.0, 0.5), None, ""),
    ("processes", 4, recent(50, 0.04, 0.02, 0.5), "threads", "by now items take 40 ms and wait"),
    ("processes", 4, recent(50, 0.001, 1.0, 0.5, sending=0.45), "serial", "sending one takes"),
    ("processes", 4, recent(50, 0.02, 1.0, 0.5, sending=0.45), None, ""),
    ("serial", 1, recent(50, 0.01, 1.0, 0.5), None, ""),
]


@pytest.mark.parametrize(("now", "count", "did", "then", "words"), CHANGES)
def test_where_items_go_by_now(now, count, did, then, words):
    facts = Evidence(left=1000, warm=True)
    choice = reconsider(Choice(now, count, ""), did, facts, None, 0)
    assert (choice and choice.backend) == then, choice
    assert words in (choice.reason if choice else "")


def test_threads_that_are_in_one_another_s_way_are_left(monkeypatch):
    """As where each allocates: they share an address space, and 16 of them get 6 cores to work."""
    monkeypatch.setattr(machine, "cores", lambda: 16)
    alone = Evidence(1, 0.0002, 0.0002, left=18_000, warm=True)
    slow = recent(1_600, 0.0009, 0.4, 0.1, gil_probes=4, held=1.0)
    choice = reconsider(Choice("threads", 16, ""), slow, alone, None, 0)
    assert choice.backend == "processes"
    assert choice.reason.endswith("360 µs of CPU, and threads get only 5.8 cores to work")
    well = recent(1_600, 0.0009, 0.9, 0.1, gil_probes=4, held=1.0)
    assert reconsider(Choice("threads", 16, ""), well, alone, None, 0) is None
    waiting = recent(1_600, 0.0009, 0.05, 0.1, gil_probes=4, held=0.0)
    assert reconsider(Choice("threads", 16, ""), waiting, alone, None, 0) is None
    other = replace(alone, busy=0.0001)  # they waited from the first
    assert reconsider(Choice("threads", 16, ""), slow, other, None, 0) is None
    dear = replace(alone, here=0.0001, there=0.0001)
    assert reconsider(Choice("threads", 16, ""), slow, dear, None, 0) is None


def test_the_end_is_not_worth_a_move():
    did = recent(50, 0.08, 1 / 8, 0.5, gil_probes=10, held=9.5)
    cold = Evidence(left=20, warm=False)
    assert reconsider(Choice("threads", 8, ""), did, cold, None, 0) is None


def test_being_late_for_want_of_a_core_is_not_the_gil(monkeypatch):
    hungry = iter([1.0, 1.02, 5.0, 5.0, 6.0])
    monkeypatch.setattr(machine, "starved", lambda thread: next(hungry))
    now = iter([10.0, 10.022, 11.0, 11.022, 12.0, 12.0023])
    monkeypatch.setattr(probe, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    assert GilProbe(0.002).answer() == 0.0
    assert GilProbe(0.002).answer() == 1.0
    assert GilProbe(0.002).answer() == 0.0  # nothing to speak of


def test_what_computes_is_not_asked_what_it_lacked(monkeypatch):
    """To ask lets go of the GIL, which items that hold it give back only after a while."""
    asked, wall, cpu = [], iter([0.0, 1.0, 2.0, 3.0]), iter([0.0, 0.99, 1.2, 1.3])
    monkeypatch.setattr(machine, "ready", lambda thread: False)
    monkeypatch.setattr(serial, "time", SimpleNamespace(perf_counter=lambda: next(wall)))
    monkeypatch.setattr(serial, "_cpu_clock_of_this_thread", lambda: lambda: next(cpu))
    lacked = lambda: asked.append(1) or 0.5 * len(asked)
    monkeypatch.setattr(machine, "starving_of_this_thread", lambda: lacked)
    with Stopwatch() as watch:
        assert watch.read() == (1.0, 0.99, 0.0)
        assert len(asked) == 1  # at first
        assert watch.read() == (2.0, 1.2, 0.5)
        monkeypatch.setattr(machine, "ready", lambda thread: True)
        assert watch.read() == pytest.approx((3.0, 1.3, 1.7))  # it lacks a core now
    assert watch.read() is None


def test_the_loop_s_own_work_is_not_taken_for_an_item_that_waits():
    """It holds the GIL, as while it weighs a large value."""
    now = [1.0]
    watched = probe.Probe(clock=lambda: now[0])
    watched.look(None, 9, True, SendingCost())
    now[0] += 0.02
    watched.learn(Outcome([1], {}, 0.0, [0.03], 0.01, ""))
    assert (watched.seen.wall, watched.seen.busy) == pytest.approx((0.01, 0.01))
    watched.learn(Outcome([1], {}, 0.0, [0.03], 0.01, ""))
    assert watched.seen.wall == pytest.approx(0.04)  # that one did wait
    now[0] += 0.02
    running = Running(0.05, 0.01, 0.0), Chunk(range(1), [0])
    assert watched.look(running, 9, True, SendingCost()).running_wall == pytest.approx(0.03)


def test_an_item_does_not_wait_while_who_takes_the_results_computes():
    used = [5.0]
    watched = probe.Probe(clock=lambda: 0.0, consuming=lambda: used[0])
    watched.look(None, 9, True, SendingCost())
    used[0] += 0.02
    watched.learn(Outcome([1], {}, 0.0, [0.03], 0.01, ""))
    assert (watched.seen.wall, watched.seen.busy) == pytest.approx((0.01, 0.01))
    used[0] += 0.02
    watched.learn(Outcome([1], {}, 0.0, [0.5], 0.001, ""))  # it did wait, though
    assert watched.seen.wall == pytest.approx(0.49)


def test_it_is_known_what_who_takes_the_results_computes():
    results = nbexec.imap(abs, itertools.count(), backend="serial", window=10)
    stream = results.run._sink
    next(results)
    before, begun = stream.consuming(), time.thread_time()
    while time.thread_time() < begun + 0.01:
        pass
    assert stream.consuming() >= before + 0.01
    results.close()


def test_threads_that_end_items_all_the_time_are_asked_too(monkeypatch):
    """The loop waits for a short while only: something would come in during a longer one."""
    monkeypatch.setattr(GilProbe, "answer", lambda gil_probe: 1.0)
    slots, now = SimpleNamespace(in_flight=True, switch_to=lambda *_: None), [0.0]
    task = Task(abs, "abs")
    setting = SessionSpec(task, None, None, None, None, 1)
    chooser = BackendChooser(Options(), slots, setting, "serial", lambda: now[0])
    chooser._move(Choice("threads", 4, ""))
    for _ in range(FEW):
        assert chooser.timeout() == PROBE_OFTEN
        chooser.gil_answered(chooser.gil_probe(PROBE_OFTEN))
    assert chooser.timeout() == pytest.approx(PROBE_HELD)
    monkeypatch.setattr(GilProbe, "answer", lambda gil_probe: 0.0)
    chooser.gil_answered(chooser.gil_probe(PROBE_OFTEN), ran=False)  # it says nothing
    assert chooser.timeout() == pytest.approx(PROBE_HELD)
    chooser.gil_answered(chooser.gil_probe(PROBE_OFTEN))
    assert chooser.timeout() == PROBE_THREADS
    assert chooser.gil_probe(PROBE_THREADS) is None
    now[0] += PROBE_THREADS
    assert chooser.timeout() == PROBE_OFTEN


@pytest.mark.parametrize(("each", "about"), [(0.0, 0.0), (3e-5, 3e-5)])
def test_light_items_are_not_taken_for_heavy_ones_on_a_busy_machine(each, about, monkeypatch):
    """There to pickle one takes long, whatever it is."""
    asked = []

    def took(values):
        asked.append(len(values))
        return probe._PickleTimes(3e-5 + each * len(values), 0.0, 0)

    monkeypatch.setattr(probe, "_pickle_times", took)
    cost = SendingCost()
    cost.measure(Chunk(range(100), list(range(100))))
    assert cost.here == pytest.approx(SEND / 2 + about, abs=2e-6)
    assert max(asked) * each <= 2 * probe.HEAVY


@pytest.mark.parametrize("shared", [0.0, 0.002])
def test_what_heavy_items_share_is_not_what_each_takes(shared, monkeypatch):
    """Rows have a class, which is sent once for a chunk."""
    each = 0.004 - shared

    def took(values):
        return probe._PickleTimes(shared + each * len(values), 0.0, 0)

    monkeypatch.setattr(probe, "_pickle_times", took)
    cost = SendingCost()
    cost.measure(Chunk(range(100), list(range(100))))
    assert cost.here == pytest.approx(SEND / 2 + each + shared / probe.SHARING)


@alone
def test_what_sending_takes_is_measured_of_an_item_and_its_value():
    heavy, light = SendingCost(), SendingCost()
    outcome = Outcome([list(range(50_000))], {}, 0.0, [0.01], 0.01, "")
    heavy.offer(Chunk(range(1), [0]), outcome, at_once=True)
    assert heavy.here > 100 * SEND  # unpickling a list
    assert heavy.there > 100 * SEND  # pickling it
    light.offer(Chunk(range(1), [0]), Outcome([1], {}, 0.0, [0.01], 0.01, ""), at_once=True)
    assert light.here < heavy.here / 10
    assert light.unsendable is heavy.unsendable is None
    stuck = SendingCost()
    stuck.measure(Chunk(range(1), [threading.Lock()]))
    assert "lock" in str(stuck.unsendable)


class Many(Covering):
    """A value that stands for many items."""

    def __init__(self, values):
        self.values, self.count = values, len(values)


@alone
def test_a_value_that_stands_for_many_items_counts_as_many():
    single, many = SendingCost(), SendingCost()
    values = [[n] for n in range(5000)]
    chunk = Chunk(range(5000), values)
    outcome = Outcome([Many(values), *[None] * 4999], {}, 0.0, [0.01] * 5000, 0.01, "")
    single.offer(chunk, replace(outcome, values=values), at_once=True)
    many.offer(chunk, outcome, at_once=True)
    assert many.here < 5 * single.here


def test_no_more_workers_than_there_is_memory_for():
    processes, threads = Choice("processes", 8, "why"), Choice("threads", 8, "why")
    assert fit_memory(processes, 0, 100 << 30) is processes
    assert fit_memory(threads, 0, 0) is threads
    assert fit_memory(processes, 1 << 30, 4 << 30) == Choice(
        "processes", 3, "why, and there is memory for 3"
    )
    assert fit_memory(threads, 1 << 30, 5 << 30).workers == 4
    assert fit_memory(processes, 1 << 30, 1 << 30).backend == "serial"


LARGE = """
import time
import nbexec
from nbexec.system import machine

machine.cores = lambda: 4
machine.memory_free = lambda: 700 << 20

def large(x):
    block = bytearray(b"x") * (150 << 20)
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        pass
    return len(block)

with nbexec.options(progress="off"):
    for workers in None, None, 3:
        print(nbexec.map(large, range(12), workers=workers).run.choice)
"""


@alone
def test_what_the_first_items_take_of_memory_is_what_workers_will():
    """In the next run, too; and how many there are is decided by who says it."""
    made = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, timeout=60, check=True
    )
    first, again, said = made.stdout.splitlines()
    assert "backend='processes', workers=2" in first
    assert "and there is memory for 2" in first
    assert "backend='processes', workers=2" in again
    assert "as in an earlier run" in again
    assert "workers=3" in said


# ---------------------------------------------------------------- real runs


burning = []  # threads of this process that hold the GIL, or want to


def burn(seconds):
    burning.append(1)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    burning.pop()
    return seconds


@pytest.fixture
def gil(monkeypatch):
    """Tell truly whether the GIL is held: how late a thread gets it tells on a quiet machine."""
    monkeypatch.setattr(GilProbe, "answer", lambda gil_probe: float(bool(burning)))
    # and don't decide before it was asked for: that takes longer on a busy machine
    monkeypatch.setattr("nbexec.placement.auto.UNPROBED", 10.0)
    # values that are collected before the rest of their chunk come without their CPU time
    monkeypatch.setattr("nbexec.run.reclaim.LATE", 60.0)


@alone
def test_waiting_items_end_up_on_threads():
    run = nbexec.map(time.sleep, [0.1] * 40).run
    assert run.choice.backend == "threads"
    assert run.stats.elapsed < 3  # of 4


@alone
def test_computing_items_end_up_on_processes_each_run_once(tmp_path, gil):
    def once(x):
        (tmp_path / str(x)).open("x").close()  # raises if it is run twice
        return burn(0.02) and x

    results = nbexec.map(once, range(100))
    assert results == list(range(100))
    assert results.run.choice.backend == "processes"


@alone
def test_small_work_stays_and_says_how_long_it_took():
    run = nbexec.map(abs, range(10)).run
    assert run.choice.backend == "serial"
    assert run.choice.reason.startswith("all of it took")


@alone
def test_a_core_that_is_not_free_is_not_taken_for_waiting(gil):
    crowd = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        time.sleep(0.3)
        run = nbexec.map(burn, [0.02] * 40).run
        assert run.choice.backend == "processes", run.choice
        run = nbexec.map(time.sleep, [0.05] * 20).run
        assert run.choice.backend == "threads", run.choice
    finally:
        for one in crowd:
            one.kill()
            one.wait()


@alone
def test_coroutine_functions_go_to_asyncio():
    run = nbexec.map(asyncio.sleep, [0.001] * 10).run
    assert run.choice.backend == "asyncio"


@alone
def test_what_cannot_be_sent_stays_on_threads_and_says_why(monkeypatch):
    def to_processes(seen, workers, depth):
        return Choice("processes", 2, "they compute") if seen.items else None

    monkeypatch.setattr("nbexec.placement.auto.choose", to_processes)
    lock = threading.Lock()

    def locked(x):
        with lock:
            return burn(0.02)

    run = nbexec.map(locked, range(60)).run
    assert run.choice.backend == "threads"
    assert "'lock'" in run.choice.reason

    run = nbexec.map(lambda item: burn(0.02) and None, [threading.Lock()] * 60).run
    assert run.choice.backend == "threads"
    assert "lock" in run.choice.reason


def lock_now_and_then(x):
    time.sleep(0.001)
    return threading.Lock() if x == 40 and burn(0.01) else burn(0.01)


@alone
def test_a_result_that_cannot_be_sent_costs_itself_alone(gil):
    """It was none of the first: the items after it go where nothing is sent, also next time."""
    results = nbexec.map(lock_now_and_then, range(80), on_error="collect")
    assert [one.index for one in results.failures] == [40]
    assert "use backend='threads'" in str(results[40].exception)
    assert results.run.choice.backend == "threads"
    assert "on threads since the result, a _thread.lock, can't be sent" in results.run.choice.reason
    for _ in range(2):
        again = nbexec.map(lock_now_and_then, range(80))
        assert type(again[40]) is type(threading.Lock())
        assert again.run.choice.backend == "threads"
        assert "in an earlier run" in again.run.choice.reason


@alone
def test_an_item_that_cannot_be_sent_runs_where_nothing_is(tmp_path, gil):
    def once(x):
        number = x if isinstance(x, int) else 50
        (tmp_path / str(number)).open("x").close()  # raises if it is run twice
        return burn(0.02) and number

    items = [threading.Lock() if x == 50 else x for x in range(100)]
    results = nbexec.map(once, items)
    assert results == list(range(100))
    assert results.run.choice.backend == "threads"
    assert "on threads since the item, a lock, can't be sent" in results.run.choice.reason


@alone
def test_what_an_item_s_own_run_could_not_send_is_not_that_item_s_fault(gil):
    """It has begun, and runs no second time."""

    def nested(x):
        burn(0.02)
        if x == 50:
            nbexec.map(abs, [threading.Lock()], backend="processes", progress="off")
        return x

    results = nbexec.map(nested, range(70), on_error="collect")
    assert [one.index for one in results.failures] == [50]
    assert results.run.choice.backend == "processes"


@alone
def test_an_executor_chooses_too(gil):
    with nbexec.Executor() as executor:
        futures = [executor.submit(burn, 0.02) for _ in range(60)]
        assert {future.result() for future in futures} == {0.02}
        assert executor.run.choice.backend == "processes"


def free_the_gil(size):
    return hashlib.sha256(bytes(size)).hexdigest()


@alone
def test_items_that_free_the_gil_go_to_threads(gil):
    run = nbexec.map(free_the_gil, [20_000_000] * 40, workers=4).run
    assert run.choice.backend == "threads"
    assert "wait" not in run.choice.reason


@alone
def test_without_a_gil_what_computes_goes_to_as_many_threads_as_there_are_cores(monkeypatch, gil):
    """And stays there, and begins there the next time."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    data = bytes(10_000_000)

    def without(x):  # what does hold it would be seen to be in the others' way
        return hashlib.sha256(data).hexdigest()

    for words in "items take", "as in an earlier run, items take":
        run = nbexec.map(without, range(100)).run
        assert (run.choice.backend, run.choice.workers) == ("threads", 4)
        assert run.choice.reason.startswith(words)
        assert run.choice.reason.endswith("of CPU, and this Python has no GIL")


@alone
def test_first_items_that_lie_are_found_out(gil):
    """Each is run once, wherever it goes."""
    ran = []
    results = nbexec.map(lambda s: ran.append(s) or burn(s), [0.0] * 20 + [0.05] * 60)
    assert results == [0.0] * 20 + [0.05] * 60
    assert results.run.choice.backend == "processes"
    assert len(ran) < 60  # the rest, in other processes


def wait_then_burn(x):
    return time.sleep(0.02) if x < 20 else burn(0.02)


@alone
def test_items_that_change_their_kind_change_their_place(gil):
    run = nbexec.map(wait_then_burn, range(200), workers=4).run
    assert run.choice.backend == "processes"
    assert "by now" in run.choice.reason


@alone
def test_threads_that_have_it_all_are_seen_to_compute_in_turn(gil):
    """Their chunks end late, and all at once: what they do is seen while they do it."""
    nbexec.map(burn, [0.01] * 40, backend="processes", workers=4)  # cold ones would not pay
    before = sys.getswitchinterval()
    items = [0.02] * 8 + [-0.01] * 250  # on a busy machine it takes longer until it is seen
    run = nbexec.map(lambda s: burn(-s) if s < 0 else time.sleep(s), items).run
    assert run.choice.backend == "processes"
    assert "by now" in run.choice.reason
    assert sys.getswitchinterval() == before


def burn_then_wait(x):
    return burn(0.02) if x < 20 else time.sleep(0.02)


@alone
def test_and_back_again(gil):
    run = nbexec.map(burn_then_wait, range(300), workers=None).run
    assert run.choice.backend == "threads"
    assert "by now" in run.choice.reason


@alone
def test_what_waits_first_does_not_hold_up_the_others():
    begun = []
    run = nbexec.map(lambda x: begun.append(time.monotonic()) or time.sleep(2), range(6)).run
    assert run.choice.backend == "threads"
    assert begun[1] - begun[0] < 1.5
