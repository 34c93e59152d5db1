"""The queue of an executor: its bound, and calls that run in the thread that submits them."""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from ..errors import OptionError
from ..items.call_queue import CallQueue
from ..items.queue_bound import ON_FULL, QueueBound, inside
from ..model import Error
from ..options import checks
from ..options.record import Options
from ..run.failure_policy import Policy, Retry
from ..worker import execute
from ..worker.execute import Call


def bound_of(
    max_queue: int | None, on_full: str, options: Options, setup: Any = None
) -> QueueBound | None:
    """Give the bound that an executor's arguments mean; None for none."""
    checks.one_of(ON_FULL)("on_full", on_full)
    if max_queue is None:
        if on_full != "block":
            raise OptionError(f"on_full={on_full!r} needs max_queue=, how many calls may wait")
        return None
    checks.int_at_least(0)("max_queue", max_queue)
    if on_full == "caller_runs":
        require_no_rate(options.rate)
        _require_no_setup(setup)
    return QueueBound(max_queue, on_full)  # type: ignore[arg-type]  # it was checked


def require_no_rate(rate: Any) -> None:
    """Refuse a rate where callers run calls, which begin at once."""
    if rate is not None:
        raise OptionError(
            f"rate={rate!r} does not work with on_full='caller_runs', where a call begins at once "
            "when the queue is full: use 'block'"
        )


def _require_no_setup(setup: Any) -> None:
    """Refuse a setup where callers run calls: it has not been in their threads."""
    if setup is not None:
        raise OptionError(
            f"setup={setup!r} does not work with on_full='caller_runs': a call that its caller "
            "runs is in no worker, and would not get what setup gives there; use 'block'"
        )


@contextlib.contextmanager
def marked(calls: CallQueue) -> Iterator[None]:
    """Have contexts that are copied here be known as those of a queue's calls."""
    token = inside.set((*inside.get(), calls.mark))
    try:
        yield
    finally:
        inside.reset(token)


def run_here(call: Call, future: Future[Any], options: Options) -> None:
    """Run a call in this thread, in a copy of its context, and set its future."""
    if not future.set_running_or_notify_cancel():
        return
    policy, attempt = Policy.of(options), 1
    while True:
        try:
            value = contextvars.copy_context().run(execute.call, call)
        except KeyboardInterrupt as error:
            future.set_exception(error)
            raise  # it is the caller's
        except BaseException as error:  # SystemExit, too: it would not end a worker either
            verdict = policy.judge(Error("error", error, ""), attempt)
            if not isinstance(verdict, Retry):
                future.set_exception(error)
                return
            wait = verdict.wait
        else:
            future.set_result(value)
            return
        time.sleep(wait)
        attempt += 1
