"""`on_event=`: functions and observers are given each event, in order; one that raises is dropped.

Covers `nbexec.events`.
"""

from __future__ import annotations

import threading

import pytest

import nbexec
from nbexec import events
from nbexec.cell.execution import delayed_display
from nbexec.errors import OptionError

from ..telemetry.test_events import check, refold


def test_a_function_is_given_each_event_in_order_from_the_runs_thread(backend):
    seen, threads = [], set()

    def take(event):
        seen.append(event)
        threads.add(threading.current_thread())

    run = nbexec.map(
        lambda x: 1 // (x % 5),
        range(40),
        backend=backend,
        on_event=take,
        on_error="collect",
        retries=1,
        retry_wait=0,
    ).run
    assert len(check(seen)) == 40
    assert refold(seen) == run.stats
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_several_and_one_that_raises_is_dropped(caplog):
    seen, calls = [], []

    def broken(event):
        calls.append(event)
        raise ValueError("broken")

    assert nbexec.map(abs, [-1], on_event=[broken, seen.append]) == [1]
    assert len(calls) == 1
    check(seen)
    assert "dropped" in caplog.text


class Watching:
    """Gives a function for each run."""

    def __init__(self):
        self.of = {}

    def watch(self, run):
        return self.of.setdefault(run.id, []).append


def test_an_observer_tells_runs_apart():
    watching = Watching()
    with nbexec.options(on_event=watching, backend="threads"):
        runs = [nbexec.start(abs, range(count)) for count in (3, 4)]
        for run in runs:
            run.wait()
    assert {name: len(check(seen)) for name, seen in watching.of.items()} == {
        runs[0].id: 3,
        runs[1].id: 4,
    }


def test_an_observer_that_cannot_begin_is_dropped(caplog):
    class Broken:
        def watch(self, run):
            raise RuntimeError("no")

    assert nbexec.map(abs, [-1], on_event=Broken()) == [1]
    assert "dropped" in caplog.text


def test_an_executor_and_invoke_and_imap_have_it_too(backend):
    seen = []
    with nbexec.Executor(backend, on_event=seen.append) as executor:
        assert executor.submit(abs, -3).result() == 3
    assert len(check(seen)) == 1
    seen.clear()
    assert list(nbexec.imap(abs, [-1, -2], backend=backend, on_event=seen.append)) == [1, 2]
    assert len(check(seen)) == 2


def test_runs_within_items_do_not_need_to_have_it_sent(sent):
    lock = threading.Lock()  # can't be pickled

    def take(event):
        with lock:
            seen.append(event)

    seen = []
    with nbexec.options(on_event=take):
        assert nbexec.map(lambda x: sum(nbexec.map(abs, [x])), [-1, -2], backend=sent) == [1, 2]
    assert len(check(seen)) == 2


def test_a_loop_of_a_cell_has_each_event_once(monkeypatch):
    monkeypatch.setattr(delayed_display, "PATIENCE", 0.0)  # it is shown, by other observers
    seen = []
    namespace = {"xs": list(range(5))}
    with nbexec.options(on_event=seen.append, backend="threads", progress="auto"):
        nbexec.parallel("ys = []\nfor x in xs:\n    ys.append(x * x)", namespace)
    assert namespace["ys"] == [0, 1, 4, 9, 16]
    assert sum(isinstance(event, events.RunStarted) for event in seen) == 1
    assert sum(isinstance(event, events.RunEnded) for event in seen) == 1


@pytest.mark.parametrize("wrong", [3, nbexec.JsonLines, [print, "path"]])
def test_what_cannot_be_called_is_refused(wrong):
    with pytest.raises(OptionError, match="on_event must be a function of an event"):
        nbexec.map(abs, [1], on_event=wrong)


def test_the_public_module_has_every_event():
    for name in events.__all__:
        assert getattr(events, name) is getattr(
            __import__("nbexec.telemetry.events", fromlist=[name]), name
        )
