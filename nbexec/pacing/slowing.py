"""Slowing: pauses that a server asks for, and how many items may run at once after one.

Pure decisions.  A key is what is paused: a host, an account; None where the run has no keys.
After a pause half as many run at once as before it; each time that so many came through, one
more does (as TCP does: additive increase, multiplicative decrease).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass

FIRST = 1.0  # seconds of the first pause where the server doesn't say how long
LONGEST = 60.0  # seconds of the longest such one
LEAST = 0.05  # seconds of the first pause, however short a one is asked for; of each with `halves`
TRIES = 10  # pauses of a key one after the other, with nothing that came through
PATIENCE = 3600.0  # seconds; a run without a deadline waits for no longer a pause


@dataclass(slots=True)
class KeyPace:
    """How one key goes."""

    until: float = -math.inf  # nothing starts before that
    most: float = math.inf  # so many at once
    streak: int = 0  # pauses since something came through
    passed: int = 0  # that came through since `most` has changed


class Slowing:
    """What the servers of one run have asked for.

    Parameters
    ----------
    deadline : bool
        Whether the run has one: then that ends what would go on for ever.
    chance : callable
        Gives a number from 0 to 1, by which pauses differ that nobody gave the length of.
    halves : bool
        Whether half as many is all that helps, as where files are short: to wait longer doesn't.
        Then pauses are equally brief, and end with the item that ran alone, which the caller
        knows: of 1,000 at once that is the tenth.

    Examples
    --------
    >>> slowing = Slowing(deadline=False)
    >>> slowing.asked("host", now=10.0, seconds=5.0, begun=9.0, at_once=8)
    15.0
    >>> slowing.until("host"), slowing.most("host"), slowing.most("another")
    (15.0, 4, inf)
    """

    def __init__(
        self,
        deadline: bool,
        chance: Callable[[], float] = random.random,
        halves: bool = False,
    ) -> None:
        self._deadline = deadline
        self._chance = chance
        self._halves = halves
        self._paces: dict[Hashable, KeyPace] = {}
        self.pauses = 0
        self.seconds = 0.0  # of all pauses

    def until(self, key: Hashable) -> float:
        """Give the time before which nothing of a key starts."""
        pace = self._paces.get(key)
        return -math.inf if pace is None else pace.until

    def most(self, key: Hashable) -> float:
        """Give how many of a key may run at once; infinity for any number."""
        pace = self._paces.get(key)
        return math.inf if pace is None else pace.most

    def asked(
        self, key: Hashable, now: float, seconds: float | None, begun: float, at_once: int
    ) -> float | None:
        """Pause a key, and give until when; None where that isn't worth waiting for any more.

        Parameters
        ----------
        seconds : float or None
            That the server asked for; None where it didn't say.
        begun : float
            When the item began: several that ran side by side are one reason for one pause.
        at_once : int
            How many ran just now, with this one.
        """
        pace = self._paces.setdefault(key, KeyPace())
        if seconds is not None and seconds > PATIENCE and not self._deadline:
            return None
        again = begun >= pace.until
        if again:
            if pace.streak >= TRIES and not (self._deadline or self._halves):
                return None
            pace.streak += 1
            pace.most = max(1, min(pace.most, at_once) // 2)
            pace.passed = 0
            self.pauses += 1
        until = now + self._wait(pace.streak, seconds)
        # side by side the first says how long where nobody else does
        longer = seconds is not None and not self._halves and until > pace.until
        if again or longer:
            self.seconds += max(0.0, until - max(now, pace.until))
            pace.until = until
        return max(pace.until, now)

    def _wait(self, streak: int, seconds: float | None) -> float:
        doubled = 1.0 if self._halves else 2.0 ** (streak - 1)
        if seconds is None:
            return min(LONGEST, FIRST * doubled) * (0.5 + 0.5 * self._chance())
        return max(seconds, min(LONGEST, LEAST * doubled))

    def passed(self, key: Hashable, begun: float, workers: int) -> None:
        """Note that an item of a key came through, that began at the time `begun`."""
        pace = self._paces.get(key)
        if pace is None or begun < pace.until:
            return
        pace.streak = 0
        if math.isinf(pace.most):
            return
        pace.passed += 1
        if pace.passed >= pace.most:
            pace.passed = 0
            pace.most += 1
            if pace.most >= workers:
                pace.most = math.inf
