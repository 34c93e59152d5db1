"""suggest: where items of a function should run, from a sample of them, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .backends import get_backend, is_warm
from .errors import OptionError
from .items.chunk_size import HANDING, LARGEST, SENDING, ChunkSizer
from .items.sinks import Gather
from .model import Choice
from .options.record import Options
from .placement import auto
from .placement.measuring import Measuring
from .placement.profiles import Profile
from .run.preparing import is_coroutine, prepare
from .run.results import Results
from .serialize import pickling
from .system import machine
from .telemetry import wording
from .worker.execute import depth

PARTS = 4  # chunks a worker at least, so that all end at about the same time


@dataclass(frozen=True)
class Suggestion:
    """Where items of a function should run, from a sample of them.

    It can be passed on as options: ``nbexec.map(fn, items, **suggestion)``.

    Attributes
    ----------
    backend, workers, reason : str, int, str
        As `Run.choice` has them.  Where items wait, `workers` is how many to begin with, and is
        not among the options, unless it was given: a run has more at once while that pays.
    chunk : int
        About how many items should travel together.  It is not among the options: a run adapts
        it, and has less at a time towards the end.
    total : int
        How many items `seconds` are about.
    seconds : dict of str to float
        What each backend is expected to take for them, until the last is done.
    item_seconds, cpu_share : float
        Seconds an item took, and the share of these in which it computed; it waited in the rest.
    sent_bytes, received_bytes : float
        An item and its value, pickled; 0 where they can't be.
    results : Results
        Those of the sample, which need not run again.
    options : dict of str to object
        What to pass on.
    """

    __module__ = "nbexec"

    backend: str
    workers: int
    reason: str
    chunk: int
    total: int
    seconds: dict[str, float] = field(hash=False)
    item_seconds: float
    cpu_share: float
    sent_bytes: float
    received_bytes: float
    results: Results = field(compare=False)
    options: dict[str, Any] = field(hash=False)

    def keys(self) -> Iterable[str]:
        """Give the names of the options: for ``**``."""
        return self.options.keys()

    def __getitem__(self, name: str) -> Any:
        return self.options[name]

    def __repr__(self) -> str:
        place = f"{self.backend} × {self.workers}" if self.workers > 1 else self.backend
        took = ", ".join(f"{name} {wording.seconds(one)}" for name, one in self.seconds.items())
        item = f"{wording.seconds(self.item_seconds)}, {self.cpu_share:.0%} of it CPU"
        bytes = f"{wording.size(self.sent_bytes)} sent, {wording.size(self.received_bytes)} back"
        return (
            f"{place}: {self.reason}\n"
            f"  expected for {self.total:,} items: {took}\n"
            f"  an item: {item}; {bytes}; about {self.chunk:,} at a time"
        )


def suggest(
    fn: Callable[..., Any],
    sample: Iterable[Any],
    *,
    total: int = 1000,
    workers: int | None = None,
    setup: Callable[[], Any] | None = None,
) -> Suggestion:
    """Run a sample of items here, once, and say where such items should run.

    It is measured as ``backend="auto"`` does, which sees the first items of every run so: this
    is for who wants to know before, or to say so in a script.

    Parameters
    ----------
    fn : callable
        A function of one item.
    sample : iterable
        Some items, each of which runs once, one after the other.
    total : int
        How many items there will be.
    workers : int or None
        How many may run at once; None suits the backend and this machine.
    setup : callable or None
        As for `map`.

    Returns
    -------
    Suggestion
        Backend, workers, the reason, what each backend is expected to take, and the results.

    Raises
    ------
    OptionError
        The sample is empty, or `total` or `workers` is less than 1.
    Exception
        What an item of the sample raised.

    Examples
    --------
    >>> import nbexec, time
    >>> suggestion = nbexec.suggest(time.sleep, [0.02] * 3, total=100)
    >>> suggestion.backend, suggestion.results
    ('threads', [None, None, None])
    >>> run = nbexec.map(time.sleep, [0.02] * 4, progress="off", **suggestion).run
    >>> run.stats.backend
    'threads'
    """
    if isinstance(total, bool) or not isinstance(total, int) or total < 1:
        raise OptionError(f"total must be an integer of at least 1, not {total!r}")
    awaits = is_coroutine(fn)
    Options(workers=workers)  # checked there
    options = Options(backend="asyncio" if awaits else "serial", workers=1, progress="off")
    run = prepare(fn, (sample,), setup, options, Gather)
    measuring = Measuring()
    run.watch(measuring)
    results = run.complete()
    if not results:
        raise OptionError("the sample has no items: give some that are like the others")
    profile, sending = measuring.profile(), measuring.sending
    choice, expected = (
        _awaited(profile, total, workers)
        if awaits
        else _chosen(profile, sending.unsendable or _unsendable(fn, setup), total, workers)
    )
    return Suggestion(
        backend=choice.backend,
        workers=choice.workers,
        reason=choice.reason,
        chunk=_chunk(choice, profile, sending.sent + sending.received, total),
        total=total,
        seconds={name: one.seconds for name, one in expected.items()},
        item_seconds=profile.each,
        cpu_share=profile.used,
        sent_bytes=sending.sent,
        received_bytes=sending.received,
        results=results,
        options=_options(choice, workers, expected),
    )


def _chosen(
    profile: Profile, unsendable: BaseException | None, total: int, workers: int | None
) -> tuple[Choice, dict[str, auto.Expected]]:
    """Choose as a run does, of what can be."""
    seen = auto.evidence_of(profile, total, is_warm("processes"))
    expected = auto.expected(seen, workers, depth.get())
    choice = auto.choose(seen, workers, depth.get())
    assert choice is not None  # the evidence of a profile is enough
    if unsendable is not None:
        del expected["processes"]
        if choice.backend == "processes":
            choice = _of_kernel(choice, expected, unsendable)
    if workers is None and choice.backend != "serial":
        choice = auto.fit_memory(choice, profile.grown, machine.memory_free())
    return choice, expected


def _of_kernel(choice: Choice, expected: dict[str, auto.Expected], why: BaseException) -> Choice:
    """Choose where nothing is sent."""
    reason = f"{choice.reason}, and can't be sent to other processes: {wording.message(why)}"
    serial, threads = expected["serial"], expected["threads"]
    if threads.seconds > auto.GAIN * serial.seconds:
        return Choice("serial", 1, reason)
    return Choice("threads", threads.workers, reason)


def _awaited(
    profile: Profile, total: int, workers: int | None
) -> tuple[Choice, dict[str, auto.Expected]]:
    """Choose for a coroutine function: many are awaited at once, one at a time computes."""
    most = get_backend("asyncio").default_workers()
    count = workers or machine.default_workers(most, depth.get())
    alone = profile.each * total
    seconds = max(alone / min(count, total), alone * profile.used)
    reason = f"a coroutine function, and {auto.words(profile.each, profile.used)}"
    return Choice("asyncio", count, reason), {"asyncio": auto.Expected(count, seconds)}


def _unsendable(fn: Callable[..., Any], setup: Callable[[], Any] | None) -> BaseException | None:
    """Give why a function can't be sent to another process; None where it can."""
    try:
        pickling.dumps((fn, setup))
    except Exception as error:  # pickle raises anything, also what a `__reduce__` raises
        return error
    return None


def _options(
    choice: Choice, workers: int | None, expected: dict[str, auto.Expected]
) -> dict[str, Any]:
    """Give the options for a choice, which leave the number of workers open where it may grow."""
    as_many = choice.workers == expected[choice.backend].workers  # not as memory allows
    if workers is None and as_many and choice.backend in ("threads", "asyncio"):
        return {"backend": choice.backend}
    return {"backend": choice.backend, "workers": choice.workers}


def _chunk(choice: Choice, profile: Profile, size: float, total: int) -> int:
    """Give how many items should travel together, if it were always the same."""
    sizer = ChunkSizer()
    sizer.cost = SENDING if choice.backend == "processes" else HANDING
    sizer.measure(LARGEST, LARGEST * profile.each, int(LARGEST * size))
    fair = math.ceil(total / (PARTS * choice.workers))
    return max(1, min(sizer.size(total, choice.workers), fair))
