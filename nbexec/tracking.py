"""track: a plain loop, shown and steered as a run.

The loop stays the caller's: its body runs between two items, in the caller's thread, and no
item is taken from the iterable early.  The loop emits the events of a run, at most 20 times a
second.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

from . import observers
from .errors import OptionError, RunCancelled
from .items.feed import Chosen
from .items.sinks import Gather
from .model import Choice, Chunk, EndReason, Error, Outcome, Task
from .options import resolve
from .options.record import Options
from .run.handle import Run
from .run.registry import remember
from .run.results import attach_results
from .telemetry import wording
from .telemetry.events import Event, Finished, Progressed, RunEnded, RunStarted, Steered, Submitted
from .telemetry.stats import Stats
from .worker.execute import depth

EVERY = 0.05  # seconds between two events: a loop of tiny items pays for each
REASON = "a plain loop"
Item = TypeVar("Item")

_live: list[tuple[int, object, Tracked]] = []  # loops: their thread, their cell


def track(
    iterable: Iterable[Item],
    total: int | None = None,
    name: str | None = None,
    progress: Any = None,
) -> Iterator[Item]:
    """Show the progress of a plain loop: ``for x in nbexec.track(xs)``.

    The body runs as it would without `track`, and so does the iterable: one item at a time.

    Parameters
    ----------
    iterable : iterable
        The items.
    total : int or None
        Number of items; None asks the iterable, and shows no end if it has no length.
    name : str or None
        What the loop is called in its panel; None is "loop".
    progress : str or object or None
        As the option of that name; None is the session's.

    Returns
    -------
    iterator
        Gives the items.  The panel begins with the first, and ends when the loop does.

    Raises
    ------
    OptionError
        `iterable` isn't one, or an argument can't be used.
    RunCancelled
        From the loop's next step, once Cancel was clicked: the current item ends first.  (The
        kernel's stop button stops in the middle of it.)  Pause holds the loop at the same place.

    Examples
    --------
    >>> import nbexec
    >>> sum(x for x in nbexec.track([1, 2, 3], progress="off"))
    6
    """
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or total < 0):
        raise OptionError(f"total must be an integer, 0 or more, or None, not {total!r}")
    options = _options(name or "loop", progress)
    try:
        iterator = iter(iterable)
    except TypeError:
        raise OptionError(
            f"track() goes through an iterable, not {type(iterable).__qualname__}"
        ) from None
    if total is None:
        try:
            total = len(iterable)  # type: ignore[arg-type]
        except TypeError:  # a generator has no length
            pass
    return _follow(lambda _: iterator, total, options, REASON)


def followed(
    source: Callable[[Callable[[], None]], Iterator[Item]],
    total: int | None,
    name: str,
    progress: Any,
    reason: str,
) -> Iterator[Item]:
    """Show results that come from elsewhere as `track` shows a loop.

    Parameters
    ----------
    source : callable
        Gives the iterator.  It is given what it has to call now and then while it waits: that
        takes in clicks, returns after a pause, and raises where the run is cancelled.
    total, name, progress
        As for `track`.
    reason : str
        Says where the results come from.
    """
    return _follow(lambda loop: source(loop.hold), total, _options(name, progress), reason)


def _options(name: str, progress: Any) -> Options:
    changes = {"name": name, "checkpoint": None, "memory_limit": None}
    if progress is not None:
        changes["progress"] = progress
    return resolve(changes)


def _follow(
    source: Callable[[Tracked], Iterator[Item]],
    total: int | None,
    options: Options,
    reason: str,
) -> Iterator[Item]:
    """Give the items, and report them to a `Tracked`."""
    loop = Tracked(options)
    iterator = source(loop)
    loop.begin(total, reason)
    clock, due, taken = time.monotonic, 0.0, 0
    how: EndReason = "failed"
    inside = False  # whether the body was left in the middle of an item
    try:
        for item in iterator:
            if not due:
                loop.begun(taken)
                due = clock() + EVERY
            yield item
            taken += 1
            if clock() >= due:
                loop.ended(taken)
                loop.hold()
                due = 0.0
        how = "done"
    except GeneratorExit:
        how, inside = "cancelled" if loop.stopped else "done", True
        raise
    except (RunCancelled, KeyboardInterrupt):
        how = "cancelled"
        raise
    finally:
        loop.end(taken, how, inside)


class Tracked(Run):
    """A run whose items the caller works on, between two steps of an iterator."""

    def __init__(self, options: Options) -> None:
        self._place = (threading.get_ident(), _cell())
        around = [loop for *place, loop in _live if tuple(place) == self._place]
        self._outer = around[-1] if around else None  # shows this one, in its own panel
        if self._outer is not None and isinstance(options.progress, str):
            options = options.updated({"progress": "off"})
        task = Task(_by_the_caller, options.name or "", depth=depth.get())
        watch = functools.partial(observers.watchers, options, task)
        super().__init__(task, Chosen(()), Gather(0), options, watchers=watch)
        self._publisher = self._loop.publisher
        self._emitting = threading.RLock()  # observers receive one event at a time
        self._steer = threading.Condition(self._emitting)
        self.stopped = self._held = False
        self._why = ""  # it was stopped
        self._begun = False  # whether an item is being worked on
        self._ended_count = 0  # items whose end was emitted
        self._since = self._cpu = 0.0

    def after_fork(self) -> None:
        """Let a forked child go on with its loop; it is shown in the parent alone."""
        self._emitting = threading.RLock()
        self._steer = threading.Condition(self._emitting)
        self._held = False
        self._ending = threading.Lock()
        self._publisher.after_fork()

    @property
    def total(self) -> int | None:
        """How many items there are in all; None while that isn't known."""
        return self._publisher.state.total

    # ------------------------------------------------------------ from the caller's thread

    def begin(self, total: int | None, reason: str) -> None:
        """Emit the beginning of the loop; `reason` says why it runs where it does."""
        self._publisher.each("attach", self)
        self._emit(RunStarted, self.name, total, Choice("serial", 1, reason))
        self._since, self._cpu = time.time(), time.thread_time()
        _live.append((*self._place, self))
        if self.task.depth == 0 and self._outer is None:
            remember(self)

    def begun(self, index: int) -> None:
        """Emit that an item began."""
        self._begun = True
        self._emit(Submitted, Chunk((index,), (None,)))

    def ended(self, taken: int, error: Error | None = None) -> None:
        """Emit that all items before `taken` are done, or that one has an error."""
        count = taken - self._ended_count
        now, cpu = time.time(), time.thread_time()
        began, since, used = self._ended_count, self._since, cpu - self._cpu
        self._ended_count, self._since, self._cpu = taken, now, cpu
        indices = range(began, taken)
        new = indices[1:] if self._begun else indices
        if new:
            self._emit(Submitted, Chunk(new, NoItems(len(new))))
        worker = threading.current_thread().name
        ends = Even(count, max(now - since, 0.0))
        errors = {0: error} if error is not None else {}
        outcome = Outcome([None] * count, errors, since, ends, used, worker)
        self._begun = False
        self._emit(Finished, Chunk(indices, NoItems(count)), outcome)
        if self._outer is not None:
            self._outer.inside(self.stats)

    def inside(self, stats: Stats) -> None:
        """Emit the progress of a loop in the body of this one."""
        share = stats.finished / stats.total if stats.total else None
        text = f"{wording.one_line(stats.name)}: {wording.counts(stats)}"
        self._emit(Progressed, self._ended_count, share, text)

    def hold(self) -> None:
        """Wait while the loop, or one around it, is paused; raise where one was cancelled."""
        self.idle()
        if self._outer is not None:
            self._outer.hold()
        with self._steer:
            while self._held and not self.stopped:
                self._steer.wait(EVERY)
                self.idle()
        if self.stopped:
            raise self.cancelled()

    def cancelled(self) -> RunCancelled:
        """Make the exception of a cancelled loop."""
        why = f": {self._why}" if self._why else ""
        done = f"{self._ended_count:,} items are done"
        error = RunCancelled(f"{self.name} was cancelled{why}; {done}")
        attach_results(error, self.results)  # none: they are the caller's
        return error

    def end(self, taken: int, reason: EndReason, inside: bool) -> None:
        """Emit the end of the loop; `inside`: its body was left in the middle."""
        _live[:] = [one for one in _live if one[-1] is not self]
        if taken > self._ended_count:
            self.ended(taken)
        if inside:
            why = RunCancelled("the loop was left while this item was worked on")
            self.ended(taken + 1, Error("cancelled", why, f"RunCancelled: {why}\n"))
        if inside and reason == "done":
            self._emit(Steered, note="left early")
        elif reason == "done" and taken != self._publisher.state.total:
            self._emit(Steered, total=taken)
        if reason == "cancelled":
            self._error = self.cancelled()
        self._emit(RunEnded, reason)
        with self._ending:
            self._done.set()
        for callback in self._callbacks:
            callback(self)

    # ------------------------------------------------------------ from any thread

    def _emit(self, kind: Callable[..., Event], *about: Any, **more: Any) -> None:
        with self._emitting:
            self.post(kind(time.monotonic(), *about, **more))

    def post(self, event: Event) -> None:
        """Emit an event, from any thread."""
        with self._emitting:
            if not self._publisher.state.ended:
                self._publisher.emit(event)

    def cancel(self, reason: str = "") -> None:
        """Have the loop raise `RunCancelled` at its next step."""
        with self._steer:
            if not self.stopped:
                self.stopped, self._why = True, reason
                self._emit(Steered, cancelling=True)
            self._steer.notify_all()

    def pause(self) -> None:
        """Hold the loop at its next step, until `resume`."""
        self._set_held(True)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._set_held(False)

    def _set_held(self, held: bool) -> None:
        with self._steer:
            if held != self._held:
                self._held = held
                self._emit(Steered, paused=held)
            self._steer.notify_all()


def _cell() -> object:
    """Identify the cell of the notebook that runs now."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "execution_count", None)


def _by_the_caller(item: object) -> None:
    """Placeholder for the body of the loop."""


# Constant-size stand-ins for per-item columns, so that a million of them take no memory.


class Even(Sequence[float]):
    """The times at which `count` items ended, as if each had taken as long as the others."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._each = seconds / count if count else 0.0

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> list[float]: ...
    def __getitem__(self, at: int | slice) -> float | list[float]:
        places = range(self._count)[at]
        if isinstance(places, range):
            return [self._each * (place + 1) for place in places]
        return self._each * (places + 1)


class NoItems(Sequence[None]):
    """Stands in for items, which are the caller's and are not kept."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> None: ...
    @overload
    def __getitem__(self, at: slice) -> NoItems: ...
    def __getitem__(self, at: int | slice) -> NoItems | None:
        places = range(self._count)[at]
        return NoItems(len(places)) if isinstance(places, range) else None
