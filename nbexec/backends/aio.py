"""asyncio: coroutines on one event loop, in a thread of our own or on the caller's."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any

from ..model import Chunk, Outcome
from ..system import after_fork, blas
from ..worker import held_records, streams
from ..worker.chunk_state import SharedChunkState
from ..worker.execute import (
    ExecutionSpec,
    StopFlag,
    run_chunk_async,
    tear_down_async,
    worker_name,
)
from ..worker.item_errors import Partial, failed
from ..worker.random_streams import SET_UP, streams_of
from ..worker.setup_once import TORN, SetupOnce
from .base import Backend, Session, SessionSpec
from .pool import Pool
from .threads import WARM, ThreadWorker

AT_ONCE = 100  # coroutines at once by default: what aiohttp's connection pool allows
ENDING = 1.0  # seconds that `finally` of a cancelled coroutine has before the run ends without it


class Asyncio(Backend):
    """An event loop; `loop` is the caller's, or None for one in a thread of ours."""

    name = "asyncio"
    adds_workers = True
    takes = frozenset({"teardown", "worker_name"})

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._own = loop is None
        self._lock = threading.Lock()
        after_fork.watch(self)

    def after_fork(self) -> None:
        """Make a loop of this process's own when one is needed: the other has no thread here."""
        after_fork.keep(self._loop)  # nor may it be closed: its selector is the parent's, too
        self._loop, self._own = None, True
        self._lock = threading.Lock()

    def default_workers(self) -> int:
        return AT_ONCE

    def open(self, spec: SessionSpec) -> Session:
        return AsyncioSession(spec, self.running_loop())

    def running_loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop, which runs from now on."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="nbexec-asyncio", daemon=True
                ).start()
            return self._loop

    def close(self) -> None:
        if self._own and self._loop is not None:
            loop, self._loop = self._loop, None
            loop.call_soon_threadsafe(loop.stop)


class AsyncioSession(Session):
    """Each slot is a task on the loop while it has chunks."""

    stealable = True
    side_threads = True
    patience = 0.0  # the next one gets another task

    def __init__(self, spec: SessionSpec, loop: asyncio.AbstractEventLoop) -> None:
        self._spec = spec
        self._loop = loop
        self._threads: dict[asyncio.Task[Any] | None, ThreadWorker] = {}  # for plain functions
        self._count = spec.workers
        self._lanes: dict[int, Lane] = {}  # by slot
        self._coming: deque[Lane] = deque()  # those with new chunks
        self._called = False  # whether the loop is about to look at them
        self._ended: list[tuple[Chunk, Outcome]] = []  # not yet delivered
        self._set_up = SetupOnce(spec.task)
        self._aborted = False  # whether a slot was
        self._ending: set[asyncio.Task[None]] = set()  # that were cancelled, and go on
        self._last: Chunk | None = None
        self._prepared = functools.cache(self._prepare)
        streams.install()
        self._holding = held_records.holding() if spec.hold else contextlib.nullcontext()
        self._holding.__enter__()
        self._name = ""  # of the loop's thread, once something has begun there
        self._cpu: float | None = None  # of the loop's thread, when last attributed

    def _prepare(self) -> Callable[[Any], Any]:
        call = self._set_up()
        if self._spec.task.coroutine:
            return call
        in_thread = functools.partial(self._in_thread, call)
        setattr(in_thread, SET_UP, getattr(call, SET_UP, ()))
        return in_thread

    async def _in_thread(self, call: Callable[[Any], Any], item: Any) -> Any:
        """Keep a plain function off the loop, which it would block."""
        task = asyncio.current_task()
        if task not in self._threads:
            thread = self._threads[task] = _pool.acquire()
            enter = self._spec.surroundings.enter_thread
            thread.call(functools.partial(self._spec.context.copy().run, enter))
            blas.enter(self, self._count)
        future = self._loop.create_future()
        run = functools.partial(contextvars.copy_context().run, _in_share, call, item)
        self._threads[task].call(functools.partial(_settle, self._loop, future, [run]))
        value, error = await future
        if isinstance(error, StopIteration):  # a coroutine can't raise one
            raise Partial(None, error)
        if error is not None:
            raise error
        return await value if inspect.isawaitable(value) else value

    def submit(self, slot: int, chunk: Chunk) -> SharedChunkState:
        lane = self._lanes.get(slot)
        if lane is None:
            lane = self._lanes[slot] = Lane(self._spec.own.named(slot))
        chunk_state = SharedChunkState(chunk.items, self._spec.after_failure)
        lane.chunks.append((chunk, chunk_state, lane.stop_flag))
        self._last = chunk
        self._coming.append(lane)
        if not self._called:  # to wake the loop takes as long as many a coroutine
            self._called = True
            self._loop.call_soon_threadsafe(self._start_all)
        return chunk_state

    def _start_all(self) -> None:
        self._called = False  # first: what comes from now on calls again
        if self._cpu is None:
            self._spec.context.copy().run(self._spec.surroundings.enter_thread)
            self._cpu = time.thread_time()
            self._name = worker_name()
        with contextlib.suppress(IndexError):
            while True:
                lane = self._coming.popleft()
                if lane.task is None:
                    context = self._spec.context.copy()
                    name = lane.name or None
                    lane.task = self._loop.create_task(
                        self._serve(lane), context=context, name=name
                    )

    async def _serve(self, lane: Lane) -> None:
        """Run the chunks of a slot: a task for each chunk would cost as much as the chunk."""
        task, prepared = self._spec.task, self._prepared
        while lane.chunks:
            chunk, chunk_state, stop_flag = lane.chunks.popleft()
            report = functools.partial(self._spec.report, chunk)
            drawn_from = streams_of(task, chunk.indices, shared=True)
            hold = self._spec.hold and functools.partial(self._spec.hold, chunk)
            spec = ExecutionSpec(
                *(task, prepared, stop_flag, report), streams=drawn_from, hold=hold
            )
            outcome = await run_chunk_async(spec, chunk_state, chunk.budget, self._share)
            if lane.name:
                outcome = replace(outcome, worker=lane.name)
            if not task.coroutine:
                self._release_thread(stop_flag)
            if (
                not self._ended
            ):  # those of a turn of the loop are delivered together: that wakes the run
                self._loop.call_soon(self._deliver)
            self._ended.append((chunk, outcome))
        lane.task = None

    def _release_thread(self, stop_flag: StopFlag) -> None:
        thread = self._threads.pop(asyncio.current_task(), None)
        if thread is not None:
            thread.healthy = not stop_flag.stopped  # else it may be in the middle of an item
            _pool.release(thread)

    def _deliver(self) -> None:
        ended, self._ended = self._ended, []
        for chunk, outcome in ended:
            self._spec.deliver(chunk, functools.partial(_same, outcome))

    def _share(self) -> float:
        """Give the CPU time of the thread since this was last asked: only the sum is exact.

        It is asked once a turn of the loop: a system call takes as long as a brief coroutine.
        """
        if self._ended:
            return 0.0
        now = time.thread_time()
        share, self._cpu = now - (self._cpu or now), now
        return share

    def unwanted(self, slot: int) -> None:
        lane = self._lanes.get(slot)
        if lane is not None:
            lane.stop_flag.stop()
            lane.stop_flag = StopFlag()  # what comes next is wanted

    def worker(self, slot: int, chunk: Chunk) -> str:
        return self._spec.own.named(slot) or self._name

    def abort(self, slot: int) -> bool:
        lane = self._lanes.pop(slot, None)
        if lane is not None:
            lane.stop_flag.stop()
            self._aborted = True
            self._loop.call_soon_threadsafe(self._cancel, lane)
        return self._spec.task.coroutine  # a plain function is in a thread, and goes on

    def _cancel(self, lane: Lane) -> None:
        """Cancel what a slot runs; in the loop's thread."""
        lane.cancel()
        if lane.task is not None:
            self._ending.add(lane.task)
            lane.task.add_done_callback(self._ending.discard)

    def tear_down(self) -> Sequence[Future[Any]]:
        if self._aborted:
            self._await_ending()
        if self._spec.task.teardown is None or self._last is None:
            return ()
        return self._on_loop(functools.partial(self._tear_down, self._last))

    def _await_ending(self) -> None:
        """Wait until cancelled coroutines have executed their `finally`, but not for long."""
        wait(self._on_loop(self._end_cancelled), ENDING)

    def _on_loop(self, ending: Callable[[], Coroutine[Any, Any, None]]) -> Sequence[Future[Any]]:
        """Begin a coroutine; give a future that is done when it is, or nothing without a loop."""
        done: Future[Any] = Future()
        try:
            self._loop.call_soon_threadsafe(self._begin, ending, done)
        except RuntimeError:  # the caller's loop was closed
            return ()
        return (done,)

    def _begin(self, ending: Callable[[], Coroutine[Any, Any, None]], done: Future[Any]) -> None:
        task = self._loop.create_task(ending(), context=self._spec.context.copy())
        task.add_done_callback(lambda _: None if done.done() else done.set_result(None))

    async def _end_cancelled(self) -> None:
        if self._ending:
            await asyncio.wait(self._ending, timeout=ENDING)

    async def _tear_down(self, last: Chunk) -> None:
        last = last.part(len(last) - 1)
        report = functools.partial(self._spec.report, last)
        error = await tear_down_async(self._spec.task, self._set_up, report)
        if error is not None:
            self._spec.report(last, 0, TORN, (failed(error), worker_name()))

    def close(self) -> None:
        """Nothing runs any more, and nothing is kept."""
        blas.leave(self)
        streams.remove()
        self._holding.__exit__(None, None, None)

    def resize(self, workers: int) -> None:
        self._count = workers


class Lane:
    """The chunks of a slot, and its asyncio task while it has any."""

    __slots__ = ("chunks", "name", "stop_flag", "task")

    def __init__(self, name: str) -> None:
        self.name = name  # "" for that of the loop's thread
        self.chunks: deque[tuple[Chunk, SharedChunkState, StopFlag]] = deque()
        self.stop_flag = StopFlag()  # of the chunks that came since it last was unwanted
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Cancel the task; in the loop's thread."""
        self.chunks.clear()
        if self.task is not None:
            self.task.cancel()


_pool = Pool(ThreadWorker, keep=WARM)


def _same(outcome: Outcome) -> Outcome:
    """Give an outcome that needs no unpacking."""
    return outcome


def _in_share(call: Callable[[Any], Any], item: Any) -> Any:
    """Call a function in a thread that is one of several."""
    blas.look()
    return call(item)


def _settle(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], job: list[Callable[[], Any]]
) -> None:
    """Run in a thread, and set the future with the outcome: a value, or an error.

    Not as the future's exception: asyncio closes a coroutine that waits for a GeneratorExit.
    What `job` holds is let go of first: whoever gets the result may expect the item to be freed.
    """
    forks = after_fork.count
    try:
        value, raised = job.pop()(), None
    except BaseException as error:
        value, raised = None, error
    if after_fork.count != forks:
        after_fork.end_child(raised)
    result = functools.partial(_set, future, value, raised)
    del value, raised
    try:
        loop.call_soon_threadsafe(result)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits
        pass


def _set(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if not future.done():
        future.set_result((value, error))
    elif inspect.iscoroutine(value):  # it was cancelled meanwhile, and nobody awaits that
        value.close()
