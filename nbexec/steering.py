"""Steering: which backend takes a run's items, on how many workers, and when that changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import auto, machine
from .backends import get_backend
from .backends.base import Setting
from .errors import OptionError, PickleError
from .knobs import Options
from .model import Choice, Chunk, Outcome
from .slots import Crew
from .wire import dumps

LOOK = 0.02  # seconds between two looks at an item that runs while nothing is chosen yet


class Steering:
    """Opens backends and gives their slots to the crew."""

    def __init__(self, options: Options, crew: Crew, setting: Setting, kernel: str) -> None:
        self._options = options
        self._crew = crew
        self._setting = setting
        self._kernel = kernel  # the backend for items that aren't worth sending
        self._first_backend = "serial"  # and for those that are timed
        if options.timeout is not None:  # a backend where an item can be left behind
            self._kernel = self._first_backend = "threads"
        self._probe: auto.Probe | None = None

    @property
    def looking(self) -> bool:
        """Whether the backend is still being chosen, by measuring."""
        return self._probe is not None

    def begin(self) -> Choice:
        """Open the backend that was asked for, or the first one of "auto"."""
        choice = self._first_choice()
        self._engage(choice)
        return choice

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
            count = workers or get_backend("asyncio").default_workers()
            return Choice("asyncio", count, "a coroutine function")
        self._probe = auto.Probe()
        return replace(auto.FIRST, backend=self._first_backend)

    def learn(self, chunk: Chunk, outcome: Outcome) -> None:
        """Take in what a chunk tells about the items, while that is of use."""
        if self._probe is not None:
            self._probe.learn(chunk, outcome)

    def look(self, left: int | None) -> Choice | None:
        """See whether enough is known to choose; if so go there, and give the choice."""
        probe = self._probe
        assert probe is not None
        warm = get_backend("processes").warm() if probe.seen.wall > auto.ENOUGH else False
        wall, cpu, starved = self._crew.running() or (0.0, 0.0, 0.0)
        seen = probe.look(wall, cpu + starved, left=left, warm=warm)
        choice = auto.choose(seen, self._options.workers, self._setting.task.depth)
        if choice is None:
            return None
        self._probe = None
        if choice.backend == "serial" != self._kernel:
            count = self._options.workers or get_backend(self._kernel).default_workers()
            choice = Choice(self._kernel, count, choice.reason)
        return choice if choice.backend == "serial" else self._move(choice, probe)

    def ended(self) -> Choice | None:
        """Give what to say of a run that ended before anything was chosen."""
        return None if self._probe is None else self._probe.ended()

    def resize(self, count: int, now: Choice) -> Choice | None:
        """Have `count` items run at once from now on."""
        if self._probe is not None or count == now.workers:
            return None
        count = min(count, get_backend(self._backend_of(now)).most_workers)
        self._crew.resize(count)
        return Choice(now.backend, count, now.reason)

    def _backend_of(self, choice: Choice) -> Any:
        """Give the name or the object that stands for where a choice says to run."""
        return choice.backend if self._options.backend == "auto" else self._options.backend

    def _engage(self, choice: Choice) -> None:
        """Open a backend and have its slots, and no others, take what comes from now on."""
        backend = get_backend(self._backend_of(choice))
        setting = replace(
            self._setting, workers=choice.workers, direct=self._options.backend == "serial"
        )
        session = backend.open(setting)
        self._crew.engage(session, choice.workers)

    def _move(self, choice: Choice, probe: auto.Probe) -> Choice:
        """Go where the choice says; stay on threads with what can't leave the kernel."""
        try:
            if choice.backend == "processes":
                dumps(probe.sample)
            self._engage(choice)
        except Exception as error:
            if choice.backend != "processes":
                raise
            why = str(error).partition(". ")[0] if isinstance(error, PickleError) else str(error)
            reason = f"{choice.reason}; on threads since {why}"
            choice = Choice("threads", choice.workers, reason)
            self._engage(choice)
        return choice
