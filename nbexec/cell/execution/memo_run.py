"""RecordsMemos: the part of a loop's run that has its functions record what they do with memos."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator

from ...options.record import Options
from ..analysis.analysis import Analysis, Refusal
from ..loops.memo_code import MemoCode
from ..loops.memo_uses import memos_of
from .memo_commit import MemoCommit
from .memo_ending import CommitsMemos


class RecordsMemos(CommitsMemos):
    """Looks at the memos of a loop, and puts code that records in the place of its functions'.

    Attributes
    ----------
    may_record : bool
        Whether it may use memos.
    """

    may_record = False
    collect: bool
    _memo_code: MemoCode | None = None
    _analysis: Analysis

    def _examine(self, apart: bool = True) -> Analysis:
        raise NotImplementedError

    @property
    def _may_end_map(self) -> bool:
        """Whether it is a `map` whose function may raise StopIteration, which ends it."""
        loop = self.loop
        if loop.key or loop.place is None or loop.place is loop.node:
            return False
        found = (names_in(one.__code__) for one in self._analysis.entered.values())
        return any(not one.isdisjoint(("next", "StopIteration", "__next__")) for one in found)

    def _settle_memos(self, options: Options) -> None:
        """Decide how the use of memos is recorded, if there are some."""
        self.memos = self._memo_code = None
        items = self.items
        if not (self._analysis.memos and self._analysis.memos.found):
            return
        if self._analysis.own_reads is not None:
            self._analysis = self._examine(apart=False)
        seen = items.known if type(items.known) is list else items.sample
        roots = [items.source, *seen]
        tables = memos_of(self._analysis, self.loop, roots)
        limited = (options.checkpoint, options.timeout, options.retries, options.memory_limit)
        memos = self._analysis.memos
        if self.collect or items.lazy or any(limited) or (memos and self._may_end_map):
            raise Refusal(self.loop.line, memos.what if memos else "")
        self.memos = MemoCommit(tables)
        self._memo_code = MemoCode(self._analysis, self.loop)

    @contextlib.contextmanager
    def recorded_here(self) -> Iterator[None]:
        assert self._memo_code is not None
        self._memo_code.put()
        try:
            yield
        finally:
            self._memo_code.take_back()

    def _record_no_more(self) -> None:
        if self._memo_code is not None:
            self._memo_code.take_back()


def names_in(code: types.CodeType) -> set[str]:
    """Give the global names and attributes that code uses, functions in it among them."""
    inner = [names_in(one) for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*inner)
