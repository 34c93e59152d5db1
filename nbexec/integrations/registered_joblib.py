"""The backend "nbexec" of joblib: every `Parallel`, and scikit-learn's `n_jobs=`, in the panel."""

from __future__ import annotations

import contextlib
import functools
import queue
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import joblib
from joblib._parallel_backends import (
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
)
from joblib.parallel import BACKENDS

from ..backends import get_backend
from ..options import resolve
from ..options.record import Options
from ..system import machine
from ..worker.execute import depth
from .joblib_batches import CallBatch

if TYPE_CHECKING:
    from .parallel_run import ParallelRun

EVERY = 0.05  # seconds: as in `Run.serve`
_OF_EXECUTOR = ("initializer", "initargs")
_OF_JOBLIB = ("temp_folder", "verbose", "context")  # of `Parallel`, which have no meaning here


class NbexecBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # no types
    """Runs the calls of a `joblib.Parallel` on nbexec's workers, each as an item of a run.

    Parameters
    ----------
    nesting_level : int or None
        How many `Parallel` are around it.
    inner_max_num_threads : int or None
        How many threads BLAS and OpenMP may use in each worker process; None is its share of
        the cores.
    **options
        Any of `Options`, and `initializer` and `initargs` of `Executor`.

    Examples
    --------
    >>> import joblib, nbexec
    >>> nbexec.register_joblib()
    >>> with joblib.parallel_config(backend="nbexec", n_jobs=2, progress="off"):
    ...     joblib.Parallel(prefer="threads")(joblib.delayed(pow)(x, 2) for x in range(4))
    [0, 1, 4, 9]
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = True
    default_n_jobs = -1

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.backend_kwargs = options
        self._resolved()  # what is wrong with them is to be told here
        if nesting_level:
            self.default_n_jobs = 1
        self.parallel: Any = None
        self._run: ParallelRun | None = None
        self._used = False  # whether it is a `Parallel`'s at this moment
        self._open = False  # whether calls are accepted
        self._first = True  # whether none has come since the `Parallel` was called
        self._served = False  # whether the thread of the `Parallel` waits, and runs what is here:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._failed: tuple[BaseException, Any] | None = None

    # ------------------------------------------------------------ what joblib asks first

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Give how many calls run at once."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            n_jobs = self.default_n_jobs
        return n_jobs if n_jobs > 0 else max(1, self._most() + 1 + n_jobs)

    def _most(self) -> int:
        """Give how many workers there are for -1, by nbexec's rule for runs within runs."""
        options = self._resolved()
        if options.workers:
            return options.workers
        local = options.backend in ("auto", "processes", "threads")
        most = machine.cores() if local else get_backend(options.backend).default_workers()
        return machine.default_workers(most, depth.get())

    def _resolved(self, **more: Any) -> Options:
        given = {**self.backend_kwargs, **more}
        return resolve({name: one for name, one in given.items() if name not in _OF_EXECUTOR})

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        max_nbytes: int | None = None,
        mmap_mode: str | None = None,
        **options: Any,
    ) -> int:
        """Make ready for the calls of a `Parallel`."""
        workers = self.effective_n_jobs(n_jobs)
        if workers == 1 or (self.nesting_level or 0) > 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if self._used and parallel is not self.parallel:  # by one whose results are a generator
            raise FallbackToBackend(
                NbexecBackend(self.nesting_level, self.inner_max_num_threads, **self.backend_kwargs)
            )
        self._used = True
        self.parallel = parallel
        self._at_once = workers
        self._hint = "sharedmem" if require == "sharedmem" else prefer
        self._larger = max_nbytes if mmap_mode == "r" else None
        own = {name: value for name, value in options.items() if name not in _OF_JOBLIB}
        self._changes = {**self.backend_kwargs, **own}
        self._options = self._resolved(**own)
        return workers

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Give the backend for a `Parallel` in a call, and its number of jobs."""
        return nested_backend((self.nesting_level or 0) + 1), None

    # ------------------------------------------------------------ a call of the `Parallel`

    def start_call(self) -> None:
        """Accept calls."""
        self._jobs = queue.SimpleQueue()
        self._served = not self.parallel.return_generator
        self._failed = None
        self._first = True
        self._open = True

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> CallBatch:
        """Have a batch of calls run."""
        if not self._open:  # it was aborted while another thread came here
            return CallBatch(len(func), lambda _: None)
        run = self._run
        if run is None or self._first:
            run = self._next_call(func)
        # Not in the run's own thread: it may pull from the user's generator.
        post = self._jobs.put if self._served else run.run.caller_thread.call

        def done(batch: CallBatch) -> None:
            if callback is not None:
                post(lambda: callback(batch))

        return run.submit(func.items, done)

    apply_async = submit  # its name before joblib 1.5

    def _next_call(self, first: Any) -> ParallelRun:
        from .joblib_names import about  # a worker, which has this module, needs none of it

        function, _, kwargs = first.items[0]
        found = about(function, kwargs)
        run = self._run = self._run or self._begin(found.name)
        self._first = False
        total = self.parallel.n_tasks if found.total is None else found.total
        run.next_call(found, total, keeps=self._served)
        return run

    def _begin(self, named: str) -> ParallelRun:
        from .parallel_run import ParallelExecutor, ParallelRun

        options = self._options
        name = self._backend_name(options)
        shown = {"progress": options.progress, "name": options.name or named}
        given = {**self._changes, **shown, "backend": name, "workers": self._at_once}
        nested = functools.partial(nested_backend, (self.nesting_level or 0) + 1)
        return ParallelRun(
            ParallelExecutor(**given), self._arrays(name), nested, self.inner_max_num_threads
        )

    def _arrays(self, name: Any) -> Any:
        """Give what packs arguments; None where calls have the arguments themselves."""
        backend = get_backend(name)
        if not backend.remote:
            return None
        from ..backends.buffer_store import shared_buffers
        from .shared_arrays import SharedArrays

        if backend.name != "processes":  # there may be no such files
            return SharedArrays(shared_buffers(), None, shares=False)
        return SharedArrays(shared_buffers(), self._larger)

    def _backend_name(self, options: Options) -> Any:
        """Give the backend: by default processes, and threads where memory is to be shared."""
        named = options.backend != "auto"
        if self._hint == "sharedmem" and (not named or get_backend(options.backend).remote):
            return "threads"
        if named:
            return options.backend
        return "threads" if self._hint == "threads" or self.nesting_level else "processes"

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Wait here for what a list is made of, so that clicks on the panel are heard."""
        if self._served:
            self._serve()
        yield

    def _serve(self) -> None:
        """Run joblib's callbacks in this thread: they pull from the user's generator."""
        parallel, look = self.parallel, time.monotonic()
        while parallel._wait_retrieval() and not parallel._aborting:
            try:
                job = self._jobs.get(timeout=EVERY)
            except queue.Empty:
                pass
            else:
                job()
            if time.monotonic() >= look:
                look = time.monotonic() + EVERY
                self._look(parallel)

    def _look(self, parallel: Any) -> None:
        if parallel.timeout is not None:
            pending = (job for job in parallel._jobs if job.status == "Pending")
            for job in pending:
                job.get_status(timeout=parallel.timeout)
                break
        if self._run is not None:
            self._run.run.idle()

    def retrieve_result_callback(self, batch: CallBatch) -> Any:
        """Give the results of a batch, or raise what a call raised."""
        try:
            return batch.result()
        except BaseException as error:
            if self._run is not None:
                self._run.tell_kept(error)
            self._failed = error, error.__traceback__
            raise

    # ------------------------------------------------------------ its end

    def stop_call(self) -> None:
        """Accept no more calls."""
        self._open = False

    def terminate(self) -> None:
        """End the run."""
        self._open = self._used = False
        run, self._run, self._failed = self._run, None, None
        if run is not None:
            run.close()
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the calls that have not ended; the next call of the `Parallel` has another run."""
        self._open = False
        self._restore_traceback()
        run, self._run = self._run, None
        if run is not None:
            run.cancel()

    def _restore_traceback(self) -> None:
        """Have the exception that is on its way to the user lead into the function that raised it.

        joblib drops the traceback that it came with.
        """
        error, failed, self._failed = sys.exception(), self._failed, None
        if error is None or failed is None or failed[0] is not error:
            return
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is not None:
            last.tb_next = failed[1]


def nested_backend(level: int) -> Any:
    """Give the backend of a `Parallel` that is so many deep: the second is on threads, by default.

    Examples
    --------
    >>> type(nested_backend(1)).__name__, type(nested_backend(2)).__name__
    ('NbexecBackend', 'SequentialBackend')
    """
    BACKENDS.setdefault("nbexec", NbexecBackend)  # a worker may be asked for it by name, too
    if level > 1:
        return SequentialBackend(nesting_level=level)
    return NbexecBackend(nesting_level=level)


def register_joblib() -> None:
    """Make ``"nbexec"`` a backend of joblib, for every `joblib.Parallel` and for scikit-learn.

    ``%load_ext nbexec`` does so where joblib is imported.

    Examples
    --------
    >>> import joblib, nbexec
    >>> nbexec.register_joblib()
    >>> with joblib.parallel_config(backend="nbexec", n_jobs=2, progress="off"):
    ...     joblib.Parallel()(joblib.delayed(abs)(-x) for x in range(4))
    [0, 1, 2, 3]
    """
    joblib.register_parallel_backend("nbexec", NbexecBackend)
