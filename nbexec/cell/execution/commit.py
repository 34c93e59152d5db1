"""Commit of a loop: its effects in order, then its names, then its exception."""

from __future__ import annotations

import ast
import contextlib
import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...errors import PickleError
from ...model import Failure
from ...system.silence import silently
from ...worker.item_errors import Partial
from ..iteration.block import BlockIteration, BlockRecord
from ..iteration.boundary import arrived
from ..iteration.columns import Column
from ..iteration.effect_log import Unsafe
from ..iteration.iteration import InKernel, Iteration, IterationRecord, Last
from ..loops import rewrite
from ..loops.find import ItemLoop
from .block_effects import apply_block, resolved
from .effects import Effects
from .in_kernel import StatementRunner
from .loop_items import Items
from .loop_streams import LoopStreams
from .memo_ending import CommitsMemos
from .reissue import reissue
from .replayed_key import ReplayedKey

_CATCHING = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)


class Ending(CommitsMemos):
    """The second half of a loop's run: commits the records of its iterations.

    Attributes
    ----------
    reason : str
        Why its later items ran in the kernel; "" where none did.
    value : object
        The value of the statement, if it is an expression.
    failures : list of Failure
        Failures of items, where they are collected.
    streams : LoopStreams or None
        What its items draw random numbers from.
    keyed : iterable
        The items for what calls a `key=`.
    """

    loop: ItemLoop
    kernel: StatementRunner
    items: Items
    reason = ""
    value: Any = None
    collect = False
    keyed: Any = ()
    failures: list[Failure]
    streams: LoopStreams | None = None
    _iteration: Iteration
    _body: Any
    # With the positions of their items, of a block that of the last.
    _records: list[tuple[int, IterationRecord | BlockRecord]]
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

    def drawing(self, source: Iterable[Any], first: int = 0) -> Iterable[Any]:
        """Have each of the items from index `first` on draw from its stream, if they have some."""
        return source if self.streams is None else self.streams.over(source, first)

    def rest_of_items(self) -> Iterable[Any]:
        """Give the items that the kernel is to run."""
        return self.drawing(self.items.rest(self._through), self.items.skipped + self._through)

    # ------------------------------------------------------------ a for loop

    def end_for(self, error: Failure | BaseException | None) -> None:
        """Commit a for loop; `error` is what ended it, or why the rest must run in the kernel."""
        __tracebackhide__ = True
        if self.memos is not None:
            self._end_in_turn(self.memos, error)
            return
        raised = error.exception if isinstance(error, Failure) else None
        if self.loop.mapped is not None and isinstance(raised, StopIteration):
            error = InKernel("an item raised StopIteration")  # which ends a `map`, and so the loop
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
            self.kernel.over_items(self.loop, self.rest_of_items())
        else:
            self.kernel.execute(self.loop.node.orelse)  # type: ignore[union-attr]

    @property
    def through(self) -> int:
        """How many items are done."""
        return self._through

    def commit_part(self) -> int:
        """Commit records up to the first item that only the loop itself can do; give its position.

        That is one that raised or came to a `break`, or whose effects can't be applied.
        """
        broke = next((at for at, (_, one) in enumerate(self._records) if one.broke), None)
        if broke is not None:
            self._through = self._records[broke][0]
            del self._records[broke:]
        if isinstance(self.loop.node, ast.For):
            if self.memos is None:
                self._apply([])
            else:
                self._apply_with(self.memos)
            self._settle(set())
        return self._through

    def elements_so_far(self) -> Iterator[Any]:
        """Give the elements of a comprehension that are there."""
        return itertools.chain.from_iterable(self._elements())

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
        applied: list[tuple[int, IterationRecord | BlockRecord]] = []
        todo = deque[tuple[int, Any]]([*self._records, *more])
        while todo:
            at, record = todo.popleft()
            if isinstance(record, InKernel):
                self._records, self._through = applied, at
                return record
            try:
                if isinstance(record, BlockRecord):
                    apply_block(effects, self._columns, record, self.items_of(at, record))
                else:
                    effects.apply(self.entries(at, record))
            except Unsafe as unsafe:
                if isinstance(record, BlockRecord):
                    todo.extendleft(reversed(self._one_by_one(at, record)))
                    continue
                if self._left_out(at, unsafe):
                    continue
                self._records, self._through = applied, at
                return InKernel(unsafe.reason)
            reissue(record.warned, self.kernel.namespace)
            applied.append((at, record))
        self._records = applied[: len(applied) - len(more)]
        return None

    # ------------------------------------------------------------ blocks

    @property
    def _columns(self) -> tuple[Column, ...]:
        iteration = self._iteration
        return iteration.block.columns if isinstance(iteration, BlockIteration) else ()

    def items_of(self, at: int, record: BlockRecord) -> tuple[Any, ...]:
        """Give the items of the block whose last one is at position `at`."""
        return tuple(self.items.taken[at + 1 - record.count : at + 1])

    def again(self, at: int) -> IterationRecord | Exception:
        """Run the item at position `at` once more, here; give its record, or why there is none."""
        iteration = Iteration(self._body, self._iteration.names)
        try:
            with silently():
                return iteration(Last(self.items.taken[at]))
        except (Partial, InKernel) as error:
            return error

    def _one_by_one(self, end: int, record: BlockRecord) -> list[tuple[int, Any]]:
        """Give the records of the single items of a block, up to the first that has none."""
        found: list[tuple[int, Any]] = []
        for at in range(end + 1 - record.count, end + 1):
            one = self.again(at)
            if not isinstance(one, IterationRecord):
                return [*found, (at, InKernel(f"it went otherwise a second time: {one}"))]
            found.append((at, one))
        return found

    def _names_again(
        self, end: int, record: IterationRecord | BlockRecord, names: set[str]
    ) -> dict[str, Any]:
        """Give names that a record lacks, by running its items again: they have no effects."""
        found: dict[str, Any] = {}
        count = record.count if isinstance(record, BlockRecord) else 1
        for at in range(end, end - count, -1):
            one = self.again(at)
            if isinstance(one, IterationRecord):
                found = {name: one.names[name] for name in names & set(one.names)} | found
            if found.keys() >= names:
                break
        return found

    # ------------------------------------------------------------ names

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
            if lost:
                found |= self._names_again(index, record, lost)
            self.kernel.namespace.update(found)
            self._bind(record, wanted - set(found))
            wanted -= {*found, *lost, *record.gone, *record.defined}

    def _bind(self, record: IterationRecord | BlockRecord, names: set[str]) -> None:
        """Bind those of `names` that are in a record, as its iteration left them."""
        namespace = self.kernel.namespace
        namespace.update({name: record.names[name] for name in names & set(record.names)})
        for name in names & set(record.gone):
            namespace.pop(name, None)
        for name in sorted(names & set(record.defined)):
            self.kernel.execute([self.loop.defs[name]])

    def _assign_target(self, index: int) -> None:
        if self.loop.mapped is not None:  # its body binds the statement's own target
            return
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
        node = self.loop.node
        if self.memos is not None and isinstance(error, Failure):
            error = InKernel("an item raised, which it does in its turn")
        if self.loop.key:
            self.complete(self.replayed((), lambda: self.recorded(error)))
            return
        whole: Any = self.elements(error)
        if not isinstance(node, ast.GeneratorExp):
            whole = self.extended(made, whole)
        self.complete(whole)

    def extended(self, made: Any, elements: Iterator[Any]) -> Any:
        """Add elements to what a comprehension has made so far, if anything."""
        __tracebackhide__ = True
        if isinstance(self.loop.node, ast.ListComp):
            if made is None:
                return [*elements]
            made.extend(elements)
            return made
        if made is None:
            made = set() if isinstance(self.loop.node, ast.SetComp) else {}
        made.update(elements)
        return made

    def replayed(self, plain: Iterable[Any], later: Callable[[], Iterator[Any]]) -> ReplayedKey:
        """Give the key that stands in the statement for the user's own; see `ReplayedKey`."""
        assert self.loop.place is not None
        return ReplayedKey(self.kernel.evaluate(self.loop.place), plain, later, self.keyed)

    def complete(self, whole: Any) -> None:
        """Run the statement of a comprehension with `whole` in its place."""
        __tracebackhide__ = True
        with self.kernel.hidden(whole):
            self.value = self.kernel.statement(rewrite.with_hidden(self.loop, whole=True))

    def elements(self, error: Failure | BaseException | None) -> Iterator[Any]:
        """Give the elements of a comprehension in order; it raises `error` in its turn."""
        __tracebackhide__ = True
        elements = self.recorded(error)
        ended = self.items.over and self._through >= len(self.items.taken)  # no consumer stopped
        left = isinstance(error, InKernel | PickleError) or (error is None and not ended)
        if left and self._runs_itself:
            elements = itertools.chain(elements, self._of_itself(self.rest_of_items()))
        elif left:
            with self.kernel.hidden(self.rest_of_items()):
                rest = self.kernel.evaluate(rewrite.rest_of(self.loop).body)
            if self.loop.awaits:
                parts = (one.items() if type(one) is dict else one for one in rest)
                rest = itertools.chain.from_iterable(parts)
            elements = itertools.chain(elements, rest)
        return elements

    def recorded(self, error: Failure | BaseException | None) -> Iterator[Any]:
        """Give the elements that workers recorded, as `elements` does, and none after them."""
        __tracebackhide__ = True
        elements: Iterator[Any] = itertools.chain.from_iterable(self._elements())
        node = self.loop.node
        if isinstance(error, Failure):
            raised = error.exception
            consumed = isinstance(node, ast.GeneratorExp)
            if consumed and raised.__traceback__ is not None:
                raised.__traceback__ = raised.__traceback__.tb_next  # the kernel's own stays
            if isinstance(raised, StopIteration) and not consumed:
                self._raise_at_once(raised, error.left)
            if self.loop.place is node:
                ends: Iterator[Any] = self._raising(raised, error.left)
            else:  # no generator, in which a StopIteration would become another error
                ends = map(functools.partial(self._raise, raised), [error.left])
            elements = itertools.chain(elements, ends)
        elif isinstance(error, InKernel | PickleError):
            self.fall_back(error)
        elif error is not None:
            raise error
        return elements

    def _elements(self) -> Iterator[Iterable[Any]]:
        """Give the elements, some at a time."""
        for index, record in self._records:
            if self.memos is not None and self.in_function:
                again = self._now(self.memos, index, record)
                if again is None:
                    self._through = index
                    return
                record = again
            elif self.memos is not None and not self.memos.can_commit(record):
                yield self._in_its_turn(index)
                continue
            reissue(record.warned, self.kernel.namespace)
            if isinstance(record, BlockRecord):
                columns = record.columns
                if record.refers:
                    items = self.items_of(index, record)
                    _, columns = resolved(self.kernel.namespace, self._columns, record, items)
                yield from map(_listed, columns)
                continue
            self.kernel.namespace.update(record.names)  # as `:=` does on the way
            if self.memos is not None:
                self._keep(self.memos, index, record)
            for _, values in self.entries(index, record):
                yield values

    def _raise_at_once(self, error: StopIteration, left: IterationRecord) -> None:
        """Raise what a generator could not: a comprehension that isn't one lets it pass."""
        __tracebackhide__ = True
        for _ in self._elements():
            pass
        reissue(left.warned, self.kernel.namespace)
        self.kernel.namespace.update(left.names)
        raise error

    def _raising(self, error: BaseException, left: IterationRecord) -> Iterator[Any]:
        self._raise(error, left)
        yield

    def _raise(self, error: BaseException, left: IterationRecord) -> None:
        __tracebackhide__ = True
        reissue(left.warned, self.kernel.namespace)
        self.kernel.namespace.update(left.names)
        raise error


def _listed(column: Any) -> Iterable[Any]:
    """Give the elements that are in a column: pairs, of a dict comprehension."""
    return column.items() if isinstance(column, dict) else column
