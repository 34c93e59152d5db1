"""The one place where a cell gives work to a run: items of a loop, or statements at once."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import NbexecError
from ..events import Event, RunEnded
from ..model import Chunk, Failure, Outcome
from ..observers import Observer
from ..results import _NOT_RUN, Gather
from ..run import Run
from ..state import RunState, Stats
from .iteration import InKernel, Stopped

PATIENCE = 0.3  # seconds: of a step that is over before that, the report says enough


class Late(Observer):
    """Shows a run only once it has lasted: a cell may have many short steps.

    Parameters
    ----------
    displays : list of Observer
        What shows it then.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self, displays: list[Observer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._displays = displays
        self._clock = clock
        self._missed: list[tuple[Event, RunState]] | None = []
        self._lock = threading.RLock()

    def attach(self, run: Any) -> None:
        """Take note of the run, and of the cell that it is started in."""
        self._run = run
        self._cell = contextvars.copy_context()
        self._began = self._clock()

    def observe(self, event: Event, state: RunState) -> None:
        """Pass the event on, or keep it until it is time."""
        with self._lock:
            if self._missed is None:
                self._tell(event, state)
                return
            self._missed.append((event, state))
            if isinstance(event, RunEnded) and (state.failed or self._lasted()):
                self._open()

    def idle(self) -> None:
        """See whether it is time, in the thread that the run blocks."""
        with self._lock:
            if self._missed is not None and self._lasted():
                self._open()
        if self._missed is None:
            for display in self._displays:
                display.idle()

    def _lasted(self) -> bool:
        return self._clock() - self._began >= PATIENCE

    def _open(self) -> None:
        missed, self._missed = self._missed or [], None
        for display in self._displays:
            self._cell.copy().run(display.attach, self._run)
        for event, state in missed:
            self._tell(event, state)

    def _tell(self, event: Event, state: RunState) -> None:
        for display in self._displays:
            display.observe(event, state)


def results_of(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    modules: Iterable[types.ModuleType],
    given: dict[str, Any],
    ends: Callable[[Any], bool] | None = None,
) -> tuple[list[Any], BaseException | None, Stats | None]:
    """Map `function` over `items`; give what came before the first that failed, and why it did.

    Parameters
    ----------
    function : callable
        Of one item.
    items : iterable
        The items.
    modules : iterable of module
        The user's own: workers get them as they are now.
    given : dict
        Any of `Options`.
    ends : callable or None
        Says of a result whether nothing after it is wanted.
    """
    from .. import api
    from ..options import resolve

    options = resolve({**given, "on_error": "raise"})
    late = options.progress == "auto"
    results: Any = None
    ended: BaseException | None = None
    try:
        with _by_value(modules):
            quiet = options.updated({"progress": "off"}) if late else options
            sink = _Ends(ends)
            run = api._prepare(function, (items,), None, quiet, sink.open)
            sink.run = run
            if late:
                run.watch(Late(api.watchers(options, run.task)))
            try:
                run.start().serve()
            except KeyboardInterrupt:
                run.cancel()
                raise
            results = run.result()
    except (Exception, KeyboardInterrupt) as error:
        ended = error
        results = getattr(error, "partial_results", None)
        if results is not None:
            error.partial_results = None  # type: ignore[union-attr]
        if isinstance(error, Exception) and not isinstance(error, NbexecError | Stopped | InKernel):
            # Not the body's, which come wrapped up: a worker could not load what it needs.
            ended = InKernel(f"a worker says {type(error).__name__}: {error}")
    finished = []
    for one in results or ():
        if isinstance(one, Failure):
            break
        finished.append(one)
    return finished, ended, getattr(results, "stats", None)


class _Ends(Gather):
    """Gathers results, and ends the run at the first after which nothing is wanted."""

    run: Run

    def __init__(self, ends: Callable[[Any], bool] | None) -> None:
        self._ends = ends

    def open(self, total: int | None) -> Gather:
        super().__init__(total)
        return self

    def put(self, chunk: Chunk, outcome: Outcome, failures: dict[int, Failure]) -> None:
        super().put(chunk, outcome, failures)
        for at, index in enumerate(chunk.indices):
            if self._ends is not None and at not in failures and self._ends(outcome.values[at]):
                self.run.enough(index)

    def end(self, error: BaseException | None) -> None:
        """Leave out all from the first item that did not run: a million of them take seconds."""
        at = next((at for at, one in enumerate(self.values) if one is _NOT_RUN), None)
        if at is not None:
            del self.values[at:]


@contextlib.contextmanager
def _by_value(modules: Iterable[types.ModuleType]) -> Iterator[None]:
    """Have workers get the user's own modules as they are now, not as their files are."""
    if not modules:
        yield
        return
    import cloudpickle

    registered = []
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
        registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
