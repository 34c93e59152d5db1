"""Loop: the one loop of a run.

It owns the queue and gives the backend only what its workers can start at once, plus a
little.  One thread drains one inbox: it asks the policy about failures, folds events
into the state and calls the observers in order, so that none of these needs a lock.
"""

from __future__ import annotations

import contextlib
import contextvars
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..backends.base import Reply, SessionSpec
from ..backends.caller_thread import CallerThread
from ..items.chunk_size import ChunkSizer
from ..items.feed import Feed
from ..items.outcomes import cut, died, failure, placed, stopped, timed_out
from ..items.sinks import Sink
from ..model import Choice, Chunk, EndReason, Failure, Outcome, Task
from ..options.record import Options, bytes_of
from ..placement.chooser import LOOK, BackendChooser
from ..placement.slots import InFlight, Slot, SlotTable
from ..system import machine
from ..telemetry.events import (
    Event,
    Finished,
    Output,
    Part,
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
from ..telemetry.observer import Observer
from ..telemetry.output import Outputs
from ..telemetry.publisher import Publisher
from ..telemetry.state import Stats
from . import failure_policy
from .backlog import Backlog
from .memory_limit import MemoryGate

if TYPE_CHECKING:
    from ..journal.journal import Journal

FAILURES = 10_000  # that are kept; a list of results has all, a stream gives them away
# Seconds that items in the middle of their work get when a run is stopped.  With them, and
# 0.05 to 0.1 s for the click to be heard, a cell ends within 0.3 s of it.
GRACE = 0.15
LATE = 0.4  # seconds; what is finished, or not begun, of a chunk waits no longer for the rest


# Seconds that a worker may take to load the function and run `setup`, beyond an item's timeout.
LOADING = 60.0


class Loop:
    """What a run does, from its first event to its last; `Run` is how it is handled."""

    def __init__(
        self,
        task: Task,
        feed: Feed,
        sink: Sink,
        options: Options,
        observers: Sequence[Observer],
        caller_thread: CallerThread,
        sizer: ChunkSizer,
        kernel_backend: str,
        clock: Callable[[], float],
        journal: Journal | None = None,
    ) -> None:
        self.task = task
        self.sink = sink
        self.options = options
        self.publisher = Publisher(observers, clock() - time.time())
        self.failures: list[Failure] = []
        self.output = Outputs()
        self.cancelled = False
        self.stop_after: int | None = None  # the failing item, where the run stops at one
        self._backlog = Backlog(feed, sizer, self._deliver_items)
        self._journal = journal
        self._recalling = False  # whether there may be more in the journal
        self._clock = clock
        self._emit = self.publisher.emit
        self._policy = failure_policy.Policy.of(options)
        self._slots = SlotTable()
        self._inbox: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]]
        self._inbox = queue.SimpleQueue()
        self._stopping_since: float | None = None
        self._looked_in = 0.0  # when what is late was looked for
        self._paused = False
        self._gate: MemoryGate | None = None
        if options.memory_limit is not None:
            whole = machine.memory_limit()
            self._gate = MemoryGate(bytes_of("memory_limit", options.memory_limit, whole))
        self.over_memory = ""  # how much was used, where the run had to end for that
        self.late = False  # whether the deadline has passed
        self._deadline = float("inf")
        context = contextvars.copy_context()
        self._chooser = BackendChooser(
            options,
            self._slots,
            SessionSpec(task, self._deliver, caller_thread, self._hear, context, 1),
            kernel_backend,
            clock,
        )

    # ------------------------------------------------------------ from any thread

    def post(self, handle: Callable[..., None], *args: Any) -> None:
        """Have the loop call ``handle(*args)``."""
        self._inbox.put((handle, args))

    def stats(self) -> Stats:
        """Give the run in numbers, as it stands."""
        return self.publisher.stats(self._clock())

    @property
    def choice(self) -> Choice:
        """Backend, workers and the reason, as they stand."""
        return self.publisher.state.choice

    @property
    def feed(self) -> Feed:
        """Where the items come from."""
        return self._backlog.feed

    @property
    def pulled(self) -> int:
        """How many items were taken from the input."""
        return self._backlog.pulled

    def elsewhere(self) -> Sequence[Part] | None:
        """Give what the workers use, where they are not the kernel's own processes."""
        return self._slots.elsewhere()

    def suggested_window(self) -> int:
        """How many items keep the workers busy while results are being consumed."""
        workers = self.choice.workers
        return 4 * workers * max(1, self._backlog.sizer.size(None, workers))

    # ------------------------------------------------------------ the loop

    def open(self) -> Choice:
        """Choose where to begin, and open it: what is wrong with a backend is raised here."""
        return self._chooser.begin(self.feed)

    def run(self, name: str, choice: Choice) -> None:
        """Go from the first event to the last item; `end` comes after."""
        if self.options.deadline is not None:
            self._deadline = self._clock() + self.options.deadline
        self._emit(RunStarted(self._clock(), name, self.feed.total, choice))
        while not self._over():
            self._recall()
            self._fill()
            if not self._over():
                self._drain()
        self._steered(self._chooser.ended())

    def end(self, reason: EndReason) -> None:
        """Give the workers back, and emit the last event."""
        for slot in self._slots.busy():  # only where the loop itself broke
            slot.session.abort(slot.number)
        self._chooser.end()
        self._slots.close()
        self._last_words()
        if self._journal is not None:
            self._journal.flush()
            self._tell(self._journal)
        self._emit(RunEnded(self._clock(), reason))

    def _over(self) -> bool:
        return not self._slots.in_flight and self._backlog.over()

    def _drain(self) -> None:
        """Handle what is in the inbox; wait for it if there is nothing."""
        patience = self._patience()
        knock = self._chooser.knock(patience)
        try:
            handle, args = self._inbox.get(timeout=patience)
        except queue.Empty:
            if knock is not None:
                self._chooser.answered(knock)
        else:
            with contextlib.suppress(queue.Empty):
                while True:
                    handle(*args)
                    handle, args = self._inbox.get_nowait()
        if self._chooser.looking and self.stop_after is None:
            if self._chooser.curious:
                for flight in list(self._slots.in_flight.values()):
                    self._gather(flight)
            left, waiting = self._backlog.left, self._slots.waiting if self._slots.near else 0
            self._steered(self._chooser.look(left if left is None else left + waiting))
        if self.options.timeout is not None:
            self._time_out(self.options.timeout)
        if self._clock() >= self._deadline and not self.late:
            self.late = True
            self.halt(-1)
        if self._stopping_since is not None:
            self._abort_doomed(self._stopping_since)
        if self._slots.near and self._slots.in_flight:
            self._look_in()

    def _patience(self) -> float | None:
        """How long there is nothing to do unless something comes in."""
        if self._recalling:
            return 0.0
        look, due = self._chooser.patience(), self._backlog.due()
        if not self._held():
            late = self._slots.due()
            due = late if due is None or (late is not None and late < due) else due
        if self._stopping_since is not None or (
            self.options.timeout is not None and self._slots.in_flight
        ):
            look = LOOK if look is None else min(look, LOOK)
        elif self._slots.near and self._slots.in_flight:
            look = LATE if look is None else min(look, LATE)
        soonest = min(self._deadline, float("inf") if due is None else due)
        if soonest == float("inf"):
            return look
        wait = max(0.0, soonest - self._clock())
        return wait if look is None else min(look, wait)

    # ------------------------------------------------------------ handing out

    def _fill(self) -> None:
        self._backlog.release_due(self._clock())
        sizer = self._backlog.sizer
        sizer.target = self._chooser.target
        sizer.cost = self._chooser.cost
        held = self._held()
        while not held and self._slots.free(self._depth()):
            near = self._slots.waiting if self._slots.near else None
            chunk = self._backlog.next(self.choice.workers, self.sink.room(), near)
            if chunk is not None:
                now = self._clock()
                flight = self._slots.assign(chunk, now)
                self._emit(Submitted(now, chunk))
                self._slots.send(flight)
            elif (spare := self._spare()) is not None:
                self._take_back(spare)
            else:
                break
        if not held:
            self._ask_back()

    def _held(self) -> bool:
        """Whether nothing new may begin."""
        return self._paused or (self._gate is not None and self._gate.held)

    def _ask_back(self) -> None:
        """Ask workers that are late for what they have not begun, where others are idle."""
        now = self._clock()
        for slot in self._slots.overdue(now):
            if not slot.session.ready(slot.number):
                self._slots.not_yet(slot, now)
                continue
            for flight in slot.flights[::-1]:
                slot.session.take_back(slot.number, flight.chunk)

    def _on_returned(self, chunk: Chunk, kept: int) -> None:
        rest = self._slots.given_back(chunk, kept)
        if rest is not None:
            self._take_back(rest)

    def _spare(self) -> Chunk | None:
        """Give what waits behind an item at one slot while another has nothing to do."""
        wanted = self._backlog.sizer.fixed is None and self.stop_after is None
        return self._slots.spare() if wanted else None

    def _depth(self) -> int:
        """How many chunks may be at each worker."""
        sizer, near = self._backlog.sizer, self._slots.near
        return 2 if sizer.ahead(self._backlog.left, self.choice.workers, near) else 1

    def _recall(self) -> None:
        """End some of the items that need not run, since the journal has their values."""
        self._recalling = False
        journal = self._journal
        if journal is None:
            return
        if journal.recall is not None and self.stop_after is None and not self._paused:
            enough = 2 * self.suggested_window()
            found = journal.recall.recall(self.sink.room(), enough, self._deliver_items)
            self._recalling = found is not None
            if found is not None and found.chunk.indices:
                self._emit(Restored(self._clock(), *found))
                self.sink.put(*found, {})
        self._tell(journal)

    def _tell(self, journal: Journal) -> None:
        for note in journal.take_notes():
            self._emit(Steered(self._clock(), note=note))

    def _deliver_items(self, *brought: Any) -> None:
        self.post(self._supply, *brought)

    def _supply(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self.feed.supply(items, error, ended)
        if ended:
            self._emit(Steered(self._clock(), total=self.feed.total))

    # ------------------------------------------------------------ taking in

    def _deliver(self, chunk: Chunk, reply: Reply) -> None:
        """The backends' callback: nothing but a message to the loop."""
        self._inbox.put((self._on_reply, (chunk, reply)))

    def _hear(
        self, chunk: Chunk, offset: int | None, stream: str, said: Any, shown: bool = False
    ) -> None:
        """Take in what an item said, from any thread."""
        self._inbox.put((self._on_said, (chunk, offset, stream, said, shown)))

    def _on_said(
        self, chunk: Chunk, offset: int | None, stream: str, said: Any, shown: bool
    ) -> None:
        if stream == "begun":
            self._slots.begun(chunk, self._clock())
            return
        if stream == "returned":
            self._on_returned(chunk, offset or 0)
            return
        at = slice(None) if offset is None else slice(offset, offset + 1)
        indices = chunk.indices[at]
        if stream == "progress":
            if self._slots.awaits(chunk):  # else the item has ended meanwhile
                self._emit(Progressed(self._clock(), indices[0], *said))
        else:
            output = Output(self._clock(), indices[0], indices[-1], stream, said, shown)
            self.output.add(output)
            self._emit(output)

    def _last_words(self) -> None:
        """Take in what was said till the workers were given back; nothing else matters now."""
        with contextlib.suppress(queue.Empty):
            while True:
                handle, args = self._inbox.get_nowait()
                if handle == self._on_said:
                    handle(*args)

    def _on_reply(self, chunk: Chunk, reply: Reply) -> None:
        flight = self._slots.release(chunk)
        if flight is None:  # it was aborted meanwhile, or given back
            return
        outcome, slot = reply(), flight.slot
        if died(outcome):
            outcome = placed(outcome, *self._at(slot, chunk))
        elif self._chooser.unsent(outcome):  # it begins where nothing is sent
            outcome = replace(outcome, values=[], errors={}, ends=[])
        else:
            slot.worker = outcome.worker or slot.worker
        slot.since = self._clock()  # what waited behind it begins
        for offset, stream, said in outcome.said:
            self._on_said(chunk, offset, stream, said, False)
        chunk, outcome = flight.awaited, cut(outcome, flight.start, flight.stop)
        begun = len(outcome.values)
        if begun < len(chunk):
            self._take_back(chunk.part(begun), suspect=not begun)
            chunk = chunk.part(0, begun)
        if begun:
            self._learn(slot, chunk, outcome)

    def _learn(self, slot: Slot, chunk: Chunk, outcome: Outcome) -> None:
        """Take in what became of some items."""
        size = outcome.sent + outcome.received
        self._backlog.sizer.measure(len(chunk), outcome.ends[-1], size)
        self._chooser.learn(slot, chunk, outcome)
        self._judge(chunk, outcome)

    def _look_in(self) -> None:
        """Have items that are behind one that takes long wait for it no longer, nor values."""
        now = self._clock()
        if now - self._looked_in < LATE:
            return
        self._looked_in = now
        for flight in list(self._slots.in_flight.values()):
            slot = flight.slot
            if len(flight) > 1 and flight is slot.flights[0] and now - slot.since > LATE:
                self._call_back(flight)
                self._gather(flight)

    def _call_back(self, flight: InFlight) -> None:
        """Queue again what has not begun, where it can be had back."""
        if self._backlog.sizer.fixed is not None:
            return
        if flight.chunk_state is None:
            flight.slot.session.take_back(flight.slot.number, flight.chunk)
            return
        chunk = self._slots.take_back(flight, len(flight))
        if chunk is not None:
            self._take_back(chunk)

    def _call_all_back(self) -> None:
        for flight in list(self._slots.in_flight.values()):
            self._call_back(flight)

    def _gather(self, flight: InFlight) -> None:
        """Take in what is finished of a chunk before the rest is."""
        if flight.chunk_state is None:
            return
        worker = flight.slot.session.worker(flight.slot.number, flight.chunk)
        outcome = cut(flight.chunk_state.so_far(worker), flight.start, flight.stop)
        done = len(outcome.values)
        if 0 < done < len(flight):  # else its reply is on its way
            chunk = flight.awaited.part(0, done)
            self._slots.gathered(flight, done)
            self._learn(flight.slot, chunk, outcome)

    def _at(self, slot: Slot, chunk: Chunk) -> tuple[str, float]:
        """Say for what ended without a word which worker had it, and for how many seconds."""
        worker = slot.session.worker(slot.number, chunk) or slot.worker
        return worker or f"worker {slot.number + 1}", max(0.0, self._clock() - slot.since)

    def _take_back(self, chunk: Chunk, suspect: bool = False) -> None:
        """Queue again what a worker had not begun; one by one where an item is to blame."""
        self._emit(Returned(self._clock(), chunk))
        if suspect:
            self._backlog.put_back_one_by_one(chunk)
        else:
            self._backlog.put_back(chunk)

    def _judge(self, chunk: Chunk, outcome: Outcome) -> None:
        now = self._clock()
        if not outcome.errors:
            self._finish(now, chunk, outcome)
            return
        sorted_out = failure_policy.sort_out(chunk, outcome, self._policy)
        for one, error, wait, started, took in sorted_out.retries:
            facts = started, took, outcome.worker
            self._emit(Retried(now, one.indices[0], one.attempt, error, wait, *facts))
            self._backlog.put_off(one, now + wait)
        if sorted_out.stop is not None:
            self.halt(sorted_out.stop)
        if sorted_out.chunk.indices:
            self._finish(now, sorted_out.chunk, sorted_out.outcome)

    def _finish(self, now: float, chunk: Chunk, outcome: Outcome) -> None:
        failures = {at: failure(chunk, outcome, at) for at in sorted(outcome.errors)}
        room = FAILURES - len(self.failures)
        for place, one in enumerate(failures.values()):
            if place < room or one.index == self.stop_after:  # that one is the run's own error
                self.failures.append(one)
        self._emit(Finished(now, chunk, outcome))
        self.sink.put(chunk, outcome, failures)

    # ------------------------------------------------------------ stopping

    def _time_out(self, timeout: float) -> None:
        """Fail the items that took too long; they travel alone where there is a timeout."""
        now = self._clock()
        for slot in self._slots.busy():
            waits = not slot.begun and slot.session.tells_begun
            if not slot.session.ready(slot.number):
                slot.since = now
            elif now - slot.since > timeout + (LOADING if waits else 0.0):
                chunk = slot.flights[0].chunk
                worker, took = self._at(slot, chunk)
                ended = slot.session.abort(slot.number)
                self._slots.release(chunk)
                self._judge(chunk, placed(timed_out(chunk, timeout, ended), worker, took))

    def halt(self, index: int) -> None:
        """Let only items up to `index` run to their end: what a plain loop would have run."""
        if self.stop_after is None or index < self.stop_after:
            self.stop_after = self._backlog.limit = index
        if self._stopping_since is None:
            self._stopping_since = self._clock()
        for slot in self._slots.busy():
            if self._doomed(slot):
                slot.session.unwanted(slot.number)

    def cancel(self) -> None:
        """Begin nothing more; asked twice, wait for nothing either."""
        if self.cancelled:
            self._stopping_since = float("-inf")
            return
        self.cancelled = True
        self.halt(-1)
        self._emit(Steered(self._clock(), cancelling=True))

    def _doomed(self, slot: Slot) -> bool:
        return all(self._backlog.doomed(flight.awaited) for flight in slot.flights)

    def _abort_doomed(self, since: float) -> None:
        """Abort what needn't be waited for, once it had its grace."""
        if self._clock() - since < GRACE:
            return
        for slot in self._slots.busy():
            if self._doomed(slot):
                flights = list(slot.flights)
                self._gather(flights[0])
                at = self._at(slot, flights[0].chunk)
                slot.session.abort(slot.number)
                for flight in flights:  # the first was running, the others waited for it
                    self._slots.release(flight.chunk)
                    outcome = stopped(flight.awaited)
                    first = flight is flights[0]
                    outcome = placed(outcome, *at) if first else outcome
                    self._finish(self._clock(), flight.awaited, outcome)
                self._slots.retire(slot)

    # ------------------------------------------------------------ memory

    def take_in(self, event: Event) -> None:
        """Emit what something outside the loop observed."""
        self._emit(event)
        if self._gate is None or not isinstance(event, Sampled):
            return
        before = self._gate.words()
        verdict = self._gate.judge(event, idle=not self._slots.in_flight)
        if verdict == "trim":
            self._slots.trim()
        elif verdict == "give up" and not self.over_memory:
            self.over_memory = self._gate.words()
            self.halt(-1)
        if self._gate.held:
            self._call_all_back()
        if self._gate.words() != before:
            self._emit(Steered(self._clock(), waiting=self._gate.words()))

    # ------------------------------------------------------------ steering

    def pause(self, paused: bool) -> None:
        """Begin nothing more for now, or go on."""
        if paused != self._paused:
            self._paused = paused
            self._emit(Steered(self._clock(), paused=paused))
            if paused:
                self._call_all_back()

    def set_workers(self, count: int) -> None:
        """Have `count` items run at once from now on."""
        self._steered(self._chooser.resize(count, self.choice))

    def _steered(self, choice: Choice | None) -> None:
        if choice is None:
            return
        self._emit(Steered(self._clock(), choice=choice))
        for flight in list(self._slots.in_flight.values()):
            if flight.slot.retired:
                self._call_back(flight)
