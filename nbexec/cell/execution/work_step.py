"""A loop over a work list: plain at first, then with calls computed ahead where that can be."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

from ...options.record import Options
from ..analysis.analysis import Refusal
from ..loops.split import AHEAD, find_split
from ..loops.work_list import WorkList, find_work_list
from . import plain_first
from .ahead import TRIES, is_about
from .in_kernel import StatementRunner
from .work_ahead import WorkAhead

FIRST = 0.02  # seconds that the loop runs as it stands, before it is looked at


class _Beginning:
    """Says for how long a loop runs as it stands."""

    def __init__(self) -> None:
        self._until = time.perf_counter() + FIRST
        self.ended = False  # without a `break`

    def more(self) -> bool:
        """Whether it is too early to look at the loop."""
        return time.perf_counter() < self._until

    def through(self) -> None:
        """Take in that it ended, or is looked at now."""
        self.ended = True

    @property
    def late(self) -> bool:
        """Whether it is time to look at the loop."""
        return self.ended and not self.more()


def run_work(
    work: WorkList,
    kernel: StatementRunner,
    options: Options,
    given: dict[str, Any],
    instead: Callable[[], ast.stmt | None],
) -> WorkAhead | Refusal:
    """Run a loop over a work list; give what computed calls ahead, or why nothing did.

    Parameters
    ----------
    work : WorkList
        The loop.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    options, given
        As for `LoopStep`.
    instead : callable
        Gives what runs the rest of the loop where nothing is computed ahead.
    """
    __tracebackhide__ = True
    if plain_first.ENABLED:
        beginning = _Beginning()
        kernel.namespace[AHEAD] = beginning
        try:
            kernel.statement(work.rewritten(), value=False)
        finally:
            kernel.namespace.pop(AHEAD, None)
        if not beginning.late:
            if beginning.ended:
                kernel.execute(work.stmt.orelse)
            return Refusal(work.stmt.lineno, "workers would not pay")
    found = _work_ahead(work, kernel, options, given)
    if isinstance(found, Refusal):
        kernel.statement(instead() or work.stmt, value=False)
    else:
        found.run(instead)
    return found


def work_of(
    stmt: ast.stmt, kernel: StatementRunner, options: Options, given: dict[str, Any]
) -> WorkList | None:
    """Give the work list of a statement whose calls may be computed ahead; None for none."""
    limited = (options.timeout, options.deadline, options.memory_limit, options.checkpoint)
    asked = given.get("on_error") == "collect" or options.retries or options.workers == 1
    if asked or any(one is not None for one in limited) or options.backend == "serial":
        return None
    work = find_work_list(stmt, kernel.namespace)
    if work is None or find_split(work.loop, kernel.namespace) is None:
        return None
    return work


def _work_ahead(
    work: WorkList, kernel: StatementRunner, options: Options, given: dict[str, Any]
) -> WorkAhead | Refusal:
    kept: set[ast.AST] = set()
    first = Refusal(work.stmt.lineno, "has no calls that can be computed ahead")
    for tried in range(TRIES):
        split = find_split(work.loop, kernel.namespace, kept)
        if split is None or split.caches:
            return first
        try:
            found = WorkAhead(work, split, kernel, options, given)
            found.settle_now()
        except Refusal as refusal:
            first = first if tried else refusal
            about = [one for one in split.moved if is_about(refusal, one)]
            if not about:
                return first
            kept.add(about[-1])
        else:
            return found
    return first
