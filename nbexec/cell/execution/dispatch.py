"""The one caller of nbexec's runs in a cell: maps a function over items, or over statements."""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...errors import NbexecError
from ...items.sinks import NOT_RUN, Gather
from ...model import Chunk, Failure, Outcome
from ...options.checks import error_types
from ...options.pacing_checks import number
from ...options.rates import calls_alone, limit_of
from ...options.record import Options
from ...system import after_fork
from ...telemetry.stats import Stats
from ...worker.blocks import Covering
from ...worker.random_streams import Streams
from ..iteration.iteration import Changed, InKernel
from .delayed_display import DelayedDisplay

if TYPE_CHECKING:
    from ...run.handle import Run  # 16 ms, which a cell without a run need not wait for


class ResultListener(Protocol):
    """Is told of a run while it goes on, in its threads."""

    def begun(self, run: Run) -> None:
        """Take in the run before it starts."""

    def finished(self, index: int, record: Any) -> None:
        """Take in a result, or the `Failure` of an item whose function raised."""

    def missing(self, index: int, failure: Failure) -> None:
        """Take in that an item has neither."""


class MapOutcome(NamedTuple):
    """The results of a run over items.

    Attributes
    ----------
    done : list
        Results in order, up to the first that is missing; where failures are collected,
        a `Failure` for an item that failed.
    ended : Failure, BaseException or None
        Why there are no more: the body's failure, whose `left` is the record up to it, or
        an error that was not the body's.
    stats : Stats or None
        Statistics of the run; None where there was none.
    """

    done: list[Any]
    ended: Failure | BaseException | None
    stats: Stats | None


def results_of(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    modules: Iterable[types.ModuleType],
    given: dict[str, Any],
    ends: Callable[[Any], bool] | None = None,
    collect: bool = False,
    watch: ResultListener | None = None,
) -> MapOutcome:
    """Map `function` over `items`; the parameters are those of `MapRun`."""
    run = MapRun(function, items, modules, given, ends, collect, watch)
    run.start()
    return run.finish()


class MapRun:
    """One run of nbexec's: it may be started in one thread and finished in another.

    Parameters
    ----------
    function : callable
        A function of one item.
    items : iterable
        The items.
    modules : iterable of module
        The user's own modules: workers get them as they are now.
    given : dict
        Any of `Options`.
    ends : callable or None
        Whether a result is the last one that is wanted.
    collect : bool
        Whether to continue after an item that failed.
    watch : ResultListener or None
        Is told of the run, and of each result as soon as it is there.
    first : int
        Index of the first item, wherever it is shown: those before it ran elsewhere.  Results
        have their positions among those of this run.
    streams : Streams or None
        What its items draw random numbers from.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        modules: Iterable[types.ModuleType],
        given: dict[str, Any],
        ends: Callable[[Any], bool] | None = None,
        collect: bool = False,
        watch: ResultListener | None = None,
        first: int = 0,
        streams: Streams | None = None,
    ) -> None:
        self._function = function
        self._items = items
        self._collect = collect
        self._streams = streams
        self._options = _options(given, collect)
        self._sink = _Ends(ends, watch, first)
        self._ended: BaseException | None = None
        self._held = contextlib.ExitStack()
        self._held.enter_context(_by_value(modules))

    def start(self) -> None:
        """Start it, and return at once."""
        try:
            _start(self._function, self._items, self._options, self._sink, self._streams)
        except (Exception, KeyboardInterrupt) as error:
            self._ended = _ours(error)

    @property
    def goes_on(self) -> bool:
        """Whether it was started, and isn't over: one that could not be sent never was."""
        run = self._sink.run
        return run is not None and self._ended is None and not run.done

    def cancel(self) -> None:
        """Cancel it, and wait until it has ended: its results are not wanted."""
        if self._sink.run is not None and self._ended is None:
            self._sink.run.cancel()
        self.finish()

    def finish(self) -> MapOutcome:
        """Wait for its end in this thread, which runs items that the kernel is to run."""
        run = self._sink.run
        try:
            if run is not None and self._ended is None:
                run.serve()
        except (Exception, KeyboardInterrupt) as error:
            self._ended = _ours(error)
        finally:
            self._held.close()
        return self._outcome(run)

    def _outcome(self, run: Run | None) -> MapOutcome:
        ended, error = self._ended, self._sink.error
        if run is None or not run.done:
            return MapOutcome([], ended, None)
        done: list[Any] = []
        results = run.results
        if Failure not in set(map(type, results)):
            return MapOutcome([*results], ended or _why(error, None), run.stats)
        for one in results:
            if isinstance(one, Failure):
                one = replace(one, index=one.index - self._sink.first)
            if isinstance(one, Failure) and not (self._collect and one.kind != "cancelled"):
                return MapOutcome(done, ended or _why(error, one), run.stats)
            done.append(one)
        return MapOutcome(done, ended or _why(error, None), run.stats)


def _options(given: dict[str, Any], collect: bool) -> Options:
    """Give the options of the run: of the exceptions, only the body's own are retried."""
    from ...options import resolve

    options = resolve({**given, "on_error": "collect" if collect else "raise"})
    if options.retries:
        options = options.updated({"retry_on": _of_users(options.retry_on)})
    return options.updated(_paced(options))


def _paced(options: Options) -> dict[str, Any]:
    """Give what changes in the options about a run's pace.

    What an item of a cell is, and its result, is ours: functions of these are for `map`.
    Nobody has said that an iteration may run twice, so none is hedged.
    Without a rate a cell ends where a server refuses, as the plain cell does.
    """
    changes: dict[str, Any] = dict.fromkeys(("rate_key", "cost", "actual", "hedge_after"))
    prices = {name: getattr(options, name) for name in ("price", "item_price")}
    changes |= {name: None for name, price in prices.items() if number(price) is None}
    if all(number(price) is None for price in prices.values()):
        changes["budget"] = None
    if options.rate is not None:
        changes["rate"] = calls_alone(limit_of("rate", options.rate))
    elif options.slow_down is None:
        changes["slow_down"] = False
    return changes


def _start(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    options: Options,
    sink: _Ends,
    streams: Streams | None = None,
) -> None:
    """Start it; the sink has the run from before it starts."""
    from ... import observers
    from ...run.preparing import prepare

    late = options.progress == "auto"
    quiet = options.updated({"progress": "off"}) if late else options
    # Without streams a loop that draws random numbers is none that comes here.
    sink.run = run = prepare(
        function, (items,), None, quiet, sink.open, first=sink.first, draws=streams or False
    )
    if sink.watch is not None:
        sink.watch.begun(run)
    if late:
        shown = options.updated({"on_event": None})  # which has every event already
        run.watch(DelayedDisplay(observers.watchers(shown, run.task)))
    try:
        run.start()
    except KeyboardInterrupt:
        run.cancel()  # it may have come before the run was served
        raise


def _why(error: BaseException | None, failure: Failure | None) -> Failure | BaseException | None:
    """Give the reason why a run that ended in `error` has no results from `failure` on.

    Without an error it ended where a consumer is expected to: what ran then was stopped, and is
    still to be had.
    """
    if failure is not None and failure.left is not None:
        vars(failure.exception).pop("partial_results", None)  # it is the user's own
        return failure
    if failure is not None and failure.kind != "cancelled":
        return _ours(failure.exception)
    return _ours(error) if error is not None else None


def _ours(error: BaseException) -> BaseException:
    """Give an error that the body didn't raise, as the cell handles it."""
    if getattr(error, "partial_results", None) is not None:
        error.partial_results = None  # type: ignore[attr-defined]
    if isinstance(error, Exception) and not isinstance(error, NbexecError | InKernel):
        # The body's own exceptions come with a record: this is a worker that could not load
        # something.
        return InKernel(f"a worker says {type(error).__name__}: {error}")
    return error


def failed_as(failure: Failure) -> Failure | BaseException:
    """Give a collected failure, or its exception where the body didn't raise it."""
    return failure if failure.left is not None else _ours(failure.exception)


def _of_users(wanted: Any) -> Callable[[BaseException], bool]:
    """Give a predicate of exceptions that are worth another attempt: none of ours are."""
    kinds = (BaseException,) if wanted is None else error_types("retry_on", wanted)

    def worth(error: BaseException) -> bool:
        if isinstance(error, InKernel):
            return False
        return bool(wanted(error)) if kinds is None else isinstance(error, kinds)

    return worth


class _Ends(Gather):
    """Gathers results, and ends the run at the last one that is wanted."""

    run: Run | None = None
    error: BaseException | None = None  # the error that ended the run

    def __init__(
        self,
        ends: Callable[[Any], bool] | None,
        watch: ResultListener | None = None,
        first: int = 0,
    ) -> None:
        self.first = first
        self._ends = ends
        self.watch = watch

    def open(self, total: int | None) -> Gather:
        super().__init__(total)
        return self

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        super().put(chunk, outcome, failures)
        values, at, stop = outcome.values, 0, len(outcome.values)
        while at < stop:
            value, index, failure = values[at], chunk.indices[at], failures.get(at)
            at += value.count if isinstance(value, Covering) else 1  # others have none of theirs
            if value is None and failure is None:
                continue
            if self.watch is not None and (failure is None or failure.left is not None):
                self.watch.finished(index, value if failure is None else failure)
            elif self.watch is not None and failure is not None:
                self.watch.missing(index, failure)
            if self._over(value, failure):
                assert self.run is not None
                self.run.enough(index)

    def _over(self, value: Any, failure: Failure | None) -> bool:
        if isinstance(failure, Failure):
            return isinstance(failure.exception, Changed)
        return self._ends is not None and self._ends(value)

    def end(self, error: BaseException | None) -> None:
        """Drop everything from the first item that did not run: a million of them take seconds."""
        self.error = error
        if self._placed < len(self.values):
            del self.values[self.values.index(NOT_RUN) :]


@contextlib.contextmanager
def _by_value(modules: Iterable[types.ModuleType]) -> Iterator[None]:
    """Have workers get the user's own modules as they are now, not as their files are."""
    if not modules:
        yield
        return
    import cloudpickle

    # One that is not registered by its name, cloudpickle sends by value in any case.
    modules = [one for one in modules if sys.modules.get(one.__name__) is one]
    for module in modules:
        with _registering:
            if not _registered[module]:
                cloudpickle.register_pickle_by_value(module)
            _registered[module] += 1
    try:
        yield
    finally:
        for module in modules:
            with _registering:
                _registered[module] -= 1
                if not _registered[module]:
                    cloudpickle.unregister_pickle_by_value(module)
                    del _registered[module]


_registering = threading.Lock()
after_fork.renew(_registering)
_registered: Counter[types.ModuleType] = Counter()  # by how many runs that go on at once
