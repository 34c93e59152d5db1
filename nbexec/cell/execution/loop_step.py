"""LoopStep: a statement with a loop: the plain loop first, its rest on workers where that pays."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...options.record import Options
from ...placement.auto import Evidence, profile_of
from ..analysis.aliases import held
from ..analysis.analysis import Refusal
from ..loops import rewrite
from ..loops.find import ItemLoop
from . import plain_first
from .in_kernel import StatementRunner
from .loop_items import Items, listable
from .loop_run import LoopRun
from .plain_first import PlainFirst
from .worth_leaving import Destination

SAMPLE = 100  # items that show what sending one takes


class LoopStep:
    """One run of a statement with a loop.

    Attributes
    ----------
    rest : LoopRun
        The items that go to workers.
    left : bool
        Whether there were any.
    value : object
        The value of the statement, if it is an expression.
    refusal : Refusal or None
        Why all of it ran serially; None where it didn't.
    reason : str
        What to say of a loop that went to workers.
    """

    def __init__(self, loop: ItemLoop, kernel: StatementRunner, collect: bool = False) -> None:
        self.loop = loop
        self.kernel = kernel
        self.rest = LoopRun(loop, kernel, collect)
        self.left = False
        self.value: Any = None
        self.refusal: Refusal | None = None
        self._collect = collect
        self._stays = ""

    @property
    def reason(self) -> str:
        said = []
        if self.left and self.rest.items.skipped:
            said.append(f"the first {self.rest.items.skipped:,} in the kernel")
        return "; ".join([*said, *([self.rest.reason] if self.rest.reason else [])])

    def run(self, options: Options, given: dict[str, Any], strict: bool = False) -> None:
        """Run it, and raise what the statement would raise.

        Parameters
        ----------
        options : Options
            The options in force.
        given : dict
            The options that were given for this cell; the run gets them.
        strict : bool
            Whether to raise the refusal instead of running it serially.
        """
        __tracebackhide__ = True
        self._options, self._given = options, given
        fresh = [self.kernel.evaluate(self.loop.iter)]
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
                self.rest.settle(Items(source), options)
            self._plain_first(source)

    def _begins_plain(self, source: Any, strict: bool) -> bool:
        """Whether the plain loop can do what the options ask for."""
        one = self._options
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
            self.rest.settle(items, self._options)
        except Refusal as refusal:
            if strict:
                raise
            self.refusal = refusal
        if self.refusal is not None:  # out here: what the user's code raises gets no context
            self.value = self.kernel.over_items(self.loop, items.rest(0) if items.lazy else source)
            return
        self.left = True
        self.rest.start(self._options, self._given)
        self._end_rest()

    def _end_rest(self, made: Any = None) -> None:
        __tracebackhide__ = True
        error = self.rest.wait()
        if isinstance(self.loop.node, ast.For):
            self.rest.end_for(error)
        else:
            self.rest.end_comprehension(error, made)
            self.value = self.rest.value

    # ------------------------------------------------------------ the plain loop, at first

    def _plain_first(self, source: Any) -> None:
        __tracebackhide__ = True
        self._destination = Destination(self._options)
        able = not self._destination.none
        self._plain = plain = PlainFirst(source, self._decide, watched=able)
        if not able:
            plain.stay()
            self._stays = "in the kernel, as backend='serial' says"
        try:
            with plain:
                self._run_plain(plain)
        finally:
            if plain.left and not plain.handed_over:
                self.rest.cancel()  # the loop broke, or raised, before it came to the rest
        self.left = plain.handed_over
        if not self.left and self.refusal is None:
            self.refusal = Refusal(self.loop.line, self._stays or plain.summary())

    def _run_plain(self, plain: PlainFirst) -> None:
        __tracebackhide__ = True
        kernel, loop = self.kernel, self.loop
        if isinstance(loop.node, ast.For):
            kernel.over_items(loop, plain, orelse=False)
            if plain.handed_over:
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

    def _decide(self, seen: Evidence, position: int, running: bool) -> bool:
        """Give whether the items from `position` on go to workers, and start these.

        First what costs nothing to know is looked at.
        """
        if running and not listable(self._plain.source):
            return False  # only the plain loop may ask for more items
        choice = self._destination.choose(seen)
        if choice is None or choice.backend == "serial":
            self._stays = choice.reason if choice is not None else ""
            return False
        items = Items(self._plain.source, self._plain, position)
        leaves = self._leaves(items, seen)
        if not leaves:
            items.give_back(self._plain)
        return leaves

    def _leaves(self, items: Items, seen: Evidence) -> bool:
        try:
            self.rest.settle(items, self._options)
        except Refusal as refusal:
            self.refusal = refusal
            self._plain.stay()
            return False
        left = None if items.known is None else len(items.known)
        seen = replace(seen, left=left)
        choice = self._destination.choose(seen, items.sample[:SAMPLE]) if left != 0 else None
        if choice is None or choice.backend == "serial":
            self._stays = choice.reason if choice is not None else ""
            return False
        each = seen.wall / seen.items if seen.items else seen.running_wall
        if not self._destination.ready(choice, each):
            self._stays = f"{choice.reason}, and it ended before workers had started"
            return False
        self.rest.start(self._options, self._given, profile_of(seen))
        return True
