"""Offload: the rest of a plain loop goes to workers, once that is known to save time."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

from ...options.record import Options
from ...placement.auto import ENDLESS, Evidence, profile_of
from ...telemetry.wording import seconds
from ..analysis.aliases import affordable, allowance
from ..analysis.analysis import Refusal
from .loop_items import Items, listable
from .loop_run import LoopRun
from .plain_first import Decide, PlainFirst
from .watcher import Watcher
from .worth_leaving import Destination

SAMPLE = 100  # items that show what sending one takes
SEVERAL, TRYING = 20, 0.002  # items that run once more for that, and seconds


class Offload:
    """Decides whether the rest of a loop goes to workers, and starts them.

    Parameters
    ----------
    options : Options
        The options in force.
    given : dict
        The options that were given for this cell; the run gets them.

    Attributes
    ----------
    rest : LoopRun
        The items that go to workers.
    refusal : Refusal or None
        Why none can.
    """

    rest: LoopRun
    plain: PlainFirst

    def __init__(self, options: Options, given: dict[str, Any]) -> None:
        self.options = options
        self.given = given
        self.refusal: Refusal | None = None
        self._stays = ""
        self._between = False  # whether it is decided between two items alone

    def begin(self, source: Any, watcher: Watcher | None) -> PlainFirst:
        """Give the plain loop over `source`."""
        self._destination = Destination(self.options)
        able = not self._destination.none
        self.plain = PlainFirst(source, _weakly(self), watcher if able else None)
        if not able:
            self.plain.stay()
            self._stays = "in the kernel, as backend='serial' says"
        return self.plain

    @property
    def stays(self) -> str:
        """Why it was the plain loop to its end."""
        return self._stays or self.plain.summary()

    def prepare(self) -> None:
        """Make `rest`, before the items are looked at; raises `Refusal` where none can be made."""

    def items_from(self, position: int) -> Items:
        """Give the items from `position` on."""
        return Items(self.plain.source, self.plain, position)

    def left_alone(self) -> None:
        """Take in that the plain loop goes on, after all."""

    def decide(self, seen: Evidence, position: int, running: bool) -> bool:
        """Give whether the items from `position` on go to workers, and start these.

        First what costs nothing to know is looked at.
        """
        if running and (self._between or not listable(self.plain.source)):
            return False  # only the plain loop may ask for more items
        choice = self._destination.choose(seen)
        if choice is None or choice.backend == "serial":
            self._stays = choice.reason if choice is not None else ""
            return False
        leaves = False
        try:
            leaves = self._leaves(seen, position, running)
        except Refusal as refusal:
            # Another one, since its frames would hold the loop and its items.
            self.refusal = Refusal(refusal.line, refusal.reason)
            self.plain.stay()
        finally:
            if not leaves:
                self.left_alone()
        return leaves

    def _leaves(self, seen: Evidence, position: int, running: bool) -> bool:
        self.prepare()
        items = self.items_from(position)
        leaves = False
        try:
            with allowance(affordable(_seconds(seen, len(items.sample)))):
                self.rest.settle(items, self.options)
            # While it stores in memos, they can't be sent.
            self._between = self.rest.memos is not None
            leaves = not (running and self._between) and self._pays(items, seen)
        finally:
            if not leaves:
                items.give_back(self.plain)
        if leaves:
            self.rest.start(self.options, self.given, profile_of(seen))
        return leaves

    def _pays(self, items: Items, seen: Evidence) -> bool:
        """Whether workers are there, and what is to be sent to them is little enough."""
        self._destination.in_blocks = self.rest.in_blocks
        left = None if items.known is None else len(items.known)
        seen = replace(seen, left=left)
        if left == 0:
            return False
        values = self.rest.tried(min(SEVERAL, int(TRYING / max(_seconds(seen, 1), 1e-9))))
        choice = self._destination.choose(seen, self.rest.shown(SAMPLE), values)
        if choice is None or choice.backend == "serial":
            self._stays = choice.reason if choice is not None else ""
            return False
        if self.rest.stays_here and choice.backend != "threads":
            self._stays, self.rest.reason = self.rest.reason.replace("on threads", "here"), ""
            return False
        saved = _seconds(seen, ENDLESS if left is None else left) * (1 - 1 / choice.workers)
        sending = self._destination.sending(choice, self.rest.captured)
        if sending > saved:
            self._stays = f"to send what it reads would take {seconds(sending)}, and save less"
            return False
        if not self._destination.ready(choice, _seconds(seen, 1)):
            self._stays = f"{choice.reason}, and it ended before workers had started"
            return False
        return True


def _seconds(seen: Evidence, items: int) -> float:
    """Give what so many items should take."""
    each = seen.wall / seen.items if seen.items else seen.running_wall
    return each * items


def _weakly(offload: Offload) -> Decide:
    """Give its `decide` without a circle, which would keep the loop's items."""
    ref = weakref.ref(offload)

    def decide(seen: Evidence, position: int, running: bool) -> bool:
        found = ref()
        return found is not None and found.decide(seen, position, running)

    return decide
