"""ParallelRun: the calls of one `joblib.Parallel` as a run of ours."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from ..backends.buffer_store import StoredBuffer
from ..errors import NbexecError, PickleError, RunCancelled
from ..executor.calls_executor import CallsExecutor
from ..items.sinks import NOT_RUN, Gather
from ..model import Task
from ..observers.display import Display
from ..options.record import Options
from ..run.results import Results
from ..telemetry.events import Steered
from ..telemetry.observer import Observer
from ..worker.execute import Call
from .joblib_batches import BatchCall, CallBatch
from .joblib_calls import PackedArguments, make_call, run_call, run_packed_call
from .joblib_names import About, label
from .shared_arrays import SharedArrays

Item = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ParallelExecutor(CallsExecutor):
    """An executor that says nothing of runs too brief to be seen.

    A library may make very many `Parallel`, of which who calls it knows nothing.
    """

    _calling = staticmethod(make_call)

    @property
    def over(self) -> bool:
        """Whether it takes no more calls."""
        return self._calls.closed

    @property
    def ended_by(self) -> BaseException | None:
        """What its run ended by; None while that goes on."""
        return self._calls.ended_by

    @staticmethod
    def _watchers(options: Options, task: Task) -> list[Observer]:
        watching = CallsExecutor._watchers(options, task)
        for one in watching:
            if isinstance(one, Display):
                one.sums_up_brief = False
        return watching


class ParallelRun:
    """A run for the calls of one `Parallel`.

    Parameters
    ----------
    executor : ParallelExecutor
        Where they run.
    arrays : SharedArrays or None
        Packs arguments; None where calls have the arguments themselves.
    nested : callable
        Gives the backend for a `Parallel` in a call.
    threads : int or None
        How many threads BLAS and OpenMP may use in a worker process.

    Attributes
    ----------
    run : Run
        The run.
    """

    def __init__(
        self,
        executor: ParallelExecutor,
        arrays: SharedArrays | None,
        nested: Callable[[], Any],
        threads: int | None = None,
    ) -> None:
        self.run = executor.run
        self._nested = nested
        self._executor = executor
        self._arrays = arrays
        self._threads = threads
        self._batches: dict[CallBatch, list[StoredBuffer]] = {}  # with the files that they need
        self._handed: list[CallBatch] | None = None  # of this call, where results are kept
        self._submitted = 0
        self._total = 0  # how many there will be; 0 where that was never known
        self.run.add_done_callback(lambda _: self._over())

    def submit(self, items: list[Item], done: Callable[[CallBatch], None]) -> CallBatch:
        """Have the calls of a batch run; errors of sending them are theirs."""
        batch = CallBatch(len(items), functools.partial(self._ended, done))
        if self._handed is not None:
            self._handed.append(batch)
        self._submitted += len(items)
        if 0 < self._total < self._submitted:  # one of another call of the `Parallel`
            self._announce(self._submitted)
        files = self._batches[batch] = []
        try:
            calls = [self._call(files, *item) for item in items]
            self._executor.hand((call, BatchCall(batch, place)) for place, call in enumerate(calls))
        except Exception as error:
            ended = type(error) is RuntimeError and self._executor.over
            batch.fail(self._too_late() if ended else error)
        if self.run.done:  # else `_over` is still to come
            self._over()
        return batch

    def _over(self) -> None:
        """Fail what waits: the run has ended, and had not begun with these."""
        for batch in list(self._batches):
            batch.fail(self._too_late())

    def _too_late(self) -> BaseException:
        """Give what a call raises that the run has not begun: its own, by why the run ended."""
        why = self._executor.ended_by
        if not isinstance(why, NbexecError):
            return RunCancelled(f"{self.run.name} was cancelled")
        return type(why)(*why.args)

    def tell_kept(self, error: BaseException) -> None:
        """Give an exception that says that the run was cancelled what had ended by then."""
        if not isinstance(error, RunCancelled) or self._handed is None:
            return
        if self.run.stats.phase not in ("cancelling", "cancelled"):
            return  # it is a function's own
        kept = Gather(None)
        kept.origin = self.run.origin
        kept.values = [value for batch in self._handed for value in batch.so_far()]
        kept.values += [NOT_RUN] * (self._total - self._submitted)
        kept.end(None)
        error.partial_results = Results(kept.values, self.run, self.run.origin)

    def _call(
        self,
        files: list[StoredBuffer],
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Call:
        if self._arrays is None:
            return Call(run_call, (function, args, kwargs, self._nested), {})
        try:
            packed = PackedArguments(self._arrays.pack((args, kwargs), files), label(kwargs))
        except Exception as error:
            name = getattr(function, "__name__", repr(function))
            raise PickleError(
                f"the arguments of {name}() can't be sent to a worker process: {error}. "
                'Make such an object in the function, or use require="sharedmem", which has '
                "threads"
            ) from error
        return Call(run_packed_call, (function, packed, self._nested, self._threads), {})

    def _ended(self, done: Callable[[CallBatch], None], batch: CallBatch) -> None:
        files = self._batches.pop(batch, [])
        if self._arrays is not None:
            self._arrays.release(files)
        done(batch)

    def next_call(self, about: About, total: int | None, *, keeps: bool) -> None:
        """Begin another call of the `Parallel`.

        Parameters
        ----------
        about : About
            What it is about.
        total : int or None
            How many calls of a function there will be; None where that is not known.
        keeps : bool
            Whether what ended is kept for who cancels the run.
        """
        self._handed = [] if keeps else None
        if total is not None:
            self._announce(self._submitted + total)
        if about.name != self.run.name and about.parts:  # as a search that halves
            self.run.post(Steered(time.monotonic(), note=f"then {about.parts}"))

    def _announce(self, total: int) -> None:
        self._total = total
        self.run.post(Steered(time.monotonic(), total=total))

    def close(self) -> None:
        """End: no call is left."""
        self._executor.shutdown()
        self._release()

    def cancel(self) -> None:
        """End the calls that have not ended, and wait until nothing of them runs."""
        for batch in list(self._batches):
            batch.dropped = True
        self.run.cancel()
        self._executor.shutdown(wait=False)
        self.run.wait()
        self._release()

    def _release(self) -> None:
        if self._arrays is not None:
            self._arrays.close()
