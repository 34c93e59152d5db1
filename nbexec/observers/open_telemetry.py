"""OpenTelemetry: a span for each run, and in it one for each item."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..model import Chunk, Error
from ..telemetry import wording
from ..telemetry.event_rows import ends_of, error_name
from ..telemetry.events import (
    Dropped,
    Event,
    Finished,
    Hedged,
    Restored,
    Retried,
    RunEnded,
    RunStarted,
    Steered,
    Submitted,
)
from ..telemetry.observer import WatchedRun
from ..telemetry.tries import Tries

Attributes = dict[str, Any]


class OpenTelemetry:
    """Make a span for each run, and in it one for each try of an item: for ``on_event=``.

    The span that is current where the run is started is the parent. A span of an item has its
    index, status ("done", "failed", "cancelled", "lost"; "retried" and "dropped" for tries that
    another one followed, or outran), attempt and worker; and the exception, where it raised.

    Parameters
    ----------
    tracer : opentelemetry.trace.Tracer or None
        Makes the spans; None is the one of the global provider named "nbexec".

    Raises
    ------
    ImportError
        The package opentelemetry-api is not installed.
    """

    __module__ = "nbexec"

    def __init__(self, tracer: Any = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise ImportError(
                "OpenTelemetry() needs opentelemetry-api, which is not installed: "
                'pip install "nbexec-toolkit[otel]"'
            ) from error
        self._tracer = trace.get_tracer("nbexec") if tracer is None else tracer

    def watch(self, run: WatchedRun) -> Callable[[Event], None]:
        """Give what makes the spans of this run."""
        from opentelemetry import context

        return _Spans(self._tracer, run.id, context.get_current()).take


class _Spans:
    """The spans of one run."""

    def __init__(self, tracer: Any, run: str, context: Any) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._tracer = tracer
        self._run = run
        self._context = context  # of who started the run; then with the run's span
        self._span: Any = None
        self._name = ""
        self._tries = Tries()
        self._attempts: dict[int, int] = {}  # the latest, of items that were tried before
        self._offset = 0.0  # Unix time less the run's clock
        self._counts = dict.fromkeys(("done", "failed", "cancelled", "lost", "restored"), 0)
        self._counts |= {"retried": 0, "hedged": 0}

    def take(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case RunStarted():
                self._begin(event)
            case Finished():
                self._finished(event)
            case Submitted(chunk=chunk) if chunk.attempt > 1:
                self._attempts |= dict.fromkeys(chunk.indices, chunk.attempt)
            case Retried():
                self._counts["retried"] += 1
                self._tries.add(event)
                about = {"nbexec.attempt": self._attempts.get(event.index, 1)}
                self._try(event, "retried", about, event.error)
            case Dropped() if event.worker:
                self._try(event, "dropped", {}, None)
            case Hedged():
                self._counts["hedged"] += len(event.chunk)
                self._note(event, "hedged", event.chunk)
            case Restored():
                self._counts["restored"] += len(event.chunk)
                self._note(event, "restored", event.chunk)
            case Steered():
                self._steered(event)
            case RunEnded():
                self._end(event)

    def _nanoseconds(self, event: Event) -> int:
        return _nanoseconds(event.time + self._offset)

    def _begin(self, event: RunStarted) -> None:
        self._offset = time.time() - event.time
        self._name = event.name
        about: Attributes = {"nbexec.run": self._run, "nbexec.backend": event.choice.backend}
        about |= {"nbexec.workers": event.choice.workers}
        if event.total is not None:
            about["nbexec.total"] = event.total
        self._span = self._tracer.start_span(
            self._name, self._context, attributes=about, start_time=self._nanoseconds(event)
        )
        self._context = self._trace.set_span_in_context(self._span, self._context)

    def _finished(self, event: Finished) -> None:
        chunk, worker = event.chunk, event.outcome.worker
        for one in ends_of(event, self._tries.among(event)):
            self._counts[one.status] += 1
            self._attempts.pop(one.item, None)
            about: Attributes = {"nbexec.attempt": chunk.attempt, "nbexec.worker": worker}
            about |= {"nbexec.item": one.item, "nbexec.status": one.status}
            self._item(about, one.started, one.seconds, one.error)

    def _try(
        self, event: Retried | Dropped, status: str, about: Attributes, error: Error | None
    ) -> None:
        about = {**about, "nbexec.item": event.index, "nbexec.status": status}
        about["nbexec.worker"] = event.worker
        self._item(about, event.started, event.seconds, error)

    def _item(self, about: Attributes, started: float, seconds: float, error: Error | None) -> None:
        """Make the span of a try, which is over."""
        begun, ended = _nanoseconds(started), _nanoseconds(started + seconds)
        span = self._tracer.start_span(
            f"{self._name} item", self._context, attributes=about, start_time=begun
        )
        if error is not None:
            described = wording.message(error.exception)
            # not by `record_exception`: the text of an exception is the user's code, and its
            # traceback is the worker's
            raised = {
                "exception.type": error_name(error.exception),
                "exception.message": described,
                "exception.stacktrace": error.traceback,
            }
            span.add_event("exception", raised, ended)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, described))
        span.end(ended)

    def _note(self, event: Event, name: str, chunk: Chunk) -> None:
        """Add an event to the run's span, about some items."""
        about = {"nbexec.items": len(chunk), "nbexec.item": chunk.indices[0]}
        self._span.add_event(name, about, self._nanoseconds(event))

    def _steered(self, event: Steered) -> None:
        if event.choice is not None:
            about: Attributes = {"nbexec.backend": event.choice.backend}
            self._span.set_attributes(about | {"nbexec.workers": event.choice.workers})
        if event.total is not None:
            self._span.set_attribute("nbexec.total", event.total)

    def _end(self, event: RunEnded) -> None:
        self._span.set_attributes({f"nbexec.{name}": n for name, n in self._counts.items()})
        self._span.set_attribute("nbexec.reason", event.reason)
        if event.reason in ("failed", "crashed"):
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        self._span.end(self._nanoseconds(event))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
