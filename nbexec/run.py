"""Run: the only loop.

::

    items -> plan -> Run -> backend -> worker
                      ^                   |
                      +---- outcomes <----+

The run owns the queue and gives the backend only what its workers can start at once,
plus a little.  One thread drains one inbox: it asks the policy about failures, folds
events into the state and calls the observers in order, so that none of these needs a
lock.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import auto, machine, policy, text
from .backends import get_backend
from .backends.base import Reply, Setting
from .errors import ItemsError, NbexecError, PickleError, RunCancelled
from .hands import Hands
from .knobs import Options
from .model import (
    Choice,
    Chunk,
    EndReason,
    Error,
    Event,
    Failure,
    Finished,
    Outcome,
    Retried,
    Returned,
    RunEnded,
    RunStarted,
    Steered,
    Submitted,
    Task,
)
from .observers import Observer
from .plan import Feed, Pace
from .results import Gather, Results, Sink
from .slots import Crew
from .state import RunState, Stats
from .wire import dumps

GRACE = 0.25  # seconds that items in the middle of their work get when a run is stopped
LOOK = 0.02  # seconds between two looks at an item that runs while the backend is not chosen

_last: Run | None = None


class Run:
    """One call of `map`, `start` and so on, while it runs and after.

    Made by `nbexec.start`; `nbexec.map` gives it as ``results.run``.

    Examples
    --------
    >>> import nbexec
    >>> run = nbexec.start(abs, [-1, -2], progress="off")
    >>> run.result()
    [1, 2]
    >>> run.stats.done
    2
    """

    def __init__(
        self,
        task: Task,
        source: Feed,
        sink: Sink,
        options: Options,
        observers: Sequence[Observer] = (),
        hands: Hands | None = None,
        pace: Pace | None = None,
        kernel_backend: str = "serial",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task = task
        self.options = options
        self.hands = hands or Hands()
        self._source = source
        self._sink = sink
        self._policy = policy.Policy.of(options)
        self._pace = pace or Pace(options.chunk)
        self._kernel_backend = kernel_backend  # what takes items that aren't worth sending
        self._crew = Crew()
        self._clock = clock
        self._state = RunState()
        self._lock = threading.Lock()  # the state is folded in the loop and read anywhere
        self._observers = list(observers)
        self._inbox: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]]
        self._inbox = queue.SimpleQueue()
        self._again: list[tuple[int, int, Chunk]] = []  # by first index: goes before new items
        self._queued = 0  # items in those
        self._later: list[tuple[float, int, Chunk]] = []  # by time: retries that wait
        self._order = itertools.count()
        self._failures: list[Failure] = []
        self._stop_after: int | None = None  # no item with a larger index matters any more
        self._stopping_since: float | None = None
        self._cancelled = False
        self._paused = False
        self._evidence: auto.Evidence | None = None  # while the backend is being chosen
        self._sample: tuple[Any, Any] | None = None  # an item and its value
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._callbacks: list[Callable[[Run], None]] = []
        self._context = contextvars.copy_context()

    # ------------------------------------------------------------ for everybody

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.options.name or self.task.name

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return self._done.is_set()

    @property
    def stats(self) -> Stats:
        """The run in numbers, as it stands."""
        with self._lock:
            return self._state.stats(self._clock())

    @property
    def failures(self) -> list[Failure]:
        """Items that failed for good so far, in the order in which they did."""
        return list(self._failures)

    @property
    def choice(self) -> Choice:
        """Backend, workers and the reason, in words."""
        return self._state.choice

    @property
    def workers(self) -> int:
        """How many items run at once; can be set while the run goes on."""
        return self.choice.workers

    @workers.setter
    def workers(self, count: int) -> None:
        self.options.updated({"workers": count})  # checked there
        self._post(self._set_workers, count)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, at most `timeout` seconds; give whether it is."""
        return self._done.wait(timeout)

    def result(self, timeout: float | None = None) -> Results:
        """Wait for the end and give the results.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait at most; None waits for as long as it takes.

        Returns
        -------
        Results
            In the order of the items.

        Raises
        ------
        TimeoutError
            The run goes on.
        RunCancelled
            It was cancelled.
        Exception
            With ``on_error="raise"``, what the first failing item raised.  This and
            `RunCancelled` have what was finished as ``partial_results``.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{self.name} is still running after {timeout} s")
        if self._error is not None:
            raise self._error
        return self.results

    @property
    def results(self) -> Results:
        """What is finished; a `Failure` of kind "cancelled" stands where an item is not."""
        values = self._sink.values if isinstance(self._sink, Gather) else ()
        return Results(values, run=self)

    def cancel(self) -> None:
        """Begin no further item, stop those that run, and end the run; does not wait."""
        self._post(self._cancel)

    def pause(self) -> None:
        """Begin no further item until `resume`; those that run go on to their end."""
        self._post(self._pause, True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._post(self._pause, False)

    def add_done_callback(self, callback: Callable[[Run], None]) -> None:
        """Have `callback(run)` called from the run's thread at its end, or now if it is over."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def __repr__(self) -> str:
        return f"<Run {text.summary(self.stats)}>"

    # ------------------------------------------------------------ for the layers around it

    def start(self) -> Run:
        """Open the backend (what is wrong with it is raised here) and begin."""
        global _last
        choice = self._first_choice()
        self._engage(choice)
        for observer in self._observers:
            self._quietly(observer, "attach", self)
        thread = threading.Thread(
            target=self._context.copy().run, args=(self._loop, choice), name="nbexec-run"
        )
        thread.daemon = True
        thread.start()
        if self.task.depth == 0:
            _last = self
        return self

    def serve(self) -> None:
        """Lend this thread to the run until it is over; an interrupt cancels the run."""
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                self.hands.serve(self._idle if self._observers else None)
                break
            except KeyboardInterrupt as error:
                interrupt = error
                self.cancel()
        if interrupt is not None:
            interrupt.partial_results = self.results  # type: ignore[attr-defined]
            raise interrupt

    def _idle(self) -> None:
        for observer in list(self._observers):
            self._quietly(observer, "idle")

    def wake(self) -> None:
        """Have the loop look again for something to do."""
        self._inbox.put((_nothing, ()))

    def post(self, event: Event) -> None:
        """Take in an event that something outside the loop observed."""
        self._post(self._emit, event)

    @property
    def pulled(self) -> int:
        """How many items were taken from the input."""
        return self._source.taken + self._source.at_hand

    def suggested_window(self) -> int:
        """How many items keep the workers busy while results are being consumed."""
        return 4 * self.workers * max(1, self._pace.size(None, self.workers))

    # ------------------------------------------------------------ the loop

    def _loop(self, choice: Choice) -> None:
        reason: EndReason = "crashed"
        try:
            self._emit(RunStarted(self._clock(), self.name, self._source.total, choice))
            while not self._over():
                self._fill()
                if not self._over():
                    self._drain()
            reason = self._conclude()
        except BaseException as error:  # ours to mend; the caller must never hang
            self._error = error
        finally:
            self._end(reason)

    def _drain(self) -> None:
        """Handle what is in the inbox; wait for it if there is nothing."""
        try:
            handle, args = self._inbox.get(timeout=self._patience())
            while True:
                handle(*args)
                handle, args = self._inbox.get_nowait()
        except queue.Empty:
            pass
        if self._evidence is not None:
            self._look()
        if self._stopping_since is not None:
            self._stop()

    def _patience(self) -> float | None:
        """How long there is nothing to do unless something comes in."""
        if self._evidence is not None or self._stopping_since is not None:
            return LOOK
        if self._later:
            return max(0.0, self._later[0][0] - self._clock())
        return None

    def _post(self, handle: Callable[..., None], *args: Any) -> None:
        self._inbox.put((handle, args))

    def _emit(self, event: Event) -> None:
        with self._lock:
            self._state.apply(event)
        for observer in list(self._observers):
            self._quietly(observer, "observe", event, self._state)

    def _quietly(self, observer: Observer, method: str, *args: Any) -> None:
        """Call an observer; one that raises is logged and dropped, and breaks nothing."""
        try:
            getattr(observer, method)(*args)
        except Exception:
            import logging

            logging.getLogger("nbexec").exception("an observer raised and was dropped")
            if observer in self._observers:
                self._observers.remove(observer)

    # ------------------------------------------------------------ handing out

    def _fill(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            self._put_back(heapq.heappop(self._later)[2])
        while not self._paused and self._crew.free(2 if self._pace.brief else 1):
            chunk = self._next_chunk()
            if chunk is None:
                break
            slot = self._crew.assign(chunk)
            self._emit(Submitted(self._clock(), chunk))
            slot.session.submit(slot.number, chunk)

    def _next_chunk(self) -> Chunk | None:
        source = self._source
        left = None if source.left is None else source.left + self._queued
        size = self._pace.size(left, self.workers)
        chunk: Chunk | None = None
        while self._again and chunk is None:
            _, _, chunk = heapq.heappop(self._again)
            self._queued -= len(chunk)
            if self._doomed(chunk):
                chunk = None
            elif len(chunk) > size:
                self._put_back(chunk.part(size))
                chunk = chunk.part(0, size)
        if chunk is None and self._stop_after is None:
            chunk = self._new_chunk(size)
        if chunk is None:
            return None
        budget = self._pace.budget(len(chunk))
        return Chunk(chunk.indices, chunk.items, chunk.attempt, budget)

    def _new_chunk(self, size: int) -> Chunk | None:
        source = self._source
        room = self._sink.room()
        more = 2 * size * self.workers
        if room is not None:
            more = min(more, room)
        if more > 0 and source.at_hand < size:
            source.want(more, lambda *brought: self._post(self._supply, *brought))
        chunk = source.take(size) if source.at_hand else None
        return chunk if chunk is not None and chunk.indices else None  # all cancelled: none

    def _supply(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self._source.supply(items, error, ended)
        if ended:
            self._emit(Steered(self._clock(), total=self._source.total))

    def _put_back(self, chunk: Chunk) -> None:
        self._queued += len(chunk)
        heapq.heappush(self._again, (chunk.indices[0], next(self._order), chunk))

    # ------------------------------------------------------------ taking in

    def _deliver(self, chunk: Chunk, reply: Reply) -> None:
        """The backends' callback: nothing but a message to the loop."""
        self._inbox.put((self._on_reply, (chunk, reply)))

    def _on_reply(self, chunk: Chunk, reply: Reply) -> None:
        if not self._crew.release(chunk):  # its slot was aborted meanwhile
            return
        outcome = reply()
        begun = len(outcome.values)
        if begun:
            self._pace.measure(begun, outcome.ends[-1])
        if begun < len(chunk):
            self._take_back(chunk.part(begun), suspect=not begun)
            chunk = chunk.part(0, begun)
        if self._evidence is not None and begun:
            self._learn(chunk, outcome)
        if outcome.errors:
            chunk, outcome = self._set_retries_apart(chunk, outcome)
        if chunk.indices:
            self._finish(chunk, outcome)

    def _take_back(self, chunk: Chunk, suspect: bool) -> None:
        """Queue again what a worker had not begun; one by one where an item is to blame."""
        self._emit(Returned(self._clock(), chunk))
        if suspect and len(chunk) > 1:
            for offset in range(len(chunk)):
                self._put_back(chunk.part(offset, offset + 1))
        else:
            self._put_back(chunk)

    def _set_retries_apart(self, chunk: Chunk, outcome: Outcome) -> tuple[Chunk, Outcome]:
        verdicts = {
            offset: self._policy.judge(error, chunk.attempt)
            for offset, error in outcome.errors.items()
        }
        again = {at: v for at, v in verdicts.items() if isinstance(v, policy.Retry)}
        stops = [at for at, v in verdicts.items() if isinstance(v, policy.Stop)]
        if stops:
            self._halt(chunk.indices[min(stops)])
        if not again:
            return chunk, outcome
        now = self._clock()
        for at, verdict in again.items():
            one = chunk.pick([at])
            one = Chunk(one.indices, one.items, chunk.attempt + 1)
            self._emit(Retried(now, one.indices[0], one.attempt, outcome.errors[at], verdict.wait))
            heapq.heappush(self._later, (now + verdict.wait, next(self._order), one))
        kept = [at for at in range(len(chunk)) if at not in again]
        errors = {kept.index(at): e for at, e in outcome.errors.items() if at not in again}
        values, ends = [outcome.values[at] for at in kept], [outcome.ends[at] for at in kept]
        return chunk.pick(kept), Outcome(
            values, errors, outcome.started, ends, outcome.cpu, outcome.worker, outcome.peak_rss
        )

    def _finish(self, chunk: Chunk, outcome: Outcome) -> None:
        failures = {
            at: Failure(
                chunk.indices[at],
                chunk.items[at],
                error.exception,
                error.traceback,
                outcome.worker,
                chunk.attempt,
                error.kind,
            )
            for at, error in sorted(outcome.errors.items())
        }
        self._failures += failures.values()
        self._emit(Finished(self._clock(), chunk, outcome))
        self._sink.put(chunk, outcome, failures)

    # ------------------------------------------------------------ stopping

    def _doomed(self, chunk: Chunk) -> bool:
        return self._stop_after is not None and chunk.indices[0] > self._stop_after

    def _halt(self, index: int) -> None:
        """Let only items up to `index` run to their end: what a plain loop would have run."""
        if self._stop_after is None or index < self._stop_after:
            self._stop_after = index
        if self._stopping_since is None:
            self._stopping_since = self._clock()

    def _cancel(self) -> None:
        if self._cancelled:
            self._stopping_since = float("-inf")  # asked twice: at once
            return
        self._cancelled = True
        self._halt(-1)
        self._emit(Steered(self._clock(), cancelling=True))

    def _stop(self) -> None:
        """Abort what needn't be waited for, once it had its grace."""
        assert self._stopping_since is not None
        if self._clock() - self._stopping_since < GRACE:
            return
        for slot in self._crew.busy():
            if all(self._doomed(chunk) for chunk in slot.chunks):
                slot.session.abort(slot.number)
                for chunk in list(slot.chunks):
                    self._crew.release(chunk)
                    self._finish(chunk, _cancelled(chunk))
                self._crew.retire(slot)

    def _over(self) -> bool:
        if self._crew.flying:
            return False
        if self._stop_after is not None:
            return all(self._doomed(chunk) for _, _, chunk in [*self._again, *self._later])
        waiting = self._again or self._later or self._source.pulling
        return not waiting and self._source.left == 0

    def _conclude(self) -> EndReason:
        """Decide how the run ended, and what its `result` raises."""
        if self._evidence is not None:
            done = text.seconds(self._evidence.wall)
            reason = f"all of it took {done}"
            self._emit(Steered(self._clock(), choice=Choice(self.choice.backend, 1, reason)))
        if self._cancelled:
            stats = self.stats
            kept = f"{stats.done:,} of {stats.total:,}" if stats.total else f"{stats.done:,}"
            self._error = RunCancelled(f"{self.name} was cancelled; {kept} results were kept")
            return "cancelled"
        if self._stop_after is not None:
            first = next(f for f in self._failures if f.index == self._stop_after)
            self._error = first.exception
            _note(first, self._source.total)
            return "failed"
        if self._source.error is not None:
            raised = text.safe_repr(self._source.error)
            self._error = ItemsError(
                f"the iterable of items raised {raised} after {self._source.taken:,} items; "
                "their results are in .partial_results"
            )
            self._error.__cause__ = self._source.error
            return "failed"
        return "done"

    def _end(self, reason: EndReason) -> None:
        try:
            for slot in self._crew.busy():  # only where the loop itself broke
                slot.session.abort(slot.number)
            self._crew.close()
            self._sink.end(self._error)
            if self._error is not None:
                _attach(self._error, self.results)
            self._emit(RunEnded(self._clock(), reason))
        finally:
            with self._lock:
                self._done.set()
                callbacks = self._callbacks
            self.hands.release()
            for callback in callbacks:
                callback(self)

    # ------------------------------------------------------------ steering

    def _first_choice(self) -> Choice:
        options = self.options
        if options.backend != "auto":
            backend = get_backend(options.backend)
            count = backend.default_workers()
            if options.workers:
                count = min(options.workers, backend.most_workers)
            else:
                count = machine.default_workers(count, self.task.depth)
            return Choice(backend.name, count, "")
        if self.task.coroutine:
            count = options.workers or get_backend("asyncio").default_workers()
            return Choice("asyncio", count, "a coroutine function")
        self._evidence = auto.Evidence()
        return auto.first(self.task.depth)

    def _engage(self, choice: Choice) -> None:
        """Open a backend and have its slots, and no others, take what comes from now on."""
        wanted = self.options.backend
        backend = get_backend(choice.backend if wanted == "auto" else wanted)
        setting = Setting(self.task, self._deliver, self.hands, self._context, choice.workers)
        self._crew.engage(backend.open(setting), choice.workers)

    def _learn(self, chunk: Chunk, outcome: Outcome) -> None:
        seen = self._evidence
        assert seen is not None
        wall = outcome.ends[-1]
        self._sample = self._sample or (chunk.items[0], outcome.values[0])
        self._evidence = auto.Evidence(
            seen.items + len(chunk), seen.wall + wall, seen.cpu + outcome.cpu
        )

    def _look(self) -> None:
        """See whether enough is known to choose a backend."""
        seen, running = self._evidence, self._crew.running()
        assert seen is not None
        wall, cpu = running or (0.0, 0.0)
        warm = get_backend("processes").warm() if seen.wall + wall > auto.ENOUGH else False
        seen = auto.Evidence(seen.items, seen.wall, seen.cpu, wall, cpu, self._source.left, warm)
        choice = auto.choose(seen, self.options.workers, self.task.depth)
        if choice is None or self._stop_after is not None:
            return
        self._evidence = None
        if choice.backend == "processes":
            choice = self._sendable(choice)
        elif choice.backend == "serial" != self._kernel_backend:
            count = self.options.workers or get_backend(self._kernel_backend).default_workers()
            choice = Choice(self._kernel_backend, count, choice.reason)
        if choice.backend != "serial":
            try:
                self._engage(choice)
            except PickleError as error:
                choice = self._instead_of_processes(choice, error)
                self._engage(choice)
        self._emit(Steered(self._clock(), choice=choice))

    def _sendable(self, choice: Choice) -> Choice:
        """Stay in the kernel with items or results that can't leave it."""
        try:
            dumps(self._sample)
        except Exception as error:
            return self._instead_of_processes(choice, error)
        return choice

    def _instead_of_processes(self, choice: Choice, error: BaseException) -> Choice:
        why = str(error).partition(". ")[0]
        return Choice("threads", choice.workers, f"{choice.reason}; on threads since {why}")

    def _set_workers(self, count: int) -> None:
        if self.done or self._evidence is not None or count == self.workers:
            return
        old = self.choice
        self._crew.resize(count)
        self._emit(Steered(self._clock(), choice=Choice(old.backend, count, old.reason)))

    def _pause(self, paused: bool) -> None:
        if paused != self._paused:
            self._paused = paused
            self._emit(Steered(self._clock(), paused=paused))


def last_run() -> Run | None:
    """Give the run that was started last in this kernel, or None."""
    return _last


def _nothing() -> None:
    """What `wake` has the loop do."""


def _cancelled(chunk: Chunk) -> Outcome:
    why = RunCancelled("the run was stopped while this item ran")
    error = Error("cancelled", why, f"{type(why).__name__}: {why}\n")
    count = len(chunk)
    return Outcome([None] * count, dict.fromkeys(range(count), error), 0.0, [0.0] * count, 0.0, "")


def _note(failure: Failure, total: int | None) -> None:
    of = f" of {total:,}" if total is not None else ""
    worker = f", on {failure.worker}" if failure.worker else ""
    item = text.safe_repr(failure.item)
    failure.exception.add_note(f"nbexec: item {failure.index:,}{of}{worker}: {item}")


def _attach(error: BaseException, results: Results) -> None:
    try:
        error.partial_results = results  # type: ignore[attr-defined]
    except AttributeError:  # an exception with __slots__
        if isinstance(error, NbexecError):
            raise
