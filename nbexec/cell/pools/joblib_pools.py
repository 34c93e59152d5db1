"""A `joblib.Parallel` whose calls may go to worker processes of nbexec."""

from __future__ import annotations

import functools
import itertools
import types
from concurrent.futures import Future
from typing import Any

import joblib
from joblib._parallel_backends import LokyBackend
from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor

from ...integrations.joblib_backend import JoblibBackend
from ...integrations.joblib_calls import with_traceback
from .deciding import PoolDecider
from .pool_run import PoolFuture, PoolRun
from .spare import passing_on


class JoblibParallel(joblib.Parallel):  # type: ignore[misc]  # joblib has no types
    """A `Parallel` of the library that a cell made.

    A call of it has another backend where its functions do nothing but compute: the backend
    that it has is that of processes, which have copies of everything, too.
    """

    _backend: Any
    _nbexec: PoolDecider

    def __call__(self, iterable: Any) -> Any:
        calls = iter(iterable)
        first = list(itertools.islice(calls, 1))
        run = self._nbexec_run(first) if first else None
        given = itertools.chain(first, calls)
        if run is None:
            return super().__call__(given)
        before = self._backend
        self._backend = JoblibBackend(functools.partial(_submit, run, first[0][0]), run.workers)
        self._backend.configure(parallel=self)
        try:
            return super().__call__(given)
        except BaseException:
            run.cancel()  # what joblib has not dropped
            raise
        finally:
            self._backend = before
            self._nbexec.end_step()

    def _nbexec_run(self, first: list[Any]) -> PoolRun | None:
        if type(self._backend) is not LokyBackend or self._backend.backend_kwargs:
            return None
        plain = not (self.verbose or self.return_generator)
        size = self._backend.effective_n_jobs(self.n_jobs)
        if not plain or size < 2 or self._backend.nesting_level:
            return None
        try:
            function, args, kwargs = first[0]
        except (TypeError, ValueError):  # joblib says what is wrong with it
            return None
        self._nbexec = PoolDecider("Parallel", size, by_value=True)
        return self._nbexec.decide("", function, lambda: [(args, kwargs)], lambda _: True)


JoblibParallel.__name__ = JoblibParallel.__qualname__ = "Parallel"
JoblibParallel.__module__ = "joblib.parallel"


def _submit(run: PoolRun, agreed: Any, function: Any, args: tuple[Any, ...]) -> Future[Any]:
    """Have a batch run on a worker of ours, if its calls are of the function that was looked at."""
    if not all(_same(one[0], agreed) for one in args[0]):
        theirs: Future[Any] = get_reusable_executor(run.workers).submit(function, *args)
        return theirs
    future: Future[Any] = Future()
    inner = PoolFuture(future)
    call: Any = (function, args, {})
    passed = functools.partial(passing_on, future, ProcessPoolExecutor, call, False)
    inner.add_done_callback(passed)
    run.submit(function, args, {}, with_traceback, inner)
    return future


def _same(function: Any, other: Any) -> bool:
    """Whether two functions are one; a method is made anew each time that it is read."""
    return function is other or (type(function) is types.MethodType and function == other)
