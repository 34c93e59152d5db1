"""Loop: the one loop of a run.

It owns the pending items and gives the backend only what its workers can start at once, plus a
little.  One thread drains one inbox: it asks the policy about failures, folds events
into the state and calls the observers in order, so that none of these needs a lock.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..backends.base import ClusterHooks, HoldRecord, SessionSpec
from ..backends.caller_thread import CallerThread
from ..errors import BudgetExceeded, OptionError
from ..items.chunk_size import ChunkSizer
from ..items.feed import Feed
from ..items.outcomes import refused
from ..items.sinks import Futures, Sink, Stream
from ..model import Choice, Chunk, EndReason, Task
from ..options.checks import bytes_of
from ..options.record import Options
from ..placement.chooser import BackendChooser
from ..placement.slots import SlotTable
from ..system import machine
from ..telemetry import wording
from ..telemetry.events import (
    Event,
    Hedged,
    Part,
    Restored,
    RunEnded,
    RunStarted,
    Sampled,
    Spending,
    Steered,
    Submitted,
)
from ..telemetry.observer import Observer
from ..telemetry.publisher import Publisher
from ..telemetry.stats import Stats
from .backlog import Backlog
from .context import RunContext
from .idle_workers import IdleWorkers
from .in_turn import InTurn
from .intake import Intake
from .lending import Lending, Loan
from .memory_limit import MemoryGate

if TYPE_CHECKING:
    from ..journal.journal import Journal


TEARING_DOWN = 5.0  # seconds that teardown may take before the run ends without waiting for it
SOONEST = 0.002  # seconds until it is seen whether more workers pay


@dataclass(frozen=True, eq=False)
class RunSpec:
    """What a run is made of."""

    task: Task
    feed: Feed
    sink: Sink
    options: Options
    observers: Sequence[Observer]
    caller_thread: CallerThread
    sizer: ChunkSizer
    kernel_backend: str  # for items that aren't worth sending
    clock: Callable[[], float]
    journal: Journal | None = None
    origin: str = ""
    idle_timeout: float | None = None  # seconds after which an idle worker is released


class Loop:
    """What a run does, from its first event to its last; `Run` is its handle."""

    def __init__(self, spec: RunSpec) -> None:
        self._inbox: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]]
        self._inbox = queue.SimpleQueue()
        self._clock = spec.clock
        self.publisher = Publisher(spec.observers, spec.clock() - time.time())
        self._backlog = Backlog(spec.feed, spec.sizer)
        self._slots = SlotTable()
        self.context = context = RunContext(
            *(spec.options, spec.sink, self._backlog, self._slots, self.publisher, spec.clock),
            star=spec.task.star,
            origin=spec.origin,
        )
        self._pacing = context.pacing
        self._pacing.refuse, self._pacing.unwanted = self._refuse, self._unwanted
        self._emit = self.publisher.emit
        self._intake = Intake(context, self.post)
        stops = spec.options.on_error == "raise" and not spec.options.retries
        context.in_turn = InTurn(
            *(spec.caller_thread, self._intake.on_report, self.post, _in_order(spec.sink)),
            halt=self._intake.stopping.halt if stops else None,
        )
        hold = context.in_turn.hold if _in_order(spec.sink) else None
        self._reclaim, self.stopping = self._intake.reclaim, self._intake.stopping
        self._hedging = self._intake.hedging
        self._chooser = self._intake.chooser = self._choose_with(spec, hold)
        self._gate = _memory_gate(spec.options)
        self._idle_workers = IdleWorkers(self._slots, spec.idle_timeout)
        self._journal = spec.journal
        self._recalling = False  # whether there may be more in the journal
        self._paused = False
        self._lending = Lending()
        self._base = self.publisher.state.choice  # without the workers that are lent
        self._said = ""  # why no further item begins
        self._spending: Spending | None = None

    def _choose_with(self, spec: RunSpec, hold: HoldRecord | None) -> BackendChooser:
        session = SessionSpec(
            spec.task,
            self._intake.deliver,
            spec.caller_thread,
            self._intake.report,
            contextvars.copy_context(),
            1,
            hold=hold,
            own=spec.options.worker_options,
            stops=spec.options.on_error == "raise" and not spec.options.retries,
            collects=spec.options.on_error != "raise" and not spec.options.retries,
            once=spec.options.crash_retries == 0,
            reconnect=spec.options.reconnect,
            hooks=ClusterHooks(
                functools.partial(self.post, self._noted),
                functools.partial(self.post, self.stopping.give_up),
                functools.partial(self.post, self._follow),
            ),
        )
        consuming = spec.sink.consuming if isinstance(spec.sink, Stream) else float
        setting = spec.options, self._slots, session, spec.kernel_backend, spec.clock
        return BackendChooser(*setting, consuming)

    # ------------------------------------------------------------ from any thread

    def post(self, handle: Callable[..., None], *args: Any) -> None:
        """Have the loop call ``handle(*args)``."""
        self._inbox.put((handle, args))

    def stats(self) -> Stats:
        """Give the run in numbers, as it stands."""
        return self.publisher.stats(self._clock(), self.feed.known)

    @property
    def choice(self) -> Choice:
        """Backend, workers and the reason, as they stand."""
        return self.publisher.state.choice

    @property
    def feed(self) -> Feed:
        """Where the items come from."""
        return self._backlog.feed

    def elsewhere(self) -> Sequence[Part] | None:
        """Give what the workers use, where they are not the kernel's own processes."""
        return self._slots.elsewhere()

    # ------------------------------------------------------------ the loop

    def open(self) -> Choice:
        """Choose where to begin, and open it: what is wrong with a backend is raised here."""
        token = self.context.token
        if token is not None and token.cancelled:
            return self._chooser.begin_nothing()
        return self._chooser.begin(self.feed)

    def run(self, name: str, choice: Choice) -> None:
        """Go from the first event to the last item; `end` comes after."""
        self.stopping.begin()
        self._base, fastest = choice, self._pacing.fastest
        self._emit(RunStarted(self._clock(), name, self.feed.total, choice, fastest))
        self._handle_waiting()  # it may have been cancelled, or paused, before it began
        while not self._over():
            self._recall()
            self._submit()
            self._say_pace()
            if not self._over():
                self._drain()
        self._steered(self._chooser.ended())
        self._say_pace()
        if self._pacing.note():
            self._noted(self._pacing.note())
        self._drain_output()
        if self.context.in_turn is not None:  # what handlers raise is how the run ends
            self.context.in_turn.end(self.context.last)

    def end(self, reason: EndReason) -> None:
        """Give the workers back, and emit the last event."""
        for slot in self._slots.busy():  # only where the loop itself broke
            slot.session.abort(slot.number)
        self._hedging.end()
        self._pacing.end(self._clock())
        self._tear_down()
        self._drain_output()
        if self.context.in_turn is not None:
            self.context.in_turn.end(self.context.last)
        self._chooser.end()
        self._slots.close()
        self._drain_output()
        if self._journal is not None:
            self._journal.flush()
            self._note(self._journal)
        self._emit(RunEnded(self._clock(), reason))

    def _tear_down(self) -> None:
        """Have workers call teardown, and wait for it for a while."""
        late = self._slots.tear_down(TEARING_DOWN)
        if late:
            at = "1 worker" if late == 1 else f"{late} workers"
            self._noted(f"teardown goes on at {at}: the run ended after {TEARING_DOWN:g} s of it")

    def _over(self) -> bool:
        return not self._slots.in_flight and self._backlog.over()

    def _drain(self) -> None:
        """Handle the inbox, after waiting for it if it is empty; then see to what is due."""
        self._handle_inbox(self._timeout())
        if self.context.stop_after is None:
            if self._chooser.looking:
                if self._chooser.wants_progress:
                    self._reclaim.collect_all()
                self._steered(self._chooser.look(self._unstarted()))
            if self._clock() >= self._grow_at():
                self._reclaim.collect_all()
                self._steered(self._chooser.grow(self._unstarted()))
        self.stopping.check()
        self._reclaim.check()
        self._hedging.check()
        self._idle_workers.check(self._clock())

    def _unstarted(self) -> int | None:
        """Give how many items haven't begun, more or less; None where that isn't known."""
        left, waiting = self._backlog.left, self._slots.waiting if self._slots.stealable else 0
        return left if left is None else left + waiting

    def _grow_at(self) -> float:
        """When to look whether more workers would pay; infinity where there is no item for them."""
        if self._held() or not self._slots.in_flight or not self._in_demand():
            return float("inf")
        return self._chooser.grow_at()

    def _in_demand(self) -> bool:
        """Whether items wait for a worker, as far as is known, and for nothing else."""
        if len(self._slots.in_flight) >= self._pacing.most() or self._pacing.waits(self._clock()):
            return False
        unstarted = self._unstarted()
        return not self._slots.has_room(1) if unstarted is None else unstarted > 0

    def _handle_inbox(self, timeout: float | None) -> None:
        gil_probe = self._chooser.gil_probe(timeout)
        try:
            handle, args = self._inbox.get(timeout=timeout)
        except queue.Empty:
            if gil_probe is not None:
                ran = self._inbox.empty() and not self.feed.pulling
                ran |= self.choice.backend != "serial"  # there another one did
                self._chooser.gil_answered(gil_probe, ran)
            return
        handle(*args)
        self._handle_waiting()

    def _handle_waiting(self) -> None:
        """Handle what is in the inbox."""
        with contextlib.suppress(queue.Empty):
            while True:
                handle, args = self._inbox.get_nowait()
                handle(*args)

    def _timeout(self) -> float | None:
        """Give the seconds until something is due, should nothing come in; None: forever."""
        if self._recalling:
            return 0.0
        polls = self._chooser.timeout(), self.stopping.poll, self._reclaim.poll
        due = self.stopping.deadline, self._backlog.due(), self._overdue(), self._pace_due()
        known = [at for at in due if at is not None]
        soonest = min(self._hedge_due(), self._idle_workers.due(), *known)
        waits = [poll for poll in polls if poll is not None]
        grow_at = self._grow_at()
        if grow_at < float("inf"):  # not at once: only who waits learns whether the GIL is held
            waits.append(max(SOONEST, grow_at - self._clock()))
        if soonest < float("inf"):
            waits.append(max(0.0, soonest - self._clock()))
        return min(waits, default=None)

    # ------------------------------------------------------------ handing out

    def _submit(self) -> None:
        """Give chunks to the slots that have room."""
        self._backlog.release_due(self._clock())
        sizer = self._backlog.sizer
        sizer.target = self._chooser.target
        sizer.cost = self._chooser.cost
        if self.feed.stale:
            self.feed.stale = False
            self._pacing.drop_unwanted()
        if self._held():
            return
        while self._may_send():
            chunk = self._hedging.next(self._clock())  # it has waited longer than a new one
            chunk = chunk or self._pacing.next(self._take, self._clock())
            if chunk is not None:
                self._send(chunk)
            elif self._pacing.waits(self._clock()) or not self._reclaim.steal():
                break
        self._reclaim.ask()
        if self._pacing.broke and not self._slots.in_flight:
            self._say_pace()
            self.stopping.give_up(self._over_budget())

    def _may_send(self) -> bool:
        """Whether a slot has room, and the run may have another chunk at one."""
        room = self._slots.has_room(self._depth())
        return room and len(self._slots.in_flight) < self._pacing.most()

    def _take(self) -> Chunk | None:
        """Take the next chunk from the backlog, and have the feed pull more where it has few."""
        stealable = self._slots.waiting if self._slots.stealable else None
        sizer = self._backlog.sizer
        sizer.together = self._pacing.together(self._clock(), sizer.item_seconds)
        chunk = self._backlog.next(self.choice.workers, self._room(), stealable)
        if self._backlog.wanted > 0:
            self.feed.want(self._backlog.wanted, self._pulled)
        return chunk

    def _unwanted(self, chunk: Chunk) -> bool:
        """Whether a chunk that was taken need not be sent any more."""
        return self._backlog.unwanted(chunk) or not self.feed.wanted(chunk)

    def _send(self, chunk: Chunk) -> None:
        now = self._clock()
        if not self.feed.begin(chunk):
            self._pacing.returned(chunk, now)
            return
        flight = self._slots.assign(chunk, now)
        self._emit(Hedged(now, chunk) if chunk.hedge else Submitted(now, chunk))
        self.stopping.sent(chunk)
        self._idle_workers.sent(now)
        slot = flight.slot
        self._slots.sent(flight, slot.session.submit(slot.number, chunk))

    def _hedge_due(self) -> float:
        """Give when an item will be late, or a try that doesn't count has gone on for too long."""
        late = self._may_send() and not self._held()
        return min(self._hedging.due() if late else float("inf"), self._hedging.patience())

    def _held(self) -> bool:
        """Whether nothing new may start."""
        return self._paused or (self._gate is not None and self._gate.held)

    def _pace_due(self) -> float | None:
        """Give when an item may be sent that may not yet."""
        return self._pacing.due() if self._may_send() and not self._held() else None

    def _refuse(self, chunk: Chunk, error: OptionError) -> None:
        """Fail an item that can never start."""
        if not self.feed.begin(chunk):
            return
        self._emit(Submitted(self._clock(), chunk))
        self._intake.judge(chunk, refused(error))

    def _over_budget(self) -> BudgetExceeded:
        stats = self.stats()
        on = "" if self._journal is None else "; the same call goes on where this one ended"
        return BudgetExceeded(
            f"{stats.name} ended before an item that would take it over budget={stats.budget:g}: "
            f"{wording.price(stats.spent)} was spent; {wording.counts(stats).replace('/', 'of')} "
            f"results were kept{on}"
        )

    def _say_pace(self) -> None:
        """Tell why no further item begins, and what was spent, where that has changed."""
        words = self._gate.words() if self._gate is not None else ""
        words = words or self._pacing.words(self._clock())
        if words != self._said:
            self._said = words
            self._emit(Steered(self._clock(), waiting=words))
        total, state = self.feed.total, self.publisher.state
        left = None if total is None else total - state.done - state.failed
        spending = self._pacing.spending(left)
        if spending != self._spending:
            self._spending = spending
            self._emit(Steered(self._clock(), spending=spending))

    def _overdue(self) -> float | None:
        return None if self._held() else self._slots.due()

    def _room(self) -> int | None:
        """Give how many more items may be pulled; None is any number."""
        return self.context.sink.room(self.feed.pulled, self._window())

    def _window(self) -> int:
        """Give how many items keep the workers busy while results are being consumed."""
        workers = self.choice.workers
        return 4 * workers * max(1, self._backlog.sizer.size(None, workers))

    def _depth(self) -> int:
        """How many chunks may be at each worker."""
        sizer, stealable = self._backlog.sizer, self._slots.stealable
        return 2 if sizer.prefetch(self._backlog.left, self.choice.workers, stealable) else 1

    def _recall(self) -> None:
        """End some of the items that need not run, since the journal has their values."""
        self._recalling = False
        journal = self._journal
        if journal is None:
            return
        if journal.recall is not None and self.context.stop_after is None and not self._paused:
            found = journal.recall.recall(self._room(), 2 * self._window(), self._pulled)
            self._recalling = found is not None
            if found is not None and found[0].indices:
                self._emit(Restored(self._clock(), *found))
                self.context.sink.put(*found, {})
        self._note(journal)

    def _note(self, journal: Journal) -> None:
        for note in journal.take_notes():
            self._emit(Steered(self._clock(), note=note))

    def _pulled(self, *pulled: Any) -> None:
        """Take what the feed has pulled, from any thread."""
        self.post(self._on_pulled, *pulled)

    def _on_pulled(self, items: list[Any], error: BaseException | None, ended: bool) -> None:
        self.feed.supply(items, error, ended)
        if ended:
            self._emit(Steered(self._clock(), total=self.feed.total))

    def _drain_output(self) -> None:
        """Take in the output that came until the workers were given back, and nothing else."""
        with contextlib.suppress(queue.Empty):
            while True:
                handle, args = self._inbox.get_nowait()
                if handle == self._intake.on_report:
                    handle(*args)

    # ------------------------------------------------------------ steering

    def take_in(self, event: Event) -> None:
        """Emit an event that was observed outside the loop."""
        self._emit(event)
        if self._gate is not None and isinstance(event, Sampled):
            self._limit_memory(self._gate, event)

    def _limit_memory(self, gate: MemoryGate, sample: Sampled) -> None:
        verdict = gate.judge(sample, idle=not self._slots.in_flight)
        if verdict == "trim":
            self._slots.trim()
        elif verdict == "give up":
            self.stopping.exceed_memory(gate.words())
        if gate.held:
            self._reclaim.take_all_back()
        self._say_pace()

    def pause(self, paused: bool) -> None:
        """Start nothing more for now, or go on."""
        if paused != self._paused:
            self._paused = paused
            self._emit(Steered(self._clock(), paused=paused))
            if paused:
                self._reclaim.take_all_back()

    @property
    def can_restart(self) -> bool:
        """Whether the workers that there are can be restarted."""
        return self._slots.can_restart

    def restart_workers(self) -> None:
        """Have each worker end once it is idle."""
        self._slots.restart()

    def set_workers(self, count: int) -> None:
        """Have `count` items run at once from now on."""
        self._steered(self._chooser.resize(count, self._base))

    def _follow(self, count: int) -> None:
        """Have as many items run at once as the workers can, whose number has changed."""
        self._steered(self._chooser.follow(count, self._base))

    def _noted(self, text: str) -> None:
        self._emit(Steered(self._clock(), note=text))

    def lend(self, loan: Loan) -> None:
        """Add a worker, if that can be done, since an item waits in one for another item."""
        if self._lending.lend(loan, self._chooser.adds_workers):
            self._lent()
        elif (
            self._lending.stuck(self._slots.running_count)
            and not self._slots.has_room(1)  # a worker may have just come free, for what is awaited
            and self._chooser.settled
        ):
            loan.refuse(self._base.backend)

    def give_back(self, loan: Loan) -> None:
        """Have one less again: that item goes on."""
        if self._lending.give_back(loan):
            self._lent()

    def _lent(self) -> None:
        self._slots.lend(self._lending.lent)
        self._steered(self._base)

    def _steered(self, choice: Choice | None) -> None:
        if choice is not None:
            self._base = choice
            now = replace(choice, workers=choice.workers + self._lending.lent)
            self._emit(Steered(self._clock(), choice=now))
            self._reclaim.take_back_from_retired()


def _in_order(sink: Sink) -> bool:
    """Whether what items log comes in their order, and not as their results do."""
    return not isinstance(sink, Futures) and (not isinstance(sink, Stream) or sink.ordered)


def _memory_gate(options: Options) -> MemoryGate | None:
    if options.memory_limit is None:
        return None
    return MemoryGate(bytes_of("memory_limit", options.memory_limit, machine.memory_limit()))
