"""A backend that is registered with joblib, as a backend: "joblib:loky", "joblib:threading"."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from ..errors import BackendError, OptionError
from .base import Session, SessionSpec
from .executor_adapter import ExecutorBackend, ExecutorSession, ExecutorThreadsSession

PREFIX = "joblib:"


class JoblibPool(Executor):
    """Calls on a backend of joblib, each a batch of its own.

    Parameters
    ----------
    name : str
        The name that joblib has for the backend.
    workers : int
        How many calls run at once.

    Examples
    --------
    >>> with JoblibPool("threading", 2) as pool:
    ...     pool.submit(pow, 2, 10).result()
    1024
    """

    def __init__(self, name: str, workers: int) -> None:
        import joblib

        # With one it would be no pool: joblib makes such calls in the calling thread.
        jobs = max(2, workers)
        self._parallel: Any = joblib.Parallel(n_jobs=jobs, backend=instance(name))
        self._parallel.__enter__()
        self._backend = self._parallel._backend
        self._submit = getattr(self._backend, "submit", None) or self._backend.apply_async
        self._backend.start_call()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have ``fn(*args, **kwargs)`` run."""
        from joblib.parallel import BatchedCalls

        future: Future[Any] = Future()
        batch = BatchedCalls([(fn, args, kwargs)], self._backend.get_nested_backend())

        def done(out: Any) -> None:
            try:
                (value,) = self._backend.retrieve_result_callback(out)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(value)

        future.set_running_or_notify_cancel()
        try:
            self._submit(batch, callback=done)
        except Exception as error:  # a worker died, and its whole pool with it
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give the workers back to joblib, which keeps them warm where it does."""
        self._backend.stop_call()
        self._parallel.__exit__(None, None, None)


def instance(name: str) -> Any:
    """Give a new backend of joblib by its name.

    Raises
    ------
    OptionError
        joblib has no such backend, or it is nbexec's own.
    BackendError
        It needs a package that isn't there, or can't say when a call has ended.
    """
    import joblib
    from joblib.parallel import BACKENDS, EXTERNAL_BACKENDS, get_active_backend

    known = sorted({*BACKENDS, *EXTERNAL_BACKENDS} - {"sequential", "nbexec"})
    if name not in known:
        raise OptionError(
            f"backend={PREFIX + name!r} is no pool of joblib's; those that it has are "
            + ", ".join(PREFIX + one for one in known)
        )
    try:
        with joblib.parallel_config(backend=name):
            backend = get_active_backend()[0]
    except ImportError as error:
        raise BackendError(f"backend={PREFIX + name!r}: {error}") from error
    if not backend.supports_retrieve_callback:
        raise BackendError(
            f"backend={PREFIX + name!r} can't be used: a {type(backend).__name__} doesn't give "
            "results as they come (supports_retrieve_callback)"
        )
    return backend


class JoblibAdapter(ExecutorBackend):
    """A backend of joblib.

    Parameters
    ----------
    name : str
        The name that joblib has for it.
    """

    def __init__(self, name: str) -> None:
        backend = instance(name)
        self.name = PREFIX + name
        self.remote = not getattr(backend, "uses_threads", False)
        self._joblib = name
        self._workers: int = max(1, backend.effective_n_jobs(-1))

    def default_workers(self) -> int:
        return self._workers

    def open(self, spec: SessionSpec) -> Session:
        pool = JoblibPool(self._joblib, spec.workers)
        try:
            return _Calls(spec, pool) if self.remote else _Threads(spec, pool)
        except BaseException:
            pool.shutdown()
            raise


class _Calls(ExecutorSession):
    """Closes its pool, which nobody else has."""

    def close(self) -> None:
        super().close()
        self._executor.shutdown()


class _Threads(ExecutorThreadsSession):
    """The same, where nothing is pickled."""

    def close(self) -> None:
        super().close()
        self._executor.shutdown()
