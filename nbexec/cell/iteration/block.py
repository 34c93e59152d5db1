"""BlockIteration: the body as one compiled loop over several items.  BlockRecord: what it did."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...serialize.returning import dumps
from ...worker.blocks import Covering, Ran
from ...worker.item_errors import interrupts
from .boundary import Reference, replaced_by
from .columns import Column, all_plain, checked, make, parts, replaced
from .effect_log import Entry, Log, Unsafe
from .held import Brought, Carried
from .iteration import Checked, Iteration, cheap, may_hold_sets
from .set_order import REASON, disordered

if TYPE_CHECKING:
    from ...worker.blocks import Block

ENOUGH = 3  # blocks that couldn't be kept, after which items run one by one


@dataclass(frozen=True, slots=True)
class BlockBody:
    """The compiled loop.

    Attributes
    ----------
    func : function
        Called with the items, a log, `locals` and what `columns.make` gives for each column.
    columns : tuple of Column
        What is recorded in columns; all else goes to the log.
    """

    func: types.FunctionType
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockRecord(Covering):
    """The record of the iterations of a block: their effects, and the names after the last.

    Attributes
    ----------
    count : int
        How many iterations.
    entries : list
        Effects that are in no column, in order.
    columns : list
        Containers, one for each column.
    names : dict
        Values of the names that were bound, as far as they are cheap to send.
    missing : tuple of str
        Names whose values were not kept.
    gone : tuple of str
        Names that were bound and deleted.
    refers : bool
        Whether there are references to objects of the kernel.
    away, unguarded : bool
        As of an `IterationRecord`.
    """

    count: int
    entries: list[Entry]
    columns: list[Any]
    names: dict[str, Any]
    missing: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    refers: bool = False
    away: bool = False
    unguarded: bool = False
    warned: tuple[Any, ...] = field(default=(), init=False)
    broke: bool = field(default=False, init=False)
    defined: tuple[str, ...] = field(default=(), init=False)

    def __nbexec_exact__(self) -> None:
        """Mark that what it holds must not differ from what the plain loop would have made."""


class _Odd(Exception):
    """What a block did has to be looked at item by item."""


@dataclass(repr=False)
class BlockIteration(Iteration):
    """An iteration that runs brief items several at a time.

    What is unusual is not dealt with here: of a block in which something raises, the items
    before it run again, and it runs alone.  The body has no effects but those that it
    records, so that it may run twice.

    Attributes
    ----------
    block : BlockBody
        The body as a loop.
    """

    block: BlockBody = field(kw_only=True)

    def __getstate__(self) -> dict[str, Any]:
        block = self.block
        if self.held is not None and self.held.block is not None:
            block = BlockBody(self.held.block, block.columns)
        return {**super().__getstate__(), "block": block}

    def __nbexec_block__(self, block: Block) -> Ran:
        """Run the items of a block; give their record."""
        if self.held is None:
            return self._block(block, lambda items: None)
        with self.held.holding() as hold:
            return self._block(block, hold)

    def _block(self, block: Block, hold: Callable[[list[Any]], None]) -> Ran:
        odd = self._cache.get("odd", 0)
        if odd >= ENOUGH:
            return Ran(None, 0, len(block.items))
        guard = self.guard if self.guarded and self.elsewhere else None
        if guard is not None:
            guard.begin_block()

        def prepare(part: list[Any]) -> list[Any]:
            hold(part)
            entries = [one.entries for one in part if type(one) is Carried]
            part = self._of(part)
            if guard is not None and (entries or not self.fresh):
                guard.begin_part([part, entries] if entries else part)
            return part

        ran = None
        try:
            ran = self._run(block.walk(prepare))
        except BaseException as error:
            if interrupts(error):
                raise
            self.strayed()  # the item runs once more, alone
        self.unchanged(guard)
        unguarded = guard is not None and not guard.looked
        whole = ran is not None and not ran.log.broke
        done = block.begun - (not whole)  # the last one raised, or came to the `break`
        if not done:
            return Ran(None, 0, 1)
        try:
            if ran is None or not whole:
                ran = self._run(self._of(block.items[:done]))
            record = self._record(ran, self._of(block.items[:done]), unguarded)
        except BaseException as error:
            if interrupts(error):
                raise
            self._cache["odd"] = odd + 1
            return Ran(None, 0, len(block.items))
        return Ran(record, done, 1 if done < len(block.items) else 0)

    def _of(self, part: list[Any]) -> list[Any]:
        """Give the items themselves."""
        if self.items is not None:
            return [self.items[at] for at in part]
        if not {Brought, Carried}.isdisjoint(map(type, part)):
            part = [one.item if type(one) in (Brought, Carried) else one for one in part]
        if any(issubclass(kind, Checked) for kind in set(map(type, part))):
            return [one.item if isinstance(one, Checked) else one for one in part]
        return part

    def _run(self, items: Iterable[Any]) -> _Ran:
        """Run the loop over items."""
        log, made = Log(), [make(column.kind) for column in self.block.columns]
        with self.surroundings(log):
            bound = self.block.func(items, log, locals, *[given for _, given in made])
        return _Ran(log, [one for one, _ in made], bound)

    def _record(self, ran: _Ran, items: list[Any], unguarded: bool) -> BlockRecord:
        """Give the record; what it raises means that it can't be one of a block."""
        log, bound = ran.log, ran.bound
        if self.strayed() or log.unsafe or log.defined or log.broke or log.warned:
            raise _Odd
        whole = tuple(items)
        if self.away and self.border.has_nans(whole):
            raise _Odd
        columns, refers = self._columns(ran.made, whole)
        entries = log.entries
        if not all_plain([what for _, what in entries]):
            entries = self.declared(log, whole)
        wanted = self.wanted(log, bound)
        names = self.sendable(wanted, whole) if self.keeps else cheap(wanted, [])
        missing = tuple(name for name in wanted if name not in names)
        if missing and self.keeps:
            raise _Odd
        gone = tuple(sorted(name for name in log.gone if name not in bound))
        refers = refers or entries is not log.entries
        count, away = len(items), self.elsewhere
        return BlockRecord(count, entries, columns, names, missing, gone, refers, away, unguarded)

    def _columns(self, made: list[Any], items: tuple[Any, ...]) -> tuple[list[Any], bool]:
        """Give the columns as they can be sent, and whether they have references."""
        kinds = [column.kind for column in self.block.columns]
        found = [checked(kind, one) for kind, one in zip(kinds, made, strict=True)]
        if not (self.made or self.away) or all(map(all_plain, _parts(kinds, found))):
            return found, False
        if self.made:
            self.no_functions(itertools.chain.from_iterable(_parts(kinds, found)))
        if not self.away:
            return found, False
        change = replaced_by(self.border.known(items))
        found = [replaced(kind, one, change) for kind, one in zip(kinds, found, strict=True)]
        things = itertools.chain.from_iterable(_parts(kinds, found))
        self.border.check((one for one in things if type(one) is not Reference), items)
        if disordered(may_hold_sets([*itertools.chain.from_iterable(_parts(kinds, found))])):
            raise Unsafe(REASON)
        dumps(found, exact=True)
        return found, True


@dataclass(frozen=True, slots=True)
class _Ran:
    """What a run of the compiled loop left."""

    log: Log
    made: list[Any]
    bound: dict[str, Any]


def _parts(kinds: list[str], columns: list[Any]) -> Iterator[Any]:
    for kind, one in zip(kinds, columns, strict=True):
        yield from parts(kind, one)
