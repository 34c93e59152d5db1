"""In turn: what items logged and warned elsewhere reaches the kernel's handlers in their order.

A record waits until no earlier item is outstanding, as if the items had run one after the
other.  What writes to standard output or error doesn't wait: its text belongs to an item.
"""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import itertools
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..backends.caller_thread import CallerThread
from ..model import Chunk
from ..worker import capture, streams
from ..worker.arithmetic import Told
from ..worker.held_records import HeldRecord
from ..worker.issued import LogCall, unpack
from ..worker.issuing import ISSUED, Relayed
from .kernel_handlers import Issued, handle, hear

PACKAGE = __name__.partition(".")[0]
BUSY = 1.0  # seconds that the thread which waits for the run may be at something else

Report = Callable[[Chunk, int | None, str, Any, bool], None]


class Turn(NamedTuple):
    """Something that an item issued."""

    at: int  # the item's index
    number: int  # in the order of arrival
    issued: Issued | HeldRecord | Relayed
    chunk: Chunk
    offset: int


class _Hearing:
    """The output of an item whose records are written at once."""

    def __init__(self, chunk: Chunk, offset: int) -> None:
        self.chunk, self.offset = chunk, offset
        self._said: list[tuple[int, str, Any]] = []
        self.capture = capture.Capture(range(offset), lambda *said: self._said.append(said))

    def tell(self, report: Report) -> None:
        """Report what was written; whoever shows it may write to the same streams."""
        said, self._said = self._said, []
        for offset, stream, text in said:
            report(self.chunk, offset, stream, text, False)


class InTurn:
    """Holds what was issued until it is its item's turn.

    Parameters
    ----------
    caller_thread : CallerThread
        Whoever waits for the run calls the handlers; nobody does where it has its own thread.
    report : callable
        Takes output of handlers, in the run's loop.
    post : callable
        Has the loop call a function with arguments.
    ordered : bool
        Whether items wait for earlier ones.
    halt : callable or None
        Is called in the loop with the item of which a handler has raised; None where that is only
        printed.

    Attributes
    ----------
    raised : tuple of int and Exception, or None
        The first item of which a handler has raised, and what: a plain loop ends there.
    """

    def __init__(
        self,
        caller_thread: CallerThread,
        report: Report,
        post: Callable[..., None],
        ordered: bool,
        halt: Callable[[int], None] | None = None,
    ) -> None:
        self._caller_thread = caller_thread
        self._report = report
        self._post = post
        self._ordered = ordered
        self._halt = halt if ordered else None
        self.raised: tuple[int, Exception] | None = None
        self._thread = threading.get_ident(), threading.current_thread().name
        self._context = contextvars.copy_context()
        self._outer = capture.capturing()  # of the item that this run is in
        self._over = self._failed = False
        self._numbers = itertools.count()
        self._waiting: list[Turn] = []  # a heap, in the loop's thread alone
        self._ready: deque[Turn] = deque()
        self._lock = threading.Lock()
        self._serving = threading.Lock()  # held by the thread that calls handlers
        self._served = threading.Event()
        self._served.set()
        self._routed = False
        self._hearing: _Hearing | None = None

    @property
    def waiting(self) -> bool:
        """Whether something waits for its turn."""
        return bool(self._waiting)

    def hold(self, chunk: Chunk, offset: int, held: HeldRecord | Relayed) -> bool:
        """Have a record of an item in the kernel wait for its turn, from any thread; or give False.

        There are no turns once the run has ended, nor of one that failed: a plain loop would not
        have come to the items that go on.
        """
        if not self._over:
            self._post(self._report, chunk, offset, ISSUED, held, False)
        return not self._over or self._failed

    def arrived(self, chunk: Chunk, offset: int, packed: bytes | HeldRecord | Relayed) -> None:
        """Take in what an item issued."""
        if not self._routed:
            self._routed = True
            streams.install()
        issued: Issued | HeldRecord | Relayed | None = (
            unpack(packed) if isinstance(packed, bytes) else packed
        )
        if isinstance(issued, LogCall):
            issued = self._hear(issued, chunk, offset)
        if issued is not None:
            number = next(self._numbers)
            heapq.heappush(
                self._waiting, Turn(chunk.indices[offset], number, issued, chunk, offset)
            )

    def _hear(self, call: LogCall, chunk: Chunk, offset: int) -> Issued | None:
        """Have handlers of standard output and error write now, for an item; in the loop."""
        if (
            self._hearing is None
            or self._hearing.chunk is not chunk
            or (self._hearing.offset != offset)
        ):
            self._end_hearing()
            self._hearing = _Hearing(chunk, offset)
        left: Issued | None = None
        with _capturing(self._hearing.capture):
            try:
                left = hear(call, self._thread)
            except Exception as error:
                self._take_in(chunk.indices[offset], error)
        self._hearing.tell(self._report)
        return left

    def _take_in(self, at: int, error: Exception) -> None:
        """Take in what a handler or a filter has raised for an item, which may have ended."""
        if self._halt is None:
            traceback.print_exc()
        elif self.raised is None or at < self.raised[0]:
            self.raised = at, from_handler(error)
            self._post(self._halt, at)

    def _end_hearing(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.capture.end()
            hearing.tell(self._report)

    def again(self, chunk: Chunk) -> None:
        """Forget what items issued that will run as if they had not."""
        if self._waiting:
            gone, attempt = set(chunk.indices), chunk.attempt
            self._waiting = [
                one for one in self._waiting if one.at not in gone or one.chunk.attempt != attempt
            ]
            heapq.heapify(self._waiting)

    def advance(self, earliest: float, ended: Chunk | None = None) -> None:
        """Have handlers take in what items before `earliest` issued: no earlier one is to come.

        Where the order doesn't matter, it is what the items of the chunk that has ended issued.
        """
        if self._ordered:
            ready = []
            while self._waiting and self._waiting[0].at < earliest:
                ready.append(heapq.heappop(self._waiting))
        else:
            mine = {*ended.indices} if ended is not None else set()
            ready = sorted(one for one in self._waiting if one.at in mine)
            self._waiting = [one for one in self._waiting if one.at not in mine]
            heapq.heapify(self._waiting)
        self._hand_over(ready)

    def _hand_over(self, ready: list[Turn]) -> None:
        if not ready:
            return
        with self._lock:
            self._ready.extend(ready)
            self._served.clear()
        if self._caller_thread.own:
            self._serve()
        else:
            self._caller_thread.call(self._serve)

    def _serve(self) -> None:
        """Call handlers, in the thread that waits for the run."""
        with self._serving:
            try:
                while self._ready:
                    turn = self._ready.popleft()
                    if self.raised is None or turn.at < self.raised[0]:
                        self._handle(turn)
            finally:
                with self._lock:
                    if not self._ready:
                        self._served.set()

    def _handle(self, turn: Turn) -> None:
        def report(offset: int, stream: str, text: Any) -> None:
            self._post(self._report, turn.chunk, offset, stream, text, False)

        captured, outer = capture.Capture(range(turn.offset), report), self._outer
        captured.hold = outer.within() if outer is not None else None
        with _capturing(captured):
            try:
                if isinstance(turn.issued, HeldRecord | Relayed):
                    turn.issued.handle(captured)
                elif isinstance(turn.issued, Told) and self._caller_thread.own:
                    self._context.run(turn.issued.take)  # arithmetic is a context's own
                else:
                    handle(turn.issued, thread=self._thread)
            except Exception as error:
                self._take_in(turn.at, error)
            captured.end()

    def end(self, last: int | None) -> None:
        """Have handlers take in the rest, up to item `last`, and wait until they have.

        A plain loop would not have come to the items after that; None is for all of them.
        """
        self._over, self._failed = True, last is not None
        self._end_hearing()
        rest = sorted(one for one in self._waiting if last is None or one.at <= last)
        self._waiting.clear()
        self._hand_over(rest)
        while not self._served.wait(BUSY):
            if not self._serving.locked():  # whoever should is busy elsewhere, or gone
                self._serve()
        if self._routed:
            self._routed = False
            streams.remove()


def from_handler(error: Exception) -> Exception:
    """Have a traceback begin in the user's code, or a library's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        name = str(trace.tb_frame.f_globals.get("__name__"))
        if name.partition(".")[0] not in (PACKAGE, "logging"):
            break
        trace = trace.tb_next
    return error.with_traceback(trace)


@contextlib.contextmanager
def _capturing(captured: capture.Capture) -> Iterator[None]:
    """Have what this thread writes belong to an item."""
    token = capture.current.set(captured)
    try:
        yield
    finally:
        capture.current.reset(token)
