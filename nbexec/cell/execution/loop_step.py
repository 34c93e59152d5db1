"""LoopStep: a statement with a loop: the plain loop first, its rest on workers where that pays."""

from __future__ import annotations

import ast
import contextlib
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from ...options.record import Options
from ...placement.auto import Evidence
from ..analysis.aliases import held
from ..analysis.analysis import Refusal
from ..loops import displays, rewrite
from ..loops.attributes import lifted
from ..loops.cached_calls import find_cached
from ..loops.find import ItemLoop, find_loop
from ..loops.split import find_split
from . import plain_first, replayed_key
from .ahead import Ahead, ahead_of
from .cached_ahead import CachedAhead, cached_ahead_of
from .in_kernel import StatementRunner
from .loop_items import Items, iterable, listable, uncounted
from .loop_run import LoopRun
from .loop_streams import LoopStreams
from .offload import Offload
from .plain_first import PlainFirst
from .watcher import Watcher


class LoopStep(Offload):
    """One run of a statement with a loop.

    Parameters
    ----------
    loop : ItemLoop
        The loop.
    kernel : StatementRunner
        The cell, and the namespace that it runs in.
    options : Options
        The options in force.
    given : dict
        The options that were given for this cell; the run gets them.
    collect : bool
        Whether failures of items are collected.
    refused : callable or None
        Called, perhaps in another thread, when the rest of the plain loop turns out to be serial;
        gives the statement that runs the rest, None for the plain loop itself.
    streams : LoopStreams or None
        What its items draw random numbers from.

    Attributes
    ----------
    left : bool
        Whether items went to workers.
    value : object
        The value of the statement, if it is an expression.
    reason : str
        What to say of a loop that went to workers.
    """

    def __init__(
        self,
        loop: ItemLoop,
        kernel: StatementRunner,
        options: Options,
        given: dict[str, Any],
        collect: bool = False,
        refused: Callable[[], ast.stmt | None] | None = None,
        streams: LoopStreams | None = None,
    ) -> None:
        super().__init__(options, given)
        self.loop = loop
        self.kernel = kernel
        self._collect = collect
        self.streams = streams
        self.rest = self._loop_run(loop)
        self.left = False
        self.value: Any = None
        self._refused = refused
        self._serial = ""  # why the rest of the body is in order
        self._instead: ast.For | None = None  # what runs the rest, where workers can't
        self._ahead: Ahead | None = None  # or with what they compute ahead

    def _loop_run(self, loop: ItemLoop) -> LoopRun:
        made = LoopRun(loop, self.kernel, self._collect)
        made.may_record = self.streams is None
        made.streams = self.streams
        return made

    @property
    def reason(self) -> str:
        said = []
        if self._ahead is not None:
            return f"computed ahead; the rest of the loop in order, which {self._serial}"
        if self.left and self.rest.items.skipped:
            said.append(f"the first {self.rest.items.skipped:,} in the kernel")
        return "; ".join([*said, *([self.rest.reason] if self.rest.reason else [])])

    @property
    def what(self) -> str:
        """What ran on workers."""
        return self.loop.what if self._ahead is None else f"{self._ahead.split.what} of a loop"

    def run(self, strict: bool = False) -> None:
        """Run it, and raise what the statement would raise; with `strict`, rather the refusal."""
        __tracebackhide__ = True
        raised = True
        try:
            self._run(strict)
            raised = False
        except BaseException as error:
            if not self._has_frame:
                hold_nothing(error.__traceback__)
            raise
        finally:
            if self.streams is not None:
                self.streams.leave()
            if not (raised and self._has_frame):
                self._release()

    def _run(self, strict: bool) -> None:
        __tracebackhide__ = True
        fresh = [self._evaluated_source()]
        if not iterable(fresh[0]):
            with self.kernel.hidden(fresh[0]):  # it says so itself, at its own line
                self.kernel.statement(rewrite.with_hidden(self.loop, whole=False))
        if held(fresh):
            text = ast.unparse(self.loop.iter)
            self.refusal = Refusal(self.loop.line, f"takes its items from `{text}`, an iterator")
        elif self.loop.key:
            self._twice(fresh)
        if self.refusal is not None:
            if strict:
                raise self.refusal
            self._serially(fresh.pop())
            return
        source = fresh.pop()
        if not self._begins_plain(source, strict):
            self._all_on_workers(source, strict)
        else:
            if strict:
                try:
                    self.prepare()
                    self.rest.settle(Items(source), self.options)
                finally:
                    self.left_alone()
            self._plain_first(source)

    def _evaluated_source(self) -> Any:
        """Give what the items come from, as the statement evaluates it."""
        __tracebackhide__ = True
        loop, kernel = self.loop, self.kernel
        if loop.consumed is not None and loop.consumed.sources:
            return self._zipped(loop.consumed.sources)
        is_argument = loop.place is not None and loop.place is not loop.node  # of a `map`
        is_argument = is_argument or loop.mapped is not None
        constant = None if is_argument else displays.constant(loop.iter)
        if constant is not None:
            return constant
        # What calls a `key=` holds what it was given, too.
        return kernel.evaluate(loop.iter) if loop.key else uncounted(kernel.evaluate(loop.iter))

    def _zipped(self, sources: tuple[ast.expr, ...]) -> Any:
        """Give the arguments of a `map` over several iterables, one tuple for each item."""
        __tracebackhide__ = True
        found = [self.kernel.evaluate(one) for one in sources]
        if all(map(iterable, found)):
            return zip(*found, strict=False)
        with self.kernel.hidden(found):  # it says so itself, at its own line
            return self.kernel.evaluate(rewrite.over_parts(self.loop, sources))

    def _twice(self, fresh: list[Any]) -> None:
        """Give the items for a `key=`, and keep them for what calls it."""
        __tracebackhide__ = True
        found = replayed_key.for_both(fresh[0], self.loop.key)
        if found is None:
            text, kind = ast.unparse(self.loop.iter), type(fresh[0]).__name__
            reason = f"takes its items from `{text}`, and a {kind} may give others a second time"
            self.refusal = Refusal(self.loop.line, f"{reason}; `list({text})` would do")
            return
        self.rest.keyed = fresh[0] if self.loop.key == "list.sort" else found[0]
        fresh[0] = found[1]

    def _serially(self, source: Any) -> None:
        """Run the statement as it stands, over the items of a source."""
        __tracebackhide__ = True
        loop, kernel = self.loop, self.kernel
        if loop.consumed is None or not loop.consumed.sources:
            self.value = kernel.over_items(loop, self.rest.drawing(source))
            return
        over = self.rest.drawing(source)
        self.rest.complete(itertools.starmap(self._function(), over))
        self.value = self.rest.value

    def _function(self) -> Any:
        """Give the function that a `map`, or a `key=`, calls for each item."""
        place: Any = self.loop.place
        return self.kernel.evaluate(place if self.loop.key else place.args[0])

    def _begins_plain(self, source: Any, strict: bool) -> bool:
        return plain_first.ENABLED and self._plain_will_do and (not strict or listable(source))

    @property
    def _plain_will_do(self) -> bool:
        """Whether the plain loop can do what the options ask for."""
        one = self.options
        limits = one.timeout, one.deadline, one.cancel, one.memory_limit, one.rate, one.budget
        limited = any(given is not None for given in limits)
        asked = self._collect or limited or one.retries or one.checkpoint is not None
        return not (self.loop.awaits or asked)

    def _all_on_workers(self, source: Any, strict: bool) -> None:
        __tracebackhide__ = True
        items = Items(source)
        try:
            self.prepare()
            self.rest.settle(items, self.options)
        except Refusal as refusal:
            self.left_alone()
            if strict:
                raise
            self.refusal = refusal
        if self._splits_at_once(source):
            self._run_ahead()
            return
        if self.refusal is None:
            try:
                self.rest.start(self.options, self.given)
            except Refusal as refusal:  # another loop has its functions record what they do
                self.refusal = refusal
        if self.refusal is not None:  # out here: what the user's code raises gets no context
            if self.loop.key:
                source = self.rest.keyed
            elif items.lazy:
                source = items.rest(0)
            self._serially(source)
            return
        self.left = True
        self._end_rest()

    def prepare(self) -> None:
        """Have attributes that the loop accumulates into be names, as they are now."""
        found = lifted(self.loop.stmt, self.kernel.namespace) if self._lifts else None
        if found is None:
            return
        found.put(self.kernel.namespace)
        try:
            self.rest = self._loop_run(find_loop(found.stmt, self.kernel.namespace))
            self.rest.lifted = found
        except Refusal:
            found.forget(self.kernel.namespace)
            raise

    @property
    def _lifts(self) -> bool:
        loop = self.loop
        return self.rest.lifted is None and isinstance(loop.node, ast.For) and loop.mapped is None

    def left_alone(self) -> None:
        """Let these names be attributes again."""
        if self.rest.lifted is not None:
            self.rest.lifted.forget(self.kernel.namespace)
            self.rest = self._loop_run(self.loop)

    def _splits_at_once(self, source: Any) -> bool:
        """Whether a loop that is refused has a part that is computed ahead, from now on."""
        able = self._plain_will_do and self.options.backend != "serial" and listable(source)
        if self.refusal is None or not able or not self._may_split:
            return False
        if self._split(PlainFirst(source, _stays), Evidence()) and self._ahead is not None:
            self._ahead.begin_at_once()
        return self._ahead is not None

    def _end_rest(self, made: Any = None) -> None:
        __tracebackhide__ = True
        attributes = self.rest.lifted
        if attributes is not None:
            attributes.put(self.kernel.namespace)  # the plain loop went on since
        try:
            error = self.rest.wait()
            if isinstance(self.loop.node, ast.For):
                self.rest.end_for(error)
                return
        finally:
            if attributes is not None:
                attributes.write_back(self.kernel.namespace)
        self.rest.end_comprehension(error, made)
        self.value = self.rest.value

    # ------------------------------------------------------------ the plain loop, at first

    def _plain_first(self, source: Any) -> None:
        __tracebackhide__ = True
        watcher = Watcher()
        plain = self.begin(source, watcher)
        plain.around = self.rest.drawing
        try:
            with plain:
                self._run_plain(plain)
        finally:
            watcher.close()
            elsewhere = self._instead is not None or self._ahead is not None
            if plain.left and not plain.handed_over and not elsewhere:
                self.rest.cancel()  # the loop broke, or raised, before it came to the rest
                self.left_alone()
        if plain.handed_over and self.refusal is None:
            self.left = True
        if not self.left and self.refusal is None:
            self.refusal = Refusal(self.loop.line, self.stays)

    @property
    def _has_frame(self) -> bool:
        """Whether the plain loop has a frame of its own: a traceback keeps its iterator, too."""
        inlined = () if sys.version_info < (3, 12) else (ast.ListComp, ast.SetComp, ast.DictComp)
        return not isinstance(self.loop.node, (ast.For, *inlined))

    def _release(self) -> None:
        """Drop the iterable, as the plain loop does when it ends: a generator is closed then."""
        self.rest.release()
        if hasattr(self, "plain"):
            self.plain.release()

    def decide(self, seen: Evidence, position: int, running: bool) -> bool:
        """Give whether the items from `position` on go to workers, and start these."""
        leaves = super().decide(seen, position, running)
        if self.refusal is not None and self._splits(seen, running):
            return self._ahead is not None
        if self.refusal is not None and self._refused is not None:
            self._instead = self._other_loop()
            return leaves or self._instead is not None
        return leaves

    def _other_loop(self) -> ast.For | None:
        """Give the loop that hands over those inside it, and those of functions; None for none."""
        made = self._refused() if self._refused is not None else None
        return made if isinstance(made, ast.For) and isinstance(self.loop.node, ast.For) else None

    def _splits(self, seen: Evidence, running: bool) -> bool:
        """Whether a part of the body may be computed ahead; between two items it is prepared."""
        if not self._may_split:
            return False
        if running:  # it is seen between two items
            in_for = isinstance(self.loop.node, ast.For)
            found = (find_split if in_for else find_cached)(self.loop, self.kernel.namespace)
            if found is not None and listable(self.plain.source):
                self.refusal = None
                self.plain.look_again()
            return self.refusal is None
        return listable(self.plain.source) and self._split(self.plain, seen)

    @property
    def _may_split(self) -> bool:
        """Whether parts of its items may run elsewhere: one part would not know another's draws."""
        return self.loop.mapped is None and self.streams is None

    def _split(self, plain: PlainFirst, seen: Evidence) -> bool:
        """Prepare that a part of the body is computed ahead; give whether there is one."""
        given = self.loop, self.kernel, plain, self.options, self.given, seen
        if isinstance(self.loop.node, ast.For):
            self._ahead = ahead_of(*given, self._other_loop)
        else:
            self._ahead = cached_ahead_of(*given)
        return self._ahead is not None

    def _run_ahead(self) -> None:
        """Run the rest of the loop, a part of whose body may be computed ahead."""
        __tracebackhide__ = True
        if not isinstance(self.loop.node, ast.For):
            self._complete_ahead(None)
            return
        ahead, refusal = self._ahead, self.refusal
        assert ahead is not None
        assert refusal is not None
        try:
            ahead.run(self.loop.node.orelse)
        finally:
            self._end_ahead(ahead, refusal)

    def _end_ahead(self, ahead: Ahead, refusal: Refusal) -> None:
        """Take in whether something was computed ahead."""
        if ahead.begun and ahead.longest is not None:
            self._serial, self.refusal = refusal.reason, None
            self.left, self.rest = True, ahead.longest
        else:
            self._ahead = None

    def _complete_ahead(self, made: Any) -> None:
        """Run the statement of a comprehension whose elements are computed in order."""
        __tracebackhide__ = True
        rest = self.rest
        if self.loop.key:
            made = rest.replayed((), self._ahead_elements)
        elif isinstance(self.loop.node, ast.GeneratorExp):
            made = self._ahead_elements()
        else:
            made = rest.extended(made, self._ahead_elements())
        rest.complete(made)
        self.value = rest.value

    def _ahead_elements(self) -> Iterator[Any]:
        """Give the elements of the rest of a comprehension, which calls a cache."""
        __tracebackhide__ = True
        ahead, refusal = self._ahead, self.refusal
        assert isinstance(ahead, CachedAhead)
        assert refusal is not None
        try:
            yield from ahead.elements()
        finally:
            self._end_ahead(ahead, refusal)

    def _run_plain(self, plain: PlainFirst) -> None:
        __tracebackhide__ = True
        kernel, loop = self.kernel, self.loop
        if isinstance(loop.node, ast.For):
            kernel.over_items(loop, plain, orelse=False)
            if plain.handed_over and self._ahead is not None:
                self._run_ahead()
            elif plain.handed_over and self._instead is not None:
                over = self.rest.drawing(plain.iterator, plain.taken)
                kernel.over_items(loop, over, instead=self._instead)
            elif plain.handed_over:
                self._end_rest()
            elif plain.over:
                kernel.execute(loop.node.orelse)
            return
        if loop.key:
            made: Any = self.rest.replayed(plain, lambda: self._later(plain))
        elif isinstance(loop.node, ast.GeneratorExp):
            made = itertools.chain(self._first(plain), self._later(plain))
        else:
            with kernel.hidden(kernel.over(plain)):
                made = kernel.evaluate(rewrite.over_hidden(loop))
            if plain.handed_over and self._ahead is not None:
                self._complete_ahead(made)
                return
            if plain.handed_over:
                self._end_rest(made)
                return
        rest = self.rest
        rest.complete(made)
        self.value = rest.value

    def _first(self, plain: PlainFirst) -> Iterator[Any]:
        """Give the elements of the plain generator, or `map`."""
        __tracebackhide__ = True
        loop, kernel = self.loop, self.kernel
        if loop.consumed is not None and loop.consumed.sources:
            return itertools.starmap(self._function(), plain)
        with kernel.hidden(plain):
            first: Iterator[Any] = kernel.evaluate(rewrite.over_hidden(loop))
        return first

    def _later(self, plain: PlainFirst) -> Iterator[Any]:
        """Give the elements that come from workers, once the plain generator has ended."""
        if plain.handed_over and self._ahead is not None:
            yield from self._ahead_elements()
        elif plain.handed_over:
            error = self.rest.wait()
            yield from self.rest.recorded(error) if self.loop.key else self.rest.elements(error)


def hold_nothing(trace: types.TracebackType | None) -> None:
    """Clear the names of our own frames in a traceback, which would keep a loop's iterable."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in _OURS:
            with contextlib.suppress(RuntimeError):  # it is still running
                trace.tb_frame.clear()
        trace = trace.tb_next


_OURS = {one.__code__.co_filename for one in (LoopStep.run, StatementRunner.statement)}


def _stays(seen: Evidence, position: int, running: bool) -> bool:
    """Decide nothing: all items are taken one by one."""
    return False
