"""PipelineFlow: rows of values on their way through the steps of a pipeline.

A step of a row is submitted once all that it takes is there; no step waits for another row.
What is ready is submitted in the order of the rows, and only as much as workers can begin at
once, so that the first rows are finished first and few are open: memory is bounded by them.
"""

from __future__ import annotations

import functools
import heapq
import queue
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..executor.calls_executor import CallsExecutor
from ..items.awaiting_calls import when_done
from ..model import Failure
from .nodes import Node
from .wiring import Wiring

AHEAD = 2  # calls at an executor for each of its workers, at least: one runs, one waits
AHEAD_SECONDS = 0.02  # of work for each worker: brief calls travel together
MOST = 400  # calls at an executor: what they take and give is in memory
OPEN = 2  # rows that are open for each call at an executor, at most
BEHIND = 8  # times as many rows may be over, or open, behind one that still runs
LOOK = 0.05  # seconds between two looks how long calls take

Ended = tuple["Row", Node, "Future[Any]"]


class StepCalls:
    """An executor, and the calls that wait for it, those of the first rows first."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.executor = CallsExecutor(**options)
        self.ready: list[tuple[int, int, Row]] = []  # a heap
        self.at = 0  # how many are at the executor
        self._most, self._look = 0, 0.0

    @property
    def most(self) -> int:
        """How many may be at the executor."""
        now = time.monotonic()
        if now >= self._look:
            self._look = now + LOOK
            workers, stats = self.executor._max_workers, self.executor.stats
            each = stats.busy_seconds / max(1, stats.done + stats.failed)
            brief = workers * AHEAD_SECONDS / each if each else 0
            self._most = max(AHEAD * workers, int(min(MOST, brief)))
        return self._most


@dataclass(eq=False)
class Row:
    """One set of values that goes through the steps."""

    index: int
    values: dict[str, Any]
    waits: dict[Node, int]  # for how many steps each waits
    uses: Counter[str]  # how many steps will take a value
    left: int  # steps that have not ended


class RowOrder:
    """How many rows have begun since the first of those that have not ended.

    Examples
    --------
    >>> order = RowOrder()
    >>> order.begun = 3
    >>> order.end(1), order.behind
    (None, 3)
    >>> order.end(0), order.behind
    (None, 1)
    """

    def __init__(self) -> None:
        self.begun = 0
        self._first = 0  # the first that has not ended
        self._over: set[int] = set()  # those behind it that have

    def end(self, index: int) -> None:
        """Note that a row is over."""
        self._over.add(index)
        while self._first in self._over:
            self._over.remove(self._first)
            self._first += 1

    @property
    def behind(self) -> int:
        """How many."""
        return self.begun - self._first


class PipelineFlow:
    """Steps that run on executors.

    Parameters
    ----------
    wiring : Wiring
        Of the pipeline.
    steps : sequence of Node
        Those that run, in order.
    outputs : sequence of str
        What each row keeps for its end.
    options : dict
        Of the executors, where a step says nothing else.
    collect : bool
        Whether a failure costs its row what comes after it, instead of ending all.
    """

    def __init__(
        self,
        wiring: Wiring,
        steps: Sequence[Node],
        outputs: Sequence[str],
        options: dict[str, Any],
        collect: bool,
    ) -> None:
        self._steps, self._outputs = steps, outputs
        self._options, self._collect = options, collect
        self._rank = {one: position for position, one in enumerate(steps)}
        makers = {one: wiring.waits_for(one) for one in steps}
        self._waits = {one: len(those) for one, those in makers.items()}
        self._takers: dict[Node, list[Node]] = {one: [] for one in steps}
        for one, those in makers.items():
            for maker in those:
                self._takers[maker].append(one)
        self._uses = Counter(name for one in steps for name in one.inputs)
        self._uses.update(outputs)
        self._calls: list[StepCalls] = []
        self._inbox: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._calls_of = {one: self._open(one) for one in steps}

    def finished(
        self, rows: Iterable[dict[str, Any]], bounded: bool = False
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give each row's number and outputs as it ends; they begin while others go on.

        With `bounded` only so many begin while one before them goes on: who wants them in their
        order has to keep these.
        """
        numbered = enumerate(rows)
        unended, more, ended = 0, True, False
        order = RowOrder()

        def may_begin() -> bool:
            if not more or unended >= self._room:
                return False
            return not bounded or order.behind < BEHIND * self._room

        try:
            while more or unended:
                if may_begin():  # one, since the next may take its time
                    index, values = next(numbered, (-1, {}))
                    more = index >= 0
                    if more:
                        unended += 1
                        order.begun = index + 1
                        self._begin(index, values)
                self._submit()
                for row in self._taken_in(wait=unended > 0 and not may_begin()):
                    unended -= 1
                    order.end(row.index)
                    yield row.index, {name: row.values[name] for name in self._outputs}
            ended = True
        finally:
            for calls in self._calls:
                if not ended:
                    calls.executor.run.cancel()
                calls.executor.shutdown(wait=ended, cancel_futures=not ended)

    def _open(self, step: Node) -> StepCalls:
        options = {**self._options, **step.options}
        for known in self._calls:
            if known.options == options:
                return known
        self._calls.append(StepCalls(options))
        return self._calls[-1]

    @property
    def _room(self) -> int:
        return sum(OPEN * calls.most for calls in self._calls)

    def _begin(self, index: int, values: dict[str, Any]) -> None:
        row = Row(index, dict(values), dict(self._waits), Counter(self._uses), len(self._steps))
        for step, count in self._waits.items():
            if not count:
                self._make_ready(row, step)

    def _make_ready(self, row: Row, step: Node) -> None:
        heapq.heappush(self._calls_of[step].ready, (row.index, self._rank[step], row))

    def _submit(self) -> None:
        """Give executors what is ready, the first rows first."""
        for calls in self._calls:
            while calls.ready and calls.at < calls.most:
                _, rank, row = heapq.heappop(calls.ready)
                step = self._steps[rank]
                given = {name: row.values[name] for name in step.inputs if name in row.values}
                calls.at += 1
                future = calls.executor.submit(step.fn, **given)
                when_done(future, functools.partial(self._put, row, step))

    def _put(self, row: Row, step: Node, future: Future[Any]) -> None:
        self._inbox.put((row, step, future))

    def _taken_in(self, wait: bool) -> Iterator[Row]:
        """Take in what has ended, or what ends next; give the rows that have ended with it."""
        while wait or not self._inbox.empty():
            row, step, future = self._inbox.get()
            wait = False
            self._take_in(row, step, future)
            if not row.left:
                yield row

    def _take_in(self, row: Row, step: Node, future: Future[Any]) -> None:
        self._calls_of[step].at -= 1
        try:
            made = step.parts(future.result())
        except Exception as error:
            error.add_note(f"nbexec: step {step.name} of item {row.index:,}")
            if not self._collect:
                raise
            self._fail(row, step, _failure(row, step, error))
        else:
            row.values.update(made)
            self._ended(row, step)
            for taker in self._takers[step]:
                row.waits[taker] -= 1
                if not row.waits[taker]:
                    self._make_ready(row, taker)

    def _ended(self, row: Row, step: Node) -> None:
        """Note that a step is over, and let go of what no other will take."""
        row.left -= 1
        row.uses.subtract(step.inputs)
        for name in [*step.inputs, *step.outputs]:
            if row.uses[name] <= 0:
                row.values.pop(name, None)

    def _fail(self, row: Row, step: Node, failure: Failure) -> None:
        """Have a failure stand for what the step gives, and for what needs that."""
        todo = [step]
        while todo:
            one = todo.pop()
            row.values.update(dict.fromkeys(one.outputs, failure))
            self._ended(row, one)
            for taker in self._takers[one]:
                if row.waits[taker] >= 0:
                    row.waits[taker] = -1  # once, whatever else it waits for
                    todo.append(taker)


def _failure(row: Row, step: Node, error: Exception) -> Failure:
    item = {name: row.values[name] for name in step.inputs if name in row.values}
    return Failure(row.index, item, error)
