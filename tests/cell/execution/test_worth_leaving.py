"""`Destination`: whether the rest of a loop goes to workers, and to which.

Covers `nbexec.cell.execution.worth_leaving`.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from nbexec.cell.execution import worth_leaving
from nbexec.cell.execution.worth_leaving import Destination, WarmUp
from nbexec.model import Choice
from nbexec.options import resolve
from nbexec.placement.auto import Evidence

COMPUTING = Evidence(items=100, wall=0.1, busy=0.1, left=10_000, gil_probes=5, held=5.0)
WAITING = replace(COMPUTING, busy=0.001, held=0.0)


def destination(warm=True, **options):
    made = Destination(resolve({"workers": 2, **options}))
    made._warm = lambda: warm
    return made


def test_items_that_compute_go_to_processes():
    assert destination().choose(COMPUTING).backend == "processes"
    assert destination(backend="processes").choose(COMPUTING).backend == "processes"


def test_threads_that_were_asked_for_get_only_what_they_do_sooner():
    assert destination(backend="threads").choose(COMPUTING).backend == "serial"
    assert destination(backend="threads").choose(WAITING).backend == "threads"


@pytest.mark.parametrize("backend", ["auto", "processes"])
def test_what_takes_less_than_sending_it_stays(backend):
    cheap = replace(COMPUTING, items=100_000)
    choice = destination(backend=backend).choose(cheap)
    assert choice.backend == "serial"
    assert "sending one would take" in choice.reason


@pytest.mark.parametrize("backend", ["auto", "processes"])
def test_brief_items_leave_where_many_run_in_one_call(backend):
    brief = replace(COMPUTING, items=10_000, left=100_000)
    made = destination(backend=backend)
    assert made.choose(brief).backend == "processes"
    made.in_blocks = False
    assert made.choose(brief).backend == "serial"


@pytest.mark.parametrize("backend", ["auto", "processes"])
def test_a_large_item_stays(backend):
    """Its bytes are what takes long, not the items' time."""
    seen = replace(COMPUTING, items=1000, left=5000)
    assert destination(backend=backend).choose(seen).backend == "processes"
    large = [list(map(str, range(20_000)))]
    assert destination(backend=backend).choose(seen, large).backend == "serial"


def test_what_the_body_reads_is_weighed_where_it_is_sent():
    large = [[str(n) for n in range(1000)]] * 1
    many = {n: [n] for n in range(200_000)}
    there, here = Choice("processes", 2, ""), Choice("threads", 2, "")
    assert destination().sending(there, [many]) > 10 * destination().sending(there, large) > 0
    assert destination().sending(here, [many]) == 0.0


def test_one_worker_is_never_sooner():
    assert destination(backend="processes", workers=1).choose(COMPUTING).backend == "serial"


def test_serial_is_no_destination():
    assert destination(backend="serial").none
    assert not destination(backend="threads").none
    assert not destination().none


@pytest.mark.parametrize("backend", ["auto", "processes", "threads"])
def test_it_waits_until_enough_was_seen(backend):
    assert destination(backend=backend).choose(Evidence(items=1, wall=0.001, busy=0.001)) is None


# ---------------------------------------------------------------- workers that aren't there


class Cold:
    """A backend whose workers start when it is told so."""

    name = "cold"

    def __init__(self):
        self.started, self.go = 0, threading.Event()
        self.asked = threading.Event()

    def warm(self):
        return self.started > 0 and self.go.is_set()

    def warm_up(self, workers):
        self.asked.set()
        if self.started == workers:
            return False
        self.started += 1
        return True


def test_the_plain_loop_goes_on_until_workers_are_there():
    cold = Cold()
    going = destination(warm=False)
    going._backend = cold
    choice = Choice("cold", 2, "")
    assert not going.ready(choice, 0.001)
    assert cold.asked.wait(20)
    assert not going.ready(choice, 0.001)
    cold.go.set()
    assert going.ready(choice, 0.001)


def test_an_item_of_seconds_does_not_wait_for_them():
    going = destination(warm=False)
    going._backend = Cold()
    assert going.ready(Choice("cold", 2, ""), 5.0)


def test_a_backend_that_starts_nothing_ahead_is_not_waited_for():
    class Plain(Cold):
        def warm_up(self, workers):
            return False

    warming = WarmUp(Plain(), 2)
    warming._thread.join(20)
    assert warming.over


def test_workers_that_do_not_come_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(worth_leaving, "LONG", 0.0)
    warming = WarmUp(Cold(), 2)
    warming._thread.join(20)
    assert warming.over
