"""BackendChooser: which backend takes a run's items, and until when; `OpenBackend` opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..backends import get_backend, is_warm
from ..backends.base import SessionSpec
from ..errors import OptionError, PickleError
from ..items.chunk_size import FIRST, TARGET
from ..items.feed import Feed
from ..model import Choice, Chunk, Outcome
from ..options.record import Options
from ..system import gil, machine
from . import auto, pin, profiles, reconsider, worker_support
from .open_backend import OpenBackend
from .probe import GilProbe, Probe, SendingCost, Watch
from .slots import Slot, SlotTable

RECENT = 0.5  # seconds; what was before that doesn't tell what is now
LOOK = 0.02  # seconds between two looks at items that run while the backend may yet change
PROBE_OFTEN = (
    0.002  # seconds between two while the first items run: each sees whether the GIL is held
)
PROBE_THREADS = 0.05  # seconds between two at what several threads do
PROBE_HELD = 0.01  # where the last one found that the GIL is held


class BackendChooser:
    """Says where items go, by what is seen of them."""

    def __init__(
        self,
        options: Options,
        slots: SlotTable,
        spec: SessionSpec,
        kernel: str,
        clock: Callable[[], float],
        consuming: Callable[[], float] = float,
    ) -> None:
        self._consuming = consuming  # CPU seconds of a thread that takes the results meanwhile
        self._options = options
        self._slots = slots
        self._spec = spec
        self._clock = clock
        self._kernel = kernel  # the backend for items that aren't worth sending
        self._first_backend = "serial"  # and for those that are timed
        # a backend where an item can be left behind, as a call of an executor may have to be
        if options.leaves or kernel == "threads":
            self._kernel = self._first_backend = "threads"
        self._open = OpenBackend(options, slots, spec, clock)
        self._probe: Probe | None = None  # while items go one at a time
        self._watch: Watch | None = None  # while they don't, and that may change
        self._sending = SendingCost()
        self._profile: profiles.Profile | None = None  # what this run showed
        self._known: profiles.Profile | None = None  # and an earlier one
        self._moves = 0
        self._pin = pin.Pin(
            spec.task.fn, lambda: self._kernel == "serial" and not spec.caller_thread.own
        )
        self._unsent = False  # whether something could not be sent, or not in an earlier run
        self._gil_probed = 0.0  # when it was last seen whether the GIL is held

    @property
    def cost(self) -> float:
        """Seconds of the kernel that a chunk takes."""
        return self._open.cost

    @property
    def looking(self) -> bool:
        """Whether where items go may yet change, by measuring."""
        timing = self._probe is not None or self._watch is not None
        return timing or self._stuck or self._pin.due

    @property
    def _stuck(self) -> bool:
        """Whether items go to processes although something of them can't be sent."""
        return self._unsent and self._open.now.backend == "processes"

    @property
    def target(self) -> float:
        """How many seconds of work a chunk is to have.

        Small ones tell soon what items are like: before anything was chosen, and at first
        where they went then.  On threads they cost little.
        """
        watch, on_threads = self._watch, self._open.now.backend == "threads"
        soon = self._timing or (watch is not None and (on_threads or not watch.looked))
        return FIRST if soon else TARGET

    @property
    def _timing(self) -> bool:
        """Whether the first items are timed, and nothing was chosen yet."""
        return self._probe is not None and not self._probe.judged

    @property
    def wants_progress(self) -> bool:
        """Whether to collect what threads have finished of their chunks so far.

        Where they wait for the GIL in turn, their chunks end late, and all at once.
        """
        watch = self._watch
        if watch is None or self._open.now.backend != "threads":
            return False
        return watch.recent.in_turn and self._clock() - watch.last_reply > PROBE_THREADS

    def timeout(self) -> float | None:
        """Give the seconds until the next look is due; None where none is."""
        if not self._slots.in_flight:
            return None
        if self._probe is not None:
            if not self._probe.judged:
                return PROBE_OFTEN
            if self._probe.seen.gil_probes < auto.FEW:
                now = self._slots.running()
                if now is not None and now[0].wall > LOOK / 2:
                    return PROBE_OFTEN
            return LOOK
        if self._watch is None or self._open.now.backend != "threads":
            return None
        if self._watch.recent.gil_probes < auto.FEW:  # threads that end items don't let it time out
            return PROBE_OFTEN
        again = PROBE_HELD if self._watch.held else PROBE_THREADS
        return max(PROBE_OFTEN, self._gil_probed + again - self._clock())

    def begin(self, feed: Feed) -> Choice:
        """Open the backend that was asked for, or the first one of "auto"."""
        choice = self._first_choice()
        known = self._recalled(feed) if self._probe is not None else None
        if known is not None and self._sending.unsendable is None:
            return self._move(known)
        return self._engage(choice)

    def begin_nothing(self) -> Choice:
        """Open no backend's workers: no item will begin."""
        self._probe = self._watch = None
        return self._engage(Choice("serial", 1, "cancelled before it began"))

    def _recalled(self, feed: Feed) -> Choice | None:
        """Give where earlier runs of the function have shown that its items should go."""
        task = self._spec.task
        if task.depth or self._options.leaves or not feed.left:
            return None
        try:
            measured = getattr(task.fn, "profile", None)  # just now, before the run began
            known = isinstance(measured, profiles.Profile)
            profile = measured if known else profiles.recall(task.fn)
            feed.held(feed.first + feed.taken)  # only where it can be seen whether it can be sent
        except Exception:  # a function may have anything for attributes
            return None
        if profile is None:
            return None
        self._known = profile
        if not profile.sent:
            self._unsent = True
            self._sending.unsendable = PickleError("something could not be sent in an earlier run")
        seen = auto.evidence_of(profile, feed.left, is_warm("processes"))
        choice = auto.choose(seen, self._open.wanted, task.depth)
        if choice is not None and choice.backend == "processes":
            sending_cost = self._sending
            sending_cost.measure(
                Chunk(range(1), [feed.held(feed.first + feed.taken)])
            )  # that may never have been done
            sending_cost.here, sending_cost.there = (
                max(profile.here, sending_cost.here),
                max(profile.there, sending_cost.there),
            )
            seen = replace(seen, here=sending_cost.here, there=sending_cost.there)
            choice = auto.choose(seen, self._open.wanted, task.depth)
            sending_cost.measured |= (
                choice is not None and choice.backend == "serial"
            )  # it is enough
        choice = choice and self._fitting(choice, seen.grown)
        if choice is None or choice.backend == "serial":  # timing the first items costs nothing
            return None
        said = choice.reason if known else f"as in an earlier run, {choice.reason}"
        return replace(choice, reason=said)

    def end(self) -> None:
        """Keep a profile of the function for its next run, and none of this run's items."""
        gil.leave(self)
        self._open.end()
        self._sending.drop(wanted=False)
        profile = self._profile or (self._known if self._unsent else None)
        if profile is None or self._spec.task.depth:
            return
        try:
            profiles.learn(self._spec.task.fn, profile._replace(sent=float(not self._unsent)))
        except Exception:  # it is only measured again
            pass

    def _first_choice(self) -> Choice:
        wanted, workers = self._options.backend, self._options.workers
        if wanted != "auto":
            backend = get_backend(wanted)
            worker_support.check(self._options, backend, self._spec.task.teardown)
            if self._options.leaves and not backend.can_time_out:
                option = "hedge_after" if self._options.timeout is None else "timeout"
                raise OptionError(
                    f"{option}= does not work with backend={wanted!r}, which can't leave an item "
                    "that is running: use 'threads', 'processes', 'asyncio' or 'dask'"
                )
            if workers:
                return Choice(backend.name, min(workers, backend.most_workers))
            depth = self._spec.task.depth
            return Choice(backend.name, machine.default_workers(backend.default_workers(), depth))
        worker_support.check(self._options, None, self._spec.task.teardown)
        if self._spec.task.coroutine:
            most = get_backend("asyncio").default_workers()
            count = workers or machine.default_workers(most, self._spec.task.depth)
            return self._pinned(Choice("asyncio", count, "a coroutine function"))
        self._probe = Probe(consuming=self._consuming)
        return replace(auto.FIRST, backend=self._first_backend)

    def learn(self, slot: Slot, chunk: Chunk, outcome: Outcome) -> None:
        """Take in what a chunk shows of the items, while that is of use."""
        self._open.learn(slot, outcome)
        if slot.retired:  # of a backend that was left
            return
        if self.looking:
            self._sending.offer(chunk, outcome, at_once=self._probe is None)
        if self._probe is not None:
            self._probe.learn(outcome)
        elif self._watch is not None:
            self._watch.learn(outcome, self._clock())

    def unsent(self, outcome: Outcome) -> bool:
        """Note what could not be sent; give whether that is why an item did not even begin.

        Nothing was sent of it when the first ones were looked at, or they were another sort.
        """
        if self._options.backend != "auto":
            return False
        for error in outcome.errors.values():
            if error.unsent:
                self._unsent, self._sending.unsendable = True, error.exception
                return error.unsent == "item"
        return False

    def astray(self, slot: Slot, outcome: Outcome) -> set[int]:
        """Give the offsets of items that failed since a plain loop would be in another thread.

        They are to be tried where they work, to which `look` moves.
        """
        if self._options.backend != "auto" or not slot.session.side_threads:
            return set()
        return self._pin.astray(outcome.errors)

    def _follow(self) -> Choice:
        """Move for good to where items work that are bound to a thread."""
        choice = self._open.now
        self._pin.followed, self._moves = True, reconsider.MOVES
        wanted: pin.Pinned | None = self._pin.backend
        while wanted is not None:
            count = self._open.few() if wanted == "processes" else 1
            choice = self._move(Choice(wanted, count, pin.REASONS[wanted]))
            wanted = None if choice.backend == wanted else self._pin.failed()
        self._probe = self._watch = None
        gil.leave(self)
        return choice

    def _pinned(self, choice: Choice) -> Choice:
        """Give the choice, but no threads for what has to be in the main one."""
        if choice.backend not in ("threads", "asyncio") or not self._pin.needs_main:
            return choice
        reason = f"{choice.reason}, and signal handlers or timers are set"
        return Choice("processes", self._open.few(), reason)

    def gil_probe(self, timeout: float | None) -> GilProbe | None:
        """Begin to probe whether the GIL is held, where that is of use; `gil_answered` ends it."""
        return GilProbe(timeout) if timeout and timeout <= LOOK and self.looking else None

    def gil_answered(self, gil_probe: GilProbe, ran: bool = True) -> None:
        """Take in the answer of a probe, and whether an item `ran` all the while.

        Where none did, as where it ended while this thread waited for a core, a GIL that was
        free says nothing of items.
        """
        to, held = self._probe or self._watch, gil_probe.answer()
        if to is not None and (ran or held):
            to.gil_probe(held)
            self._gil_probed = self._clock()

    def look(self, left: int | None) -> Choice | None:
        """Choose a backend, where enough is known for it; if it is another one, move there."""
        self._slots.close_drained()
        if self._pin.due:
            return self._follow()
        self._adjust_gil()
        return self._choose(left) if self._probe is not None else self._reconsider(left)

    def _adjust_gil(self) -> None:
        """Shorten the GIL's switch interval while it matters how soon the loop gets on."""
        watch = self._watch
        in_turn = watch is not None and watch.held and not watch.looked
        if self._timing or self._slots.draining or in_turn:
            gil.shorten(self)
        else:
            gil.leave(self)

    def _choose(self, left: int | None) -> Choice | None:
        probe = self._probe
        assert probe is not None
        now, warm = self._slots.running(), is_warm("processes")
        seen = probe.look(now, left, warm, self._sending)
        if left == 0 or seen.wall + seen.running_wall < auto.ENOUGH:
            return None
        if auto.worth_measuring(seen):
            self._sending.measure(now[1] if now is not None and not seen.items else None)
            seen = replace(seen, here=self._sending.here, there=self._sending.there)
        choice = auto.choose(seen, self._open.wanted, self._spec.task.depth)
        if choice is None:
            return None
        seen = replace(seen, grown=probe.grown())
        choice = self._fitting(choice, seen.grown)
        self._sending.drop(wanted=True)
        self._profile = auto.profile_of(seen)
        first = not probe.judged
        probe.judge()
        if choice.backend != "serial":
            by_now = choice if first else replace(choice, reason=f"by now {choice.reason}")
            return self._move(by_now)
        if not first:
            return None
        if self._kernel == "serial":
            self._open.now = choice
            return choice
        return self._move(self._kernel_choice(choice))

    def _reconsider(self, left: int | None) -> Choice | None:
        """See whether the rest should go elsewhere than it goes now."""
        if self._stuck:
            return self._move(self._open.now)
        watch = self._watch
        enough = reconsider.AGAIN if self._known is None or self._moves else reconsider.AGAINST
        if watch is None or left == 0 or watch.recent.elapsed < enough:
            return None
        seen = self._evidence(left)
        choice = self._elsewhere(watch, seen)
        if choice is None:
            watch.looked = True
            if watch.recent.elapsed > RECENT:
                watch.begin_again(self._clock())
            return None
        if choice.backend == "serial":
            if self._spec.task.setup is not None:  # it would run once more
                return None
            choice = self._kernel_choice(choice)
        if choice.backend == "processes" and not self._sending.measured:
            self._sending.wanted = True  # a sample comes with the next chunk
            return None
        self._moves += 1
        self._profile = reconsider.profile_recent(
            watch.recent, seen, self._open.now.backend == "threads"
        )
        return self._move(choice)

    def _evidence(self, left: int | None) -> auto.Evidence:
        """Give what is known of items that several workers run, and what one took alone."""
        here, there, warm = self._sending.here, self._sending.there, is_warm("processes")
        seen = auto.Evidence(gil=gil.has_gil(), left=left, warm=warm, here=here, there=there)
        alone = self._profile or self._known
        if alone is None:
            return seen
        if self._moves:  # it is of several that ran
            return replace(seen, grown=alone.grown)
        busy = alone.each * alone.used
        return replace(seen, grown=alone.grown, items=1, wall=alone.each, busy=busy)

    def _elsewhere(self, watch: Watch, seen: auto.Evidence) -> Choice | None:
        """Give a better place than now, if there is one and memory for it."""
        depth = self._spec.task.depth
        choice = reconsider.reconsider(self._open.now, watch.recent, seen, self._open.wanted, depth)
        if choice is None:
            return None
        fitting = self._fitting(choice, seen.grown)
        return fitting if fitting.backend == choice.backend else None

    def _fitting(self, choice: Choice, grown: int) -> Choice:
        """Give the choice as memory allows, where nobody said how many workers there are to be."""
        if choice.backend == "serial" or self._open.wanted is not None:
            return choice
        return auto.fit_memory(choice, grown, machine.memory_free())

    def _kernel_choice(self, choice: Choice) -> Choice:
        """Give the same for the kernel as this run has it, on threads where it must be."""
        if self._kernel == "serial":
            return choice
        count = self._open.wanted or get_backend(self._kernel).default_workers()
        return Choice(self._kernel, count, choice.reason)

    def ended(self) -> Choice | None:
        """Give what to say of a run that ended before anything was chosen."""
        if self._probe is None or self._probe.judged:
            return None
        return self._probe.ended()

    def resize(self, count: int, now: Choice) -> Choice | None:
        """Have `count` items run at once from now on."""
        if self._probe is not None or count == now.workers:
            return None
        return self._open.resize(count, now)

    def follow(self, count: int, now: Choice) -> Choice | None:
        """Have as many items run at once as there are workers, unless a number was asked for."""
        asked = self._open.wanted is not None or self._spec.task.depth > 0
        if asked or self._probe is not None or count == now.workers:
            return None
        return self._open.follow(count, now)

    @property
    def adds_workers(self) -> bool:
        """Whether another worker can be added for a while, in the kernel."""
        return self.settled and self._open.adds_workers

    @property
    def settled(self) -> bool:
        """Whether items go where they are to go, and not to a first place to be timed."""
        return self._probe is None or self._probe.judged

    def grow_at(self) -> float:
        """When to look again whether more at once would pay; infinity for never."""
        return self._open.grow_at()

    def grow(self, waiting: int | None) -> Choice | None:
        """Have more run at once, or fewer, where that pays; `waiting` haven't begun."""
        return self._open.grow(waiting)

    def _engage(self, choice: Choice) -> Choice:
        grown = self._profile.grown if self._profile is not None else 0
        alone = self._profile or self._known
        computes = alone is not None and alone.used >= auto.COMPUTES
        return self._open.engage(choice, grown, waits=self._probe is None and not computes)

    def _move(self, choice: Choice) -> Choice:
        """Move to the chosen backend; stay on threads with items that can't leave the kernel."""
        choice = self._pinned(choice)
        self._probe = self._watch = None
        movable = self._moves < reconsider.MOVES
        if self._slots.in_flight:
            gil.shorten(self)
        try:
            if choice.backend == "processes" and self._sending.unsendable is not None:
                raise self._sending.unsendable
            choice = self._engage(choice)
        except Exception as error:
            if choice.backend != "processes":
                raise
            why = str(error).partition(". ")[0] if isinstance(error, PickleError) else str(error)
            reason = f"{choice.reason}; on threads since {why}"
            choice = Choice("threads", choice.workers, reason)
            if self._pin.needs_main and self._kernel == "serial":
                choice = Choice("serial", 1, reason.replace("; on threads", "; in the kernel"))
            choice = self._engage(choice)
            movable = False
        self._open.now = choice
        self._sending.drop(wanted=False)  # unless it is asked for
        if choice.backend == "serial":
            self._probe = Probe(consuming=self._consuming)
            self._probe.judged = True
        elif movable:
            there = choice.backend == "threads" or is_warm("processes")
            self._watch = Watch(self._clock(), begun=there)
        else:
            gil.leave(self)  # nobody looks when what is left there has ended
        return choice
