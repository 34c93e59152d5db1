"""Commit of a loop: its effects in order, then its names, then its exception."""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from ...errors import PickleError
from ...model import Failure
from ...worker.execute import Partial
from ..analysis.source import silently
from ..iteration.boundary import arrived
from ..iteration.effect_log import Unsafe
from ..iteration.iteration import InKernel, Iteration, IterationRecord, Last
from ..loops import rewrite
from ..loops.find import ItemLoop
from .effects import Effects
from .in_kernel import StatementRunner
from .loop_items import Items
from .reissue import reissue

_CATCHING = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)


class Ending:
    """The second half of a loop's run: commits the records of its iterations.

    Attributes
    ----------
    reason : str
        Why its later items ran in the kernel; "" where none did.
    value : object
        The value of the statement, if it is an expression.
    failures : list of Failure
        Failures of items, where they are collected.
    """

    loop: ItemLoop
    kernel: StatementRunner
    items: Items
    reason = ""
    value: Any = None
    collect = False
    failures: list[Failure]
    _iteration: Iteration
    _body: Any
    _records: list[tuple[int, IterationRecord]]  # with the positions of their items
    _through: int  # items that are committed, or whose failure is

    def entries(self, index: int, record: IterationRecord) -> list[tuple[int, Any]]:
        """Give the effects of an iteration, with the objects that they are about."""
        item = self.items.taken[index]
        return [(site, arrived(what, self.kernel.namespace, item)) for site, what in record.entries]

    def fall_back(self, error: BaseException) -> None:
        """Record why the items that aren't committed run in the kernel."""
        why = str(error).partition(". ")[0]
        begin = self.items.skipped + self._through
        self.reason = f"from item {begin:,} on in the kernel: {why}"
        self.failures = [one for one in self.failures if one.index < self._through]

    # ------------------------------------------------------------ a for loop

    def end_for(self, error: Failure | BaseException | None) -> None:
        """Commit a for loop; `error` is what ended it, or why the rest must run in the kernel."""
        __tracebackhide__ = True
        error, broke = self._until_break(error)
        odd = self._apply([(error.index, error.left)] if isinstance(error, Failure) else [])
        if odd is not None:
            error, broke = odd, None
        elif broke is not None and not (self._records and self._records[-1][1].broke):
            error = InKernel("the iteration with the `break` failed")
            self._through, broke = broke + 1, None
        if isinstance(error, Failure):
            self._leave_failed(error)
            raise error.exception
        self._settle(set())
        if error is not None and not isinstance(error, InKernel | PickleError):
            raise error
        if error is not None:
            self.fall_back(error)
        if broke is not None:
            return
        if error is not None or not self.items.over:
            self.kernel.over_items(self.loop, self.items.rest(self._through))
        else:
            self.kernel.execute(self.loop.node.orelse)  # type: ignore[union-attr]

    def commit_part(self) -> int:
        """Commit records up to the first item that only the loop itself can do; give its position.

        That is one that raised or came to a `break`, or whose effects can't be applied.
        """
        broke = next((at for at, (_, one) in enumerate(self._records) if one.broke), None)
        if broke is not None:
            self._through = self._records[broke][0]
            del self._records[broke:]
        if isinstance(self.loop.node, ast.For):
            self._apply([])
            self._settle(set())
        return self._through

    def elements_so_far(self) -> Iterator[Any]:
        """Give the elements of a comprehension that are there."""
        return self._elements()

    def _until_break(
        self, error: Failure | BaseException | None
    ) -> tuple[Failure | BaseException | None, int | None]:
        """Drop all records after a `break`; give the error that is left, and the item's position.

        The position is None where no iteration came to a `break`.
        """
        broke = next((at for at, (_, one) in enumerate(self._records) if one.broke), None)
        if broke is None:
            return error, None
        self._records = self._records[: broke + 1]
        end = self._records[broke][0]
        self.failures = [one for one in self.failures if one.index < end]
        return None, end

    def _leave_failed(self, error: Failure) -> None:
        """Leave the names as the iteration that failed left them."""
        last: IterationRecord = error.left
        names = {*last.names, *last.gone, *last.defined}
        self._settle(names)
        with contextlib.suppress(Exception):  # the unpacking may be what raised
            self._assign_target(error.index)
        self._bind(last, names)

    def _apply(self, more: list[tuple[int, IterationRecord]]) -> InKernel | None:
        """Apply the effects of all records, and of `more`; give the reason where one can't be.

        Records from that one on are dropped.
        """
        effects = Effects(self.kernel.namespace, [*self.loop.sites.values()])
        applied: list[tuple[int, IterationRecord]] = []
        for at, record in [*self._records, *more]:
            try:
                effects.apply(self.entries(at, record))
            except Unsafe as unsafe:
                if self._left_out(at, unsafe):
                    continue
                self._records, self._through = applied, at
                return InKernel(unsafe.reason)
            reissue(record.warned, self.kernel.namespace)
            applied.append((at, record))
        self._records = applied[: len(applied) - len(more)]
        return None

    def _left_out(self, index: int, unsafe: Unsafe) -> bool:
        """Whether an iteration that can't be applied is one that fails, and is collected."""
        catches = any(isinstance(part, _CATCHING) for part in ast.walk(self.loop.node))
        if not self.collect or unsafe.error is None or catches:
            return False
        said = f"{type(unsafe.error).__name__}: {unsafe.error}\n"
        item = self.items.taken[index]
        self.failures.append(Failure(index, item, unsafe.error, said, "the kernel"))
        self.failures.sort(key=lambda one: one.index)
        return True

    def _settle(self, later: set[str]) -> None:
        """Bind the names as the iterations left them, except those set `later`."""
        if self._records:
            self._assign_target(self._records[-1][0])
        wanted = set(self.loop.made) - later
        for index, record in reversed(self._records):
            if not wanted:
                break
            found = {name: record.names[name] for name in wanted & set(record.names)}
            lost = wanted & set(record.missing)
            if lost:  # run it again: it has no effects of its own
                with contextlib.suppress(Partial, InKernel), silently():
                    again = Iteration(self._body, self._iteration.names)
                    names = again(Last(self.items.taken[index])).names
                    found |= {name: names[name] for name in lost if name in names}
            self.kernel.namespace.update(found)
            self._bind(record, wanted - set(found))
            wanted -= {*found, *lost, *record.gone, *record.defined}

    def _bind(self, record: IterationRecord, names: set[str]) -> None:
        """Bind those of `names` that are in a record, as its iteration left them."""
        namespace = self.kernel.namespace
        namespace.update({name: record.names[name] for name in names & set(record.names)})
        for name in names & set(record.gone):
            namespace.pop(name, None)
        for name in sorted(names & set(record.defined)):
            self.kernel.execute([self.loop.defs[name]])

    def _assign_target(self, index: int) -> None:
        with self.kernel.hidden(self.items.taken[index]):
            self.kernel.execute([rewrite.assignment(self.loop)])

    # ------------------------------------------------------------ a comprehension

    def end_comprehension(self, error: Failure | BaseException | None, made: Any = None) -> None:
        """Commit a comprehension: put its elements in its place in the statement.

        Parameters
        ----------
        error : Failure, BaseException or None
            What ended it, or why the rest must run in the kernel.
        made : list, set, dict or None
            What its first items have made in the kernel; the elements are added to it.
        """
        __tracebackhide__ = True
        elements = self.elements(error)
        node = self.loop.node
        whole: Any = elements
        if isinstance(node, ast.ListComp):
            whole = [*elements] if made is None else made
            if made is not None:
                whole.extend(elements)
        elif isinstance(node, ast.SetComp | ast.DictComp):
            whole = (set() if isinstance(node, ast.SetComp) else {}) if made is None else made
            whole.update(elements)
        self.complete(whole)

    def complete(self, whole: Any) -> None:
        """Run the statement of a comprehension with `whole` in its place."""
        __tracebackhide__ = True
        with self.kernel.hidden(whole):
            self.value = self.kernel.statement(rewrite.with_hidden(self.loop, whole=True))

    def elements(self, error: Failure | BaseException | None) -> Iterator[Any]:
        """Give the elements of a comprehension in order; it raises `error` in its turn."""
        __tracebackhide__ = True
        elements = self._elements()
        node = self.loop.node
        if isinstance(error, Failure):
            raised = error.exception
            consumed = isinstance(node, ast.GeneratorExp)
            if consumed and raised.__traceback__ is not None:
                raised.__traceback__ = raised.__traceback__.tb_next  # the kernel's own stays
            elements = itertools.chain(elements, self._raising(raised, error.left))
        elif isinstance(error, InKernel | PickleError):
            self.fall_back(error)
        elif error is not None:
            raise error
        if isinstance(error, InKernel | PickleError) or (error is None and not self.items.over):
            with self.kernel.hidden(self.items.rest(self._through)):
                rest = self.kernel.evaluate(rewrite.rest_of(self.loop).body)
            if self.loop.awaits:
                parts = (one.items() if type(one) is dict else one for one in rest)
                rest = itertools.chain.from_iterable(parts)
            elements = itertools.chain(elements, rest)
        return elements

    def _elements(self) -> Iterator[Any]:
        for index, record in self._records:
            reissue(record.warned, self.kernel.namespace)
            self.kernel.namespace.update(record.names)  # as `:=` does on the way
            for _, values in self.entries(index, record):
                yield from values

    def _raising(self, error: BaseException, left: IterationRecord) -> Iterator[Any]:
        reissue(left.warned, self.kernel.namespace)
        self.kernel.namespace.update(left.names)
        raise error
        yield
