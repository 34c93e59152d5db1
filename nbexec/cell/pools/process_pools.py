"""A `multiprocessing.Pool` whose calls may go to worker processes of nbexec.

All of its methods are the library's: they make the tasks, and the objects that give the results.
Only what would put tasks into the library's queue may take them elsewhere.
"""

from __future__ import annotations

import functools
import multiprocessing
import multiprocessing.pool
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from ..execution.loop_items import listed
from .deciding import PoolDecider
from .pool_calls import Agreed, Arguments, sendable
from .pool_notes import scope_here
from .pool_run import PoolFuture, PoolRun
from .pool_snapshot import PoolSnapshot

library: Any = multiprocessing.pool  # the stubs lack what its methods are made of
SHOWING, SHOWN = 32, 0.05  # tasks that show whether they are brief, and seconds for that
BRIEF = 0.0005  # seconds: the pool itself sends such a task at less cost
Tasks = tuple[Iterable[tuple[Any, ...]], Callable[[int], None] | None]


class ProcessPool(multiprocessing.pool.Pool):
    """A pool of the library that a cell made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._nbexec_jobs: list[_Job] = []
        before = PoolSnapshot(scope_here())  # its processes are forked now
        super().__init__(*args, **kwargs)
        own: Any = self
        self._nbexec = PoolDecider("Pool", own._processes)
        self._nbexec_before = before
        self._nbexec_offered = threading.local()
        own._taskqueue = _Queue(self, own._taskqueue)

    def _map_async(
        self,
        func: Any,
        iterable: Any,
        mapper: Any,
        chunksize: Any = None,
        callback: Any = None,
        error_callback: Any = None,
    ) -> Any:
        own: Any = self
        own._check_running()
        if not hasattr(iterable, "__len__"):
            iterable = list(iterable)
        several = mapper is library.starmapstar
        self._nbexec_offer("starmap" if several else "map", func, iterable, several)
        given = func, iterable, mapper, chunksize, callback, error_callback
        try:
            return super()._map_async(*given)  # type: ignore[misc]
        finally:
            self._nbexec_offered.run = None

    def apply(self, func: Any, args: Any = (), kwds: Any = {}) -> Any:  # noqa: B006
        # One call at a time: other workers would only be further away.
        return super().apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Any,
        args: Any = (),
        kwds: Any = {},  # noqa: B006  (as in the library)
        callback: Any = None,
        error_callback: Any = None,
    ) -> Any:
        if type(args) is tuple and type(kwds) is dict:
            self._nbexec_decide("apply", func, lambda: [(args, kwds)])
        try:
            return super().apply_async(func, args, kwds, callback, error_callback)
        finally:
            self._nbexec_offered.run = None

    def imap(self, func: Any, iterable: Any, chunksize: Any = 1) -> Any:
        self._nbexec_offer("imap", func, iterable, False)
        try:
            return super().imap(func, iterable, chunksize)
        finally:
            self._nbexec_offered.run = None

    def imap_unordered(self, func: Any, iterable: Any, chunksize: Any = 1) -> Any:
        self._nbexec_offer("imap_unordered", func, iterable, False)
        try:
            return super().imap_unordered(func, iterable, chunksize)
        finally:
            self._nbexec_offered.run = None

    def terminate(self) -> None:
        jobs, self._nbexec_jobs = self._nbexec_jobs, []
        for job in jobs:
            job.run.cancel()
        super().terminate()

    def _nbexec_offer(self, name: str, func: Any, iterable: Any, several: bool) -> None:
        def calls() -> Sequence[Arguments]:
            items = listed(iterable)
            if items is None:
                return []
            if several:
                return [(tuple(one), {}) for one in items if type(one) in (tuple, list)]
            return [((one,), {}) for one in items]

        self._nbexec_decide(name, func, calls)

    def _nbexec_decide(
        self, name: str, func: Any, calls: Callable[[], Sequence[Arguments]]
    ) -> None:
        self._nbexec_offered.run = None
        if getattr(self, "_state", "") == library.RUN:
            self._nbexec_offered.run = self._nbexec.decide(name, func, calls, self._nbexec_allows)

    def _nbexec_allows(self, agreed: Agreed) -> bool:
        if multiprocessing.get_start_method() != "fork":
            return not agreed.captured
        return self._nbexec_before.allows(agreed)


ProcessPool.__name__ = ProcessPool.__qualname__ = "Pool"
ProcessPool.__module__ = "multiprocessing.pool"


class _Queue:
    """The queue of tasks of a pool; what was offered goes to a run."""

    def __init__(self, pool: ProcessPool, real: Any) -> None:
        self._pool = weakref.ref(pool)
        self._real = real

    def put(self, tasks: Tasks | None) -> None:
        pool = self._pool()
        run = getattr(pool._nbexec_offered, "run", None) if pool is not None else None
        if pool is None or run is None or tasks is None:
            self._real.put(tasks)
            return
        job = _Job(pool, run, self._real)
        pool._nbexec_jobs = [one for one in pool._nbexec_jobs if not one.over] + [job]
        if type(tasks[0]) is list:
            job.feed(tasks)
        else:  # as in the library, another thread goes through the items
            feed = threading.Thread(target=job.feed, args=(tasks,), name="nbexec-pool", daemon=True)
            feed.start()


class _Job:
    """The tasks of one call of a pool's method."""

    def __init__(self, pool: ProcessPool, run: PoolRun, real: Any) -> None:
        own: Any = pool
        self.run = run
        self.over = False
        self._cache = own._cache
        self._real = real
        self._there = threading.Condition()
        self._took = 0.0
        self._left = 1  # tasks without a result, and one for those that are still to come
        self._lost: list[tuple[Any, ...]] = []  # that the pool itself has to do

    def feed(self, tasks: Tasks) -> None:
        """Give all tasks to workers; where the first ones were brief, the others to the pool."""
        count, left = 0, iter(tasks[0])
        for task in left:
            count += 1
            self._begin(task)
            if count == SHOWING and self._were_brief():
                self._real.put((left, tasks[1]))
                self._done()
                return
        if tasks[1] is not None:
            tasks[1](count)
        self._done()

    def _begin(self, task: tuple[Any, ...]) -> None:
        _, _, function, args, kwargs = task
        if function is library._helper_reraises_exception:
            self._set(task, False, args[0])  # the items themselves raised
            return
        with self._there:
            self._left += 1
        future = PoolFuture()
        future.add_done_callback(functools.partial(self._came, task))
        try:
            self.run.submit(function, args, kwargs, library.ExceptionWithTraceback, future)
        except Exception:  # the run was closed, or cancelled
            future.cancel()

    def _were_brief(self) -> bool:
        """Wait a moment for all results so far; tell whether they were there, and brief."""
        with self._there:
            self._there.wait_for(lambda: self._left == 1, SHOWN)
            return self._left == 1 and not self._lost and self._took < BRIEF * SHOWING

    def _came(self, task: tuple[Any, ...], future: Future[Any]) -> None:
        answer = getattr(future, "answer", None)
        if answer is None or not sendable(answer[1]):
            self._lose(task)  # the library may raise
        else:
            self._took += answer[2]
            self._set(task, *answer[:2])
        self._done()

    def _set(self, task: tuple[Any, ...], returned: bool, value: Any) -> None:
        result = self._cache.get(task[0])
        if result is not None:
            result._set(task[1], (returned, value))

    def _lose(self, task: tuple[Any, ...]) -> None:
        with self._there:
            self._lost.append(task)

    def _done(self) -> None:
        """Once all else is there, have the pool do what workers could not."""
        with self._there:
            self._left -= 1
            if self._left == 1:
                self._there.notify_all()
            if self._left:
                return
        self.over = True
        if self._lost:
            self._real.put((self._lost, None))


def make_pool(*args: Any, **kwargs: Any) -> ProcessPool:
    """Make what `multiprocessing.Pool` makes."""
    names = ("processes", "initializer", "initargs", "maxtasksperchild")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return ProcessPool(**given, context=multiprocessing.get_context())
