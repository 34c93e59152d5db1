"""Run: the handle of a call of `map`, `start` and so on: watch it, steer it, wait for it.

::

    items -> plan -> Run -> backend -> worker
                      ^                   |
                      +---- outcomes <----+

The work is done by `loop`, in a thread of its own; the methods here may be called from any.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..backends.caller_thread import CallerThread
from ..errors import BackendError, BudgetExceeded, DeadlineExceeded
from ..items.batch_size import BatchSizer
from ..items.chunk_size import ALONE, COSTLY, ChunkSizer
from ..items.feed import Chosen, Feed
from ..items.sinks import Futures, Gather, Merge, Sink, Stream
from ..model import Choice, EndReason, Task
from ..observers import show
from ..options.cancel_token import CancelToken
from ..options.record import Options
from ..system import after_fork, subinterpreter
from ..telemetry import wording
from ..telemetry.events import Event, Part
from ..telemetry.observer import Observer
from ..worker import capture
from ..worker.blocks import BATCH
from ..worker.execute import replay
from . import own_threads, registry, rerun
from .facts import RunFacts
from .loop import Loop, RunSpec
from .results import Results, attach_results
from .seeds import seed_of
from .steering import RunSteering

if TYPE_CHECKING:
    from ..journal.journal import Journal

IDLE_EVERY = 0.05  # seconds: a click on Cancel should take well under a third of a second


class Run(RunFacts, RunSteering):
    """One call of `map`, `start` and so on, while it runs and after.

    Made by `nbexec.start`; `nbexec.map` gives it as ``results.run``.

    Attributes
    ----------
    id : str
        What `attach` takes.
    began : float
        When it was started, as Unix time.
    background : bool
        Whether it was started without anybody waiting for it.
    seed : int
        What its items' random numbers follow from, where they have streams of their own: with
        ``seed=run.seed`` they are the same ones.

    Examples
    --------
    >>> import nbexec
    >>> run = nbexec.start(abs, [-1, -2], progress="off")
    >>> run.result()
    [1, 2]
    >>> run.stats.done
    2
    """

    __module__ = "nbexec"

    def __init__(
        self,
        task: Task,
        feed: Feed,
        sink: Sink,
        options: Options,
        caller_thread: CallerThread | None = None,
        sizer: ChunkSizer | None = None,
        kernel_backend: str = "serial",
        clock: Callable[[], float] = time.monotonic,
        watchers: Callable[[], Sequence[Observer]] = tuple,
        before: Run | None = None,
        idle_timeout: float | None = None,
    ) -> None:
        self.id = registry.new_id()
        # The run itself, or the first of those whose results this one completes.
        self.origin: str = self.id if before is None else before.origin
        if isinstance(sink, Gather):
            sink.origin = self.origin
        self.began = 0.0  # Unix time; 0.0 before `start`
        self.background = False  # whether nobody waits for it
        self._taken = False  # whether somebody has had the results
        self.task = task = replace(task, timed=options.timed)
        # What items' random numbers follow from: give it to `seed=`, and they are the same ones.
        self.seed = seed_of(task, options.seed)
        self.options = options
        self.caller_thread = caller_thread or CallerThread()
        sizer = sizer or _sizer(task.fn, options)
        observers = list(watchers())
        self._journal: Journal | None = None
        if options.checkpoint is not None and task.depth == 0:
            from ..journal.journal import Journal

            self._journal = Journal(options.checkpoint, task, options.name or task.name, self.id)
            feed = self._journal.feed(feed, before._journal if before is not None else None)
            observers = [self._journal, *observers]  # before anybody has a value in hand
        caller_thread = self.caller_thread
        spec = RunSpec(
            *(task, feed, sink, options, observers, caller_thread, sizer, kernel_backend, clock),
            journal=self._journal,
            origin=self.origin,
            idle_timeout=idle_timeout,
        )
        self._loop = Loop(spec)
        self._sink = sink
        self._watchers = watchers
        self._error: BaseException | None = None
        self.idle_due = 0.0  # when `idle` has something to do again
        # The item that the run is part of, if any: with that it is not wanted any more.
        self._within = capture.capturing() if task.depth else None
        self._done = threading.Event()
        self._ending = threading.Lock()
        self._callbacks: list[Callable[[Run], None]] = []
        after_fork.watch(self)

    # ------------------------------------------------------------ its results

    @property
    def done(self) -> bool:
        """Whether the run is over."""
        return self._done.is_set()

    @property
    def results(self) -> Results:
        """What is finished; a `Failure` of kind "cancelled" stands where an item is not."""
        self._take()
        return self._results()

    def _take(self) -> None:
        """Note that somebody has the results: the registry need not keep the run for them."""
        if self.done and not self._taken:
            self._taken = True
            registry.run_registry.taken(self)

    def _results(self) -> Results:
        values = self._sink.values if isinstance(self._sink, Gather | Merge) else ()
        return Results(values, run=self, origin=self.origin)

    @property
    def gives_list(self) -> bool:
        """Whether its results are a list, into which `again` puts what is missing."""
        return isinstance(self._sink, Gather | Merge)

    def given_and_made(self) -> tuple[object, ...]:
        """Give what holds the caller's objects: function, items, results and failures."""
        return self.task, self._loop.feed, self._sink, self._loop.context.failures

    def __repr__(self) -> str:
        return f"<Run {wording.summary(self.stats)}>"

    def _ipython_display_(self) -> None:
        """Show the panel, in a notebook where this cell doesn't show it."""
        if not show(self):
            raise NotImplementedError  # IPython shows the repr

    # ------------------------------------------------------------ to be waited for

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run is over, at most `timeout` seconds; give whether it is."""
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main and self._within is None:
            return self._done.wait(timeout)
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._done.wait(max(0.0, min(IDLE_EVERY, until - time.monotonic()))):
            if time.monotonic() >= until:
                return False
            self.idle()
        return True

    def result(self, timeout: float | None = None) -> Results:
        """Wait for the end and give the results.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait at most; None waits for as long as it takes.

        Returns
        -------
        Results
            In the order of the items.

        Raises
        ------
        TimeoutError
            The run goes on.
        RunCancelled
            It was cancelled.
        DeadlineExceeded
            It was stopped at its deadline, with ``on_error="raise"``.
        BudgetExceeded
            It ended at its budget, likewise.
        Exception
            With ``on_error="raise"``, what the first failing item raised; with "group" an
            `ExceptionGroup` of what all raised that failed.  These and `RunCancelled` have what
            was finished as ``partial_results``.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{self.name} is still running after {timeout} s")
        self._take()
        if self._error is not None and not (
            isinstance(self._error, DeadlineExceeded | BudgetExceeded)
            and self.options.on_error == "collect"
        ):
            raise self._error
        return self.results

    def add_done_callback(self, callback: Callable[[Run], None]) -> None:
        """Have `callback(run)` called from the run's thread at its end, or now if it is over."""
        with self._ending:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    # ------------------------------------------------------------ once more

    def retry_failed(self) -> Results:
        """Run the items again that have no value, and give all results: new ones among the old.

        These are the items that failed or were stopped, and of a list those that never began.

        Returns
        -------
        Results
            In the order of the items; its `run` is the new run.

        Raises
        ------
        RuntimeError
            The run is not over.
        LookupError
            The results were streamed (`imap`, an executor): there is no list to put them in.
        Exception
            As for `map`.

        Examples
        --------
        >>> import nbexec
        >>> there = []
        >>> def fetch(x):
        ...     return [10, 20][x] if there or x == 0 else 1 / 0
        >>> results = nbexec.map(fetch, [0, 1], on_error="collect", progress="off")
        >>> there.append("it is back")
        >>> results.run.retry_failed()
        [10, 20]
        """
        return self.again().complete()

    def again(self, watchers: Callable[[], Sequence[Observer]] | None = None) -> Run:
        """Make the run that `retry_failed` waits for; it is not started.

        Parameters
        ----------
        watchers : callable or None
            Gives the observers of the new run; None has it shown as this one was.

        Returns
        -------
        Run
            ``start(background=True)`` begins it and returns at once.

        Raises
        ------
        RuntimeError, LookupError
            As for `retry_failed`.

        Examples
        --------
        >>> import nbexec
        >>> there = []
        >>> def fetch(x):
        ...     return [10, 20][x] if there or x == 0 else 1 / 0
        >>> run = nbexec.map(fetch, [0, 1], on_error="collect", progress="off").run
        >>> there.append("it is back")
        >>> run.again().start(background=True).result()
        [10, 20]
        """
        if not self.done:
            raise RuntimeError(f"{self.name} is still running: wait() until it has ended")
        if not isinstance(self._sink, Gather | Merge):
            raise LookupError("only a run that gives a list can put results into it")
        first = self._loop.feed.first
        chosen = rerun.without_value(self._results(), self.failures, self._loop.feed)
        feed, sink = Chosen(chosen, first), Merge(list(self._sink.values), first)
        watchers, options, token = watchers or self._watchers, self.options, self._token
        if token is not None and token.cancelled:  # that was about the run before
            options = options.updated({"cancel": None})
        return Run(self.task, feed, sink, options, watchers=watchers, before=self)

    def debug(self, index: int) -> Any:
        """Run one item once more, here in this thread; what it raises is raised, for ``%debug``.

        Parameters
        ----------
        index : int
            Of an item that failed, or of any if the items were a list.

        Returns
        -------
        object
            The item's value, where it raises nothing.

        Raises
        ------
        LookupError
            The item is not there any more.
        Exception
            What the function raises, with its own frames.

        Examples
        --------
        >>> import nbexec
        >>> run = nbexec.map(lambda x: 6 / x, [1, 0, 2], on_error="collect", progress="off").run
        >>> run.debug(2)
        3.0
        """
        __tracebackhide__ = True
        item = rerun.item(index, self._results(), self.failures, self._loop.feed)
        if item is rerun.GONE:
            raise LookupError(
                f"item {index} of {self.name} is not there: of an input that is no list, only "
                "items that failed are kept"
            )
        streams = self.task.streams
        if not streams:
            return replay(self.task, item)
        with streams.item(index, keeps=True, hidden=streams.hides(item, kernel=True)):
            return replay(self.task, item)

    # ------------------------------------------------------------ for the layers around it

    def start(self, background: bool = False) -> Run:
        """Open the backend (what is wrong with it is raised here) and begin.

        With `background` nobody has to `serve`: a thread does, in the caller's context.
        """
        if background:
            self.background = True
            self.caller_thread.serve_in_thread(contextvars.copy_context())
        choice = self._loop.open()
        if self._token is not None:
            self._token.add_callback(self._cancel_with)
        if self._journal is not None:
            self._journal.begin(self)
        if self.task.depth == 0:
            registry.remember(self)
        self._loop.publisher.each("attach", self)
        context = contextvars.copy_context()  # so that what is displayed lands in this cell
        thread = threading.Thread(target=context.run, args=(self._go, choice), name="nbexec-run")
        thread.daemon = subinterpreter.daemons()
        thread.start()
        return self

    def serve(self) -> None:
        """Lend this thread to the run until it is over; an interrupt cancels the run."""
        interrupt: KeyboardInterrupt | None = None
        idle = self.idle if self._loop.publisher.observers or self._within is not None else None
        while True:
            try:
                self.caller_thread.serve(idle, IDLE_EVERY)
                break
            except KeyboardInterrupt as error:
                interrupt = error
                self.cancel()
        if interrupt is not None:
            attach_results(interrupt, self._results())
            raise interrupt

    def run_here(self) -> None:
        """Start, and lend this thread to the run until it is over; an interrupt cancels it."""
        try:
            self.start().serve()
        except KeyboardInterrupt:
            self.cancel()  # it may have come before the run was served
            raise

    def complete(self) -> Results:
        """Run to the end here, and give the results."""
        self.run_here()
        return self.result()

    def idle(self) -> None:
        """Have observers do their work in the thread that uses the run, if it is due again."""
        now = time.monotonic()
        if now >= self.idle_due:
            self.idle_due = now + IDLE_EVERY
            if self._within is not None and not self._within.wanted():
                self._within = None
                self.cancel("the item that it is part of is not wanted any more")
            self._loop.publisher.each("idle")

    def watch(self, observer: Observer) -> None:
        """Add an observer: it gets the events from now on."""
        self._loop.publisher.observers.append(observer)

    def wake(self) -> None:
        """Have the loop look again for chunks to submit."""
        self._loop.post(_nothing)

    def post(self, event: Event) -> None:
        """Take in an event that was observed outside the loop."""
        self._loop.post(self._loop.take_in, event)

    def elsewhere(self) -> Sequence[Part] | None:
        """Give what the workers use, where they are not the kernel's own processes."""
        return self._loop.elsewhere()

    def after_fork(self) -> None:
        """Let nobody in a forked child wait for this run, which goes on in the parent."""
        self._ending = threading.Lock()
        self._loop.publisher.after_fork()
        done, self._done = self._done.is_set(), threading.Event()
        if not done:
            self._error = BackendError(
                f"{self.name} goes on in process {os.getppid()}, which forked this one: only "
                "there are its results"
            )
            self._callbacks.clear()
            if isinstance(self._sink, Stream | Futures):  # others have no locks
                self._sink.after_fork()
            self._sink.end(self._error)
        self._done.set()
        self.caller_thread.release()

    # ------------------------------------------------------------ its thread

    @property
    def _token(self) -> CancelToken | None:
        return self._loop.context.token

    def _cancel_with(self, token: CancelToken) -> None:
        self._loop.post(self._loop.stopping.cancel_once, token.reason)

    def _go(self, choice: Choice) -> None:
        reason: EndReason = "crashed"
        own_threads.enter(self)
        try:
            self._loop.run(self.name, choice)
            reason, self._error = self._loop.stopping.conclude(self.name)
        except BaseException as error:  # a bug of ours; the caller must never hang
            self._error = error
        try:
            self._sink.end(self._error)
            self._loop.feed.end(self._error)
            if self._error is not None:
                attach_results(self._error, self._results())
            self._loop.end(reason)
        finally:
            if self._token is not None:
                self._token.remove_callback(self._cancel_with)
            self._loop.feed.close()
            if self.background and self.task.depth == 0:
                registry.run_registry.keep(self)
            with self._ending:
                self._done.set()
            self.caller_thread.release()
            for callback in self._callbacks:
                callback(self)


def _sizer(fn: Callable[..., Any], options: Options) -> ChunkSizer:
    """Give what says how many items travel together."""
    if options.alone:
        return ChunkSizer(1, prefetch=False)
    if options.chunk is None and hasattr(type(fn), BATCH):
        most = min(fn.max_size, options.recycle_after or fn.max_size)  # type: ignore[attr-defined]
        return BatchSizer(most)
    return ChunkSizer(
        options.chunk,
        prefetch=not options.worker_options.recycles,  # the next one may be another's
        alone=COSTLY if options.checkpoint else ALONE,
        most=options.recycle_after,
    )


def _nothing() -> None:
    """Do nothing: the message of `wake` alone has the loop go round."""
