"""ExecutorConformance: what an executor promises, to be subclassed."""

from __future__ import annotations

from .executor_beyond import BeyondPromises
from .executor_ending import EndingPromises
from .executor_futures import FuturesPromises
from .executor_groups import GroupPromises
from .executor_mapping import MappingPromises
from .executor_queue import QueuePromises
from .executor_services import WorkersBeyondPromises
from .executor_workers import WorkersPromises


class ExecutorConformance(
    FuturesPromises,
    MappingPromises,
    WorkersPromises,
    EndingPromises,
    BeyondPromises,
    QueuePromises,
    GroupPromises,
    WorkersBeyondPromises,
):
    """The contract of `concurrent.futures.Executor`, and what `nbexec.Executor` adds to it.

    A subclass whose name begins with ``Test`` is collected by pytest; it says how to make an
    executor.  Each test is a promise, and its docstring says which.  What an executor doesn't
    promise is named in `missing`, with the reason, and skipped; the feature "beyond" is all that
    `concurrent.futures` doesn't have.

    Tests with the fixture `executor` share one executor of two workers with others of the class
    that have the same parameters: to make one may take seconds. They don't shut it down.

    Attributes
    ----------
    missing : dict of str to str
        Names of features, or of tests, with the reason why they are not promised.
    seconds : float
        How long anything is waited for; nothing is promised to be fast.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from nbexec.testing import ExecutorConformance
    >>> class TestThreadPool(ExecutorConformance):
    ...     missing = {
    ...         "beyond": "it is the standard library's",
    ...         "buffersize": "new in Python 3.14",
    ...         "chunks": "it sends each call alone",
    ...     }
    ...
    ...     def make(self, workers, **options):
    ...         return ThreadPoolExecutor(workers, **options)
    """
