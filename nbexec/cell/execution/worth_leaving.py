"""Whether the rest of a loop is worth sending to workers, from what its first items took."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...model import Choice, Chunk
from ...options.record import Options
from ...placement import auto
from ...placement.auto import Evidence
from ...placement.probe import SendingCost
from ...worker.blocks import BRIEF
from ...worker.execute import depth
from ..analysis.object_facts import all_frozen
from ..analysis.weight import weight

# Seconds that an iteration takes on top of its body; and a brief one, of many in one call.
HERE, THERE = 13e-6, 28e-6
HERE_IN_BLOCK, THERE_IN_BLOCK = 0.4e-6, 0.2e-6
LONG = 3.0  # seconds that workers are waited for while the plain loop goes on
ARRAYS, OBJECTS = 1e9, 5e7  # bytes a second, to be written and read again
CHECKED = 6e-6  # seconds that a worker looks at an object that it sends back
NEVER = Choice("serial", 1, "there is one worker")


class Destination:
    """Where the rest of a loop would go: the backend that the options name, or the best one.

    Parameters
    ----------
    options : Options
        The options of the loop's run.

    Attributes
    ----------
    in_blocks : bool
        Whether the loop is one whose brief items run many in one call; most are.
    """

    def __init__(self, options: Options) -> None:
        self.in_blocks = True
        self._options = options
        self._warming: WarmUp | None = None

    @functools.cached_property
    def _backend(self) -> Any:
        """The backend that the options name; it is only made where a loop lasts."""
        if self._options.backend == "auto":
            return None
        from ...backends import get_backend

        return get_backend(self._options.backend)

    @property
    def none(self) -> bool:
        """Whether nothing could be faster than the plain loop."""
        return bool(self._options.backend == "serial")

    @property
    def starting(self) -> bool:
        """Whether workers are being started, so that it is decided later."""
        return self._warming is not None and not self._warming.over

    def choose(
        self, seen: Evidence, items: Sequence[Any] = (), values: Sequence[Any] = ()
    ) -> Choice | None:
        """Give where the rest should go, "serial" to leave it; None to see more first.

        Parameters
        ----------
        seen : Evidence
            What items took, and how many are left.
        items : sequence
            Some that are left: what sending one takes is measured with them.
        values : sequence
            What some of them gave: it is sent back.
        """
        here, there = HERE, THERE
        if self.in_blocks and seen.items and seen.wall <= BRIEF * seen.items:
            here, there = HERE_IN_BLOCK, THERE_IN_BLOCK
        if items:
            cost = SendingCost()
            cost.measure(Chunk(range(len(items)), items))
            here, there = here + cost.here, there + cost.there
        if values:
            back = SendingCost()
            back.measure(Chunk(range(len(values)), values))
            checked = 0.0 if all_frozen(_parts(values)) else CHECKED
            here, there = here + back.there, there + back.here + checked
        seen = replace(seen, here=here, there=there, warm=self._warm())
        if self._backend is None:
            return auto.choose(seen, self._options.workers, depth.get())
        workers = self._options.workers or self._backend.default_workers()
        workers = min(workers, self._backend.most_workers)
        if workers == 1:
            return NEVER
        return auto.choose_named(seen, self._backend.name, workers, self._backend.remote)

    def sending(self, choice: Choice, things: Iterable[Any]) -> float:
        """Estimate the seconds that it takes to send `things` to the workers of a choice."""
        remote = choice.backend == "processes" if self._backend is None else self._backend.remote
        if not remote:
            return 0.0
        arrays: list[Any] = []
        others: list[Any] = []
        for thing in things:
            (arrays if hasattr(thing, "nbytes") or hasattr(thing, "_mgr") else others).append(thing)
        # An array is written once, and mapped; objects are read anew by each worker.
        return weight(arrays) / ARRAYS + weight(others) / OBJECTS

    def _warm(self) -> bool:
        from ...backends import is_warm

        return is_warm("processes") if self._backend is None else bool(self._backend.warm())

    def ready(self, choice: Choice, each: float) -> bool:
        """Whether the workers of a choice are there; if not they are being started.

        Meanwhile the plain loop goes on, unless an item takes longer than it takes to start them.
        """
        if self._warm() or each > auto.START:
            return True
        from ...backends import get_backend

        backend = self._backend or get_backend(choice.backend)
        if backend.warm():
            return True
        if self._warming is None:
            self._warming = WarmUp(backend, choice.workers)
        return self._warming.over


def _parts(values: Sequence[Any]) -> list[Any]:
    """Give what is in the lists of what items recorded."""
    inner = [what for one in values for what in one]
    return [part for what in inner for part in (what if isinstance(what, list) else [what])]


class WarmUp:
    """Starts workers in a thread of its own."""

    def __init__(self, backend: Any, workers: int) -> None:
        self._backend = backend
        self._workers = workers
        self._until = time.monotonic() + LONG
        self._started = False
        self._thread = threading.Thread(target=self._work, name="nbexec-start-workers", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            while self._backend.warm_up(self._workers):
                self._started = True
        except Exception:  # a run that needs them will raise it
            pass

    @property
    def over(self) -> bool:
        """Whether it makes no sense to wait for them."""
        if self._thread.is_alive() or self._started:
            return time.monotonic() > self._until
        return True
