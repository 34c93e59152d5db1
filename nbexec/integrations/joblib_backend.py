"""A backend of joblib that gives its batches of calls to whatever runs them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

from .joblib_calls import run_batch

Submit = Callable[[Callable[..., Any], tuple[Any, ...]], Future[Any]]


class JoblibBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # no types
    """Runs the batches of a `joblib.Parallel`.

    It is given to one `Parallel` as its backend, and registered nowhere.

    Parameters
    ----------
    submit : callable
        Gives the future of a function's call with a tuple of arguments.
    workers : int
        How many calls run at once.

    Examples
    --------
    >>> import joblib
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     backend = JoblibBackend(lambda function, args: pool.submit(function, *args), 2)
    ...     joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(abs)(x) for x in (-1, -2))
    [1, 2]
    """

    supports_retrieve_callback = True

    def __init__(self, submit: Submit, workers: int) -> None:
        super().__init__(nesting_level=0)
        self._give = submit
        self._workers = workers
        self._futures: set[Future[Any]] = set()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Give how many calls run at once."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return self._workers

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Begin a call of a `Parallel`."""
        self.parallel = parallel
        return self._workers

    def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Future[Any]:
        """Have a batch run."""
        future = self._give(run_batch, (func.items, func._backend, func._n_jobs))
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future[Any]) -> Any:
        """Give the results of a batch, or raise what a call raised."""
        return future.result()

    def terminate(self) -> None:
        """Forget how long batches took."""
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Drop the batches that have not begun."""
        for future in [*self._futures]:
            future.cancel()
