"""CommitsMemos: the part of a loop's commit that is about memos; see `memo_commit`."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ...errors import PickleError
from ...model import Failure
from ...worker.item_errors import Partial
from ..analysis.analysis import Refusal
from ..iteration.boundary import arrived
from ..iteration.effect_log import Entry, Unsafe
from ..iteration.iteration import InKernel, Iteration, IterationRecord, Last
from ..loops import rewrite
from ..loops.find import ItemLoop
from .effects import Effects
from .in_kernel import StatementRunner
from .loop_items import Items
from .memo_commit import ItemsInTurn, MemoCommit
from .reissue import reissue


class CommitsMemos:
    """Commits records of items that use memos: some of the items have to run in the kernel.

    Attributes
    ----------
    memos : MemoCommit or None
        The memos of the loop; None for one without.
    in_function : bool
        Whether a function of the user's does itself what workers can't.
    """

    memos: MemoCommit | None = None
    in_function = False
    loop: ItemLoop
    kernel: StatementRunner
    items: Items
    _iteration: Iteration
    _records: list[tuple[int, Any]]
    _through: int

    def entries(self, index: int, record: IterationRecord) -> list[Entry]:
        """Give the effects of an iteration, with the objects that they are about."""
        raise NotImplementedError

    def fall_back(self, error: BaseException) -> None:
        """Record why the items that aren't committed run in the kernel."""
        raise NotImplementedError

    def _settle(self, later: set[str]) -> None:
        raise NotImplementedError

    def _end_in_turn(self, memos: MemoCommit, error: Failure | BaseException | None) -> None:
        """Commit a for loop that uses memos: some of its items may have to run here."""
        __tracebackhide__ = True
        effects = Effects(self.kernel.namespace, [*self.loop.sites.values()])
        records, self._records = self._records, []

        def commit(at: int, record: Any) -> bool:
            if not memos.can_commit(record):
                return False
            try:
                effects.apply(self.entries(at, record))
            except Unsafe:
                return False
            self._keep(memos, at, record)
            reissue(record.warned, self.kernel.namespace)
            self._records.append((at, record))
            return True

        def settle() -> None:
            self._settle(set())
            self._records = []

        def rest() -> Iterator[Any]:
            if isinstance(error, InKernel | PickleError):
                self.fall_back(error)
            elif isinstance(error, BaseException):
                raise error
            return self.items.rest(self._through)

        items = ItemsInTurn(records, commit, settle, self.items.taken.__getitem__, rest)
        self.kernel.over_items(self.loop, items)

    def _keep(self, memos: MemoCommit, at: int, record: IterationRecord) -> None:
        """Store in memos what an item has stored."""
        if record.memo is not None:
            item, scope = self.items.taken[at], self.kernel.namespace
            writes = [
                (one, *arrived(tuple(pair), scope, item)) for one, *pair in record.memo.writes
            ]
            memos.put(record.memo._replace(writes=writes))

    def _in_its_turn(self, at: int) -> Iterator[Any]:
        """Give the elements of a comprehension that are those of an item, which runs here."""
        __tracebackhide__ = True
        items = [self.items.taken[at]]
        if self._runs_itself:
            return self._of_itself(items)
        with self.kernel.hidden(items):
            found: Iterator[Any] = self.kernel.evaluate(rewrite.rest_of(self.loop).body)
        return found

    @property
    def _runs_itself(self) -> bool:
        """Whether a comprehension can run over some of its items; a set would lose its order."""
        node = self.loop.node
        itself = isinstance(node, ast.ListComp | ast.DictComp) and self.loop.place is node
        return itself and not self.loop.awaits

    def _of_itself(self, items: Iterable[Any]) -> Iterator[Any]:
        """Give elements of a comprehension, which runs as it stands: what raises says so."""
        __tracebackhide__ = True
        with self.kernel.hidden(self.kernel.over(items)):
            found = self.kernel.evaluate(rewrite.over_hidden(self.loop))
        yield from found.items() if isinstance(self.loop.node, ast.DictComp) else found

    def _apply_with(self, memos: MemoCommit) -> None:
        """Apply the effects of records with memos, up to an item that only the loop can do."""
        effects = Effects(self.kernel.namespace, [*self.loop.sites.values()])
        applied: list[tuple[int, Any]] = []
        for at, one in self._records:
            record = self._now(memos, at, one)
            try:
                if record is None:
                    raise Unsafe("it runs in its turn")
                effects.apply(self.entries(at, record))
            except Unsafe:
                self._through = at
                break
            self._keep(memos, at, record)
            reissue(record.warned, self.kernel.namespace)
            applied.append((at, record))
        self._records = applied

    def _now(self, memos: MemoCommit, at: int, record: Any) -> IterationRecord | None:
        """Give the record of an item as it is in its turn; None where only the loop can do it."""
        if memos.can_commit(record):
            found: IterationRecord = record
            return found
        own = replace(self._iteration, _cache={})
        item = self.items.taken[at] if own.items is None else at
        try:
            with self.recorded_here():
                again = own(Last(item))
        except (Partial, InKernel, Refusal):
            return None
        # What it has found is what is there.
        return again if isinstance(again, IterationRecord) and not again.broke else None

    def recorded_here(self) -> contextlib.AbstractContextManager[None]:
        """Have functions record what they do with memos, inside a `with` block."""
        return contextlib.nullcontext()
