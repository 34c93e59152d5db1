"""Steering: which backend takes a run's items, on how many workers, and when that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..backends import get_backend, is_warm
from ..backends.base import SessionSpec
from ..errors import OptionError, PickleError
from ..items.chunk_size import FIRST, HANDING, SENDING, TARGET
from ..items.feed import Feed
from ..model import Choice, Chunk, Outcome
from ..options.record import Options
from ..system import gil, machine
from . import auto, profiles
from .probe import Knock, Probe, Scale, Watch
from .slots import Slot, SlotTable

LATELY = 0.5  # seconds; what was before that doesn't tell what is now
LOOK = 0.02  # seconds between two looks at items that run while the backend may yet change
KNOCK = 0.002  # seconds between two while the first items run: each sees whether the GIL is held
SELDOM = 0.05  # seconds between two at what several threads do
OFTEN = 0.01  # where the last one found that the GIL is held


class BackendChooser:
    """Opens backends and gives their slots to the crew."""

    def __init__(
        self,
        options: Options,
        slots: SlotTable,
        setting: SessionSpec,
        kernel: str,
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._slots = slots
        self._setting = setting
        self._clock = clock
        self._kernel = kernel  # the backend for items that aren't worth sending
        self._first_backend = "serial"  # and for those that are timed
        if options.timeout is not None:  # a backend where an item can be left behind
            self._kernel = self._first_backend = "threads"
        self._wanted = options.workers
        self._now = auto.FIRST
        self._probe: Probe | None = None  # while items go one at a time
        self._watch: Watch | None = None  # while they don't, and that may change
        self._scale = Scale()
        self.cost = HANDING  # seconds of the kernel that a chunk takes
        self._fact: profiles.Profile | None = None  # what this run showed
        self._known: profiles.Profile | None = None  # and an earlier one
        self._moves = 0
        self._unsent = False  # whether something could not be sent, or not in an earlier run
        self._knocked = 0.0  # when it was last seen whether the GIL is held

    @property
    def looking(self) -> bool:
        """Whether where items go may yet change, by measuring."""
        return self._probe is not None or self._watch is not None or self._stuck

    @property
    def _stuck(self) -> bool:
        """Whether items go to processes though it was seen that something can't be sent."""
        return self._unsent and self._now.backend == "processes"

    @property
    def target(self) -> float:
        """How many seconds of work a chunk is to have.

        Small ones tell soon what items are like: before anything was chosen, and at first
        where they went then.  On threads they cost little.
        """
        watch, on_threads = self._watch, self._now.backend == "threads"
        soon = self._timing or (watch is not None and (on_threads or not watch.looked))
        return FIRST if soon else TARGET

    @property
    def _timing(self) -> bool:
        """Whether nothing was chosen yet: the first items are timed."""
        return self._probe is not None and not self._probe.judged

    @property
    def curious(self) -> bool:
        """Whether to see what threads have done so far of what they were given.

        Where they wait for the GIL in turn they come to an end late, and all at once.
        """
        watch = self._watch
        if watch is None or self._now.backend != "threads":
            return False
        return watch.lately.in_turn and self._clock() - watch.told > SELDOM

    def patience(self) -> float | None:
        """Give the seconds till the next look is due; None where none is."""
        if not self._slots.in_flight:
            return None
        if self._probe is not None:
            if not self._probe.judged:
                return KNOCK
            if self._probe.seen.knocks < auto.FEW:
                now = self._slots.running()
                if now is not None and now[0].wall > LOOK / 2:
                    return KNOCK
            return LOOK
        if self._watch is None or self._now.backend != "threads":
            return None
        if self._watch.lately.knocks < auto.FEW:  # threads that end items don't let it time out
            return KNOCK
        again = OFTEN if self._watch.held else SELDOM
        return max(KNOCK, self._knocked + again - self._clock())

    def begin(self, feed: Feed) -> Choice:
        """Open the backend that was asked for, or the first one of "auto"."""
        choice = self._first_choice()
        known = self._recalled(feed) if self._probe is not None else None
        if known is not None and self._scale.unsendable is None:
            return self._move(known)
        self._engage(choice)
        return choice

    def _recalled(self, feed: Feed) -> Choice | None:
        """Give where earlier runs of the function have shown that its items should go."""
        task = self._setting.task
        if task.depth or self._options.timeout is not None or not feed.left:
            return None
        try:
            fact = profiles.recall(task.fn)
            feed.held(feed.taken)  # only where it can be seen whether it can be sent
        except Exception:  # a function may have anything for attributes
            return None
        if fact is None:
            return None
        self._known = fact
        if not fact.sent:
            self._unsent = True
            self._scale.unsendable = PickleError("something could not be sent in an earlier run")
        seen = auto.recalled(fact, feed.left, is_warm("processes"))
        choice = auto.choose(seen, self._wanted, task.depth)
        if choice is not None and choice.backend == "processes":
            scale = self._scale
            scale.weigh(Chunk(range(1), [feed.held(feed.taken)]))  # that may never have been done
            scale.here, scale.there = max(fact.here, scale.here), max(fact.there, scale.there)
            seen = replace(seen, here=scale.here, there=scale.there)
            choice = auto.choose(seen, self._wanted, task.depth)
            scale.weighed |= choice is not None and choice.backend == "serial"  # it is enough
        choice = choice and self._fitting(choice, seen.grown)
        if choice is None or choice.backend == "serial":  # timing the first items costs nothing
            return None
        return replace(choice, reason=f"as in an earlier run, {choice.reason}")

    def end(self) -> None:
        """Keep what this run showed for the next one of its function, and none of its items."""
        gil.leave(self)
        self._scale.drop(wanted=False)
        fact = self._fact or (self._known if self._unsent else None)
        if fact is None or self._setting.task.depth:
            return
        try:
            profiles.learn(self._setting.task.fn, fact._replace(sent=float(not self._unsent)))
        except Exception:  # it is only measured again
            pass

    def _first_choice(self) -> Choice:
        wanted, workers = self._options.backend, self._options.workers
        if wanted != "auto":
            backend = get_backend(wanted)
            if self._options.timeout is not None and not backend.can_time_out:
                raise OptionError(
                    f"timeout= does not work with backend={wanted!r}, which can't leave an item "
                    "that is running: use 'threads', 'processes', 'asyncio' or 'dask'"
                )
            if workers:
                return Choice(backend.name, min(workers, backend.most_workers))
            depth = self._setting.task.depth
            return Choice(backend.name, machine.default_workers(backend.default_workers(), depth))
        if self._setting.task.coroutine:
            most = get_backend("asyncio").default_workers()
            count = workers or machine.default_workers(most, self._setting.task.depth)
            return Choice("asyncio", count, "a coroutine function")
        self._probe = Probe()
        return replace(auto.FIRST, backend=self._first_backend)

    def learn(self, slot: Slot, chunk: Chunk, outcome: Outcome) -> None:
        """Take in what a chunk tells about the items, while that is of use."""
        if slot.retired:  # of a backend that was left
            return
        if self.looking:
            self._scale.offer(chunk, outcome, at_once=self._probe is None)
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
                self._unsent, self._scale.unsendable = True, error.exception
                return error.unsent == "item"
        return False

    def knock(self, patience: float | None) -> Knock | None:
        """Begin to see whether the GIL is held, where that is of use; `answered` comes after."""
        return Knock(patience) if patience and patience <= LOOK and self.looking else None

    def answered(self, knock: Knock) -> None:
        """Take in what came of it."""
        to = self._probe or self._watch
        if to is not None:
            to.knock(knock.answer())
            self._knocked = self._clock()

    def look(self, left: int | None) -> Choice | None:
        """See whether enough is known to choose; if so go there, and give the choice."""
        self._slots.close_drained()
        self._take_turns()
        return self._choose(left) if self._probe is not None else self._reconsider(left)

    def _take_turns(self) -> None:
        """Have short turns with what computes here while it matters how soon the loop gets on."""
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
        seen = probe.look(now, left, warm, self._scale)
        if left == 0 or seen.wall + seen.running_wall < auto.ENOUGH:
            return None
        if auto.worth_weighing(seen):
            self._scale.weigh(now[1] if now is not None and not seen.items else None)
            seen = replace(seen, here=self._scale.here, there=self._scale.there)
        choice = auto.choose(seen, self._wanted, self._setting.task.depth)
        if choice is None:
            return None
        seen = replace(seen, grown=probe.grown())
        choice = self._fitting(choice, seen.grown)
        self._scale.drop(wanted=True)
        self._fact = auto.fact(seen)
        first = not probe.judged
        probe.judge()
        if choice.backend != "serial":
            by_now = choice if first else replace(choice, reason=f"by now {choice.reason}")
            return self._move(by_now)
        if not first:
            return None
        if self._kernel == "serial":
            self._now = choice
            return choice
        return self._move(self._kernel_choice(choice))

    def _reconsider(self, left: int | None) -> Choice | None:
        if self._stuck:
            return self._move(self._now)
        watch = self._watch
        enough = auto.AGAIN if self._known is None or self._moves else auto.AGAINST
        if watch is None or left == 0 or watch.lately.elapsed < enough:
            return None
        here, there, warm = self._scale.here, self._scale.there, is_warm("processes")
        seen = auto.Evidence(gil=gil.has_gil(), left=left, warm=warm, here=here, there=there)
        alone = self._fact or self._known
        if alone is not None:
            seen = replace(seen, grown=alone.grown)
            if not self._moves:  # else it is of several that ran
                seen = replace(seen, items=1, wall=alone.each, busy=alone.each * alone.used)
        depth = self._setting.task.depth
        choice = auto.reconsider(self._now, watch.lately, seen, self._wanted, depth)
        if choice is not None:
            fitting = self._fitting(choice, seen.grown)
            choice = fitting if fitting.backend == choice.backend else None
        if choice is None:
            watch.looked = True
            if watch.lately.elapsed > LATELY:
                watch.begin_again(self._clock())
            return None
        if choice.backend == "serial":
            if self._setting.task.setup is not None:  # it would run once more
                return None
            choice = self._kernel_choice(choice)
        if choice.backend == "processes" and not self._scale.weighed:
            self._scale.wanted = True  # a sample comes with the next chunk
            return None
        self._moves += 1
        self._fact = auto.fact_lately(watch.lately, seen, self._now.backend == "threads")
        return self._move(choice)

    def _fitting(self, choice: Choice, grown: int) -> Choice:
        """Give the choice as memory allows, where nobody said how many workers there are to be."""
        if choice.backend == "serial" or self._wanted is not None:
            return choice
        return auto.fit(choice, grown, machine.memory_free())

    def _kernel_choice(self, choice: Choice) -> Choice:
        """Give the same for the kernel as this run has it, on threads where it must be."""
        if self._kernel == "serial":
            return choice
        count = self._wanted or get_backend(self._kernel).default_workers()
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
        self._wanted = count
        count = min(count, get_backend(self._backend_of(now)).most_workers)
        self._slots.resize(count)
        self._now = Choice(now.backend, count, now.reason)
        return self._now

    def _backend_of(self, choice: Choice) -> Any:
        """Give the name or the object that stands for where a choice says to run."""
        return choice.backend if self._options.backend == "auto" else self._options.backend

    def _engage(self, choice: Choice) -> None:
        """Open a backend and have its slots, and no others, take what comes from now on."""
        backend = get_backend(self._backend_of(choice))
        setting = replace(
            self._setting,
            workers=choice.workers,
            direct=self._options.backend == "serial",
            judged=self._options.backend == "auto",
        )
        session = backend.open(setting)
        self.cost = SENDING if backend.remote else HANDING
        self._slots.switch_to(session, choice.workers, self._later(choice))

    def _later(self, choice: Choice) -> int:
        """Give how many worker processes begin only when what runs in the kernel has ended.

        That has a core, too: of three on two cores all end late, and so does what waits for
        them: `6 of 200 ms` and `a first one of 0.5 s` of tests/benchmarks/matrix.py.
        """
        most = self._wanted or machine.default_workers(machine.cores(), self._setting.task.depth)
        full = choice.backend == "processes" and 1 < most <= choice.workers
        return int(full and is_warm("processes"))  # a cold one has enough to do meanwhile

    def _move(self, choice: Choice) -> Choice:
        """Go where the choice says; stay on threads with what can't leave the kernel."""
        movable = self._moves < auto.MOVES
        if self._slots.in_flight:
            gil.shorten(self)
        try:
            if choice.backend == "processes" and self._scale.unsendable is not None:
                raise self._scale.unsendable
            self._engage(choice)
        except Exception as error:
            if choice.backend != "processes":
                raise
            why = str(error).partition(". ")[0] if isinstance(error, PickleError) else str(error)
            reason = f"{choice.reason}; on threads since {why}"
            choice = Choice("threads", choice.workers, reason)
            self._engage(choice)
            movable = False
        self._now = choice
        self._scale.drop(wanted=False)  # unless it is asked for
        self._probe = self._watch = None
        if choice.backend == "serial":
            self._probe = Probe()
            self._probe.judged = True
        elif movable:
            there = choice.backend == "threads" or is_warm("processes")
            self._watch = Watch(self._clock(), begun=there)
        else:
            gil.leave(self)  # nobody looks when what is left there has ended
        return choice
