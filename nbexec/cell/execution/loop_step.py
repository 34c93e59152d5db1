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
from ..loops.find import ItemLoop, find_loop
from . import plain_first
from .in_kernel import StatementRunner
from .loop_items import Items, listable
from .loop_run import LoopRun
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
    ) -> None:
        super().__init__(options, given)
        self.loop = loop
        self.kernel = kernel
        self.rest = LoopRun(loop, kernel, collect)
        self.left = False
        self.value: Any = None
        self._collect = collect
        self._refused = refused
        self._instead: ast.For | None = None  # what runs the rest, where workers can't

    @property
    def reason(self) -> str:
        said = []
        if self.left and self.rest.items.skipped:
            said.append(f"the first {self.rest.items.skipped:,} in the kernel")
        return "; ".join([*said, *([self.rest.reason] if self.rest.reason else [])])

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
            if not (raised and self._has_frame):
                self._release()

    def _run(self, strict: bool) -> None:
        __tracebackhide__ = True
        is_argument = isinstance(self.loop.place, ast.Call)  # of a `map`
        constant = None if is_argument else displays.constant(self.loop.iter)
        fresh = [self.kernel.evaluate(self.loop.iter) if constant is None else constant]
        shared = held(fresh)
        source = fresh.pop()
        if shared:
            text = ast.unparse(self.loop.iter)
            self.refusal = Refusal(self.loop.line, f"takes its items from `{text}`, an iterator")
            if strict:
                raise self.refusal
            self.value = self.kernel.over_items(self.loop, source)
        elif not self._begins_plain(source, strict):
            self._all_on_workers(source, strict)
        else:
            if strict:
                try:
                    self.prepare()
                    self.rest.settle(Items(source), self.options)
                finally:
                    self.left_alone()
            self._plain_first(source)

    def _begins_plain(self, source: Any, strict: bool) -> bool:
        """Whether the plain loop can do what the options ask for."""
        one = self.options
        limited = any(given is not None for given in (one.timeout, one.deadline, one.memory_limit))
        if (
            self.loop.awaits
            or self._collect
            or limited
            or one.retries
            or one.checkpoint is not None
        ):
            return False
        return plain_first.ENABLED and (not strict or listable(source))

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
        if self.refusal is not None:  # out here: what the user's code raises gets no context
            self.value = self.kernel.over_items(self.loop, items.rest(0) if items.lazy else source)
            return
        self.left = True
        self.rest.start(self.options, self.given)
        self._end_rest()

    def prepare(self) -> None:
        """Have attributes that the loop accumulates into be names, as they are now."""
        found = lifted(self.loop.stmt, self.kernel.namespace) if self._lifts else None
        if found is None:
            return
        found.put(self.kernel.namespace)
        collect = self.rest.collect
        try:
            self.rest = LoopRun(find_loop(found.stmt, self.kernel.namespace), self.kernel, collect)
            self.rest.lifted = found
        except Refusal:
            found.forget(self.kernel.namespace)
            raise

    @property
    def _lifts(self) -> bool:
        return self.rest.lifted is None and isinstance(self.loop.node, ast.For)

    def left_alone(self) -> None:
        """Let these names be attributes again."""
        if self.rest.lifted is not None:
            self.rest.lifted.forget(self.kernel.namespace)
            self.rest = LoopRun(self.loop, self.kernel, self._collect)

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
        try:
            with plain:
                self._run_plain(plain)
        finally:
            watcher.close()
            if plain.left and not plain.handed_over and self._instead is None:
                self.rest.cancel()  # the loop broke, or raised, before it came to the rest
                self.left_alone()
        self.left = plain.handed_over and self._instead is None
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
        if self.refusal is not None and self._refused is not None:
            instead = self._refused()
            if isinstance(instead, ast.For) and isinstance(self.loop.node, ast.For):
                self._instead = instead
                return True
        return leaves

    def _run_plain(self, plain: PlainFirst) -> None:
        __tracebackhide__ = True
        kernel, loop = self.kernel, self.loop
        if isinstance(loop.node, ast.For):
            kernel.over_items(loop, plain, orelse=False)
            if plain.handed_over and self._instead is not None:
                kernel.over_items(loop, plain.iterator, instead=self._instead)
            elif plain.handed_over:
                self._end_rest()
            elif plain.over:
                kernel.execute(loop.node.orelse)
            return
        if isinstance(loop.node, ast.GeneratorExp):
            with kernel.hidden(plain):
                first = kernel.evaluate(rewrite.over_hidden(loop))
            made: Any = itertools.chain(first, self._later(plain))
        else:
            with kernel.hidden(kernel.over(plain)):
                made = kernel.evaluate(rewrite.over_hidden(loop))
            if plain.handed_over:
                self._end_rest(made)
                return
        self.rest.complete(made)
        self.value = self.rest.value

    def _later(self, plain: PlainFirst) -> Iterator[Any]:
        """Give the elements that come from workers, once the plain generator has ended."""
        if plain.handed_over:
            yield from self.rest.elements(self.rest.wait())


def hold_nothing(trace: types.TracebackType | None) -> None:
    """Clear the names of our own frames in a traceback, which would keep a loop's iterable."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in _OURS:
            with contextlib.suppress(RuntimeError):  # it is still running
                trace.tb_frame.clear()
        trace = trace.tb_next


_OURS = {one.__code__.co_filename for one in (LoopStep.run, StatementRunner.statement)}
