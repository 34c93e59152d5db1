"""OpenBackend: the backend that a run's items go to now, and how many of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from ..backends import get_backend, is_warm
from ..backends.base import SessionSpec
from ..items.chunk_size import HANDING, SENDING
from ..model import Choice, Outcome
from ..options.record import Options
from ..system import machine
from . import auto
from .at_once import BACKENDS, AtOnce
from .slots import Slot, SlotTable


class OpenBackend:
    """Opens backends, and has the slot table use their slots.

    Attributes
    ----------
    now : Choice
        Where items go, as the run says it.
    wanted : int or None
        How many workers somebody asked for.
    cost : float
        Seconds of the kernel that a chunk takes.
    """

    def __init__(
        self,
        options: Options,
        slots: SlotTable,
        spec: SessionSpec,
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._slots = slots
        self._spec = spec
        self._clock = clock
        self.wanted = options.workers
        self.now = auto.FIRST
        self.cost = HANDING
        self.adds_workers = False  # whether there may be more of them than was asked for
        self._at_once: AtOnce | None = None  # where the number of workers follows what pays

    def few(self) -> int:
        """Give how many workers there are for items that compute."""
        return self.wanted or machine.default_workers(machine.cores(), self._spec.task.depth)

    def engage(self, choice: Choice, grown: int, waits: bool) -> Choice:
        """Open a backend, and have its slots, and no others, take new chunks.

        Parameters
        ----------
        choice : Choice
            Where items are to go.
        grown : int
            Bytes that an item takes; 0 where that isn't known.
        waits : bool
            Whether items may wait, as far as is known, so that more at once may pay.
        """
        backend = get_backend(self._backend_of(choice))
        self._at_once = None
        if waits and self._may_grow(choice):
            self._at_once = AtOnce(choice, self._spec.task, grown, self._clock)
            choice = self._at_once.choice
        spec = replace(
            self._spec,
            workers=choice.workers,
            direct=self._options.backend == "serial",
            judged=self._options.backend == "auto",
        )
        session = backend.open(spec)
        self.adds_workers = backend.adds_workers
        self.cost = SENDING if backend.remote else HANDING
        self._slots.switch_to(session, choice.workers, self._later(choice))
        return choice

    def _backend_of(self, choice: Choice) -> Any:
        """Give the name or the object that stands for where a choice says to run."""
        return choice.backend if self._options.backend == "auto" else self._options.backend

    def _may_grow(self, choice: Choice) -> bool:
        """Whether nobody said how many workers there are to be, and there may be more."""
        task = self._spec.task
        if self.wanted is not None or task.depth or choice.backend not in BACKENDS:
            return False
        return task.setup is None and choice.workers > 1  # each worker would have a setup's value

    def _later(self, choice: Choice) -> int:
        """Give how many worker processes begin only when the item in the kernel has ended.

        That one uses a core, too: of three on two cores all end late, and so do the chunks
        that wait for them: `6 of 200 ms` and `a first one of 0.5 s` of tests/benchmarks/matrix.py.
        """
        full = choice.backend == "processes" and 1 < self.few() <= choice.workers
        return int(full and is_warm("processes"))  # a cold one has enough to do meanwhile

    # ------------------------------------------------------------ how many at once

    def learn(self, slot: Slot, outcome: Outcome) -> None:
        """Take in that items ended."""
        if self._at_once is not None and not (slot.retired and self._slots.draining):
            self._at_once.learn(outcome, self._clock())

    def grow_at(self) -> float:
        """When to look again whether more at once would pay; infinity for never."""
        return inf if self._at_once is None else self._at_once.due()

    def grow(self, waiting: int | None) -> Choice | None:
        """Have more run at once, or fewer, where that pays; `waiting` haven't begun."""
        at_once = self._at_once
        if at_once is None or not at_once.look(self._slots.running_count, waiting):
            return None
        count = at_once.choice.workers
        made = self._slots.prepare(count)
        if made < count:
            at_once.fall_back(made)
        self.now = at_once.choice
        self._slots.resize(self.now.workers)
        return self.now

    def resize(self, count: int, now: Choice) -> Choice:
        """Have `count` items run at once from now on."""
        self.wanted = count
        return self.follow(count, now)

    def follow(self, count: int, now: Choice) -> Choice:
        """Have `count` items run at once for now, for which nobody asked."""
        self._at_once = None
        count = min(count, get_backend(self._backend_of(now)).most_workers)
        self._slots.resize(count)
        self.now = Choice(now.backend, count, now.reason)
        return self.now

    def end(self) -> None:
        """Remember how many ran at once."""
        if self._at_once is not None:
            self._at_once.end()
