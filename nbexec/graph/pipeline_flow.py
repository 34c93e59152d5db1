"""PipelineFlow: rows of values on their way through the steps of a pipeline.

A step of a row is submitted once all that it takes is there; no step waits for another row.
What is ready is submitted in the order of the rows, and only as much as workers can begin at
once, so that the first rows are finished first and few are open: memory is bounded by them.

::

    rows -> RowPlan -> ready -> StepCalls -> workers
               ^                                |
               +------------- inbox <-----------+
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import queue
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..errors import RunCancelled
from ..items.awaiting_calls import when_done
from ..model import Failure
from ..worker.batching import Batched
from .graph_rows import Row, RowOrder, RowPlan, Unfinished
from .nodes import Node
from .step_calls import StepCalls
from .step_counts import StepCounts, counts_of
from .step_journal import StepJournal
from .wiring import Wiring

OPEN = 2  # rows that are open for each call at an executor, at most
BEHIND = 8  # times as many rows may be over, or open, behind one that still runs
HOLD = 0.1  # seconds between two looks whether it is cancelled, while it waits

Ended = tuple[list[Row], Node, "Future[Any]"]


class StepFailed(Exception):
    """A step raised, and that ends all; `error` is what it raised, a StopIteration perhaps."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


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
    journal : StepJournal or None
        What has the values of rows of before, and keeps those of these.

    Attributes
    ----------
    counts : dict
        How far the rows are with each step.
    unfinished : list of Unfinished or None
        Rows that have failed, where there is a list for them.
    """

    def __init__(
        self,
        wiring: Wiring,
        steps: Sequence[Node],
        outputs: Sequence[str],
        options: Mapping[str, Any],
        collect: bool,
        journal: StepJournal | None = None,
    ) -> None:
        self._steps, self._options, self._collect = steps, options, collect
        self._plan = RowPlan(wiring, steps, outputs)
        self._rank = {one: position for position, one in enumerate(steps)}
        self._journal = journal
        self.counts: dict[Node, StepCounts] = counts_of(steps)
        self.unfinished: list[Unfinished] | None = None
        self._calls: list[StepCalls] = []
        self._inbox: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._hold: Callable[[], None] | None = None
        self._calls_of = {one: self._open(one) for one in steps}

    def finished(
        self,
        rows: Iterable[Mapping[str, Any] | Unfinished],
        bounded: bool = False,
        hold: Callable[[], None] | None = None,
    ) -> Generator[tuple[int, dict[str, Any]], None, None]:
        """Give each row's number and outputs as it ends; they begin while others go on.

        With `bounded` only so many begin while one before them goes on: who wants them in their
        order has to keep these.  `hold` is called now and then while it waits; what that raises
        ends it.

        Raises
        ------
        StepFailed
            A step raised, unless failures are collected.
        Exception
            What `rows` raised, once those before have ended.
        """
        numbered = enumerate(rows)
        unended, more, ended, how = 0, True, False, "failed"
        order, self._hold = RowOrder(), hold
        broken: Exception | None = None
        over: list[Row] = []

        def may_begin() -> bool:
            if not more or unended >= self._room:
                return False
            return not bounded or order.behind < BEHIND * self._room

        try:
            if self._journal is not None:
                self._journal.begin(self.counts)
            while more or unended:
                if may_begin():  # one, since the next may take its time
                    try:
                        number, values = next(numbered, (-1, {}))
                    except Exception as error:  # those before it go on, as in a plain loop
                        number, broken = -1, error
                    more = number >= 0
                    if more:
                        unended += 1
                        order.begun = number + 1
                        row = self._begin(number, values)
                        if not row.left:
                            over.append(row)
                self._submit()
                waits = unended > 0 and not over and not may_begin()
                failed = self._taken_in(over, wait=waits)
                while over:
                    row = over.pop(0)
                    unended -= 1
                    order.end(row.index)
                    yield self._ended(row)
                if failed is not None:  # after those that had ended before it
                    raise failed
            if broken is not None:
                raise broken
            ended = True
        except (KeyboardInterrupt, RunCancelled):
            how = "cancelled"
            if not bounded:  # what had ended, too; who takes one by one shall have the interrupt
                with contextlib.suppress(KeyboardInterrupt, RunCancelled):  # of several calls
                    self._taken_in(over, wait=False)
                for row in over:
                    yield self._ended(row)
            raise
        except GeneratorExit:
            how = "cancelled"
            raise
        finally:
            for calls in self._calls:
                calls.close(ended)
            if self._journal is not None:
                self._keep_rest(self._journal)
                self._journal.end("done" if ended else how, self.counts)

    def _ended(self, row: Row) -> tuple[int, dict[str, Any]]:
        """Give the number and the outputs of a row that is over; note what of it failed."""
        if row.lost and self.unfinished is not None:
            self.unfinished.append(
                Unfinished(row.index, row.values, row.picked, (*row.lost,), row.keys)
            )
        return row.index, self._plan.result(row)

    @property
    def notes(self) -> list[str]:
        """What the journal has to say."""
        return [] if self._journal is None else self._journal.notes

    def _open(self, step: Node) -> StepCalls:
        options = {**self._options, **step.options}
        options.pop("priority", None)
        options["checkpoint"] = None  # it is the pipeline's
        alone = options.get("rate") is not None or isinstance(step.fn, Batched)
        for known in self._calls:
            if known.options == options and not (alone or known.alone):
                break
        else:
            known = StepCalls(options, alone)
            self._calls.append(known)
        known.add(step, self.counts[step])
        return known

    @property
    def _room(self) -> int:
        return max(1, sum(OPEN * calls.most * calls.together for calls in self._calls))

    # ------------------------------------------------------------ rows that begin

    def _begin(self, number: int, values: Mapping[str, Any] | Unfinished) -> Row:
        if isinstance(values, Unfinished):
            row = self._plan.row(values.index, values.values, {*values.lost})
            row.picked, row.keys = dict(values.picked), values.keys
            if self._journal is not None:
                self._journal.again(row, values.lost)
        elif self._journal is None:
            row = self._plan.row(number, values)
        else:
            row = self._recalled(self._journal, number, values)
        free = [step for step, count in row.waits.items() if not count]
        self._look_at(row, free)
        return row

    def _recalled(self, journal: StepJournal, number: int, values: Mapping[str, Any]) -> Row:
        """Begin a row with what a journal has of it."""
        found = journal.recall(number, values)
        row = self._plan.row(number, {**values, **found.values}, found.runs)
        row.keys = found.keys
        row.picked = {
            step: one for step, one in found.keys.picked.items() if step not in found.runs
        }
        for step in self._steps:
            if step in found.runs:
                continue
            if step in found.reused:
                self.counts[step].reused += 1
            elif step in found.skipped:
                self.counts[step].skipped += 1
            else:
                self.counts[step].unneeded += 1
        return row

    def _look_at(self, row: Row, free: list[Node]) -> None:
        """Have steps that wait for nothing be ready; what needs one that failed is over."""
        while free:
            step = free.pop()
            fate = self._plan.fate(row, step)
            counts = self.counts[step]
            if fate == "ready":
                calls = self._calls_of[step]
                priority = -step.options.get("priority", self._options.get("priority", 0))
                heapq.heappush(calls.ready, (priority, row.index, self._rank[step], row))
                counts.ready += 1
            else:
                if fate == "failed":
                    counts.failed += 1
                else:
                    counts.skipped += 1
                free += self._plan.over(row, step)

    def _submit(self) -> None:
        """Give executors what is ready, the first rows first."""
        for calls in self._calls:
            ready = calls.ready
            while ready and calls.at < calls.most:
                *_, rank, row = heapq.heappop(ready)
                step, rows = self._steps[rank], [row]
                size = calls.size(step)
                while len(rows) < size and ready and ready[0][2] == rank:
                    rows.append(heapq.heappop(ready)[3])
                counts = self.counts[step]
                counts.ready -= len(rows)
                counts.begun += len(rows)
                for row in rows:
                    if row.keys is not None and step in row.keys.why:
                        counts.why[row.keys.why[step]] += 1
                self._call(calls, step, rows)

    def _call(self, calls: StepCalls, step: Node, rows: list[Row]) -> None:
        future = calls.submit(step, [step.arguments(row.values) for row in rows])
        when_done(future, functools.partial(self._put, rows, step))

    # ------------------------------------------------------------ calls that end

    def _put(self, rows: list[Row], step: Node, future: Future[Any]) -> None:
        self._inbox.put((rows, step, future))

    def _taken_in(self, over: list[Row], wait: bool) -> StepFailed | None:
        """Take in what has ended, or what ends next, and add the rows that are over with it.

        It gives the failure that ends all, and takes in nothing after it.
        """
        while wait or not self._inbox.empty():
            rows, step, future = self._next()
            wait = False
            calls = self._calls_of[step]
            calls.at -= 1
            if len(rows) > 1 and future.exception() is not None:
                for row in rows:  # whichever is to blame: each is tried alone
                    self._call(calls, step, [row])
                continue
            try:
                if len(rows) == 1:
                    self._take_in(rows[0], step, future.result)
                else:
                    for row, value in zip(rows, future.result(), strict=True):
                        self._take_in(row, step, functools.partial(_given, value))
            except StepFailed as failed:
                return failed
            finally:
                over += [row for row in rows if not row.left]
        return None

    def _next(self) -> Ended:
        while self._hold is not None:
            try:
                return self._inbox.get(timeout=HOLD)
            except queue.Empty:
                self._hold()
        return self._inbox.get()

    def _keep_rest(self, journal: StepJournal) -> None:
        """Keep what had ended when the first failure ended all."""
        while not self._inbox.empty():
            rows, step, future = self._inbox.get()
            if future.cancelled() or future.exception() is not None:
                continue
            values = [future.result()] if len(rows) == 1 else future.result()
            for row, value in zip(rows, values, strict=True):
                with contextlib.suppress(ValueError):  # of another shape than the step says
                    step.parts(value)
                    if step.branches:
                        row.picked[step] = step.picked(value)
                    journal.keep(row, step, value)

    def _take_in(self, row: Row, step: Node, result: Callable[[], Any]) -> None:
        counts = self.counts[step]
        counts.begun -= 1
        try:
            value = result()
            made = step.parts(value)
            if step.branches:
                row.picked[step] = step.picked(value)
        except Exception as error:
            counts.failed += 1
            error.add_note(f"nbexec: step {step.name} of item {row.index:,}")
            failure = _failure(row, step, error)
            if self._journal is not None:
                self._journal.failed(row, step, failure)
            if not self._collect:
                raise StepFailed(error) from None
            self._plan.fail(row, step, failure)
        else:
            counts.done += 1
            if self._journal is not None:
                self._journal.keep(row, step, value)
            row.values.update(made)
        self._look_at(row, self._plan.over(row, step))


def _given(value: Any) -> Any:
    return value


def _failure(row: Row, step: Node, error: Exception) -> Failure:
    return Failure(row.index, step.arguments(row.values), error)
