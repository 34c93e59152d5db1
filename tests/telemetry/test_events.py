"""The event grammar: RunStarted (...)* RunEnded, and every submitted index ends once.

Covers `nbexec.telemetry.observer` and `nbexec.telemetry.publisher`.
"""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbexec
from nbexec.telemetry.events import (
    Dropped,
    Finished,
    Hedged,
    Output,
    Progressed,
    Restored,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Sampled,
    Steered,
    Submitted,
)
from nbexec.telemetry.observer import Observer
from nbexec.telemetry.state import RunState


def check(events):
    """Assert the grammar of one run's events; give how often each index finished."""
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    times = [event.time for event in events]
    assert times == sorted(times)
    away, finished, hedged, dropped = set(), Counter(), Counter(), Counter()
    for event in events[1:-1]:
        match event:
            case Submitted(chunk=chunk):
                assert not away & set(chunk.indices), "submitted twice"
                assert not finished.keys() & set(chunk.indices), "submitted after its end"
                away |= set(chunk.indices)
            case Returned(chunk=chunk):
                assert set(chunk.indices) <= away
                away -= set(chunk.indices)
            case Retried(index=index):
                assert index in away
                away.remove(index)
            case Finished(chunk=chunk, outcome=outcome):
                assert set(chunk.indices) <= away
                assert len(outcome.values) == len(outcome.ends) == len(chunk)
                assert set(outcome.errors) <= set(range(len(chunk)))
                away -= set(chunk.indices)
                finished.update(chunk.indices)
            case Hedged(chunk=chunk):
                (index,) = chunk.indices
                assert index in away
                hedged[index] += 1
                assert hedged[index] == dropped[index] + 1, "a third try at once"
            case Dropped(index=index):
                dropped[index] += 1
                assert dropped[index] <= hedged[index]
            case Restored(chunk=chunk, outcome=outcome):
                assert not (away | finished.keys()) & set(chunk.indices), "submitted before"
                assert len(outcome.values) == len(chunk)
                assert not outcome.errors
                finished.update(chunk.indices)
            case _:
                assert isinstance(event, (Steered, Sampled, Output, Progressed))
    assert not away, "never came to its end"
    assert hedged == dropped
    assert set(finished.values()) <= {1}
    return finished


def refold(events):
    """Fold the events again, in a state of our own."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state.stats(events[-1].time)


def test_a_run_follows_the_grammar(backend, log):
    run = nbexec.map(abs, range(300), backend=backend).run
    assert len(check(log.events)) == 300
    assert log.events[-1].reason == "done"
    assert refold(log.events) == run.stats


def test_a_run_with_failures_follows_the_grammar(backend, log):
    def fail(x):
        return 1 // (x % 7)

    nbexec.map(fail, range(100), backend=backend, on_error="collect", retries=1)
    assert len(check(log.events)) == 100
    assert sum(isinstance(event, Retried) for event in log.events) == 15


def test_a_run_that_stops_follows_the_grammar(backend, log):
    with pytest.raises(ZeroDivisionError):
        nbexec.map(lambda x: 1 // (50 - x), range(1000), backend=backend)
    assert 50 in check(log.events)
    assert log.events[-1].reason == "failed"


def test_a_cancelled_run_follows_the_grammar(backend, log):
    import time

    run = nbexec.start(time.sleep, [0.01] * 500, backend=backend)
    while run.stats.done < 3:
        time.sleep(0.002)
    run.cancel()
    run.wait()
    check(log.events)
    assert log.events[-1].reason == "cancelled"


def test_auto_follows_the_grammar(log):
    nbexec.map(abs, iter(range(5000)))
    assert len(check(log.events)) == 5000
    assert any(isinstance(event, Steered) and event.choice for event in log.events)


def test_an_observer_that_raises_breaks_nothing(monkeypatch, caplog):
    class Broken(Observer):
        calls = 0

        def observe(self, event, state):
            self.calls += 1
            raise RuntimeError("broken observer")

    broken = Broken()
    monkeypatch.setattr("nbexec.observers.watchers", lambda options, task: [broken])
    assert nbexec.map(abs, [-1, -2]) == [1, 2]
    assert broken.calls == 1
    assert "dropped" in caplog.text


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bad=st.sets(st.integers(0, 60)),
    chunk=st.none() | st.integers(1, 20),
    retries=st.integers(0, 2),
    workers=st.integers(1, 4),
    collect=st.booleans(),
    lazy=st.booleans(),
)
@pytest.mark.parametrize("name", ["serial", "threads", "processes", "asyncio"])
def test_random_runs_follow_the_grammar(log, name, bad, chunk, retries, workers, collect, lazy):
    def work(x):
        if x in bad:
            raise ValueError(x)
        return x

    log.events.clear()
    items = iter(range(61)) if lazy else range(61)
    knobs = {"chunk": chunk, "retries": retries, "workers": workers}
    with contextlib.suppress(ValueError):
        nbexec.map(work, items, backend=name, on_error="collect" if collect else "raise", **knobs)
    finished = check(log.events)
    if collect or not bad:
        assert set(finished) == set(range(61))
    else:
        assert set(range(min(bad) + 1)) <= set(finished)
