"""The session on a Dask cluster that was given: others may use it too."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

import dask
from distributed import Client, get_worker

from ..model import Chunk
from ..system import flag_files
from ..telemetry.events import Part
from ..worker.entry import run_packed
from ..worker.envelope import PackedCall, unwanted_file
from . import dask_draws
from .base import SessionSpec
from .dask_cluster import result_of, withdraw
from .dask_link import LinkLost, SchedulerLink
from .remote import RemoteSession

LEFT = 60.0  # seconds until the run does without a worker that is in an unwanted item
TEARDOWN = -1  # stands for a slot: teardown is sent to each worker
ANSWER = 5.0  # seconds; a worker that doesn't answer in time is stuck as a whole


@dataclass(eq=False)
class SentChunk:
    """A chunk that is a task of a cluster."""

    number: int
    chunk: Chunk
    call: PackedCall
    reply: Future[bytes] = field(default_factory=Future)
    task: Any = None
    link: int = 0  # the number of the scheduler that it was sent to
    at: str | None = None  # the address of the worker that began it
    reported: int = 0  # how many of its reports
    over: bool = False  # the rest is in its reply


class GivenSession(RemoteSession):
    """Chunks are tasks of a cluster that others may use too: its workers are left alone.

    A task that runs can't be stopped.  It is left behind; so that nothing waits behind it,
    its worker is given nothing more of this run while there are others.  What waited there is
    sent again, once its worker has said that it has not begun, and that it never will.
    """

    patience = LEFT

    def __init__(self, spec: SessionSpec, client: Client) -> None:
        super().__init__(spec, local=False)
        self.reports_begun = True
        self._client = client
        self._sent: dict[int, list[SentChunk]] = {}  # at each slot, in order
        self._stuck: Counter[str] = Counter()  # tasks left behind, by worker
        self._only: str | None = None  # the worker that is to tear down
        self._numbers = itertools.count()
        self._parts: list[Part] = []  # when the scheduler was last asked
        self._lock = threading.Lock()
        self._held: list[SentChunk] = []  # until the scheduler is back
        self._packed, self._topic = self.block, f"nbexec-{client.id}-{self.key}"
        self._send_task()
        self._link = SchedulerLink(client, spec.reconnect, spec.hooks, self._resume)

    def _send_task(self) -> None:
        """Make the run known to the scheduler.

        The task is the result of a task of Dask, not scattered: what was scattered is gone
        with its worker, and this is made again.
        """
        key = f"nbexec-task-{self.key}-{next(self._numbers)}"
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            self.block = self._client.submit(_itself, self._packed, key=key, pure=False)
        self._client.subscribe_topic(self._topic, self._take_event)

    def _resume(self) -> None:
        """Go on with a scheduler that knows of nothing."""
        with self._lock:
            self._stuck.clear()
            self._send_task()
            self._link.go_on()  # here: what is sent from now on is not held
            held, self._held = self._held, []
            for one in held:
                self._submit(one, None)

    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        sent = SentChunk(next(self._numbers), chunk, call)
        left = [one for one in self._sent.get(slot, ()) if not one.reply.done()]
        self._sent[slot] = [*left, sent]  # one that is done is there until then: see reported()
        if not self._link.up:
            with self._lock:
                if not self._link.up:
                    self._held.append(sent)
                    return sent.reply
        workers = None if self._only is None else [self._only]
        if self._stuck and workers is None:
            workers = self._usable_workers(self._client.nthreads())
        self._submit(sent, workers)
        return sent.reply

    def _submit(self, sent: SentChunk, workers: list[str] | None) -> None:
        number, sent.link = next(self._numbers), self._link.number
        call = sent.call  # its task may be of an earlier scheduler
        call = call._replace(block=call.block and self.block)
        task = sent.task = self._client.submit(
            _run_and_report,
            self._topic,
            sent.number,
            *call,
            key=f"nbexec-{self.spec.task.name}-{self.key}-{number}",
            workers=workers,
            pure=False,
        )
        task.add_done_callback(functools.partial(self._answer, sent))

    def _answer(self, sent: SentChunk, task: Any) -> None:
        """Pass on the result or error of a task, unless another took its place."""
        error: BaseException | None = None
        data = b""
        try:
            data = result_of(task)
        except CancelledError:  # not by this session, or nobody waits for it
            error = LinkLost(sent.at is not None)
        except BaseException as raised:
            error = raised
        if task is not sent.task or sent.reply.done():
            return
        if error is None:
            sent.reply.set_result(data)
            return
        if isinstance(error, LinkLost):
            self._link.lost(sent.link)
        sent.reply.set_exception(error)

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        if isinstance(error, LinkLost) and not error.begun and not self.spec.once:
            return None
        return super().died(slot, chunk, error)

    def _usable_workers(self, threads: dict[str, int]) -> list[str] | None:
        """Give the workers with a thread that nothing of ours is stuck in; None: any."""
        return [at for at, count in threads.items() if self._stuck[at] < count] or None

    def _take_event(self, event: tuple[float, tuple[int, str, Any]]) -> None:
        """Take in an event of a chunk; called in Dask's event loop."""
        number, what, facts = event[1]
        for sent in self._all_sent():
            if sent.number == number and what == "begun":
                sent.at = facts
            elif sent.number == number:
                self._take_reports(sent, *facts)

    def _take_reports(
        self, sent: SentChunk, start: int, reports: list[tuple[int, str, Any]]
    ) -> None:
        with self._lock:
            for at, report in enumerate(reports, start):
                if at == sent.reported and not sent.over:  # not again, after a second attempt
                    sent.reported += 1
                    self.spec.report(sent.chunk, *report)

    def reported(self, chunk: Chunk) -> int:
        for sent in self._all_sent():
            if sent.chunk is chunk:
                with self._lock:
                    sent.over = True
                    return sent.reported
        return 0

    def tear_down(self) -> Sequence[Future[Any]]:
        """Have every worker of the cluster call it: nobody knows which have run something."""
        last = next(iter(self._last.values()), None)
        self._last = {}
        if last is None or not self._link.up:
            return ()
        done = []
        for worker in self._client.nthreads():
            self._only = worker
            done.append(self.tear_down_at(TEARDOWN, last))
        self._only = None
        return done

    def elsewhere(self) -> Sequence[Part] | None:
        try:  # all of them: some releases of distributed give five unless they are asked
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except Exception:  # the cluster is gone, or busy: there is no news of it
            return self._parts
        self._parts = [_part(worker) for worker in workers]
        return self._parts

    def ready(self, slot: int) -> bool:
        return all(sent.at is not None for sent in self._sent[slot][:1])

    def abort(self, slot: int) -> bool:
        stuck = {}
        with self._lock:
            for sent in self._sent.pop(slot, []):
                task, sent.task = sent.task, None  # nobody waits for its answer
                if task is not None:
                    withdraw(task)
                elif sent in self._held:
                    self._held.remove(sent)
                if sent.at is not None and not sent.reply.done():
                    stuck[sent.number] = sent.at
            self._stuck.update(stuck.values())
        if stuck:
            self._client.loop.add_callback(self._move_on)
        return not stuck

    def unwanted(self, slot: int) -> None:
        super().unwanted(slot)
        sent = [one for one in self._sent.get(slot, ()) if not one.reply.done()]
        if sent:
            self.tell([str(unwanted_file(one.call.envelope)) for one in sent], "")

    def tell(self, flags: list[str], text: str) -> None:
        self._client.loop.add_callback(self._tell, flags, text)

    async def _tell(self, flags: list[str], text: str) -> None:
        """Raise flags in every worker: one that is on this machine sees their files, too."""
        try:
            await self._client.run(flag_files.tell, flags, text, on_error="ignore")
        except Exception:
            if self._client.status == "running":
                raise

    async def _move_on(self) -> None:
        """Send chunks again that have not begun: they may wait behind one that is stuck."""
        try:
            waiting = [one for one in self._all_sent() if one.at is None and not one.reply.done()]
            threads = await self._client.nthreads()
            keys = [one.task.key for one in waiting if one.task is not None]
            answers = await asyncio.gather(*[self._refuse(at, keys) for at in threads])
            await self._client.cancel(self._send_again(waiting, set().union(*answers), threads))
        except Exception:
            if self._client.status == "running":
                raise

    async def _refuse(self, worker: str, keys: list[str]) -> list[str]:
        """Have a worker begin none of some tasks any more; give those that it has begun."""
        asking = self._client.run(_refuse, keys, workers=[worker], on_error="ignore")
        try:
            answers: dict[str, list[str]] = await asyncio.wait_for(asking, ANSWER)
        except TimeoutError:
            return []
        return answers.get(worker, [])

    def _send_again(
        self, waiting: list[SentChunk], begun: set[str], threads: dict[str, int]
    ) -> list[Any]:
        """Send those of some chunks again that have not begun; give the tasks that they were."""
        old = []
        with self._lock:
            sent = self._all_sent()
            for one in waiting:
                if one in sent and one.task.key not in begun and not one.reply.done():
                    old.append(one.task)
                    self._submit(one, self._usable_workers(threads))
        return old

    def _all_sent(self) -> list[SentChunk]:
        return [*itertools.chain.from_iterable([*self._sent.values()])]

    def close(self) -> None:
        super().close()
        for sent in self._sent.get(TEARDOWN, ()):  # one whose worker is gone waits for ever
            if sent.task is not None and not sent.reply.done():
                withdraw(sent.task)
        self._link.close()
        try:
            self._client.unsubscribe_topic(self._topic)
        except Exception:
            if self._client.status == "running":
                raise
        self._sent.clear()
        self.block = None


def _part(worker: dict[str, Any]) -> Part:
    metrics = worker.get("metrics", {})
    cores, memory = metrics.get("cpu", 0.0) / 100, metrics.get("memory", 0)
    return Part(f"worker {worker['name']}", cores, memory, worker.get("memory_limit") or 0)


def _itself(packed: bytes) -> bytes:
    return packed


_refused: set[tuple[str, str]] = set()  # tasks that a worker of this process must not begin
WAITS = ("waiting", "ready", "constrained")  # the states of a worker's task that has not begun


def _refuse(keys: list[str], dask_worker: Any) -> list[str]:
    """Begin none of these tasks any more; give those that have begun.

    A worker runs this in its event loop, which is also where it decides to begin a task.
    """
    tasks = dask_worker.state.tasks
    begun = [key for key in keys if key in tasks and tasks[key].state not in WAITS]
    _refused.update((dask_worker.address, key) for key in keys if key not in begun)
    return begun


def _run_and_report(topic: str, number: int, *call: Any) -> bytes:
    """Run a chunk; report that it has begun, and the reports of its items.

    The fields of its call come one by one: Dask puts the task itself in the place of `block`.
    """
    dask_draws.draw_apart()
    worker = get_worker()
    attempt = worker.address, worker.get_current_task()
    if attempt in _refused:
        _refused.discard(attempt)
        return b""  # nobody waits for it

    def send(start: int, reports: Sequence[tuple[int, str, Any]]) -> None:
        worker.log_event(topic, (number, "reports", (start, reports)))

    worker.log_event(topic, (number, "begun", worker.address))
    return run_packed(PackedCall(*call), send)
