"""Pipelines that are broken off: what had ended is there, in its place, and can be gone on with.

Covers `graph/pipeline_results` and `graph/pipeline_flow`.
"""

from __future__ import annotations

import threading

import pytest

from nbexec import Pipeline
from nbexec.graph.pipeline_flow import PipelineFlow

from ..waiting import until


@pytest.fixture
def ended(monkeypatch):
    """Give the numbers of the items of which a call has ended, whether that was noticed or not."""
    numbers, put = [], PipelineFlow._put

    def noted(flow, rows, *call):
        put(flow, rows, *call)
        numbers.extend(one.index for one in rows)

    monkeypatch.setattr(PipelineFlow, "_put", noted)
    return numbers


@pytest.fixture
def gate():
    """Give what a step waits for; it is set at the end, whatever happens."""
    made = threading.Event()
    yield made
    made.set()


def breaking(count, ready, error):
    """Give some numbers; raise when it is time."""
    yield from range(count)
    until(ready)
    raise error


def test_partial_results_are_retried_in_their_places(ended, gate):
    away = [True]

    def tenfold(x):
        if x == 0:
            assert gate.wait(20)
        if x == 2 and away:
            raise OSError("away")
        return 10 * x

    pipe = Pipeline(tenfold, backend="threads", workers=4)
    items = breaking(5, lambda: len(ended) == 4, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        pipe.map(over="x", x=items, on_error="collect", progress="off")
    gate.set()
    partial = caught.value.partial_results
    assert partial.inputs == {"x": [1, 2, 3, 4]}
    assert [one.index for one in partial.failures] == [2]
    away.clear()
    assert partial.retry_failed() == {"tenfold": [10, 20, 30, 40]}


def test_what_ended_before_an_iterable_raised_is_there(gate):
    def tenfold(x):
        if x == 1:
            assert gate.wait(20)
        return 10 * x

    def open_gate():
        gate.set()
        return True

    def items():
        return breaking(3, open_gate, OSError("no more"))

    pipe, found = Pipeline(tenfold, backend="threads", workers=2), []
    with pytest.raises(OSError, match="no more") as caught:
        pipe.map(over="x", x=items(), progress="off")
    assert caught.value.partial_results == {"tenfold": [0, 10, 20]}

    def take():
        for one in pipe.imap(over="x", x=items(), progress="off"):
            found.append(one["tenfold"])

    with pytest.raises(OSError, match="no more"):
        take()
    assert found == [0, 10, 20]


def test_an_interrupted_retry_has_what_there_is_and_can_be_gone_on_with():
    state = {"away": True, "stop": False}

    def shaky(x):
        if state["away"]:
            raise OSError("away")
        if state["stop"] and x == 1:
            raise KeyboardInterrupt
        return 10 * x

    pipe = Pipeline(shaky, backend="serial")
    results = pipe.map(over="x", x=[0, 1, 2], on_error="collect", progress="off")
    state.update(away=False, stop=True)
    with pytest.raises(KeyboardInterrupt) as caught:
        results.retry_failed()
    partial = caught.value.partial_results
    assert partial["shaky"][0] == 0
    assert partial.failures[0].index == 1  # and 2, if it had not ended meanwhile
    state["stop"] = False
    assert partial.retry_failed() == {"shaky": [0, 10, 20]}


def test_a_dataset_has_the_values_as_they_were():
    pytest.importorskip("xarray")

    def either(a, b):
        return a or b

    def number(a, b):
        return a + b if a else 2.5

    pipe = Pipeline(either, number, backend="serial")
    given = {"over": ("a", "b"), "mode": "product", "progress": "off"}
    data = pipe.map(a=[1, 0], b=[3, 4], **given).to_xarray()
    assert data["number"].dtype == float
    texts = Pipeline(either, backend="serial").map(a=[1, ""], b=["x", 2.5], **given).to_xarray()
    assert texts["either"].values.tolist() == [[1, 1], ["x", 2.5]]
