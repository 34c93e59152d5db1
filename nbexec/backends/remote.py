"""The session of every backend whose workers are other processes: bytes out, bytes back."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import pickle
import signal
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import PickleError
from ..items.outcomes import lost, not_begun, without_values
from ..model import Chunk, Outcome
from ..serialize import block_files, cloud_pickler, pickling, unpicklable
from ..system import affinity, blas, machine
from ..worker import execute, logging_setup, stealing
from ..worker.conditions import Conditions
from ..worker.envelope import Envelope, PackedCall, items_file, unwanted_file, values_file
from ..worker.item_errors import failed
from ..worker.module_reloads import reloaded
from ..worker.reply import has_issued, receive
from ..worker.run_values import RunValues, is_executors
from ..worker.setup_once import TORN
from ..worker.signals_taken import signals_here
from ..worker.surroundings.kernel_state import Renewed
from .base import Session, SessionSpec
from .buffer_store import shared_buffers, store_task
from .listener import listener
from .scratch import scratch_folder
from .token_flags import TokenFlags

Send = Callable[[int, Chunk, PackedCall], Future[bytes]]

_runs = itertools.count()
_serials = itertools.count(1)


class RemoteSession(Session):
    """Packs the task at once, so that one that can't be sent fails before anything runs.

    Parameters
    ----------
    spec : SessionSpec
        What the run gives.
    local : bool
        Whether the workers are processes on this machine that are ours.
    """

    alone = False  # whether a worker runs nothing else meanwhile

    def __init__(self, spec: SessionSpec, local: bool) -> None:
        self.spec = spec
        self._listener = listener() if local else None
        self.reports_begun = self._listener is not None
        self._folder = str(scratch_folder())
        self._local = local
        self._envelopes: dict[Chunk, tuple[int, Envelope]] = {}  # with the slot
        self._large: set[int] = set()  # serials of chunks whose items are in a file
        self._unread: dict[int, Path] = {}  # files of values, if any, of replies not unpacked
        self._closed = False
        self._stopping = False  # whether there may be files that say that a chunk is unwanted
        self._asked: set[Chunk] = set()  # whose pending items were asked for
        self._conditions: dict[int, Conditions | None] = {}  # by slot
        self._last: dict[int, Chunk] = {}  # that was sent, by slot, where there is a teardown
        self.resize(spec.workers)
        self.key = f"{os.getpid()}-{next(_runs)}"  # a worker keeps one task loaded for each key
        self._token_flags = TokenFlags(self._folder, self.key, self.tell)
        self._reloaded = reloaded()
        anew = is_executors(spec.task.fn)  # what is called may have changed since
        self._by_value = cloud_pickler.Sent(self.key, anew)
        self._surroundings = Renewed(spec.surroundings) if anew else None
        self._modules = RunValues(self.key, local, spec.task.fn)
        seen = spec.surroundings, self._modules.first  # before the task, which may need them
        self._set_up = logging_setup.logging_here()
        self._signals = signals_here(_sendable)
        # Both pickled, where they changed since the run began.
        self._set_up_again = self._signals_again = b""
        try:
            setup = _sendable_setup(self._set_up)
            with self._token_flags:
                data, buffers = pickling.dumps_apart(
                    (*seen, spec.task, setup, self._signals), self._by_value
                )
        except PickleError:  # it says why itself
            raise
        except Exception as error:
            raise unpicklable.explain(spec.task.fn, error) from error
        self._by_value.complete()
        stored = self.key, data, buffers, self._modules.first.block
        self._stored = store_task(*stored) if local else None
        # what a worker unpacks: a file to map, or the bytes
        self.block: Any = (
            str(self._stored.file)
            if self._stored is not None
            else block_files.joined(data, buffers)
        )
        if self._listener is not None:
            self._listener.start()

    @abstractmethod
    def send(self, slot: int, chunk: Chunk, call: PackedCall) -> Future[bytes]:
        """Have the worker of `slot` run `entry.run_packed(call)`."""

    def submit(self, slot: int, chunk: Chunk) -> None:
        begun = time.thread_time()
        envelope = self._envelope(slot)
        try:
            file = items_file(envelope) if self._local else None
            self._by_value.generators.clear()
            given = self._modules.with_items(chunk.items)
            with self._token_flags:
                items, beside = pickling.dumps_beside(given, file, self._by_value)
            if self._by_value.generators:  # of random numbers
                for index, item in zip(chunk.indices, chunk.items, strict=True):
                    pickling.note_generators(self._by_value, index, item)
        except Exception as error:
            outcome = unsendable(error, chunk)
            self.spec.deliver(chunk, lambda: outcome)
            return
        spent = time.thread_time() - begun
        self._envelopes[chunk] = slot, envelope
        if beside:
            self._large.add(envelope.serial)
        if self._listener is not None:
            self._listener.expect(envelope.serial, functools.partial(self.spec.report, chunk))
        indices = b"" if self.spec.task.streams is None else pickle.dumps(chunk.indices)
        renewed = self._renewed()
        facts = self.key, self.block, len(chunk), items, chunk.budget, self.alone, indices
        future = self.send(slot, chunk, PackedCall(*facts, renewed, self.spec.stops, envelope))
        if self.spec.task.teardown is not None:
            self._last[slot] = chunk  # only now: to send it may have ended the worker before
        size = beside or len(items)
        future.add_done_callback(functools.partial(self._done, slot, chunk, size, spent))

    def _envelope(self, slot: int) -> Envelope:
        if slot not in self._conditions:
            self._conditions[slot] = self.conditions(slot)
        return Envelope(
            self._folder,
            next(_serials),
            channel=self._listener is not None,
            local=self._local,
            threads=self._threads,
            reloaded=self._reloaded,
            conditions=self._conditions[slot],
        )

    def _renewed(self) -> bytes:
        """Give what is another now than when a run began that is given work as it goes on."""
        if self._surroundings is None:
            return b""
        now = logging_setup.logging_here()
        if now != self._set_up:
            self._set_up, self._set_up_again = now, pickling.dumps(_sendable_setup(now))
        signals = signals_here(_sendable)
        if signals != self._signals:
            self._signals, self._signals_again = signals, pickling.dumps(signals)
        found = self._surroundings.packed(), self._set_up_again, self._signals_again
        return pickle.dumps(found) if any(found) else b""

    def resize(self, workers: int) -> None:
        own = self.spec.own
        share = machine.cores() if own.pin else workers
        self._threads = blas.share(share, dict(own.env)) if self._local else ()

    def conditions(self, slot: int) -> Conditions | None:
        """Give what the worker of `slot` has of its own; None where that is nothing."""
        own, number = self.spec.own, self.number(slot)
        core = affinity.core_of(number) if own.pin else None
        found = Conditions(own.env, core, own.named(number))
        return found if any(one not in ((), None, "") for one in found) else None

    def number(self, slot: int) -> int:
        """Give the number of the worker of `slot`."""
        return slot

    def worker(self, slot: int, chunk: Chunk) -> str:
        return self.spec.own.named(self.number(slot))

    def unwanted(self, slot: int) -> None:
        for chunk, (at, envelope) in [*self._envelopes.items()]:
            if at == slot:
                self._stopping = True
                unwanted_file(envelope).touch()
                self.take_back(slot, chunk)  # its finished values come before it is stopped

    def tell(self, flags: list[str], text: str) -> None:
        """Have workers that don't see the flags' files know that these were raised."""

    def take_back(self, slot: int, chunk: Chunk) -> None:
        _, envelope = self._envelopes.get(chunk, (slot, None))
        process = self.process(slot, chunk)
        if process is not None and envelope is not None and envelope.channel:
            self._asked.add(chunk)
            stealing.ask(self._folder, process, envelope.serial)

    def process(self, slot: int, chunk: Chunk) -> int | str | None:
        """Give the id of the process on this machine that has `chunk`, if there is one.

        Of one of its interpreters it is `subinterpreter.worker`.
        """
        return None

    def _over(self, chunk: Chunk) -> Envelope:
        """Tidy up after a chunk that came back; give its envelope."""
        _, envelope = self._envelopes.pop(chunk)
        if self._listener is not None:
            self._listener.forget(envelope.serial)
        if self._stopping:
            unwanted_file(envelope).unlink(missing_ok=True)
        if envelope.serial in self._large:
            self._large.discard(envelope.serial)
            items_file(envelope).unlink(missing_ok=True)
        return envelope

    def tear_down(self) -> Sequence[Future[Any]]:
        last, self._last = self._last, {}
        return [self.tear_down_at(slot, last[slot]) for slot in last if self.has_worker(slot)]

    def has_worker(self, slot: int) -> bool:
        """Whether the worker is there that `slot` has had."""
        return True

    def tear_down_at(self, slot: int, last: Chunk, send: Send | None = None) -> Future[Any]:
        """Have the worker of `slot` call teardown; what that writes is of the last item there.

        `send` takes the place of the session's own.
        """
        done: Future[Any] = Future()
        last, envelope = last.part(len(last) - 1), self._envelope(slot)
        if self._listener is not None:
            self._listener.expect(envelope.serial, functools.partial(self.spec.report, last))
        facts = self.key, b"", 0, b"", math.inf, self.alone, b"", b"", self.spec.stops
        future = (send or self.send)(slot, last.part(0, 0), PackedCall(*facts, envelope))
        future.add_done_callback(functools.partial(self._torn_down, slot, last, envelope, done))
        return done

    def _torn_down(
        self, slot: int, last: Chunk, envelope: Envelope, done: Future[Any], future: Future[bytes]
    ) -> None:
        try:
            if self._listener is not None:
                self._listener.poll()  # what it wrote comes before
                self._listener.forget(envelope.serial)
            outcome = receive(future.result(), envelope)
            for offset, stream, said in outcome.said:
                self.spec.report(last, offset, stream, said)
            for error in outcome.errors.values():
                worker = self.spec.own.named(self.number(slot)) or outcome.worker
                self.spec.report(last, 0, TORN, (error, worker))
        except BaseException:  # the worker died, or was stopped: nothing is left there
            pass
        done.set_result(None)

    def close(self) -> None:
        self._closed = True
        if self._listener is not None:
            self._listener.stop()
        self._token_flags.close()
        if self._stored is not None:
            self._stored.drop()
        self._by_value.forget()
        self._drop_unread()

    def trim(self) -> None:
        shared_buffers().clear()

    def _drop_unread(self) -> None:
        """Remove the files that nobody will read."""
        with contextlib.suppress(KeyError):  # there is nothing more
            while True:
                self._unread.popitem()[1].unlink(missing_ok=True)

    def reported(self, chunk: Chunk) -> int:
        """Give how many reports of a chunk have come, and take in no more of them."""
        return 0

    def _done(
        self, slot: int, chunk: Chunk, sent: int, spent: float, future: Future[bytes]
    ) -> None:
        if self._listener is not None and (chunk in self._asked or _issued(future)):
            self._asked.discard(chunk)
            self._listener.poll()  # what was sent before the reply comes before it
        envelope = self._over(chunk)
        reported = self.reported(chunk)
        try:
            data = future.result()
        except BaseException as error:
            if self._local:
                values_file(envelope).unlink(missing_ok=True)
            how = self.died(slot, chunk, error)
            outcome = not_begun() if how is None else lost(how, chunk)
            self.spec.deliver(chunk, lambda: outcome)
        else:
            self._unread[envelope.serial] = values_file(envelope)
            if self._closed:  # nobody waits for it
                self._drop_unread()
            name = self.spec.own.named(self.number(slot))
            read = functools.partial(self._read, data, envelope, reported, sent, spent, name)
            self.spec.deliver(chunk, read)

    def _read(
        self, data: bytes, envelope: Envelope, reported: int, sent: int, spent: float, name: str
    ) -> Outcome:
        del self._unread[envelope.serial]
        outcome = receive(data, envelope, reported, sent, spent)
        return replace(outcome, worker=name) if name else outcome

    def died(self, slot: int, chunk: Chunk, error: BaseException) -> str | None:
        """Note that the worker of `slot` died: say how, or None if it wasn't running `chunk`."""
        return str(error).partition("\n")[0] or type(error).__name__


def _sendable_setup(setup: logging_setup.Logging) -> logging_setup.Logging:
    """Leave out what can't be sent of how logging is set up."""
    if logging_setup.has_objects(setup):
        try:
            pickling.dumps(setup)
        except Exception:
            setup = logging_setup.without_objects(setup)
    return setup


def _sendable(thing: Any) -> bool:
    try:
        return bool(pickling.dumps(thing))
    except Exception:
        return False


def _issued(future: Future[bytes]) -> bool:
    """Whether reports of items went before the reply, or may have, where the worker died."""
    if future.cancelled():
        return False
    return future.exception() is not None or has_issued(future.result())


def unsendable(error: BaseException, chunk: Chunk) -> Outcome:
    """Give the outcome of a chunk whose items can't be pickled: several come again one by one."""
    if len(chunk) > 1:
        return not_begun()
    item = chunk.items[0]
    if isinstance(error, PickleError):  # it says why itself
        why = error
    elif isinstance(item, execute.Call):
        why = unpicklable.explain(item.fn, error)
    else:
        sort = type(item).__qualname__
        why = PickleError(f"the item, a {sort}, can't be sent to a worker: {error}")
        why.__cause__ = error
    return without_values(failed(why, unsent="item"))


def how_it_ended(code: int | None) -> str:
    """Say how a process ended, from its exit code: by which signal, where it was one."""
    if code is None:
        return "it ended, nobody knows how"
    if code >= 0:
        return f"it exited with code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
