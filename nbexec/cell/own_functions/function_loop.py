"""FunctionLoop: a loop in a function of the user's, handed over by its instrumented code."""

from __future__ import annotations

import ast
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from ...errors import PickleError, SerialError
from ...model import Failure
from ...options.record import Options
from ...placement.auto import Evidence
from ..analysis.analysis import Refusal
from ..execution.in_kernel import Cell, StatementRunner
from ..execution.loop_items import Items, listable
from ..execution.loop_run import LoopRun
from ..execution.offload import Offload
from ..execution.plain_first import PlainFirst
from ..execution.replayed_key import ReplayedKey
from ..execution.watcher import Watcher
from ..iteration.iteration import InKernel
from ..loops.attributes import lifted
from ..loops.find import KINDS, find_loop
from .handing_over import LOOP
from .instrument import MODULE
from .loop_site import LoopSite


class Around(Protocol):
    """What surrounds the loops of a step's functions; see `Entering`."""

    options: Options
    given: dict[str, Any]
    watcher: Watcher
    thread: int
    deciding: threading.Lock
    busy: bool
    inside: int

    def suspend(self) -> None:
        """Have functions run as they are."""

    def resume(self) -> None:
        """Have them hand over their loops again."""

    def leaves(self, loop: FunctionLoop) -> None:
        """Take in that items of a loop are with workers."""

    def ran(self, loop: FunctionLoop) -> None:
        """Take in that items of a loop went to workers."""

    def declines(self, site: LoopSite, what: str, refusal: Refusal) -> None:
        """Take in why the calls of a function that a library makes don't go to workers."""

    def stays(self, site: LoopSite, what: str, refusal: Refusal) -> None:
        """Take in why a loop of a function stays as it is."""

    def ended(self, site: LoopSite, took: float) -> None:
        """Take in what a loop took that came to its end."""


class PlainLoop:
    """A loop that runs as it is."""

    again = False
    values: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, source: Iterable[Any]) -> None:
        self._source = source
        self.value: Any = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._source)

    def more(self) -> bool:
        """Whether workers did anything: they didn't."""
        return False

    def add(self, part: Any) -> bool:
        """Take in the value of a comprehension, which is whole."""
        self.value = part
        return True

    def take(self) -> Any:
        """Give that value, and hold nothing any more."""
        value, self.value, self._source = self.value, None, ()
        return value

    @property
    def items(self) -> Iterable[Any]:
        """The items, for what calls a `key=`."""
        source, self._source = self._source, ()
        return source

    def replayed(self, key: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Give the key."""
        self._source = ()
        return key

    def chain(self, first: Iterator[Any], again: Iterator[Any]) -> Iterator[Any]:
        """Give the elements of a generator."""
        return first


class FunctionLoop(Offload):
    """A loop in a function, which begins as the plain loop.

    Attributes
    ----------
    site : LoopSite
        Where it is.
    values : dict
        What workers' items left of the names that the loop binds.
    again : bool
        Whether the plain loop has to go on, with `values`.
    value : object
        The value of a comprehension.
    keyed : iterable
        The items for what calls a `key=`.
    """

    keyed: Any = ()

    def __init__(self, site: LoopSite, source: Iterable[Any], around: Around) -> None:
        super().__init__(around.options, around.given)
        self.site = site
        self.values: dict[str, Any] = {}
        self.again = False
        self.value: Any = None
        self._around = around
        self._begun = time.perf_counter()
        self._asked = 0
        self._finished = False
        self._deeper: list[int] = []  # what a `key=` adds to the depth
        self.begin(source, around.watcher)

    @property
    def plain(self) -> PlainFirst:
        """The plain loop, as long as it goes on: the loop's own iterator is what holds it."""
        found = self._plain()
        assert found is not None
        return found

    @plain.setter
    def plain(self, plain: PlainFirst) -> None:
        self._kept: PlainFirst | None = plain
        self._fate = plain.fate
        self._plain = weakref.ref(plain, _when_gone(self))

    def __iter__(self) -> Iterator[Any]:
        self._asked += 1
        if self._asked == 1:
            plain, self._kept = self._kept, None
            return iter(plain or ())
        return self._what_is_left()

    def _what_is_left(self) -> Iterator[Any]:
        """Give the items that workers could not do; it is asked for them in their turn."""
        left = self.rest.items.rest(self._through)
        self._let_go()
        yield from left

    # ------------------------------------------------------------ called by instrumented code

    def more(self) -> bool:
        """Take in that the plain loop has ended; give whether workers did some of it."""
        if not self._handed_over():
            return False
        self._refresh(sys._getframe(1))
        self._finish()
        names = {*self.rest.loop.made, *self.rest.loop.targets, *self.rest.loop.accumulators}
        scope = self.rest.kernel.namespace
        if self._through:
            self.values = {name: scope[name] for name in names if name in scope}
        return True

    def _refresh(self, frame: types.FrameType) -> None:
        """Take what the loop changes as it is now: the plain loop went on since then."""
        loop, scope = self.rest.loop, self.rest.kernel.namespace
        if self.site.name != MODULE:
            found = frame.f_locals
            for name in {*loop.made, *loop.targets, *loop.accumulators}:
                if name in found:  # since 3.13 it is no dict, and `keys()` gives a list
                    scope[name] = found[name]
        if self.rest.lifted is not None:
            self.rest.lifted.put(scope)

    def add(self, part: Any) -> bool:
        """Take in a comprehension's value; give whether that is all of it."""
        if self.value is None:
            self.value = part
        else:
            _extend(self.value, part)
        if self._handed_over():
            self._finish()
            _extend(self.value, self.rest.elements_so_far())
            self._look_at_end()
        return not self.again

    def take(self) -> Any:
        """Give the comprehension's value, and hold nothing any more."""
        value, self.value = self.value, None
        self._let_go()
        return value

    def _let_go(self) -> None:
        """Hold neither items nor records, nor the values of the function's names."""
        if hasattr(self, "rest"):
            del self.rest

    def chain(self, first: Iterator[Any], again: Iterator[Any]) -> Iterator[Any]:
        """Give the elements of a generator, those of workers among them."""
        self._around.inside += 1
        try:
            yield from first
            if self._handed_over():
                self._finish()
                yield from self.rest.elements_so_far()
                self._look_at_end()
            if self.again:
                yield from again
        finally:
            self._around.inside -= 1
            self.drop()
            self._let_go()

    @property
    def items(self) -> Any:
        """The items, for what calls a `key=`; it is asked once, and holds them no longer."""
        items, self.keyed = self.keyed, ()
        return items

    def replayed(self, key: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Give the key that stands for the user's own; see `ReplayedKey`."""
        self._around.inside += 1
        self._deeper.append(1)
        return ReplayedKey(key, self, self._of_workers).key

    def _of_workers(self) -> Iterator[Any]:
        try:
            if self._handed_over():
                self._finish()
                yield from self.rest.elements_so_far()
        finally:
            self.drop()
            self._let_go()

    def _handed_over(self) -> bool:
        """Whether items are with workers; takes in what the loop took, if not."""
        if self._fate.handed_over and not self._finished:
            return True
        self.again = False
        if not self._finished:
            self._around.ended(self.site, time.perf_counter() - self._begun)
        return False

    def _finish(self) -> None:
        """Wait for the workers, and commit what they did, up to what only the plain loop can do."""
        self._finished = True
        try:
            error = self.rest.wait()
            self.rest.commit_part()
            if self.rest.lifted is not None:
                self.rest.lifted.write_back(self.rest.kernel.namespace)
        finally:
            self._around.busy = False
            self._around.resume()
        self._around.ran(self)
        if error is not None and not isinstance(error, Failure | InKernel | PickleError):
            raise error
        self._look_at_end()

    def _look_at_end(self) -> None:
        """Take in whether there is something that only the plain loop can do."""
        items, self._through = self.rest.items, self.rest.through
        self.again = self._through < len(items.taken) or not items.over

    def drop(self) -> None:
        """Cancel what is with workers: the loop has ended before it came to it."""
        if self._fate.left and not self._finished:
            self._finished = True
            self.rest.cancel()
            self._around.busy = False
            self._around.resume()

    def __del__(self) -> None:
        if sys is not None and not sys.is_finalizing() and hasattr(self, "_fate"):
            self.drop()

    # ------------------------------------------------------------ before the rest leaves

    def decide(self, seen: Evidence, position: int, running: bool) -> bool:
        """Give whether the rest goes to workers: never while that of another loop is there."""
        with self._around.deciding:
            if self._around.busy:
                return False
            self._around.busy = super().decide(seen, position, running)
            if self.refusal is not None:
                self._around.stays(self.site, KINDS.get(type(self.site.node), "loop"), self.refusal)
            if self._around.busy:
                self._around.leaves(self)
            return self._around.busy

    def prepare(self) -> None:
        """Take the function's names as they are now; its functions run as they are from here on."""
        frame = self._frame()
        if frame is None:
            raise Refusal(self.site.line, "its function can't be seen")
        self._look_from(frame)

    def check(self, frame: types.FrameType) -> None:
        """Raise a `SerialError` where no items could go to workers, before anything runs."""
        if not listable(self.plain.source):
            return
        try:
            self._settle_from(frame)
        except Refusal as refusal:
            where = f"line {refusal.line} of `{self.site.function}`"
            raise SerialError(f"{where} would run serially: {refusal.reason}") from None
        finally:
            self._around.resume()

    def _settle_from(self, frame: types.FrameType) -> None:
        """Look at all items; raises a `Refusal` where they have to run here."""
        self._look_from(frame)
        self.rest.settle(Items(self.plain.source), self.options)

    def _look_from(self, frame: types.FrameType) -> None:
        scope = frame.f_globals
        if self.site.name != MODULE:  # else its names are those that functions see
            scope = {**scope, **frame.f_locals}
            for name in [one for one in scope if one.startswith(LOOP)]:
                del scope[name]
            self._leave_out(frame, scope)
        self._around.suspend()
        node = self.site.node
        stmt = node if isinstance(node, ast.For) else ast.copy_location(ast.Expr(node), node)
        kernel = StatementRunner(Cell(self.site.filename, [], self.site.flags), scope)
        found = lifted(stmt, scope) if self.site.name != MODULE else None
        if found is not None:
            found.put(scope)
            stmt = found.stmt
        self.rest = LoopRun(find_loop(stmt, scope, mapped=False), kernel)
        self.rest.lifted = found
        self.rest.may_record = self.rest.in_function = True

    def _leave_out(self, frame: types.FrameType, scope: dict[str, Any]) -> None:
        """Leave out globals whose names are those of local ones that have no value yet."""
        code = frame.f_code
        own = {*code.co_varnames, *code.co_cellvars, *code.co_freevars} - frame.f_locals.keys()
        for part in ast.walk(self.site.node):
            if isinstance(part, ast.AugAssign) and getattr(part.target, "id", "") in own & {*scope}:
                name = ast.unparse(part.target)
                raise Refusal(part.lineno, f"changes `{name}`, which has no value yet")
        for name in own - {*code.co_names}:  # since 3.12 a comprehension's name may be both
            scope.pop(name, None)

    def _is_in(self, frame: types.FrameType) -> bool:
        """Whether a frame has this loop among its names."""
        # Since 3.13 a module's `f_locals` has a comprehension's names alone while one runs.
        names = frame.f_globals if self.site.name == MODULE else frame.f_locals
        return any(one is self for one in names.values())

    def left_alone(self) -> None:
        """Have functions hand over their loops again."""
        self._let_go()
        self._around.resume()

    def _frame(self) -> types.FrameType | None:
        """Find the frame that has this loop among its names."""
        frame: types.FrameType | None = sys._getframe()
        if threading.get_ident() != self._around.thread:
            frame = sys._current_frames().get(self._around.thread)
        while frame is not None:
            # Of no other frame: before 3.13 one that is asked for its names keeps the values.
            # A frame of ours, with this loop as its `self`, may have the function's name.
            code, site = frame.f_code, self.site
            ours = (code.co_name, code.co_filename) == (site.name, site.filename)
            if ours and self._is_in(frame):
                return frame
            frame = frame.f_back
        return None


def _when_gone(loop: FunctionLoop) -> Callable[[Any], None]:
    """Give what drops a loop's rest when its plain loop is gone before it came to it."""
    ref = weakref.ref(loop)
    site, around, begun, deeper = loop.site, loop._around, loop._begun, loop._deeper

    def gone(_: Any) -> None:
        if site.key:  # nothing else says that what called the key has ended
            around.inside -= len(deeper)
            around.ended(site, time.perf_counter() - begun)
        found = ref()
        if found is not None and not found._fate.handed_over and not sys.is_finalizing():
            found.drop()

    return gone


def _extend(value: Any, part: Any) -> None:
    if isinstance(value, list):
        value.extend(part)
    elif isinstance(value, set):
        for one in part:
            value.add(one)
    else:
        value.update(part)
