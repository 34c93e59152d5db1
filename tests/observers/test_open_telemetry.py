"""`OpenTelemetry`: a span for each run, one for each try of an item, and their exceptions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

import nbexec

sdk = pytest.importorskip("opentelemetry.sdk.trace")
trace = pytest.importorskip("opentelemetry.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


class Traced:
    """A tracer of its own, and the spans that it has made."""

    def __init__(self):
        self.exporter = in_memory.InMemorySpanExporter()
        self.provider = sdk.TracerProvider()
        self.provider.add_span_processor(export.SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        self.observer = nbexec.OpenTelemetry(self.tracer)

    def spans(self):
        """Give the spans of runs, and of items."""
        spans = self.exporter.get_finished_spans()
        ours = [span for span in spans if "nbexec.run" in span.attributes]
        return ours, [span for span in spans if "nbexec.item" in span.attributes]


@pytest.fixture
def traced():
    return Traced()


def check(traced, stats):
    """Assert that the spans of one run agree with its numbers; give its span and the items'."""
    (run,), items = traced.spans()
    for span in items:
        assert span.parent.span_id == run.context.span_id
        assert span.start_time <= span.end_time
        bad = span.attributes["nbexec.status"] in ("failed", "cancelled", "lost", "retried")
        assert (span.status.status_code is trace.StatusCode.ERROR) == bad
        assert [event.name for event in span.events] == ["exception"] * bad
    statuses = Counter(span.attributes["nbexec.status"] for span in items)
    assert statuses["done"] + stats.restored == stats.done
    assert statuses["failed"] + statuses["lost"] == stats.failed
    assert statuses["cancelled"] == stats.cancelled
    assert statuses["retried"] == stats.retried == run.attributes["nbexec.retried"]
    assert run.attributes["nbexec.restored"] == stats.restored
    assert run.attributes["nbexec.hedged"] == stats.hedged
    ended = [
        span.attributes["nbexec.item"]
        for span in items
        if span.attributes["nbexec.status"] not in ("retried", "dropped")
    ]
    assert len(set(ended)) == len(ended) == stats.finished - stats.restored
    return run, items


def test_a_run_and_its_items(backend, traced):
    before = time.time_ns()
    with traced.tracer.start_as_current_span("the caller's") as caller:
        run = nbexec.map(abs, range(20), backend=backend, on_event=traced.observer).run
    span, items = check(traced, run.stats)
    assert span.parent.span_id == caller.get_span_context().span_id
    assert (span.name, {one.name for one in items}) == ("abs", {"abs item"})
    assert before - 10**9 < span.start_time <= span.end_time < time.time_ns() + 10**9
    assert span.attributes["nbexec.total"] == 20
    assert span.attributes["nbexec.reason"] == "done"
    assert span.status.status_code is trace.StatusCode.UNSET


def test_failures_and_retries(backend, traced):
    def fail(x):
        if x == 3:
            raise ValueError("not three")
        return x

    run = nbexec.start(
        fail,
        range(6),
        backend=backend,
        on_error="raise",
        retries=1,
        retry_wait=0,
        on_event=traced.observer,
    )
    run.wait()
    span, items = check(traced, run.stats)
    assert span.status.status_code is trace.StatusCode.ERROR
    first, last = (one for one in items if one.attributes["nbexec.item"] == 3)
    assert [one.attributes["nbexec.attempt"] for one in (first, last)] == [1, 2]
    (raised,) = last.events
    assert raised.attributes["exception.type"] == "ValueError"
    assert raised.attributes["exception.message"] == "not three"
    assert "in fail" in raised.attributes["exception.stacktrace"]
    assert last.status.description == "not three"


def test_a_cancelled_run(backend, traced):
    run = nbexec.start(time.sleep, [0.01] * 300, backend=backend, on_event=traced.observer)
    while run.stats.done < 2:
        time.sleep(0.002)
    run.cancel()
    run.wait()
    span, _ = check(traced, run.stats)
    assert span.attributes["nbexec.reason"] == "cancelled"


def test_restored_items(traced, tmp_path):
    options = {"checkpoint": tmp_path / "journal", "backend": "serial"}
    nbexec.map(abs, [0, 1], **options)
    run = nbexec.map(abs, range(3), on_event=traced.observer, **options).run
    span, _ = check(traced, run.stats)
    assert run.stats.restored == 2
    assert {event.name for event in span.events} == {"restored"}


def test_hedged_items(traced):
    gate, calls = threading.Event(), Counter()

    def work(x):
        calls[x] += 1
        if x == 2 and calls[x] == 1:
            gate.wait(60)
        return x

    options = {"backend": "threads", "workers": 3, "hedge_after": 0.05}
    run = nbexec.map(work, range(3), on_event=traced.observer, **options).run
    gate.set()
    span, _ = check(traced, run.stats)
    assert run.stats.hedged >= 1
    assert {event.name for event in span.events} == {"hedged"}


def test_an_exception_whose_text_raises(traced):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def fail(x):
        raise Odd

    run = nbexec.map(fail, [1], on_error="collect", on_event=traced.observer).run
    check(traced, run.stats)


def test_runs_are_apart(traced):
    runs = [nbexec.start(abs, [1], on_event=traced.observer, name=name) for name in ("a", "b")]
    for run in runs:
        run.wait()
    spans, items = traced.spans()
    parents = {span.name: span.context.span_id for span in spans}
    assert {one.name.split()[0]: one.parent.span_id for one in items} == parents


def test_without_the_package_it_says_what_to_install():
    code = (
        "import sys, nbexec\n"
        "sys.modules['opentelemetry'] = None\n"
        "try: nbexec.OpenTelemetry()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "nbexec-toolkit[otel]"' in done.stdout, done


def test_the_global_provider_is_the_default():
    assert nbexec.map(abs, [-1], on_event=nbexec.OpenTelemetry()) == [1]
