"""StatementGroup: a statement in its turn, and later ones that run at the same time.

The one whose turn it is runs in the kernel, as it stands.  Only when it has run for a while
are the others handed to workers, from a thread of ours.  Each of those is shown to have no
effects except those in its log; these are applied, and its names bound, when its turn comes.
So an exception leaves the namespace as the cell would have.
"""

from __future__ import annotations

import ast
import contextvars
import threading
import time
from collections.abc import Container
from typing import TYPE_CHECKING, Any, Protocol

from ...backends import is_warm
from ...errors import PickleError
from ...model import Failure
from ...options.record import Options
from ...system import subinterpreter
from ...system.gil import has_gil
from ...telemetry.stats import Stats
from ..analysis.patches import ODD, WHY, patch_of, pickled_its_own_way, reached
from ..analysis.weight import weight
from ..iteration.boundary import arrived
from ..iteration.effect_log import Unsafe
from ..iteration.guard import fingerprint
from ..iteration.iteration import Changed, InKernel, Iteration, IterationRecord, Last
from ..loops import rewrite
from ..loops.standalone import VALUE, Standalone
from .allowed_backend import leaves
from .dispatch import results_of
from .effects import Effects
from .grouping import Nearby
from .in_kernel import StatementRunner
from .reissue import reissue

if TYPE_CHECKING:
    from ...run.handle import Run

PATIENCE = 0.05  # seconds that a statement runs alone
POOL = 20  # times as long, where worker processes have to be started first
KNOCKS = 5  # times that a thread asks for the GIL
LATE = 0.002  # seconds after which it was held; it is given up after 5 ms
LOOPS = 10  # times as long, where loops of functions may go to workers instead
CHECK_EVERY = 0.05  # seconds between two looks whether a thread is alive
LOOKED_AT = 1_000_000  # bytes of what a statement reads; comparing them takes some milliseconds
SENT = 1e8  # bytes a second that are pickled and sent
LEAVE = 0.5  # seconds that a run gets to end which isn't wanted any more


class NotThere(Exception):
    """The record of a statement can't be used; nothing of it was applied."""


class Functions(Protocol):
    """The functions that the statement in the kernel calls."""

    @property
    def have_loops(self) -> bool:
        """Whether loops of theirs may go to workers."""

    def stop(self) -> bool:
        """Have them run as they were written; False where a loop of theirs is with workers."""

    def go_on(self) -> None:
        """Have their loops handed over again."""


class StatementGroup:
    """Statements of a cell that run at the same time.

    Parameters
    ----------
    first : int
        Position of the statement whose turn it is, which runs in the kernel.
    one : Standalone
        That statement.
    kernel : StatementRunner
        The cell, and the namespace.
    last : int
        The position of the statement whose value is wanted.
    done : container of int
        Positions of statements that are members of other groups.
    slow : bool
        Whether it is known to take long, so that the others needn't wait.

    Attributes
    ----------
    members : dict
        The others, by position, once they are handed over.
    used : list of int
        Those whose records were committed.
    stats : Stats or None
        Statistics of their run, once that has ended.
    patience : float
        Seconds until they are handed over; 0.0 hands them over before the statement begins.
    """

    patience = PATIENCE

    def __init__(
        self,
        first: int,
        one: Standalone,
        kernel: StatementRunner,
        last: int,
        done: Container[int] = (),
        slow: bool = False,
    ) -> None:
        self.first = first
        self.kernel = kernel
        self.members: dict[int, Standalone] = {}
        self.used: list[int] = []
        self.stats: Stats | None = None
        self._one = one
        self._last = last
        self._done = done
        self._slow = slow
        self._left: dict[int, IterationRecord | Failure | BaseException] = {}
        self._there: dict[int, threading.Event] = {}
        self._ended = threading.Event()  # whether the statement in the kernel has
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._run: Run | None = None
        self._dropped = False
        self._before: dict[int, bytes | None] = {}  # digests of what members read
        self._spoilt = False  # whether a member changed what it reads
        self._begun_by = 0.0  # when workers that had to be started are taken to have begun

    # ------------------------------------------------------------ handing over

    def begin(self, options: Options, given: dict[str, Any], functions: Functions) -> None:
        """Hand the others over as soon as the statement has run for a while.

        Parameters
        ----------
        options : Options
            The options in force.
        given : dict
            The options that were given for this cell; the run gets them.
        functions : Functions
            What the statement calls.
        """
        self._options, self._given, self._functions = options, given, functions
        if not self.patience:
            self._take_in(self._others() if functions.stop() else {})
            if not self.members:
                functions.go_on()
            work = self._go
        else:
            work = self._wait
        if self.patience or self.members:
            context = contextvars.copy_context()  # what is displayed lands in this cell
            thread = threading.Thread(target=context.run, args=(work,), name="nbexec-group")
            thread.daemon = subinterpreter.daemons()
            thread.start()
            self._thread = thread

    def end_first(self) -> dict[int, Standalone]:
        """Take in that the statement in the kernel has ended; give those that are handed over."""
        self._ended.set()
        with self._lock:
            return self.members

    @property
    def running(self) -> bool:
        """Whether members are being sent to workers, or are with them."""
        return bool(self.members) and self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Wait for the end of the run, or end it where some of it isn't wanted any more."""
        self._ended.set()
        with self._lock:
            self._dropped = len(self.used) < len(self.members)
            run = self._run
        if self._dropped and run is not None:
            run.cancel()
        if self._thread is not None:
            self._thread.join(LEAVE)
        if self.stats is None and run is not None:
            self.stats = run.stats  # it goes on

    def _wait(self) -> None:
        if self._ended.wait(0 if self._slow else self.patience):
            return
        backend = self._options.backend
        if backend == "auto":
            backend = "processes" if _gil_held() else "threads"
            self._given = {**self._given, "backend": backend}
        if backend == "processes" and not is_warm(backend):
            if self._ended.wait((POOL - 1) * self.patience):
                return
            self._begun_by = time.monotonic() + POOL * self.patience
        if self._functions.have_loops and self._ended.wait((LOOPS - 1) * self.patience):
            return
        if not self._functions.stop():
            return
        members = self._found()
        if members:
            self._go()
        else:
            self._functions.go_on()

    def _found(self) -> dict[int, Standalone]:
        """Find the others, and take them in if the statement lasts for long enough."""
        try:
            members = self._others()
        except Exception:  # the statement goes on, and what is looked at may change meanwhile
            return {}
        if not members or self._ended.wait(max(0.0, self._sending(members) - self.patience)):
            return {}  # it took no longer than to send what others like it need
        with self._lock:
            if not self._ended.is_set():
                self._take_in(members)
            return self.members

    def _sending(self, members: dict[int, Standalone]) -> float:
        """Give about how many seconds it takes to send what the others need."""
        if not self._leaves():
            return 0.0
        reads = [thing for one in members.values() for thing in one.analysis.captured.values()]
        return weight(reads) / SENT

    def _leaves(self) -> bool:
        """Whether the others may run in other processes."""
        wanted = self._given.get("backend", self._options.backend)
        return leaves(self._options.updated({"backend": wanted}))

    def _take_in(self, members: dict[int, Standalone]) -> None:
        self._there = {at: threading.Event() for at in members}
        self.members = members

    def _others(self) -> dict[int, Standalone]:
        near = Nearby(self.kernel, self.first, self._last, self._done, self.patience)
        return near.others(self._one)

    def _go(self) -> None:
        """Run them; their records are kept until `take`."""
        try:
            patch = self._patch() if self._leaves() else ""
            if patch and self._options.backend != "auto":
                self._left = dict.fromkeys(self.members, InKernel(patch))
                return
            if patch:
                self._given = {**self._given, "backend": "threads"}
            if self._leaves():
                self._before = {at: _digest(one) for at, one in self.members.items()}
            made = [self._iteration(one) for one in self.members.values()]
            modules = {m for one in self.members.values() for m in one.analysis.modules}
            name = self._options.name or f"{len(made) + 1} statements at once"
            # A journal is for items, and the kernel is at work too.
            given = {**self._given, "chunk": 1, "name": name, "checkpoint": None}
            if self._options.workers is not None:
                given["workers"] = max(1, self._options.workers - 1)
            records, error, self.stats = results_of(_once, made, modules, given, watch=self)
            positions = [*self.members]
            self._left.update(zip(positions, records, strict=False))
            if error is not None and len(records) < len(made):
                self._left[positions[len(records)]] = error
        except Exception as error:  # then they run in the kernel
            self._left = {at: InKernel(str(error)) for at in self.members}
        finally:
            for there in self._there.values():
                there.set()

    def begun(self, run: Run) -> None:
        """Take in the run before it starts."""
        with self._lock:
            self._run = run
        if self._dropped:
            run.cancel()

    def finished(self, index: int, record: Any) -> None:
        """Take in the record of a member, or its failure."""
        position = [*self.members][index]
        self._left[position] = record
        self._there[position].set()

    def missing(self, index: int, failure: Failure) -> None:
        """Take in that a member has neither: what the run gives in the end says why."""

    def _patch(self) -> str:
        """Say what they meet that isn't the same in another process; "" for nothing."""
        for kind in (kind for one in self.members.values() for kind in one.analysis.involved):
            if pickled_its_own_way(kind):
                return f"`{kind.__name__}` {ODD}"
        things = [thing for one in self.members.values() for thing in reached(one.analysis)]
        found = patch_of(things, self.kernel.namespace)
        return f"`{found}` {WHY}" if found else ""

    def _iteration(self, one: Standalone) -> Iteration:
        cell, (stmt,) = self.kernel.cell, one.loop.node.body  # type: ignore[union-attr]
        function = rewrite.body_function(
            one.loop, self.kernel.namespace, cell.filename, cell.flags, one.inputs
        )
        label = f"line {stmt.lineno}: {ast.unparse(stmt)}".replace(f"{VALUE} = ", "")
        return Iteration(
            function,
            tuple(sorted(one.loop.made)),
            label=label.split("\n")[0],
            guarded=bool(one.analysis.captured),
        )

    # ------------------------------------------------------------ in their turn

    def take(self, position: int) -> Any:
        """Commit the record of a statement, or raise what it raised; give its value.

        Raises
        ------
        NotThere
            It has to run in the kernel after all.
        """
        __tracebackhide__ = True
        self._wait_for(position)
        left = self._left.get(position)
        if self._spoilt or self._changed(position):
            raise NotThere("something changed what it reads, which nothing had shown")
        self._spoilt = isinstance(left, Changed)
        if left is None or isinstance(left, InKernel | PickleError):
            raise NotThere(str(left).partition(". ")[0] if left else "the run ended before it")
        if isinstance(left, BaseException):
            raise left
        namespace = self.kernel.namespace
        record: IterationRecord = left.left if isinstance(left, Failure) else left
        try:
            entries = [(site, arrived(what, namespace, None)) for site, what in record.entries]
            Effects(namespace, [*self.members[position].loop.sites.values()]).apply(entries)
        except Unsafe as unsafe:
            raise NotThere(unsafe.reason) from None
        reissue(record.warned, namespace)
        names = dict(record.names)
        value = names.pop(VALUE, None)
        namespace.update(names)
        self.used.append(position)
        if isinstance(left, Failure):
            raise left.exception
        return value

    def _changed(self, position: int) -> bool:
        """Whether what ran in the kernel meanwhile changed something that a member reads."""
        before = self._before.get(position)
        return before is not None and _digest(self.members[position]) != before

    def _wait_for(self, position: int) -> None:
        """Wait for the record of a member, if a worker is taken to be at it."""
        there = self._there[position]
        if not there.is_set() and time.monotonic() < self._begun_by:
            raise NotThere("its turn came before a worker had started")
        while not there.wait(CHECK_EVERY):
            if self._thread is None or not self._thread.is_alive():
                return


def _digest(one: Standalone) -> bytes | None:
    """Give a digest of what a statement reads; None where that would take long."""
    reads = list(one.analysis.captured.values())
    return fingerprint(reads) if reads and weight(reads) <= LOOKED_AT else None


def _once(iteration: Iteration) -> IterationRecord:
    record = iteration(Last(None))
    if record.missing:
        raise InKernel(f"the value of `{record.missing[0]}` can't be sent from another process")
    return record


def find_group(
    position: int, kernel: StatementRunner, last: int, done: Container[int] = ()
) -> StatementGroup | None:
    """Find out whether a statement may have company while it runs; None if not.

    Parameters
    ----------
    position : int
        Position of the statement whose turn it is.
    kernel : StatementRunner
        The cell, and the namespace as it is now.
    last : int
        The position of the statement whose value is wanted.
    done : container of int
        Positions of statements that are members of other groups.
    """
    near = Nearby(kernel, position, last, done, StatementGroup.patience)
    one = near.first()
    return StatementGroup(position, one, kernel, last, done, near.slow) if one else None


def _gil_held() -> bool:
    """Whether a thread that wants the GIL has to wait until it is given up."""
    late = 0
    for _ in range(KNOCKS if has_gil() else 0):
        began = time.perf_counter()
        time.sleep(0.0001)
        late += time.perf_counter() - began > LATE
    return late > KNOCKS / 2
